"""Reads samples and makes blocks of them."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.blocks.budget import BUFFERS, Budget
from fastnn2.blocks.row_checks import check_rows
from fastnn2.blocks.sources import OrderedSource, RandomAccessSource, Rows, Source, copy_cast
from fastnn2.engine.block_job import Block, Samples
from fastnn2.engine.layout import aligned_empty
from fastnn2.engine.pieces import count_groups_of, split_into_calls
from fastnn2.engine.rows_to_groups import RowsToGroups
from fastnn2.kernels.shared import tuning

Array = np.ndarray[Any, Any]


def room_for_groups(source: Source, count: int, dtype: Any) -> Samples:
    """Return room for some groups of samples."""
    lanes = tuning.group_size(dtype)
    columns = source.d, source.o, int(source.has_weights)
    return Samples(*(aligned_empty(count * width * lanes, dtype) for width in columns))


def room_for_rows(source: Source, count: int, dtype: Any) -> Rows:
    """Return room for some samples as rows."""
    X, Y = (aligned_empty(count * width, dtype).reshape(count, width) for width in (source.d, source.o))
    return Rows(X, Y, aligned_empty(count, dtype) if source.has_weights else None)


def part_of(rows: Rows, first: int, last: int) -> Rows:
    """Return views of the rows [first, last)."""
    X, Y, weights = rows
    return Rows(X[first:last], Y[first:last], None if weights is None else weights[first:last])


def _copy(rows: Rows, out: Rows) -> None:
    """Write rows to others in place, cast to their dtype."""
    for array, room in zip(rows, out, strict=True):
        if array is not None and room is not None:
            copy_cast(array, room)


class RandomAccessReader:
    """Reads rows wherever they are; numbers are checked in the first pass."""

    def __init__(self, source: RandomAccessSource, dtype: Any, read_rows: int) -> None:
        self._source, self._dtype, self._read_rows = source, dtype, read_rows
        self._is_first_pass, self._is_direct = True, source.reads_directly(dtype)
        self._is_cast = any(array is not None and array.dtype != dtype for array in source.read(0, 1))

    def begin_pass(self) -> None:
        """Begin with the first block."""

    def read(self, first: int, last: int, out: Rows) -> None:
        """Write the rows [first, last) to `out` in place."""
        step = last - first if self._is_direct and not self._is_first_pass else self._read_rows
        for row in range(first, last, step):
            end = min(row + step, last)
            part = part_of(out, row - first, end - first)
            if self._is_first_pass and self._is_cast:
                rows = self._source.read(row, end)
                check_rows(rows, self._source, row, self._dtype)  # before the cast: 1 + 1e-9 is 1 in float32
                _copy(rows, part)
                continue
            self._source.read_into(row, end, part)
            if self._is_first_pass:
                check_rows(part, self._source, row, self._dtype)

    def skip(self, first: int, last: int) -> None:
        """Leave out the rows [first, last)."""

    def end_pass(self) -> None:
        """End after the last block."""
        self._is_first_pass = False


class OrderedReader:
    """Reads rows in their order, whatever blocks they come in."""

    def __init__(self, source: OrderedSource) -> None:
        self._source = source

    def begin_pass(self) -> None:
        """Begin with the first block."""
        self._blocks = self._source.blocks()
        self._rest: Rows | None = None  # rows that are not used yet

    def read(self, first: int, last: int, out: Rows) -> None:
        """Write the rows [first, last), which are the next ones, to `out` in place."""
        row = first
        while row < last:
            rows = self._take(last - row)
            end = row + len(rows.X)
            _copy(rows, part_of(out, row - first, end - first))
            del rows  # before the source makes another block
            row = end

    def skip(self, first: int, last: int) -> None:
        """Leave out the rows [first, last), which are the next ones."""
        while first < last:
            first += len(self._take(last - first).X)

    def end_pass(self) -> None:
        """End after the last block; the source raises ValueError if it has more."""
        self._rest = None
        for _ in self._blocks:
            pass

    def _take(self, most: int) -> Rows:
        """Return some of the next rows, at least 1 and at most `most`."""
        while self._rest is None or len(self._rest.X) == 0:
            self._rest = None  # before the source makes another
            self._rest = next(self._blocks)
        count = min(most, len(self._rest.X))
        rows, self._rest = part_of(self._rest, 0, count), part_of(self._rest, count, len(self._rest.X))
        return rows


def _reader_of(source: Source, dtype: Any, read_rows: int) -> RandomAccessReader | OrderedReader:
    if isinstance(source, OrderedSource):
        return OrderedReader(source)
    assert isinstance(source, RandomAccessSource)
    return RandomAccessReader(source, dtype, read_rows)


def read_all(source: Source, budget: Budget, dtype: Any) -> Samples:
    """Return all samples in groups."""
    groups = room_for_groups(source, budget.cut.groups, dtype)
    rows = room_for_rows(source, budget.read_rows, dtype)
    writers = [RowsToGroups(width, dtype) for width in (source.d, source.o, 1)]
    lanes = tuning.group_size(dtype)
    reader = _reader_of(source, dtype, budget.read_rows)
    reader.begin_pass()
    for row in range(0, source.n, budget.read_rows):
        part = part_of(rows, 0, min(budget.read_rows, source.n - row))
        reader.read(row, row + len(part.X), part)
        for write, array, out in zip(writers, part, groups, strict=True):
            if array is not None:
                write(array, out, row // lanes)
    reader.end_pass()
    return groups


def read_blocks(source: Source, budget: Budget, dtype: Any, passes: int) -> Iterator[Block]:
    """Yield the blocks of `passes` iterations.

    There is room for the rows of BUFFERS blocks, in turn: when a block is made, the ``BUFFERS - 1`` before it may be in
    use.
    """
    lanes = tuning.group_size(dtype)
    reader = _reader_of(source, dtype, budget.read_rows)
    size = max(map(count_groups_of, budget.blocks)) * lanes
    buffers = itertools.cycle([room_for_rows(source, size, dtype) for _ in range(BUFFERS)])
    kept: dict[int, Samples] = {}
    for _ in range(passes):
        reader.begin_pass()
        for index, pieces in enumerate(budget.blocks):
            calls = split_into_calls(pieces, budget.cut, budget.call_groups)
            ranges = [(first * lanes, min(last * lanes, source.n)) for _, first, last in pieces]
            rows, groups, place = None, kept.get(index), 0
            if groups is None:
                buffer = next(buffers)
                for first, last in ranges:
                    reader.read(first, last, part_of(buffer, place, place + last - first))
                    place += last - first
                X, Y, weights = buffer
                rows = Samples(X, Y, X if weights is None else weights)
                if index in budget.kept:
                    groups = kept[index] = room_for_groups(source, count_groups_of(pieces), dtype)
            else:
                for first, last in ranges:
                    reader.skip(first, last)
            if index == len(budget.blocks) - 1:
                reader.end_pass()  # before the block is used: the pass may turn out to be another one
            yield Block(rows, groups, calls, sum(last - first for first, last in ranges))
