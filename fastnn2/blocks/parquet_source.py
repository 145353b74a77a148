"""Samples in a Parquet file, or in a folder of them, by polars."""

import errno
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.blocks.counted_source import CountedSource
from fastnn2.blocks.file_status import Status, check_unchanged
from fastnn2.blocks.row_checks import WEIGHT
from fastnn2.blocks.sources import Array, Rows

# Decoded at a time. polars skips what is before it in the same row group, which takes time, but it never keeps more
# than this: smaller slices take longer, larger ones save little.
SLICE_BYTES = 1 << 25
MAGIC = b"PAR1"
MOST_NAMES = 20  # of columns in a message


class ParquetSource(CountedSource):
    """The rows of a Parquet file, or of all files ``*.parquet`` in a folder in the order of their names.

    All columns but those of targets and weights are features, in their order. X is float32 if all of them are,
    otherwise float64.

    Parameters
    ----------
    path : str or Path
        Of a file or a folder. Folders in it, and names that begin with a dot, are left out.
    target : str or list of str
        The columns of Y.
    weight : str, optional
        The column of the weights.

    Raises
    ------
    ImportError
        polars is missing.
    FileNotFoundError
        There is no such file or folder.
    TypeError
        `target` or `weight` is no name of a column, or a column has no numbers.
    ValueError
        There is no such column, or files are not of the same form, or they cannot be read.
    """

    def __init__(self, path: Any, target: Any, weight: Any) -> None:
        self._path = pathlib.Path(_as_text(path)).absolute()
        self._files = {file: Status.of(os.stat(file)) for file in _find_files(self._path)}
        self._targets, self._weight = _as_names(target), weight
        if weight is not None and not isinstance(weight, str):
            raise TypeError(f"weight is {weight!r}; expected the name of a column, or None")
        try:
            import polars
        except ImportError as error:
            raise ImportError("a Parquet file needs polars: pip install 'fastnn2[tables]'") from error
        self._polars = polars
        first = next(iter(self._files))
        self._schema = self._read_schema(first)
        names = list(self._schema)
        used = [*self._targets, *([] if weight is None else [weight])]
        for name in used:
            if name not in names:
                raise ValueError(f"{str(first)!r} has no column {name!r}; it has {_listed(names)}")
            if used.count(name) > 1:
                raise ValueError(f"column {name!r} is named twice in target and weight; expected different columns")
        self._features = [name for name in names if name not in used]
        if not self._features:
            raise ValueError(f"{str(first)!r} has no columns besides target and weight; expected at least one feature")
        super().__init__(
            len(self._features), len(self._targets), self._common_dtype(self._features), weight is not None
        )
        columns = (self._features, self._targets, used[len(self._targets) :])
        row_bytes = sum(len(part) * self._common_dtype(part).itemsize for part in columns)
        self._slice_rows = max(1, SLICE_BYTES // row_bytes)
        self._row_counts: dict[pathlib.Path, int] = {}
        self._places: list[tuple[pathlib.Path, int]] = []  # for each block, its file and its first row there
        for file in self._files:
            self._check_schema(file)
            count = self._row_counts[file] = self._count_rows(file)
            self._places += [(file, row) for row in range(0, count, self._slice_rows)]

    def _run(self, query: Any, file: pathlib.Path) -> Any:
        """Return the result of a query on a file; raise ValueError if polars cannot read it."""
        try:
            return query()
        except (self._polars.exceptions.PolarsError, self._polars.exceptions.PanicException, OSError) as error:
            check_unchanged(file, self._files[file])
            raise ValueError(f"{str(file)!r} cannot be read by polars: {error}") from error

    def _scan(self, file: pathlib.Path) -> Any:
        return self._polars.scan_parquet(file, glob=False, hive_partitioning=False)

    def _read_schema(self, file: pathlib.Path) -> dict[str, Any]:
        return dict(self._run(lambda: self._scan(file).collect_schema(), file))

    def _count_rows(self, file: pathlib.Path) -> int:
        return int(self._run(lambda: self._scan(file).select(self._polars.len()).collect().item(), file))

    def _common_dtype(self, names: list[str]) -> np.dtype[Any]:
        all_float32 = all(self._schema[name] == self._polars.Float32 for name in names)
        return np.dtype(np.float32 if all_float32 else np.float64)

    def _check_schema(self, file: pathlib.Path) -> None:
        schema = self._read_schema(file)
        first = next(iter(self._files))
        if list(schema) != list(self._schema):
            raise ValueError(
                f"{str(file)!r} has the columns {_listed(list(schema))}; expected {_listed(list(self._schema))}, as in "
                f"{str(first)!r}"
            )
        for name, dtype in schema.items():
            if not self._is_usable(name, dtype):
                raise TypeError(
                    f"column {name!r} of {str(file)!r} has dtype {dtype}; expected real numbers (float, integer or "
                    "boolean). Convert it, or leave it out of the file"
                )
            if dtype != self._schema[name]:
                raise ValueError(
                    f"column {name!r} of {str(file)!r} has dtype {dtype}; expected {self._schema[name]}, as in "
                    f"{str(first)!r}. Convert it"
                )

    def _is_usable(self, name: str, dtype: Any) -> bool:
        """Return whether a column may have this dtype."""
        return bool(dtype.is_float() or dtype.is_integer() or dtype == self._polars.Boolean)

    def _read_slice(self, file: pathlib.Path, first: int, rows: int, names: list[str]) -> Any:
        """Return some rows of a file, as a frame without nulls; raise ValueError if the file has changed."""
        check_unchanged(file, self._files[file])
        query = self._scan(file).select(names).slice(first, rows)
        frame = self._run(query.collect, file)
        check_unchanged(file, self._files[file])  # again, as polars has read it meanwhile
        self._check_no_nulls(frame, file, first)
        return frame

    def unchecked_blocks(self) -> Iterator[Rows]:
        """Yield the rows of all files, a slice at a time."""
        names = [*self._features, *self._targets, *([] if self._weight is None else [self._weight])]
        for file, first in self._places:
            frame = self._read_slice(file, first, self._slice_rows, names)
            weights = None if self._weight is None else self._to_numpy(frame, [self._weight])[:, 0]
            yield Rows(self._to_numpy(frame, self._features), self._to_numpy(frame, self._targets), weights)

    def _to_numpy(self, frame: Any, names: list[str]) -> Array:
        dtype = self._common_dtype(names)
        wanted = self._polars.Float32 if dtype == np.float32 else self._polars.Float64
        array: Array = frame.select(self._polars.col(names).cast(wanted)).to_numpy()
        return array

    def _check_no_nulls(self, frame: Any, file: pathlib.Path, first: int) -> None:
        for column in frame.get_columns():
            if column.null_count():
                row = first + int(column.is_null().arg_max())
                raise ValueError(
                    f"column {column.name!r} has no value (null) at row {row:,} of {str(file)!r}; expected finite "
                    "numbers. Remove or replace it"
                )

    def describe(self) -> str:
        """Return what a message calls all files."""
        return repr(str(self._path))

    def describe_block(self, index: int) -> str:
        """Return what a message calls one of the blocks."""
        file, first = self._places[index]
        return f"the slice from row {first:,} of {str(file)!r}"

    def where(self, name: str, row: int, column: int | None = None) -> str:
        """Return where a number is, for a message."""
        index, own_row = self.find(row)
        file, first = self._places[index]
        title = {"X": self._features, "Y": self._targets, WEIGHT: [self._weight]}[name][column or 0]
        return f"row {first + own_row:,} of {str(file)!r}, column {title!r}"


def _as_text(path: Any) -> str:
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"blocks is {text!r}; expected the path of a Parquet file or of a folder of them")
    return text


def _find_files(path: pathlib.Path) -> list[pathlib.Path]:
    """Return the files of a path, each of which looks like a Parquet file."""
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.glob("*.parquet") if not file.name.startswith(".") and file.is_file())
        if not files:
            raise ValueError(f"{str(path)!r} is a folder without files *.parquet; expected at least one")
    for file in files:
        if not file.is_file():
            raise ValueError(f"{str(file)!r} is not a regular file")
        with open(file, "rb") as opened:
            if opened.read(len(MAGIC)) != MAGIC:
                raise ValueError(
                    f"{str(file)!r} is not a Parquet file; files in NumPy's format are passed as a tuple of paths, "
                    "('X.npy', 'Y.npy')"
                )
    return files


def _as_names(target: Any) -> list[str]:
    if isinstance(target, str):
        return [target]
    if isinstance(target, list | tuple) and target and all(isinstance(name, str) for name in target):
        return list(target)
    raise TypeError(
        f"target is {target!r}; expected the name of a column of the Parquet file, or a list of names: the targets"
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(map(repr, names[:MOST_NAMES])) + more
