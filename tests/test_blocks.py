"""Blocks of vectors against the same loops in NumPy."""

import numpy as np
import pytest
from numba import njit

from fastnn2.kernels import blocks, simd
from fastnn2.kernels.plan import group_size
from tests.data import DTYPES

RANDOM = np.random.RandomState(5)


@njit
def offsets(first, last, step):
    return blocks.four_offsets(first, last, step), blocks.six_offsets(first, last, step)


def test_offsets_stay_at_the_last_row():
    assert offsets(2, 20, 3) == ((6, 9, 12, 15), (6, 9, 12, 15, 18, 21))
    assert offsets(2, 4, 3) == ((6, 9, 12, 12), (6, 9, 12, 12, 12, 12))
    assert offsets(4, 4, 1) == ((4, 4, 4, 4), (4,) * 6)


@njit
def smaller(a, b):
    return blocks.smaller(a, b)


@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 1), (-3, 2), (5, 5), (2**40, 2**41)])
def test_smaller(a, b):
    assert smaller(a, b) == min(a, b)


@njit
def outer(A, B, step, gradient, at, stride, rows, columns):
    a_rows, b_rows = blocks.four_offsets(0, 3, step), blocks.four_offsets(0, 3, step)
    sums = blocks.zero_outer(A, a_rows, b_rows)
    for v in range(0, step, simd.vector_lanes(A)):
        sums = blocks.fma_outer(blocks.load_each(A, v, a_rows), blocks.load_each(B, v, b_rows), sums)
    blocks.add_sums(gradient, at, stride, sums, rows, columns)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 9])
def test_sums_of_products(rows, columns, dtype):
    # Small integers: every product and sum is exact, so equality is too.
    size = group_size(dtype)
    A = RANDOM.randint(-9, 9, (4, size)).astype(dtype)
    B = RANDOM.randint(-9, 9, (4, size)).astype(dtype)
    stride = 6
    gradient = np.arange(40.0)
    expected = gradient.copy()
    for i in range(min(rows, 4)):
        for j in range(min(columns, 4)):
            expected[3 + i * stride + j] += A[i].astype(float) @ B[j].astype(float)
    outer(A.ravel(), B.ravel(), size, gradient, 3, stride, rows, columns)
    assert (gradient == expected).all()


@njit
def affine(weights, biases, X, out, step):
    z = blocks.spread_each(simd.zero_group(X), blocks.numbers_each(biases, 0, blocks.six_offsets(0, 5, 1)))
    for k in range(2):
        w = blocks.numbers_each(weights, k, blocks.six_offsets(0, 5, 2))
        z = blocks.fma_outer(w, (simd.load_group(X, k * step),), z)
    blocks.store_each(out, 0, blocks.six_offsets(0, 5, step), z)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_times_a_group(dtype):
    size = group_size(dtype)
    weights, biases = RANDOM.randint(-9, 9, (6, 2)).astype(dtype), RANDOM.randint(-9, 9, (6, 1)).astype(dtype)
    X, out = RANDOM.randint(-9, 9, (2, size)).astype(dtype), np.empty((6, size), dtype=dtype)
    affine(weights.ravel(), biases.ravel(), X.ravel(), out.reshape(-1), size)
    assert (out == weights @ X + biases).all()


@njit
def polynomial(x, out):
    simd.store(out, 0, blocks.horner(simd.load(x, 0), (2.0, -1.0, 0.5)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_horner(dtype):
    x = RANDOM.randint(-9, 9, 64 // np.dtype(dtype).itemsize).astype(dtype)
    out = np.empty_like(x)
    polynomial(x, out)
    assert (out == 2 * x**2 - x + 0.5).all()
