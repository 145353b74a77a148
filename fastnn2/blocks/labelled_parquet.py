"""Blocks of partial_fit_blocks that are slices of Parquet files."""

import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from fastnn2.blocks.labelled_blocks import BLOCK_ROWS, Block, IndexedBlocks
from fastnn2.blocks.parquet_source import ParquetSource


class _Slice(NamedTuple):
    """Some rows of a file."""

    file: pathlib.Path
    first: int
    rows: int


class LabelledTables(ParquetSource):
    """The files, whose targets may be strings, too."""

    def __init__(self, path: Any, target: Any, weight: Any) -> None:
        super().__init__(path, target, weight)
        self.slices = [
            _Slice(file, first, min(BLOCK_ROWS, count - first))
            for file, count in self._row_counts.items()
            for first in range(0, count, BLOCK_ROWS)
        ]
        self.form = (
            f"{[(file.name, count) for file, count in self._row_counts.items()]} {self._features} {self._targets}"
        )
        if not self.slices:
            raise ValueError(f"{self.describe()} has no rows; expected at least one")

    def _is_usable(self, name: str, dtype: Any) -> bool:
        strings = (self._polars.String, self._polars.Categorical, self._polars.Enum)
        return super()._is_usable(name, dtype) or (name in self._targets and dtype.base_type() in strings)

    def read_targets(self, part: _Slice) -> Any:
        """Return the targets of some rows: (m,) for one column, else (m, o)."""
        return self._targets_of(self._read_slice(*part, self._targets))

    def read_block(self, part: _Slice) -> Block:
        """Return some rows."""
        weight = [] if self._weight is None else [self._weight]
        frame = self._read_slice(*part, [*self._features, *self._targets, *weight])
        weights = self._to_numpy(frame, weight)[:, 0] if weight else None
        return Block(self._to_numpy(frame, self._features), self._targets_of(frame), weights)

    def _targets_of(self, frame: Any) -> Any:
        # A string of a category is a string.
        columns = [
            column if column.dtype.is_numeric() or column.dtype == self._polars.Boolean else column.cast(str)
            for column in (frame[name] for name in self._targets)
        ]
        return columns[0].to_numpy() if len(columns) == 1 else self._polars.DataFrame(columns).to_numpy()


class ParquetBlocks(IndexedBlocks):
    """Slices of a Parquet file, or of all files of a folder, of BLOCK_ROWS rows each.

    Parameters
    ----------
    path, target, weight
        As :class:`fastnn2.blocks.parquet_source.ParquetSource` takes them. Columns of `target` may be strings, too.
    """

    def __init__(self, path: Any, target: Any, weight: Any) -> None:
        self._tables = LabelledTables(path, target, weight)
        self._slices = self._tables.slices
        self.count, self.sizes = len(self._slices), [part.rows for part in self._slices]

    def block(self, index: int) -> Block:
        """Return a block."""
        return self._tables.read_block(self._slices[index])

    def targets(self) -> Iterator[tuple[int, Any]]:
        """Yield the number and the y of all blocks; no other columns are read."""
        for index, part in enumerate(self._slices):
            yield index, self._tables.read_targets(part)

    def samples(self) -> Iterator[tuple[str, Block]]:
        """Yield some rows of the first and the last block."""
        for index in sorted({0, self.count - 1}):
            yield f"{self._tables.form} {index}", self.block(index)

    def where(self, index: int) -> str:
        """Return the place of a block for a message."""
        file, first, rows = self._slices[index]
        return f"block {index} (rows {first:,} to {first + rows - 1:,} of {str(file)!r})"

    def where_row(self, index: int, row: int, name: str) -> str:
        """Return the place of a row of a block for a message; its X, y and sample_weight are in one file."""
        file, first, _ = self._slices[index]
        return f"row {first + row:,} of {str(file)!r}"
