"""Rows of an array in a file in NumPy's format, read as they are asked for.

The file is not mapped: where a file is cut short under a memory map, the system kills the process.
"""

import math
import os
import pathlib
import stat
import weakref
from typing import Any, BinaryIO

import numpy as np

from fastnn2.blocks.file_status import Status, check_unchanged, named
from fastnn2.blocks.sources import Array, copy_cast
from fastnn2.storage.atomic import READ_FLAGS

# What a file that is not of this format begins with, and what to do with it.
OTHERS = (
    (b"PK", "is an archive (.npz?); save each of its arrays by np.save"),
    (b"PAR1", "is a Parquet file; pass its path alone, with target= and the name of a column"),
)
# What `numpy.lib.format` has a public function for. Version 3 is for names of fields, which no array of numbers has.
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
NUMBERS = "biuf"  # kinds of dtypes


class NpyFile:
    """An array (n,) or (n, columns) in a file.

    The file is open until nobody has this object any more.

    Parameters
    ----------
    path : Path
    name : str
        Of the array, for messages.
    memory_map : memmap, optional
        Map of the whole array that is wanted, in C order; without it, the file has a header that tells.
    kinds : str
        Of the dtypes that the array may have.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It cannot be read, or is no array of numbers in NumPy's format.
    """

    def __init__(self, path: pathlib.Path, name: str, memory_map: Any = None, kinds: str = NUMBERS) -> None:
        self.path, self.name = path, name
        self.shape: tuple[int, ...] = ()
        try:
            self._descriptor = os.open(path, READ_FLAGS)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ValueError(f"{name} {str(path)!r} cannot be read: {error.strerror or error}") from error
        weakref.finalize(self, os.close, self._descriptor).atexit = False  # a thread may read until the end
        found = os.fstat(self._descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{name} {str(path)!r} is not a regular file")
        # The system may give a file a new time long after its map has been written to.
        self._status = Status.of(found, with_time=memory_map is None or memory_map.mode == "r")
        self._columns_first = False
        if memory_map is None:
            self.shape, self._begin, dtype = self._read_header()
        else:
            self.shape, self._begin, dtype = memory_map.shape, memory_map.offset, memory_map.dtype
        self._stored = dtype
        self.dtype: np.dtype[Any] = dtype.newbyteorder("=")
        if min(self.shape, default=1) < 0 or dtype.kind not in kinds:
            expected = "real numbers (float, integer or boolean)" + ("" if kinds == NUMBERS else " or strings")
            raise ValueError(
                f"{self.label} has shape {self.shape} and dtype {dtype}; expected {expected}. Convert the array, and "
                "save it again"
            )
        end = self._begin + math.prod(self.shape) * dtype.itemsize
        if found.st_size < end:
            raise ValueError(f"{self.label} is cut short: it has {found.st_size:,} bytes; expected {end:,}")
        self._buffer = np.empty(0, dtype=np.uint8)

    @property
    def label(self) -> str:
        """What a message calls the array."""
        return f"{self.name} ({str(self.path)!r})"

    def where(self, row: int) -> str:
        """Return where a row is, for a message."""
        return f"row {row:,} of {str(self.path)!r}"

    def _read_header(self) -> tuple[tuple[int, ...], int, np.dtype[Any]]:
        """Return the shape, where the numbers begin, and their dtype."""
        with open(self._descriptor, "rb", closefd=False) as file:
            try:
                version = np.lib.format.read_magic(file)
                if version not in HEADERS:
                    raise ValueError(f"version {version} of the format is not supported")
                shape, fortran_order, dtype = HEADERS[version](file)
            except OSError as error:
                raise named(error, self.path) from error
            except Exception as error:  # of many kinds, as the header is a literal of Python
                raise ValueError(f"{self.label} {self._what_it_is(file)}") from error
            self._columns_first = fortran_order and len(shape) > 1
            return tuple(map(int, shape)), file.tell(), dtype

    @staticmethod
    def _what_it_is(file: BinaryIO) -> str:
        file.seek(0)
        start = file.read(8)
        for magic, text in OTHERS:
            if start.startswith(magic):
                return text
        return "is not a file in NumPy's format (.npy) with an array of numbers; save one by np.save"

    def read(self, first: int, last: int) -> Array:
        """Return the rows [first, last), which the next call may overwrite; raise ValueError if the file has changed.

        Rows of a file in Fortran order come in Fortran order.
        """
        check_unchanged(self.path, self._status)
        columns, m = math.prod(self.shape[1:]), last - first
        count, itemsize = m * columns, self._stored.itemsize
        if self._buffer.nbytes < count * itemsize:
            self._buffer = np.empty(count * itemsize, dtype=np.uint8)
        found = self._buffer[: count * itemsize]
        if self._columns_first:
            for column, part in enumerate(found.reshape(columns, m * itemsize)):
                self._fill(part.data, self._begin + (column * self.shape[0] + first) * itemsize)
        else:
            self._fill(found.data, self._begin + first * columns * itemsize)
        array: Array = found.view(self._stored)
        if self._stored != self.dtype:
            array = array.byteswap(inplace=True).view(self.dtype)
        if self._columns_first:
            return array.reshape(*self.shape[:0:-1], m).T
        return array.reshape(m, *self.shape[1:])

    def read_into(self, first: int, last: int, out: Array) -> None:
        """Write the rows [first, last) to a C-contiguous array in place, cast to its dtype."""
        if not self.reads_directly(out.dtype):
            copy_cast(self.read(first, last), out)
            return
        check_unchanged(self.path, self._status)
        columns = math.prod(self.shape[1:])
        self._fill(out.reshape(-1).view(np.uint8).data, self._begin + first * columns * self._stored.itemsize)

    def reads_directly(self, dtype: Any) -> bool:
        """Return whether `read_into` an array of a dtype needs no memory of its own, for as many rows."""
        return bool(self._stored == dtype and not self._columns_first)

    def _fill(self, memory: memoryview, place: int) -> None:
        """Read bytes of the file until the memory is full."""
        while memory:
            try:
                count = _read_into(self._descriptor, memory, place)
            except OSError as error:
                raise named(error, self.path) from error
            if count == 0:
                raise ValueError(f"{str(self.path)!r} has been cut short while its samples were in use")
            memory, place = memory[count:], place + count


def _read_into(descriptor: int, memory: memoryview, place: int) -> int:
    """Read some bytes of a file from a place on; return how many."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [memory], place)
    os.lseek(descriptor, place, os.SEEK_SET)  # the reader is the only thread that uses the file
    data = os.read(descriptor, len(memory))
    memory[: len(data)] = data
    return len(data)
