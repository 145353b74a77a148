"""How samples are cut into blocks that fit in memory, for the order of sums of fit.

A block has pieces, each a range of groups of another chunk (see :mod:`fastnn2.kernels.loops.block_sums`). The pieces of
a chunk come one after the other, in one block after the other; which pieces are in a block together changes no bit. So
where any rows can be read, a block takes its pieces from chunks that are far apart, and all threads have work in each
block. Rows that come in their order only make blocks of neighbours.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastnn2.kernels.shared.choices import FIRST, LAST, PLACE

Array = np.ndarray[Any, Any]


class Piece(NamedTuple):
    """A range of groups, numbered among all samples: the words of a piece of a block, but for its place there."""

    chunk: int
    first: int
    last: int


class Cut(NamedTuple):
    """How samples are cut for the sums: their groups into chunks, and these into tiles."""

    groups: int
    chunks: int
    tile_groups: int

    def chunk(self, c: int) -> Piece:
        """Return a whole chunk."""
        return Piece(c, c * self.groups // self.chunks, (c + 1) * self.groups // self.chunks)


def blocks_of_streams(cut: Cut, streams: int, block_groups: int) -> Iterator[list[Piece]]:
    """Yield blocks of at most `block_groups` groups, with a piece of each of some streams.

    A stream is a range of chunks. There are at most as many as there are chunks, and a piece has at least one tile.
    """
    size = max(1, block_groups // streams // cut.tile_groups) * cut.tile_groups
    waiting = [
        _pieces_of_stream(cut, range(s * cut.chunks // streams, (s + 1) * cut.chunks // streams), size)
        for s in range(streams)
    ]
    while True:
        found = [next(stream, None) for stream in waiting]
        pieces = [piece for piece in found if piece is not None]
        if not pieces:
            return
        yield pieces


def _pieces_of_stream(cut: Cut, chunks: range, size: int) -> Iterator[Piece]:
    for c in chunks:
        _, first, last = cut.chunk(c)
        for begin in range(first, last, size):
            yield Piece(c, begin, min(begin + size, last))


def blocks_in_order(cut: Cut, block_groups: int) -> Iterator[list[Piece]]:
    """Yield blocks of groups that follow each other: at most `block_groups` of them, but at least one tile."""
    pieces: list[Piece] = []
    left = block_groups  # groups for which there is room
    for c in range(cut.chunks):
        _, begin, end = cut.chunk(c)
        while begin < end:
            room = left // cut.tile_groups * cut.tile_groups
            if end - begin <= left:
                last = end
            elif room > 0 or not pieces:
                last = min(begin + max(room, cut.tile_groups), end)
            else:
                last = begin
            if last > begin:
                pieces.append(Piece(c, begin, last))
                left -= last - begin
                begin = last
            if begin < end:
                yield pieces
                pieces, left = [], block_groups
    if pieces:
        yield pieces


def count_groups_of(pieces: list[Piece]) -> int:
    """Return the number of groups of a block."""
    return sum(last - first for _, first, last in pieces)


def split_into_calls(pieces: list[Piece], cut: Cut, call_groups: int) -> list[Array]:
    """Return the pieces of each call of the kernel for a block: (pieces, PIECE_WORDS), with their places in the block.

    A call has a part of each piece, and at most about `call_groups` groups.
    """
    groups = count_groups_of(pieces)
    places = np.cumsum([0] + [last - first for _, first, last in pieces[:-1]])
    whole = np.column_stack([np.array(pieces, dtype=np.int64), places]).astype(np.int64)
    count = -(-groups // call_groups)
    if count == 1:
        return [whole]
    calls = []
    sizes = whole[:, LAST] - whole[:, FIRST]
    ends = [np.minimum(sizes, -(-sizes * k // count // cut.tile_groups) * cut.tile_groups) for k in range(count)]
    for begin, end in zip(ends, [*ends[1:], sizes], strict=True):
        parts = whole.copy()
        parts[:, PLACE] += begin
        parts[:, LAST] = whole[:, FIRST] + end
        parts[:, FIRST] += begin
        calls.append(np.ascontiguousarray(parts[begin < end]))
    return [call for call in calls if len(call)]
