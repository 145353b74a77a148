"""Chunks, and the calls for the pieces of a block: each group once, in the order of its chunk, in whole tiles."""

import numpy as np
import pytest
from cut_data import assert_covers, cuts
from hypothesis import given
from hypothesis import strategies as st

from fastnn2.blocks.plan import blocks_in_order, blocks_of_streams
from fastnn2.engine.pieces import Cut, Piece, count_groups_of, split_into_calls
from fastnn2.kernels.shared.choices import CHUNK, FIRST, LAST, PIECE_WORDS, PLACE


@given(cuts())
def test_chunks_follow_each_other(cut):
    chunks = [cut.chunk(c) for c in range(cut.chunks)]
    assert [piece.first for piece in chunks] == [0, *(piece.last for piece in chunks[:-1])]
    assert chunks[-1].last == cut.groups
    sizes = [piece.last - piece.first for piece in chunks]
    assert max(sizes) - min(sizes) <= 1


@given(cuts(), st.integers(1, 100), st.integers(1, 700), st.integers(1, 300), st.booleans())
def test_calls(cut, streams, block_groups, call_groups, in_order):
    if in_order:
        blocks = list(blocks_in_order(cut, block_groups))
    else:
        blocks = list(blocks_of_streams(cut, min(streams, cut.chunks), block_groups))
    found = []
    for block in blocks:
        begins = dict(zip((piece.chunk for piece in block), np.cumsum([0, *map(size, block)]), strict=False))
        calls = split_into_calls(block, cut, call_groups)
        for call in calls:
            assert call.dtype == np.int64
            assert call.shape == (len(call), PIECE_WORDS)
            assert call.flags.c_contiguous
            assert 0 < len(call) <= len(block)
            # About call_groups: a part of a piece ends at a tile.
            count = (call[:, LAST] - call[:, FIRST]).sum()
            assert count <= call_groups + len(block) * cut.tile_groups
        parts = np.vstack(calls)
        firsts = {piece.chunk: piece.first for piece in block}
        for part in parts:
            # A place is that of the group in the block, whose pieces follow each other.
            assert part[PLACE] == begins[part[CHUNK]] + part[FIRST] - firsts[part[CHUNK]]
        found += [Piece(*map(int, part[[CHUNK, FIRST, LAST]])) for part in parts]
        assert sum(map(size, found[-len(parts) :])) == count_groups_of(block)
    assert_covers(cut, found)


def size(piece):
    return piece.last - piece.first


@given(cuts(), st.data(), st.integers(1, 2000))
def test_calls_of_whole_chunks(cut, data, call_groups):
    """Also of a few chunks, and with calls that are larger than the block."""
    first = data.draw(st.integers(0, cut.chunks - 1))
    pieces = [cut.chunk(c) for c in range(first, data.draw(st.integers(first + 1, cut.chunks)))]
    calls = split_into_calls(pieces, cut, call_groups)
    assert len(calls) == 1 or count_groups_of(pieces) > call_groups
    reached = {piece.chunk: piece.first for piece in pieces}
    for chunk, begin, end, place in np.vstack(calls):
        assert begin == reached[chunk] < end
        assert place == begin - pieces[0].first
        reached[chunk] = end
    assert reached == {piece.chunk: piece.last for piece in pieces}


@pytest.mark.parametrize(("call_groups", "calls"), [(100, [10]), (10, [10]), (9, [6, 4]), (4, [4, 4, 2]), (1, [2] * 5)])
def test_calls_of_two_chunks(call_groups, calls):
    """About as many groups as a call is to have, in tiles of one group; a part of each chunk."""
    cut = Cut(groups=10, chunks=2, tile_groups=1)
    found = split_into_calls([cut.chunk(0), cut.chunk(1)], cut, call_groups)
    assert [int((call[:, LAST] - call[:, FIRST]).sum()) for call in found] == calls
    assert all(set(call[:, CHUNK]) == {0, 1} for call in found)
