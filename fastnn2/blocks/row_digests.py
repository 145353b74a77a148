"""A digest of some of the rows of a source, by which a checkpoint knows its samples."""

from typing import Any

import numpy as np

from fastnn2.blocks.sources import Rows
from fastnn2.storage.digest import MOST_ROWS, digest, join_digests


def row_digest(rows: Rows, row: int, dtype: Any) -> str:
    """Return the digest of one row, cast to `dtype`."""
    with np.errstate(over="ignore"):
        arrays = [None if array is None else array[row : row + 1].astype(dtype, order="C") for array in rows]
    return digest(*arrays)


class RowDigests:
    """The digests of the sampled rows, where rows come in their order and their number is known at the end.

    All rows are taken at first; whenever they are too many, every other one is dropped.
    """

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype
        self._found: list[str] = []
        self._step = 1
        self._n = 0

    def add(self, rows: Rows) -> None:
        """Go on with the next rows."""
        row = -self._n % self._step
        while row < len(rows.X):
            if len(self._found) == MOST_ROWS:  # the row's number, MOST_ROWS times the step, is one of the new step's
                del self._found[1::2]
                self._step *= 2
            self._found.append(row_digest(rows, row, self._dtype))
            row += self._step
        self._n += len(rows.X)

    def value(self) -> str:
        """Return the digest of all rows so far."""
        return join_digests(self._found, self._n, self._dtype)
