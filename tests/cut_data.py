"""Cuts of samples into chunks and tiles, and what pieces of them must cover."""

from hypothesis import strategies as st

from fastnn2.engine.pieces import Cut


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
