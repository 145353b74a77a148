"""A row such as a model takes, from which ``to_onnx`` learns the names and types of its inputs."""

import datetime
from typing import Any

from fastnn2.tables.models.predict import columns_of
from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT
from fastnn2.tables.training.preparation import PARTS
from fastnn2.tables.training.summary import Summary

VALUES = {NUMBER: 0.0, TEXT: "", BOOLEAN: True, DATE: datetime.datetime(2000, 1, 1)}


def example_row(model: Any, summary: Summary) -> Any:
    """Return a polars frame with a row such as a model takes.

    A column of booleans that had missing values in training is one of texts here, as ONNX has no missing booleans:
    "true", "false" and "".

    Parameters
    ----------
    model : Pipeline
    summary : Summary
        Of the model.
    """
    import polars

    columns = columns_of(summary)
    categories: dict[str, Any] = {}
    for part, steps, names in model[0].transformers_:
        if part == PARTS[BOOLEAN]:
            categories = dict(zip(names, steps[-1].categories_, strict=True))
    values = {column.name: VALUES[column.kind] for column in columns}
    values |= {column.name: "" for column in columns if column.kind == BOOLEAN and "" in categories[column.name]}
    return polars.DataFrame({name: [value] for name, value in values.items()})
