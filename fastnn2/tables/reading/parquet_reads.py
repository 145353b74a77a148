"""Which rows and columns of a Parquet file are read at a time: memory stays small, whatever its row groups are."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fastnn2.tables.reading.parquet_footer import RowGroup

# Of a frame: reads that are smaller take longer, as polars finds its place in a row group anew for each.
FRAME_BYTES = 1 << 26
# Of a row group in the file, all of which polars takes into memory. Beyond it some columns are read at a time.
GROUP_BYTES = 1 << 28


class Read(NamedTuple):
    """Some rows, and their columns in parts that are read one after the other."""

    first: int
    rows: int
    columns: list[list[str]]


def plan_reads(groups: Sequence[RowGroup], names: Sequence[str], row_bytes: float, first: int) -> Iterator[Read]:
    """Yield the reads of the rows from number `first` on.

    Parameters
    ----------
    groups : sequence of RowGroup
    names : sequence of str
        The columns that are wanted.
    row_bytes : float
        What a row takes in a frame.
    first : int
    """
    most_rows = max(1, int(FRAME_BYTES / row_bytes))
    group_begin = 0
    for group in _joined(groups, names, most_rows):
        columns = _split(names, group.sizes)
        begin, end = max(first, group_begin), group_begin + group.rows
        count = -(-(end - begin) // most_rows)  # of reads of the same size
        for k in range(max(0, count)):
            low, high = (begin + (end - begin) * j // count for j in (k, k + 1))
            yield Read(low, high - low, columns)
        group_begin = end


def _joined(groups: Sequence[RowGroup], names: Sequence[str], most_rows: int) -> Iterator[RowGroup]:
    """Yield row groups, of which small ones that follow each other are one."""
    joined = RowGroup(0, {})
    for group in groups:
        rows = joined.rows + group.rows
        sizes = {name: joined.sizes.get(name, 0) + group.sizes.get(name, 0) for name in names}
        if joined.rows and (rows > most_rows or sum(sizes.values()) > GROUP_BYTES):
            yield joined
            rows, sizes = group
        joined = RowGroup(rows, sizes)
    yield joined


def _split(names: Sequence[str], sizes: dict[str, int]) -> list[list[str]]:
    """Return the columns in parts that have few bytes."""
    parts: list[list[str]] = [[]]
    total = 0
    for name in names:
        total += sizes.get(name, 0)
        if total > GROUP_BYTES and parts[-1]:
            parts.append([])
            total = sizes.get(name, 0)
        parts[-1].append(name)
    return parts
