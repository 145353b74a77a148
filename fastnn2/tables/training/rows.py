"""Rows of a table that have a target: their columns, targets and weights."""

import dataclasses
from typing import Any

import numpy as np

from fastnn2.tables.reading.columns import NUMBER, UNSUPPORTED, Column
from fastnn2.tables.reading.table import Batch, Table
from fastnn2.tables.reading.table_error import TableError

Array = np.ndarray[Any, Any]


@dataclasses.dataclass
class Rows:
    """Some rows.

    Attributes
    ----------
    frame : polars.DataFrame
        Their columns, also the target's and the weight's.
    target : polars.Series
        Without missing values.
    weights : ndarray (n,) or None
    numbers : ndarray (n,) of int64
        Of the rows in the table.
    without_target : int
        How many other rows there were.
    """

    frame: Any
    target: Any
    weights: Array | None
    numbers: Array
    without_target: int

    def __len__(self) -> int:
        return len(self.target)

    def take(self, places: Array) -> "Rows":
        """Return the rows at some places, which rise."""
        weights = None if self.weights is None else self.weights[places]
        return Rows(self.frame[places], self.target[places], weights, self.numbers[places], 0)


def rows_with_target(table: Table, batch: Batch, target: Column, weight: str | None) -> Rows:
    """Return the rows of a batch that have a target, and a weight above 0.

    Raises
    ------
    TableError
        A weight is missing or negative.
    """
    frame, numbers = batch.frame, batch.first + np.arange(len(batch.frame))
    # polars takes names such as "^a$" for patterns, also of a Series.
    has_target = frame[target.name].alias("target").is_not_null()
    without_target = int((~has_target).sum())
    if without_target:
        frame, numbers = frame.filter(has_target), numbers[has_target.to_numpy()]
    weights = None
    if weight is not None:
        weights = frame[weight].alias("weight").fill_null(-1.0).to_numpy()
        if len(weights) and weights.min() < 0:
            place = int((weights < 0).argmax())
            found = frame[weight][place]
            found = "is missing" if found is None else f"is {found}"
            raise TableError(
                f"{table.where(int(numbers[place]), weight)}: the weight {found}; expected a number of 0 or more"
            )
        if len(weights) and weights.min() == 0:
            frame, numbers, weights = frame.filter(weights > 0), numbers[weights > 0], weights[weights > 0]
    return Rows(frame, frame[target.name].alias("target"), weights, numbers, without_target)


def check_weight(column: Column) -> None:
    """Raise TableError if a column cannot have weights."""
    if column.kind not in (NUMBER, UNSUPPORTED):  # Table.check says more of what is not supported
        raise TableError(f"the weight {column.name!r} is {column.kind}; expected a column of numbers of 0 or more")
