"""How samples are cut into blocks: each group once, in the order of its chunk, in whole tiles."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastnn2.blocks import plan
from fastnn2.engine.pieces import Cut, Piece, count_groups_of, split_into_calls
from fastnn2.kernels.shared.choices import CHUNK, FIRST, LAST, PIECE_WORDS, PLACE


@st.composite
def cuts(draw):
    groups = draw(st.integers(1, 600))
    chunks = 1 << draw(st.integers(0, groups.bit_length() - 1))
    return Cut(groups, chunks, draw(st.integers(1, 16)))


def assert_covers(cut, pieces):
    """Assert that pieces have all groups once, those of a chunk in order, and begin at tiles of their chunks."""
    reached = [cut.chunk(c).first for c in range(cut.chunks)]
    for chunk, first, last in pieces:
        assert first == reached[chunk] < last <= cut.chunk(chunk).last
        assert (first - cut.chunk(chunk).first) % cut.tile_groups == 0
        reached[chunk] = last
    assert reached == [cut.chunk(c).last for c in range(cut.chunks)]


def assert_no_chunk_twice(block):
    chunks = [piece.chunk for piece in block]
    assert len(chunks) == len(set(chunks)) > 0


@given(cuts())
def test_chunks_follow_each_other(cut):
    chunks = [cut.chunk(c) for c in range(cut.chunks)]
    assert [piece.first for piece in chunks] == [0, *(piece.last for piece in chunks[:-1])]
    assert chunks[-1].last == cut.groups
    sizes = [piece.last - piece.first for piece in chunks]
    assert max(sizes) - min(sizes) <= 1


@given(cuts(), st.integers(1, 100), st.integers(1, 700))
def test_blocks_of_streams(cut, streams, block_groups):
    streams = min(streams, cut.chunks)
    blocks = list(plan.blocks_of_streams(cut, streams, block_groups))
    assert_covers(cut, [piece for block in blocks for piece in block])
    for block in blocks:
        assert_no_chunk_twice(block)
        assert len(block) <= streams
        assert count_groups_of(block) <= max(block_groups, streams * cut.tile_groups)
        owners = [min(s for s in range(streams) if piece.chunk < (s + 1) * cut.chunks // streams) for piece in block]
        assert len(set(owners)) == len(owners)


@given(cuts(), st.integers(1, 700))
def test_blocks_in_order(cut, block_groups):
    blocks = list(plan.blocks_in_order(cut, block_groups))
    pieces = [piece for block in blocks for piece in block]
    assert_covers(cut, pieces)
    assert [piece.first for piece in pieces] == [0, *(piece.last for piece in pieces[:-1])]
    for block in blocks:
        assert_no_chunk_twice(block)
        assert count_groups_of(block) <= max(block_groups, cut.tile_groups)
    for block, following in itertools.pairwise(blocks):  # another tile has no room
        tile = min(cut.tile_groups, following[0].last - following[0].first)
        assert count_groups_of(block) + tile > block_groups


@given(cuts(), st.integers(1, 100), st.integers(1, 700), st.integers(1, 300), st.booleans())
def test_calls(cut, streams, block_groups, call_groups, in_order):
    if in_order:
        blocks = list(plan.blocks_in_order(cut, block_groups))
    else:
        blocks = list(plan.blocks_of_streams(cut, min(streams, cut.chunks), block_groups))
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


def test_a_block_has_pieces_that_are_far_apart():
    cut = Cut(groups=64, chunks=8, tile_groups=4)
    blocks = list(plan.blocks_of_streams(cut, 4, 16))
    assert blocks[0] == [(0, 0, 4), (2, 16, 20), (4, 32, 36), (6, 48, 52)]
    assert blocks[1] == [(0, 4, 8), (2, 20, 24), (4, 36, 40), (6, 52, 56)]
    assert blocks[2] == [(1, 8, 12), (3, 24, 28), (5, 40, 44), (7, 56, 60)]
    assert len(blocks) == 4


def test_a_block_in_order_ends_at_a_tile():
    cut = Cut(groups=20, chunks=2, tile_groups=4)
    blocks = list(plan.blocks_in_order(cut, 7))
    assert blocks == [[(0, 0, 4)], [(0, 4, 10)], [(1, 10, 14)], [(1, 14, 20)]]
    assert list(plan.blocks_in_order(cut, 15)) == [[(0, 0, 10), (1, 10, 14)], [(1, 14, 20)]]
