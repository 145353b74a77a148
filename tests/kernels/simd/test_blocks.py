"""Blocks of vectors against the same loops in NumPy."""

import numpy as np
import pytest
from data import DTYPES
from numba import njit
from numba.core.errors import TypingError

from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.tuning import group_size
from fastnn2.kernels.simd import accumulators, blocks, target, vector

RANDOM = np.random.RandomState(5)


@njit
def offsets(first, last, stride):
    return (
        blocks.unit_offsets(first, last, stride),
        blocks.row_offsets(first, last, stride),
        blocks.panel_row_offsets(first, last, stride),
        blocks.fewer_unit_offsets(first, last, stride),
        blocks.fewer_row_offsets(first, last, stride),
    )


@pytest.mark.parametrize(("first", "last", "stride"), [(2, 20, 3), (2, 4, 3), (4, 4, 1)])
def test_offsets_repeat_the_last_row(first, last, stride):
    shape = target.blocks()
    units, rows, panel_rows, fewer_units, fewer_rows = offsets(first, last, stride)
    assert units == tuple(min(first + i, last) * stride for i in range(shape.units))
    assert rows == tuple(min(first + i, last) * stride for i in range(shape.rows))
    assert panel_rows == tuple(min(first + i, last) * stride for i in range(shape.panel_rows))
    assert fewer_units == units[:-1]
    assert fewer_rows == rows[:-1]


@pytest.mark.parametrize("size", [2, 5, 6])
def test_blocks_of_two_sizes(size):
    for rows in range(1, 60):
        full = tuning.end_of_full_blocks(rows, size)
        begins = [*range(0, full, size), *range(full, rows, size - 1)]
        assert len(begins) == -(-rows // size)  # as many blocks as without the smaller ones
        assert [tuning.blocks_before(begin, size) for begin in begins] == list(range(len(begins)))
        last = rows - begins[-1]
        assert full % size == 0
        last_is_full = last == size - (full < rows)
        assert last_is_full or full == 0
        # (size - 1)^2 rows are enough for size - 1 smaller blocks, and more are never needed.
        assert last_is_full or rows < (size - 1) ** 2


@njit
def scale_and_store(unit, x, out, shift):
    y = vector.fma(2.0, x, shift)
    vector.store(out, unit * vector.vector_lanes(out), y)
    return y, unit


@njit
def write_number(unit, out):
    out[unit] = unit


@njit
def for_three(first, vectors, out, numbers):
    units = (first, first + 1, first + 2)
    loaded = blocks.load_vectors(vectors, 0, blocks.offsets_of_each(units, vector.vector_lanes(vectors)))
    results = blocks.for_each(scale_and_store, (units, loaded), (out, 0.5))
    blocks.for_each(write_number, (units,), (numbers,))
    return results[0][1], results[1][1], results[2][1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_function_for_each_element_of_tuples(dtype):
    lanes = group_size(dtype) // tuning.GROUP_VECTORS
    vectors, out, numbers = RANDOM.standard_normal((3, lanes)).astype(dtype), np.zeros((4, lanes), dtype), np.zeros(4)
    assert for_three(1, vectors.ravel(), out.reshape(-1), numbers) == (1, 2, 3)
    np.testing.assert_array_equal(out[0], 0)
    np.testing.assert_allclose(out[1:], 2 * vectors + 0.5, rtol=1e-6)
    np.testing.assert_array_equal(numbers, [0, 1, 2, 3])


@njit
def for_different_lengths(array):
    blocks.for_each(write_number, ((0, 1), (0, 1, 2)), ())


def test_tuples_of_different_lengths_are_refused():
    with pytest.raises(TypingError, match="for_each takes tuples of one length"):
        for_different_lengths(np.zeros(4))


@njit
def units_of_a_block(first):
    return blocks.units_from(first), blocks.narrow_units()


def test_units_of_a_block_of_a_narrow_network_follow_each_other():
    units, count = units_of_a_block(10)
    assert count == target.blocks().narrow_units
    assert units == tuple(range(10, 10 + count))


@njit
def smaller(a, b):
    return blocks.smaller(a, b)


@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 1), (-3, 2), (5, 5), (2**40, 2**41)])
def test_smaller(a, b):
    assert smaller(a, b) == min(a, b)


@njit
def affine(weights, biases, last, X, out, size):
    rows = blocks.unit_offsets(0, last, 2)
    for v in range(0, size, blocks.lanes_of(blocks.block_inputs(X))):
        z = blocks.broadcast_each(
            blocks.block_inputs(X), blocks.load_scalars(biases, 0, blocks.unit_offsets(0, last, 1))
        )
        for k in range(2):
            z = accumulators.rank1_update(
                blocks.load_scalars(weights, k, rows), (vector.load_like(X, k * size + v, blocks.block_inputs(X)),), z
            )
        blocks.store_each(out, v, blocks.unit_offsets(0, last, size), z)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layer_of_one_block(dtype):
    size = group_size(dtype)
    units = target.blocks().units
    weights, biases = RANDOM.randint(-9, 9, (units, 2)).astype(dtype), RANDOM.randint(-9, 9, (units, 1)).astype(dtype)
    X, out = RANDOM.randint(-9, 9, (2, size)).astype(dtype), np.empty((units, size), dtype=dtype)
    affine(weights.ravel(), biases.ravel(), units - 1, X.ravel(), out.reshape(-1), size)
    assert (out == weights @ X + biases).all()


@njit
def polynomial(x, out):
    vector.store(out, 0, blocks.horner(vector.load(x, 0), (2.0, -1.0, 0.5)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_horner(dtype):
    x = RANDOM.randint(-9, 9, 64 // np.dtype(dtype).itemsize).astype(dtype)
    out = np.empty_like(x)
    polynomial(x, out)
    assert (out == 2 * x**2 - x + 0.5).all()
