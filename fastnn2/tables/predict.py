"""Predictions for the rows of a table, batch by batch."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastnn2.tables.columns import Column
from fastnn2.tables.options import CLASSIFICATION
from fastnn2.tables.preparation import as_input
from fastnn2.tables.summary import Summary, summary_of
from fastnn2.tables.table import Table
from fastnn2.tables.table_error import TableError

PREDICTION, PROBABILITY = "prediction", "probability_"


def columns_of(summary: Summary) -> list[Column]:
    """Return the columns that a model predicts from."""
    return [Column(use.name, use.kind) for use in summary.columns if use.width]


def summary_or_error(model: Any, path: object) -> Summary:
    """Return the summary of a model; raise TableError if it has none."""
    summary = summary_of(model)
    if summary is None:
        raise TableError(
            f"{str(path)!r} has a {type(model).__name__} that fastnn2 train did not make, so its columns are not "
            "known; use it in Python: fastnn2.load"
        )
    return summary


def result_names(summary: Summary, proba: bool) -> list[str]:
    """Return the names of the columns of the predictions."""
    if proba and summary.task != CLASSIFICATION:
        raise TableError("a regression has no probabilities; leave --proba out")
    return [PREDICTION, *(f"{PROBABILITY}{_text(label)}" for label in (summary.classes or []) if proba)]


def _text(label: Any) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def predictions(model: Any, summary: Summary, table: Table, proba: bool, keep: Sequence[str]) -> Iterator[Any]:
    """Yield a polars frame for each batch of a table: the kept columns, the prediction, and probabilities if wanted.

    Parameters
    ----------
    model : Pipeline
    summary : Summary
        Of the model.
    table : Table
        It has the columns of the model, and those to keep.
    proba : bool
    keep : sequence of str
        Columns of the table to copy.
    """
    import polars

    columns = columns_of(summary)
    names = result_names(summary, proba)
    wanted = list(dict.fromkeys([*(column.name for column in columns), *keep]))
    for batch in table.batches(wanted):
        inputs = as_input(batch.frame, columns)
        if summary.task != CLASSIFICATION:
            results = {PREDICTION: model.predict(inputs)}
        else:
            probabilities = model.predict_proba(inputs)
            labels = model.classes_[probabilities.argmax(axis=1)]
            results = {PREDICTION: labels.tolist() if labels.dtype == object else labels}
            results |= dict(zip(names[1:], probabilities.T, strict=False))
        yield polars.DataFrame({**{name: batch.frame[name] for name in keep}, **results})
