"""Several updates of accumulators at once, against NumPy, and max(0, z)."""

import numpy as np
import pytest
from data import DTYPES
from numba import njit

from fastnn2.kernels.shared.tuning import group_size
from fastnn2.kernels.simd import accumulators, blocks, target

RANDOM = np.random.RandomState(8)
STEPS, ROWS, COLUMNS = 6, 6, 4  # numbers in a row of a, rows of a, vectors of b in a step


@njit
def updates(a, b, stride, out):
    a_rows, b_rows = blocks.panel_row_offsets(0, 5, 6), blocks.panel_offsets(b)
    sums = accumulators.zero_accumulators(b, a_rows, b_rows)
    sums = accumulators.rank1_updates(a, 1, a_rows, b, stride, b_rows, stride, sums)
    vectors, size = len(b_rows), stride // 4
    for i in range(len(a_rows)):
        for j in range(len(b_rows)):
            blocks.store_each(out, (i * vectors + j) * size, (0,), (sums[i * vectors + j],))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rank1_updates_take_four_steps(dtype):
    shape, lanes = target.blocks(), group_size(dtype) // 4
    a = RANDOM.randint(-9, 9, (ROWS, STEPS)).astype(dtype)
    b = RANDOM.randint(-9, 9, (STEPS, COLUMNS * lanes)).astype(dtype)
    out = np.zeros((shape.panel_rows, shape.panel_vectors * lanes), dtype)
    updates(a.ravel(), b.ravel(), COLUMNS * lanes, out.reshape(-1))
    assert (out == a[: shape.panel_rows, 1:5] @ b[1:5, : shape.panel_vectors * lanes]).all()


@njit
def inputs(a, b, stride, many, out):
    rows, like = blocks.unit_offsets(0, 5, 6), blocks.block_inputs(b)
    z = blocks.zero_each(like, rows)
    if many:
        z = accumulators.input_updates(a, 1, rows, b, stride, stride, z)
    else:
        z = accumulators.input_update(a, 1, rows, b, stride, z)
    blocks.store_each(out, 0, blocks.unit_offsets(0, 5, blocks.lanes_of(like)), accumulators.rectified(z))


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_updates_of_a_layer_and_relu(many, dtype):
    shape, lanes = target.blocks(), group_size(dtype) // 4
    steps = shape.inputs if many else 1
    a = RANDOM.randint(-9, 9, (ROWS, STEPS)).astype(dtype)
    b = RANDOM.randint(-9, 9, (STEPS, 4 * lanes)).astype(dtype)
    b[1, 0] = np.nan
    out = np.zeros((shape.units, shape.vectors * lanes), dtype)
    inputs(a.ravel(), b.ravel(), 4 * lanes, many, out.reshape(-1))
    expected = a[: shape.units, 1 : 1 + steps] @ b[1 : 1 + steps, : shape.vectors * lanes]
    np.testing.assert_array_equal(out, np.maximum(0, expected))
