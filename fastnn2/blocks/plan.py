"""How samples are cut into blocks that fit in memory, for the order of sums of fit.

A block has pieces, each a range of groups of another chunk (see :mod:`fastnn2.kernels.loops.block_sums`). The pieces of
a chunk come one after the other, in one block after the other; which pieces are in a block together changes no bit. So
where any rows can be read, a block takes its pieces from chunks that are far apart, and all threads have work in each
block. Rows that come in their order only make blocks of neighbours.
"""

from collections.abc import Iterator

from fastnn2.engine.pieces import Cut, Piece


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
