"""The sum over chunks: its order, and which numbers it writes."""

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_array_equal

from fastnn2.kernels.nn import update
from fastnn2.kernels.shared.tuning import UPDATE_WIDTH

STRIDE = 4 * UPDATE_WIDTH


@njit
def sum_in_pairs(gradients, offset, stride, count, first, last, sums_offset, sums_stride):
    return update.sum_in_pairs(gradients, offset, stride, count, first, last, sums_offset, sums_stride)


def in_pairs(rows):
    """Return the sum of rows: neighbours first, then sums of two, of four, and so on."""
    while len(rows) > 1:
        rows = rows[::2] + rows[1::2]
    return rows[0]


@pytest.mark.parametrize("count", [1, 2, 4, 8, 64])
@pytest.mark.parametrize("in_place", [True, False])
def test_the_order_of_the_sum(count, in_place):
    rows = np.random.RandomState(count).standard_normal((count, STRIDE)) * 10.0 ** np.arange(STRIDE)
    scratch = np.full((max(1, count // 2), STRIDE), np.nan)
    gradients = np.concatenate([np.full(STRIDE, np.nan), rows.ravel(), scratch.ravel()])
    offset, scratch_offset = STRIDE, STRIDE * (1 + count)
    sums_offset = offset if in_place else scratch_offset
    total = sum_in_pairs(gradients, offset, STRIDE, count, 0, STRIDE, sums_offset, STRIDE)
    assert_array_equal(gradients[total : total + STRIDE], in_pairs(rows))
    assert np.isnan(gradients[:STRIDE]).all()
    if in_place or count == 1:
        assert total == offset
        assert np.isnan(gradients[scratch_offset:]).all()
    else:
        assert_array_equal(gradients[offset:scratch_offset], rows.ravel())


def test_a_range_of_gradients_with_gaps_between_them():
    rows = np.random.RandomState(3).standard_normal((8, STRIDE))
    gradients = rows.ravel().copy()
    total = sum_in_pairs(gradients, 0, 2 * STRIDE, 4, UPDATE_WIDTH, 2 * UPDATE_WIDTH, STRIDE, STRIDE)
    assert total == STRIDE
    summed, columns = gradients.reshape(8, STRIDE), slice(UPDATE_WIDTH, 2 * UPDATE_WIDTH)
    assert_array_equal(summed[1, columns], in_pairs(rows[::2])[columns])
    expected = rows.copy()
    expected[1:3, columns] = summed[1:3, columns]
    assert_array_equal(gradients, expected.ravel())  # nothing else was written


def test_branches_of_two_threads_give_the_same_sum():
    rows = np.random.RandomState(5).standard_normal((16, STRIDE))
    whole, halves = rows.ravel().copy(), rows.ravel().copy()
    sum_in_pairs(whole, 0, STRIDE, 16, 0, STRIDE, 0, STRIDE)
    for offset in (0, 8 * STRIDE):
        sum_in_pairs(halves, offset, STRIDE, 8, 0, STRIDE, offset, STRIDE)
    sum_in_pairs(halves, 0, 8 * STRIDE, 2, 0, STRIDE, STRIDE, STRIDE)
    assert_array_equal(halves[STRIDE : 2 * STRIDE], whole[:STRIDE])
