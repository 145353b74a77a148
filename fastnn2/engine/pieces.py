"""How the groups of samples are cut into chunks, and chunks into the pieces of a block.

A piece is a range of groups of one chunk (see :mod:`fastnn2.kernels.loops.block_sums`). Which pieces a call has changes
no bit, as long as the pieces of a chunk come one after the other.
"""

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
