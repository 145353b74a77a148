"""Samples in blocks whose numbers of rows only a first pass finds."""

import abc
import bisect
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.blocks.row_checks import cast_weights, check_rows
from fastnn2.blocks.row_digests import RowDigests
from fastnn2.blocks.sources import OrderedSource, Rows
from fastnn2.functional import checks
from fastnn2.functional.total_weight import WeightSum


class CountedSource(OrderedSource):
    """Blocks that are counted in a first pass, and compared with it in each later one.

    A subclass yields the blocks, each of the right form, and names them in messages.
    """

    def __init__(self, d: int, o: int, dtype: Any, has_weights: bool) -> None:
        self.d, self.o, self.dtype, self.has_weights = d, o, np.dtype(dtype), has_weights
        self._starts: list[int] = []  # the first row of each block so far

    @abc.abstractmethod
    def unchecked_blocks(self) -> Iterator[Rows]:
        """Yield all blocks once; raise ValueError where one has another form than is known from the start.

        Their numbers of rows, and the numbers in them, are not checked.
        """

    def count(self, dtype: Any) -> None:
        """Read all blocks once, check their numbers, and remember how many rows each has."""
        self._run_dtype = np.dtype(dtype)
        self._starts, self.n, self.largest_bytes = [], 0, 0
        total, digests = WeightSum(dtype) if self.has_weights else None, RowDigests(dtype)
        for rows in self.unchecked_blocks():
            self._starts.append(self.n)
            check_rows(rows, self, self.n, dtype)
            if total is not None and rows.weights is not None:
                total.add(cast_weights(rows.weights, self, self.n, dtype))
            digests.add(rows)
            self.n += len(rows.X)
            self.largest_bytes = max(self.largest_bytes, sum(array.nbytes for array in rows if array is not None))
        if self.n == 0:
            raise ValueError(f"{self.describe()} has no samples; expected at least one")
        self.total_weight = float(self.n)
        if total is not None:
            self.total_weight = total.value()
            checks.check_total_weight(self.total_weight)
        self._fingerprint = digests.value()

    def fingerprint(self, dtype: Any) -> str:
        """Return the digest of some rows, which the first pass has made."""
        assert np.dtype(dtype) == self._run_dtype
        return self._fingerprint

    def blocks(self) -> Iterator[Rows]:
        """Yield all blocks once; raise ValueError where they are not as in the first pass, or a number is not valid."""
        sizes = np.diff([*self._starts, self.n]).tolist()
        seen = 0
        for rows in self.unchecked_blocks():
            if seen == len(sizes):
                raise ValueError(
                    f"{self.describe()} goes on after {self.describe_block(seen - 1)}, the last of the first pass"
                )
            if len(rows.X) != sizes[seen]:
                found = f"{self.describe_block(seen)} has {len(rows.X):,} rows"
                raise ValueError(f"{found}; expected {sizes[seen]:,}, as in the first pass")
            check_rows(rows, self, self._starts[seen], self._run_dtype)
            seen += 1
            yield rows
        if seen < len(sizes):
            found = f"{self.describe()} ends before {self.describe_block(seen)}"
            raise ValueError(f"{found}; expected {len(sizes):,} blocks, as in the first pass")

    @abc.abstractmethod
    def describe(self) -> str:
        """Return what a message calls all blocks."""

    @abc.abstractmethod
    def describe_block(self, index: int) -> str:
        """Return what a message calls one of the blocks."""

    def find(self, row: int) -> tuple[int, int]:
        """Return the block that a row of all rows is in, and its number in the block."""
        index = bisect.bisect_right(self._starts, row) - 1
        return index, row - self._starts[index]
