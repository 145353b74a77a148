"""How samples are cut into blocks: each group once, in the order of its chunk, in whole tiles."""

import itertools

from cut_data import assert_covers, cuts
from hypothesis import given
from hypothesis import strategies as st

from fastnn2.blocks import plan
from fastnn2.engine.pieces import Cut, count_groups_of


def assert_no_chunk_twice(block):
    chunks = [piece.chunk for piece in block]
    assert len(chunks) == len(set(chunks)) > 0


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
