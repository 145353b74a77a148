"""The sum over chunks: its order, and what is written."""

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_array_equal

from fastnn2.kernels.nn import update
from fastnn2.kernels.shared.tuning import UPDATE_WIDTH

STRIDE = 4 * UPDATE_WIDTH


@njit
def sum_in_pairs(gradients, start, stride, count, first, last, into, into_stride):
    return update.sum_in_pairs(gradients, start, stride, count, first, last, into, into_stride)


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
    start, spare_start = STRIDE, STRIDE * (1 + count)
    place = sum_in_pairs(gradients, start, STRIDE, count, 0, STRIDE, start if in_place else spare_start, STRIDE)
    assert_array_equal(gradients[place : place + STRIDE], in_pairs(rows))
    assert np.isnan(gradients[:STRIDE]).all()
    if in_place or count == 1:
        assert place == start
        assert np.isnan(gradients[spare_start:]).all()
    else:
        assert_array_equal(gradients[start:spare_start], rows.ravel())


def test_a_range_of_far_apart_gradients():
    rows = np.random.RandomState(3).standard_normal((8, STRIDE))
    gradients = rows.ravel().copy()
    place = sum_in_pairs(gradients, 0, 2 * STRIDE, 4, UPDATE_WIDTH, 2 * UPDATE_WIDTH, STRIDE, STRIDE)
    expected = rows.copy()
    assert place == STRIDE
    assert_array_equal(
        gradients[place + UPDATE_WIDTH : place + 2 * UPDATE_WIDTH], in_pairs(rows[::2])[UPDATE_WIDTH : 2 * UPDATE_WIDTH]
    )
    expected[1:3, UPDATE_WIDTH : 2 * UPDATE_WIDTH] = gradients.reshape(8, STRIDE)[1:3, UPDATE_WIDTH : 2 * UPDATE_WIDTH]
    assert_array_equal(gradients, expected.ravel())  # nothing else was written


def test_parts_of_two_threads_give_the_same_sum():
    rows = np.random.RandomState(5).standard_normal((16, STRIDE))
    whole, halves = rows.ravel().copy(), rows.ravel().copy()
    sum_in_pairs(whole, 0, STRIDE, 16, 0, STRIDE, 0, STRIDE)
    for own in (0, 8 * STRIDE):
        sum_in_pairs(halves, own, STRIDE, 8, 0, STRIDE, own, STRIDE)
    sum_in_pairs(halves, 0, 8 * STRIDE, 2, 0, STRIDE, STRIDE, STRIDE)
    assert_array_equal(halves[STRIDE : 2 * STRIDE], whole[:STRIDE])
