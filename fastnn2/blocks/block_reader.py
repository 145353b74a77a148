"""Reads samples, lays them out in groups, and makes blocks of them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.blocks import plan
from fastnn2.blocks.budget import BUFFERS, Budget
from fastnn2.blocks.row_checks import check_rows
from fastnn2.blocks.sources import OrderedSource, RandomSource, Rows, Source
from fastnn2.engine.block_job import Block
from fastnn2.engine.lay_out import LayOut
from fastnn2.engine.layout import aligned_empty
from fastnn2.kernels.shared import tuning

Array = np.ndarray[Any, Any]


class Groups:
    """Room for some groups of samples, which rows are written to.

    Attributes
    ----------
    X, Y, weights : ndarray
        In groups, flat; weights may be None.
    """

    def __init__(self, source: Source, count: int, dtype: Any) -> None:
        lanes = tuning.group_size(dtype)
        self.X = aligned_empty(count * source.d * lanes, dtype)
        self.Y = aligned_empty(count * source.o * lanes, dtype)
        self.weights = aligned_empty(count * lanes, dtype) if source.has_weights else None


class GroupWriter:
    """Writes rows to groups; for one thread."""

    def __init__(self, source: Source, dtype: Any) -> None:
        self._of_X, self._of_Y, self._of_weights = (LayOut(columns, dtype) for columns in (source.d, source.o, 1))

    def write(self, rows: Rows, groups: Groups, group: int) -> None:
        """Write rows to groups from number `group` on, in place; zeros follow in the last group."""
        self._of_X(rows.X, groups.X, group)
        self._of_Y(rows.Y, groups.Y, group)
        if groups.weights is not None and rows.weights is not None:
            self._of_weights(rows.weights, groups.weights, group)


class RandomFiller:
    """Fills blocks with the rows of their pieces, wherever these are. Numbers are checked in the first pass."""

    def __init__(self, source: RandomSource, dtype: Any, read_rows: int) -> None:
        self._source, self._dtype, self._read_rows = source, dtype, read_rows
        self._writer = GroupWriter(source, dtype)
        self._lanes = tuning.group_size(dtype)
        self._is_first_pass = True

    def begin_pass(self) -> None:
        """Begin with the first block."""

    def fill(self, pieces: list[plan.Piece], groups: Groups) -> None:
        """Write the rows of some pieces to groups, one after the other, in place."""
        source, place = self._source, 0
        for _, first_group, last_group in pieces:
            last = min(last_group * self._lanes, source.n)
            for row in range(first_group * self._lanes, last, self._read_rows):
                rows = source.read(row, min(row + self._read_rows, last))
                if self._is_first_pass:
                    check_rows(rows, source, row, self._dtype)
                self._writer.write(rows, groups, place + row // self._lanes - first_group)
            place += last_group - first_group

    def skip(self, pieces: list[plan.Piece]) -> None:
        """Leave out the rows of some pieces."""

    def end_pass(self) -> None:
        """End after the last block."""
        self._is_first_pass = False


class OrderedFiller:
    """Fills blocks with rows as they come; those of a group that are in several blocks of the source meet here."""

    def __init__(self, source: OrderedSource, dtype: Any) -> None:
        self._source = source
        self._writer = GroupWriter(source, dtype)
        self._lanes = tuning.group_size(dtype)

    def begin_pass(self) -> None:
        """Begin with the first block."""
        self._blocks = self._source.blocks()
        self._rest: Rows | None = None  # rows that are not used yet
        self._row = 0  # of all rows, the next one

    def fill(self, pieces: list[plan.Piece], groups: Groups) -> None:
        """Write the rows of some pieces, which follow each other, to groups, in place."""
        last = min(pieces[-1].last * self._lanes, self._source.n)
        group = 0
        while self._row < last:
            rows = self._take(last - self._row)
            left = last - self._row
            if len(rows.X) % self._lanes and left > 0:  # the group goes on in the next block of the source
                whole = len(rows.X) // self._lanes * self._lanes
                self._writer.write(_part(rows, 0, whole), groups, group)
                group += whole // self._lanes
                parts = [_part(rows, whole, len(rows.X))]
                needed = min(self._lanes - len(parts[0].X), left)
                while needed > 0:
                    parts.append(self._take(needed))
                    needed -= len(parts[-1].X)
                rows = _joined(parts)
            self._writer.write(rows, groups, group)
            group += -(-len(rows.X) // self._lanes)

    def skip(self, pieces: list[plan.Piece]) -> None:
        """Leave out the rows of some pieces."""
        last = min(pieces[-1].last * self._lanes, self._source.n)
        while self._row < last:
            self._take(last - self._row)

    def end_pass(self) -> None:
        """End after the last block: the source looks whether there are more."""
        for _ in self._blocks:
            pass

    def _take(self, most: int) -> Rows:
        """Return some of the next rows, at least 1 and at most `most`."""
        while self._rest is None or len(self._rest.X) == 0:
            self._rest = None  # before the source makes another
            self._rest = next(self._blocks)
        count = min(most, len(self._rest.X))
        rows, self._rest = _part(self._rest, 0, count), _part(self._rest, count, len(self._rest.X))
        self._row += count
        return rows


def _part(rows: Rows, first: int, last: int) -> Rows:
    X, Y, weights = rows
    return Rows(X[first:last], Y[first:last], None if weights is None else weights[first:last])


def _joined(parts: list[Rows]) -> Rows:
    weights = [part.weights for part in parts if part.weights is not None]
    X, Y = np.concatenate([part.X for part in parts]), np.concatenate([part.Y for part in parts])
    return Rows(X, Y, np.concatenate(weights) if weights else None)


def filler_of(source: Source, dtype: Any, read_rows: int) -> RandomFiller | OrderedFiller:
    """Return what fills blocks with the rows of a source."""
    if isinstance(source, OrderedSource):
        return OrderedFiller(source, dtype)
    assert isinstance(source, RandomSource)
    return RandomFiller(source, dtype, read_rows)


def read_all(source: Source, budget: Budget, dtype: Any) -> Groups:
    """Return all samples in groups."""
    cut = budget.cut
    groups = Groups(source, cut.groups, dtype)
    filler = filler_of(source, dtype, budget.read_rows)
    filler.begin_pass()
    filler.fill([plan.Piece(0, 0, cut.groups)], groups)
    filler.end_pass()
    return groups


def read_blocks(source: Source, budget: Budget, dtype: Any, passes: int) -> Iterator[Block]:
    """Yield the blocks of `passes` iterations.

    There are BUFFERS of them in turn, and those that stay in memory: all but the last ``BUFFERS - 1`` are free again.
    """
    filler = filler_of(source, dtype, budget.read_rows)
    size = max(map(plan.count_groups_of, budget.blocks))
    buffers = [Groups(source, size, dtype) for _ in range(BUFFERS)]
    kept: dict[int, Groups] = {}
    lanes, filled = tuning.group_size(dtype), 0
    for _ in range(passes):
        filler.begin_pass()
        for index, pieces in enumerate(budget.blocks):
            groups = kept.get(index)
            if groups is not None:
                filler.skip(pieces)
            else:
                if index in budget.kept:
                    groups = kept[index] = Groups(source, plan.count_groups_of(pieces), dtype)
                else:
                    groups = buffers[filled % BUFFERS]
                    filled += 1
                filler.fill(pieces, groups)
            rows = sum(min(last * lanes, source.n) - first * lanes for _, first, last in pieces)
            calls = plan.calls_of(pieces, budget.cut, budget.call_groups)
            yield Block(groups.X, groups.Y, groups.weights, calls, rows)
        filler.end_pass()
