"""Predictions for the rows of a table, batch by batch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastnn2.tables.reading.columns import NUMBER, Column
from fastnn2.tables.reading.table import Batch, Table
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.options import CLASSIFICATION
from fastnn2.tables.training.preparation import as_input
from fastnn2.tables.training.summary import Summary

Array = np.ndarray[Any, Any]

PREDICTION, PROBABILITY = "prediction", "probability_"
# Of the numbers that are read and prepared at a time. More is not faster, as caches hold less than this.
BATCH_BYTES = 1 << 25
MOST_ROWS = 100_000


def columns_of(summary: Summary) -> list[Column]:
    """Return the columns that a model predicts from."""
    return [Column(use.name, use.kind, use.form) for use in summary.columns if use.width]


def result_names(summary: Summary, proba: bool, keep: Sequence[str] = ()) -> list[str]:
    """Return the names of the columns of the predictions, those that are kept first.

    Raises
    ------
    TableError
        There are no probabilities, or two columns would have the same name.
    """
    if proba and summary.task != CLASSIFICATION:
        raise TableError("the model is a regression, which has no probabilities; leave --proba out")
    results = [PREDICTION, *(f"{PROBABILITY}{label_text(label)}" for label in (summary.classes or []) if proba)]
    for place, name in enumerate(keep):
        if name in keep[:place]:
            raise TableError(f"--keep names the column {name!r} twice; leave one out")
        if name in results:
            raise TableError(f"--keep names the column {name!r}, which is the name of a result, too; rename the column")
    return [*keep, *results]


def label_text(label: object) -> str:
    """Return the label of a class as predictions in a text file have it."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def predictions(model: Any, summary: Summary, table: Table, proba: bool) -> Iterator[Any]:
    """Yield a polars frame for each batch of a table: the kept columns, the prediction, and probabilities if wanted.

    Parameters
    ----------
    model : Pipeline
    summary : Summary
        Of the model.
    table : Table
        Opened with the columns of the model, and those to keep.
    proba : bool
    """
    import polars

    columns = columns_of(summary)
    names = result_names(summary, proba)
    classes = None if summary.classes is None else polars.Series(summary.classes)
    for batch in table.batches([column.name for column in columns], rows=_rows_of_batch(summary, len(columns))):
        inputs = as_input(batch.frame, columns)
        with np.errstate(all="ignore"):  # of what overflows, the row and the column are told
            try:
                output = model.predict(inputs) if classes is None else model.predict_proba(inputs)
            except (AttributeError, LookupError, TypeError) as error:  # steps that a stranger's file has in odd states
                raise TableError(f"the model cannot predict, its file is damaged: {error}") from error
            except ValueError:
                _check_finite(model[0].transform(inputs), table, batch, columns)
                raise
        _check_finite(output, table, batch, columns)
        results = {PREDICTION: output if classes is None else classes.gather(output.argmax(axis=1))}
        if proba:
            results |= dict(zip(names[1:], output.T, strict=True))
        frame = polars.DataFrame(results)
        yield frame if batch.kept is None else batch.kept.hstack(frame)


def _check_finite(results: Array, table: Table, batch: Batch, columns: Sequence[Column]) -> None:
    """Raise TableError if a row of a batch has results that are not finite, which are of numbers that are too large."""
    if np.isfinite(results).all():
        return
    place = int(np.isfinite(results).reshape(len(results), -1).all(axis=1).argmin())
    row = {column.name: batch.frame[column.name][place] for column in columns if column.kind == NUMBER}
    name = max(row, key=lambda name: abs(row[name] or 0.0), default=None)
    if name is None:
        raise TableError(f"{table.where(batch.first + place)}: the model has no finite result; its file is damaged")
    raise TableError(
        f"{table.where(batch.first + place, name)}: found {row[name]}, for which the model has no finite result; "
        "correct it, or leave it empty if it is missing"
    )


def _rows_of_batch(summary: Summary, n_columns: int) -> int:
    """Return how many rows are read at a time: fewer of a wide table, and of columns that become many inputs."""
    row_bytes: int = 8 * (n_columns + summary.network["inputs"])
    return max(1, min(MOST_ROWS, BATCH_BYTES // row_bytes))
