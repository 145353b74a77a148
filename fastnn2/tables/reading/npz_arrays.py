"""Arrays in an .npz file as columns: one of one axis is a column, one of two axes is a column for each of its own."""

import lzma
import math
import pathlib
import struct
import tokenize
import zipfile
import zlib
from typing import Any, NamedTuple

import numpy as np

from fastnn2.tables.reading.messages import in_one_line
from fastnn2.tables.reading.table_error import TableError
from fastnn2.threads.memory import available_memory

KINDS = "biufUM"  # of dtypes: booleans, integers, floats, texts, dates
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
ENDING = ".npy"
# What zipfile, the modules of its compressions, and NumPy, which reads a header as Python, raise for a damaged file.
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError, SyntaxError, EOFError,
           OSError, ValueError, TypeError, LookupError, OverflowError, RuntimeError)  # fmt: skip
LAST_CHARACTER, SURROGATES = 0x10FFFF, range(0xD800, 0xE000)  # of Unicode; surrogates are no characters
BOTH = 2  # what arrays take, while columns are made of them

Array = np.ndarray[Any, Any]


class _Member(NamedTuple):
    """An array in the file."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def scan_npz(path: pathlib.Path) -> Any:
    """Return a query on the arrays of an .npz file, which are read as a whole.

    Raises
    ------
    TableError
        It is damaged, or an array has other values or another number of rows.
    """
    import polars

    try:
        with zipfile.ZipFile(path) as archive:
            members = [_read_header(path, archive, name) for name in archive.namelist()]
            _check(path, members)
            columns: dict[str, Any] = {}
            for member in members:
                with archive.open(member.name + ENDING) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                for name, values in _columns_of(member.name, array):
                    if name in columns:
                        raise TableError(f"{str(path)!r} has two columns {name!r}; rename one of its arrays")
                    columns[name] = values
    except DAMAGED as error:
        if isinstance(error, TableError):
            raise
        problem = in_one_line(error)
        raise TableError(f"{str(path)!r} cannot be read: {problem}; it is cut off or damaged. Save it anew") from error
    return polars.DataFrame({name: polars.Series(name, values) for name, values in columns.items()}).lazy()


def _read_header(path: pathlib.Path, archive: zipfile.ZipFile, name: str) -> _Member:
    if not name.endswith(ENDING):
        raise TableError(f"{str(path)!r} has {name!r}, which is no array; expected a file of np.savez")
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        if version not in HEADERS:
            raise TableError(f"{str(path)!r}: array {name!r} has version {version} of the format; expected 1 or 2")
        shape, _, dtype = HEADERS[version](file)
    return _Member(name.removesuffix(ENDING), shape, dtype)


def _check(path: pathlib.Path, members: list[_Member]) -> None:
    """Raise TableError if the arrays make no table, or do not fit in memory."""
    if not members:
        raise TableError(f"{str(path)!r} has no arrays; expected some, as np.savez writes them")
    for name, shape, dtype in members:
        if dtype.kind not in KINDS:
            called = {"O": "objects of Python", "c": "complex numbers"}.get(dtype.kind, f"values of dtype {dtype}")
            raise TableError(
                f"{str(path)!r}: array {name!r} has {called}; expected numbers, booleans, texts (dtype str) or dates"
            )
        if len(shape) not in (1, 2):
            raise TableError(
                f"{str(path)!r}: array {name!r} has shape {shape}; expected one axis, or two: a row for each sample"
            )
    first = members[0]
    for member in members:
        if member.shape[0] != first.shape[0]:
            raise TableError(
                f"{str(path)!r}: array {member.name!r} has {member.shape[0]:,} rows, and {first.name!r} has "
                f"{first.shape[0]:,}; expected the same number in all arrays"
            )
    size = BOTH * sum(math.prod(member.shape) * member.dtype.itemsize for member in members)
    available = available_memory()
    if available is not None and size > available:
        raise TableError(
            f"{str(path)!r} needs {size / 1e9:,.1f} GB of memory, of which {available / 1e9:,.1f} GB are left; save "
            "the table as Parquet, which is read in parts"
        )


def _columns_of(name: str, array: Array) -> list[tuple[str, Array]]:
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float64)
    if array.dtype.kind == "M" and np.datetime_data(array.dtype)[0] not in ("D", "ms", "us", "ns"):
        array = array.astype("datetime64[us]")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "U" and not _has_characters(array):
        raise ValueError(f"array {name!r} has texts with codes that are no characters")
    if array.ndim == 1:
        return [(name, array)]
    return [(f"{name}_{k}", np.ascontiguousarray(array[:, k])) for k in range(array.shape[1])]


def _has_characters(texts: Array) -> bool:
    """Return whether all codes in texts are characters, which NumPy does not check and polars takes for granted."""
    if not texts.itemsize or not texts.size:
        return True
    codes = np.ascontiguousarray(texts).view(np.uint32)
    return not ((codes > LAST_CHARACTER) | ((codes >= SURROGATES.start) & (codes < SURROGATES.stop))).any()
