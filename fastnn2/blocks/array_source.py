"""Samples in arrays, memory maps and files in NumPy's format, of which any rows can be read."""

import math
import os
import pathlib
from typing import Any

import numpy as np

from fastnn2.blocks.npy_file import NpyFile
from fastnn2.blocks.row_checks import WEIGHT, cast_weights, check_shapes
from fastnn2.blocks.row_digests import row_digest
from fastnn2.blocks.sources import Array, RandomAccessSource, Rows, copy_cast
from fastnn2.functional import checks
from fastnn2.functional.total_weight import WeightSum
from fastnn2.storage.atomic import as_path
from fastnn2.storage.digest import join_digests, sampled_rows

WEIGHTS_AT_ONCE = 1 << 18
COMPARED_ROWS = 16
NAMES = ("X", "Y", WEIGHT)


class ArrayRows:
    """Rows of an array, or of a memory map, that Python has."""

    def __init__(self, value: Any, name: str) -> None:
        self._array = checks.as_real_array(value, name)
        self.label, self.shape = name, self._array.shape
        self.dtype: np.dtype[Any] = self._array.dtype.newbyteorder("=")

    def read(self, first: int, last: int) -> Array:
        """Return the rows [first, last)."""
        return self._array[first:last].astype(self.dtype, copy=False)

    def read_into(self, first: int, last: int, out: Array) -> None:
        """Write the rows [first, last) to `out` in place, cast to its dtype."""
        copy_cast(self._array[first:last], out)

    def reads_directly(self, dtype: Any) -> bool:
        """Return whether `read_into` an array of a dtype needs no memory of its own, for as many rows."""
        return True

    def where(self, row: int) -> str:
        """Return where a row is, for a message."""
        return f"row {row:,}"


def open_rows(value: Any, name: str) -> ArrayRows | NpyFile:
    """Return the rows of an array, a memory map or the path of a file; `name` is that of the array, for messages."""
    if isinstance(value, str | os.PathLike):
        return NpyFile(as_path(value, name), name)
    return file_of_map(value, name) or ArrayRows(value, name)


def file_of_map(value: Any, name: str) -> NpyFile | None:
    """Return the file of a memory map if it can be read without the map, with the same numbers; None otherwise."""
    # A slice of a map is based on the map, and its place in the file is not known.
    if not isinstance(value, np.memmap) or isinstance(value.base, np.ndarray) or not value.flags.c_contiguous:
        return None
    if value.mode not in ("r", "r+", "w+") or value.filename is None or value.dtype.kind not in "biuf":
        return None
    if value.size == 0 or not hasattr(os, "preadv"):  # elsewhere a file may not yet have what was written to its map
        return None
    try:
        file = NpyFile(pathlib.Path(value.filename), name, value)
    except (OSError, ValueError):
        return None  # the map may be all that is left of the file
    for row in range(0, len(value), -(-len(value) // COMPARED_ROWS)):
        if file.read(row, row + 1).tobytes() != value[row : row + 1].astype(file.dtype).tobytes():
            return None  # another file has its name now
    return file


class ArraySource(RandomAccessSource):
    """Samples in two or three arrays or files.

    Parameters
    ----------
    members : tuple
        X (n, d), Y (n,) or (n, o) and, optionally, weights (n,): each an array, a memory map or the path of a file.
        Weights may be None.
    """

    def __init__(self, members: tuple[Any, ...]) -> None:
        members = members[:2] if len(members) == 3 and members[2] is None else members
        self._members = {name: open_rows(value, name) for name, value in zip(NAMES, members, strict=False)}
        shapes = [member.shape for member in self._members.values()]
        self.n, self.d, self.o = check_shapes(
            shapes[0], shapes[1], shapes[2] if len(shapes) == 3 else None, lambda name: self._members[name].label
        )
        if self.n == 0:
            raise ValueError(f"{self._members['X'].label} has shape {shapes[0]}; expected at least one sample")
        self.dtype = self._members["X"].dtype
        self.has_weights = len(shapes) == 3
        self.row_bytes = sum(member.dtype.itemsize * math.prod(member.shape[1:]) for member in self._members.values())

    def count(self, dtype: Any) -> None:
        """Check the weights, and add them up."""
        self.total_weight = float(self.n)
        if self.has_weights:
            total = WeightSum(dtype)
            for first in range(0, self.n, WEIGHTS_AT_ONCE):
                weights = self._members[WEIGHT].read(first, min(first + WEIGHTS_AT_ONCE, self.n))
                total.add(cast_weights(weights, self, first, dtype))
            self.total_weight = total.value()
            checks.check_total_weight(self.total_weight)

    def fingerprint(self, dtype: Any) -> str:
        """Read some rows, and return their digest."""
        found = (row_digest(self.read(row, row + 1), 0, dtype) for row in sampled_rows(self.n))
        return join_digests(found, self.n, dtype)

    def where(self, name: str, row: int, column: int | None = None) -> str:
        """Return where a number is, for a message."""
        place = self._members[name].where(row)
        return place if column is None else f"{place}, column {column}"

    def read(self, first: int, last: int) -> Rows:
        """Return the rows [first, last), which the caller does not change; the next call may overwrite them."""
        X, Y, *weights = [member.read(first, last) for member in self._members.values()]
        return Rows(X, Y.reshape(last - first, self.o), weights[0] if weights else None)

    def read_into(self, first: int, last: int, out: Rows) -> None:
        """Write the rows [first, last) to C-contiguous arrays in place, cast to their dtype."""
        for member, array in zip(self._members.values(), out, strict=False):
            assert array is not None
            member.read_into(first, last, array.reshape(last - first, *member.shape[1:]))

    def reads_directly(self, dtype: Any) -> bool:
        """Return whether `read_into` arrays of a dtype needs no memory of its own, for as many rows."""
        return all(member.reads_directly(dtype) for member in self._members.values())
