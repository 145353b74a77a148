"""Rows of a table that have a target: their columns, targets and weights."""

import dataclasses
from typing import Any

import numpy as np

from fastnn2.tables.reading.columns import NUMBER, UNSUPPORTED, Column
from fastnn2.tables.reading.table import Batch, Table
from fastnn2.tables.reading.table_error import TableError

Array = np.ndarray[Any, Any]

LARGEST_WEIGHT = 1e30  # sums of losses times weights stay finite, in float32, too


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
    without_target, without_weight : int
        How many other rows there were: those without a target, and of the others those with the weight 0.
    """

    frame: Any
    target: Any
    weights: Array | None
    numbers: Array
    without_target: int
    without_weight: int

    def __len__(self) -> int:
        return len(self.target)

    def take(self, places: Array) -> "Rows":
        """Return the rows at some places, which rise."""
        weights = None if self.weights is None else self.weights[places]
        return Rows(self.frame[places], self.target[places], weights, self.numbers[places], 0, 0)


def rows_with_target(table: Table, batch: Batch, target: Column, weight: str | None) -> Rows:
    """Return the rows of a batch that have a target, and a weight above 0.

    Raises
    ------
    TableError
        A weight is missing, negative or too large.
    """
    frame, numbers = batch.frame, batch.first + np.arange(len(batch.frame))
    # polars takes names such as "^a$" for patterns, also of a Series.
    has_target = frame[target.name].alias("target").is_not_null()
    without_target = int((~has_target).sum())
    if without_target:
        frame, numbers = frame.filter(has_target), numbers[has_target.to_numpy()]
    weights, without_weight = None, 0
    if weight is not None:
        weights = frame[weight].alias("weight").fill_null(-1.0).to_numpy()
        is_wrong = (weights < 0) | (weights > LARGEST_WEIGHT)
        if is_wrong.any():
            place = int(is_wrong.argmax())
            found = frame[weight][place]
            found = "is missing" if found is None else f"is {found}"
            raise TableError(
                f"{table.where(int(numbers[place]), weight)}: the weight {found}; expected a number from 0 to "
                f"{LARGEST_WEIGHT:g}"
            )
        if len(weights) and weights.min() == 0:
            without_weight = int((weights == 0).sum())
            frame, numbers, weights = frame.filter(weights > 0), numbers[weights > 0], weights[weights > 0]
    return Rows(frame, frame[target.name].alias("target"), weights, numbers, without_target, without_weight)


def check_weight(column: Column) -> None:
    """Raise TableError if a column cannot have weights."""
    if column.kind not in (NUMBER, UNSUPPORTED):  # Table.check says more of what is not supported
        raise TableError(f"the weight {column.name!r} is {column.kind}; expected a column of numbers of 0 or more")
