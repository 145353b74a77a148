"""Adding a block of sums to a gradient, against NumPy."""

import numpy as np
import pytest
from data import DTYPES
from numba import njit

from fastnn2.kernels.shared.tuning import group_size
from fastnn2.kernels.simd import accumulators, blocks, sums, target, vector

RANDOM = np.random.RandomState(5)


@njit
def add_products(A, B, size, gradient, offset, stride, rows, columns):
    a_rows, b_rows = blocks.row_offsets(0, blocks.smaller(rows, 6) - 1, size), blocks.column_offsets(0, 5, size)
    totals = accumulators.zero_accumulators(A, a_rows, b_rows)
    for v in range(0, size, vector.vector_lanes(A)):
        totals = accumulators.rank1_update(blocks.load_vectors(A, v, a_rows), blocks.load_vectors(B, v, b_rows), totals)
    sums.add_sums(gradient, offset, stride, totals, rows, columns)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 9])
def test_sums_of_products(rows, columns, dtype):
    # Small integers, so that all products and sums are exact.
    size = group_size(dtype)
    A = RANDOM.randint(-9, 9, (6, size)).astype(dtype)
    B = RANDOM.randint(-9, 9, (6, size)).astype(dtype)
    stride = 6
    gradient = np.arange(60.0)
    expected = gradient.copy()
    shape = target.blocks()
    for i in range(min(rows, shape.rows)):
        for j in range(min(columns, shape.columns)):
            expected[3 + i * stride + j] += A[i].astype(float) @ B[j].astype(float)
    add_products(A.ravel(), B.ravel(), size, gradient, 3, stride, rows, columns)
    assert (gradient == expected).all()
