"""Blocks of partial_fit_blocks that are rows of arrays, memory maps and files in NumPy's format."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.blocks.array_source import ArrayRows, file_of_map, open_rows
from fastnn2.blocks.labelled_blocks import BLOCK_ROWS, MOST_SAMPLED, Block, IndexedBlocks
from fastnn2.blocks.npy_file import NpyFile
from fastnn2.storage.atomic import as_path

Array = np.ndarray[Any, Any]

NAMES = ("X", "y", "sample_weight")
LABEL_KINDS = "biufUS"  # of dtypes in files


class LabelRows:
    """Rows of an array of anything."""

    def __init__(self, value: Any, name: str) -> None:
        self._array = np.asarray(value)
        self.label, self.shape = name, self._array.shape

    def read(self, first: int, last: int) -> Array:
        """Return the rows [first, last)."""
        return self._array[first:last]


class _Member:
    """X, y or the weights."""

    def __init__(self, value: Any, name: str) -> None:
        self.rows: ArrayRows | LabelRows | NpyFile
        if name != "y":
            self.rows = open_rows(value, name)
        elif isinstance(value, str | os.PathLike):
            self.rows = NpyFile(as_path(value, name), name, kinds=LABEL_KINDS)
        else:
            self.rows = file_of_map(value, name) or LabelRows(value, name)
        # The next call of read overwrites what a file gives; the rows of a memory map are read once somebody uses them.
        self._is_copied = isinstance(self.rows, NpyFile) or isinstance(value, np.memmap)
        self.label, self.shape = self.rows.label, self.rows.shape

    def read(self, first: int, last: int) -> Array:
        """Return the rows [first, last), which later calls do not overwrite."""
        found = self.rows.read(first, last)
        return np.array(found) if self._is_copied else found

    def sampled(self, step: int) -> Array:
        """Return every row that is a multiple of `step`."""
        return np.concatenate([np.array(self.rows.read(row, row + 1)) for row in range(0, self.shape[0], step)])


class ArrayBlocks(IndexedBlocks):
    """Rows of X, y and, optionally, weights, BLOCK_ROWS of them in a block.

    Parameters
    ----------
    members : tuple
        X (n, d), y (n,) or (n, o), weights (n,): each an array, a memory map or the path of a file.

    Raises
    ------
    TypeError, ValueError
        A member cannot be used, or their lengths differ.
    """

    def __init__(self, members: tuple[Any, ...]) -> None:
        if len(members) == 3 and members[2] is None:
            members = members[:2]
        self._members = {name: _Member(value, name) for name, value in zip(NAMES, members, strict=False)}
        X = self._members["X"]
        if len(X.shape) != 2:
            raise ValueError(f"{X.label} has shape {X.shape}; expected two dimensions, (samples, features)")
        self._n = X.shape[0]
        for member in self._members.values():
            if not member.shape or member.shape[0] != self._n:
                raise ValueError(
                    f"{member.label} has shape {member.shape}, and {X.label} has shape {X.shape}; expected as many rows"
                )
        if self._n == 0:
            raise ValueError(f"{X.label} has shape {X.shape}; expected at least one row")
        self.count = -(-self._n // BLOCK_ROWS)
        self.sizes = [self._bounds(index)[1] - self._bounds(index)[0] for index in range(self.count)]

    def _bounds(self, index: int) -> tuple[int, int]:
        return index * BLOCK_ROWS, min(self._n, (index + 1) * BLOCK_ROWS)

    def block(self, index: int) -> Block:
        """Return a block."""
        parts = [member.read(*self._bounds(index)) for member in self._members.values()]
        return Block(*parts, *[None] * (3 - len(parts)))

    def targets(self) -> Iterator[tuple[int, Any]]:
        """Yield the number and the y of all blocks; X is not read."""
        for index in range(self.count):
            yield index, self._members["y"].read(*self._bounds(index))

    def samples(self) -> Iterator[tuple[str, Block]]:
        """Yield every k-th row."""
        step = -(-self._n // MOST_SAMPLED)
        parts = [member.sampled(step) for member in self._members.values()]
        yield f"rows of {self._n}", Block(*parts, *[None] * (3 - len(parts)))

    def where(self, index: int) -> str:
        """Return the place of a block for a message."""
        first, last = self._bounds(index)
        return f"block {index} (rows {first:,} to {last - 1:,} of {self._members['X'].label})"

    def where_row(self, index: int, row: int, name: str) -> str:
        """Return the place of a row of X, y or sample_weight of a block for a message."""
        return f"row {index * BLOCK_ROWS + row:,} of {self._members[name].label}"
