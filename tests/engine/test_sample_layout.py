"""The sizes of a run's buffers: enough for each number of threads that the system may grant."""

import numpy as np
import pytest
from data import DTYPES
from hypothesis import given
from hypothesis import strategies as st

from fastnn2.engine.sample_layout import SampleLayout, sample_layout
from fastnn2.kernels.shared import tuning

SHAPES = st.tuples(st.integers(1, 300), st.integers(1, 300), st.integers(1, 9), st.integers(1, 10**6))


@given(shape=SHAPES, dtype=st.sampled_from(DTYPES))
def test_sizes_follow_from_tuning(shape, dtype):
    d, h, o, n = shape
    dtype = np.dtype(dtype)
    layout, lanes = SampleLayout(*shape, dtype), tuning.group_size(dtype)
    assert layout.count == d * h + h + h * o + o
    assert layout.shared == (layout.count >= tuning.SHARED_PARAMS)
    assert layout.chunks == tuning.count_chunks(n, d, h, o, dtype)
    assert layout.count <= layout.updated <= layout.params_stride
    assert layout.updated % tuning.UPDATE_WIDTH == 0
    assert layout.params_stride * dtype.itemsize % tuning.ALIGNMENT == 0
    assert layout.gradients_stride > layout.updated  # the cost comes last
    assert layout.sums == (1 if layout.shared else 2) * layout.chunks * layout.gradients_stride
    zero, *ends = layout.scratch_ends
    sizes = np.diff([zero, *ends])
    rows = layout.tile_groups * h, layout.tile_groups * o, tuning.count_scratch_rows(h)
    assert zero == 0
    assert sizes.tolist() == [count * lanes for count in rows]


@given(shape=SHAPES, threads=st.integers(1, 64), is_mixed=st.booleans())
def test_room_for_the_sums_of_each_smaller_team(shape, threads, is_mixed):
    """A team of fewer threads may leave more gradients to be summed after the barrier."""
    layout = SampleLayout(*shape, np.dtype("float64"))
    size = layout.sums_size(threads, is_mixed)
    if layout.shared:
        assert size == 0
        return
    needed = [tuning.count_shares(layout.chunks, team, is_mixed) // 2 for team in range(1, threads + 1)]
    assert size == max(needed) * layout.gradients_stride
    if threads > 1:
        assert size >= layout.sums_size(threads - 1, is_mixed)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_layout_is_made_once(dtype):
    one = sample_layout(3, 4, 1, 50, np.dtype(dtype))
    assert sample_layout(3, 4, 1, 50, np.dtype(dtype)) is one
    assert sample_layout(3, 4, 1, 51, np.dtype(dtype)) is not one
