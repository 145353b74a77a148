"""The hidden layer of a tile, which takes many inputs in pieces, against the same layer with all inputs at once."""

import numpy as np
import pytest
from data import DTYPES
from numba import njit

from fastnn2.engine import layout
from fastnn2.kernels.nn import affine, layers
from fastnn2.kernels.shared import choices, tuning
from fastnn2.kernels.simd.elementary import tanh
from fastnn2.kernels.simd.vector import group_lanes, load_group, store

LARGEST_WHOLE = 3 * tuning.PIECE_INPUTS // 2 - 1  # inputs


@njit
def in_pieces(flat, d, h, groups, last_lanes, X, A1):
    layers.hidden_layer(flat, 0, d, h, groups, last_lanes, choices.TANH, X, 0, A1, 0, True)


@njit
def at_once(flat, d, h, groups, X, A1):
    lanes = group_lanes(X)
    for g in range(groups):
        affine.affine(flat, 0, h * d, h, d, X, g * d * lanes, A1, g * h * lanes)
    for i in range(0, groups * h * lanes, lanes):
        store(A1, i, tanh(load_group(A1, i)))


@njit
def inputs_of_piece(d, h, X):
    return affine.inputs_of_piece(d, h, X)


def most_units(dtype):
    """Return the largest number of units of a layer with pieces."""
    return tuning.PIECE_VECTORS * tuning.VECTOR_BYTES // np.dtype(dtype).itemsize // tuning.PIECE_INPUTS


@pytest.mark.parametrize("dtype", DTYPES)
def test_pieces_are_even_and_cover_all_inputs(dtype):
    X = np.empty(0, dtype)
    most = most_units(dtype)
    for d in (*range(1, 800), 5761, 9313):
        size = inputs_of_piece(d, tuning.BLOCK_UNITS, X)
        assert size == d if d <= LARGEST_WHOLE else abs(size - tuning.PIECE_INPUTS) <= tuning.PIECE_INPUTS // 4
        assert d % size == 0 or d % size > size - -(-d // size)
        assert inputs_of_piece(d, most, X) == size
        assert inputs_of_piece(d, most + 1, X) == inputs_of_piece(d, tuning.BLOCK_UNITS - 1, X) == d


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vectors", range(2, tuning.GROUP_VECTORS + 1, 2))  # of the last group
@pytest.mark.parametrize("groups", [1, 2, 5])
@pytest.mark.parametrize("h", [1, tuning.BLOCK_UNITS, 7, 33, "most", "more"])
@pytest.mark.parametrize("d", [1, tuning.BLOCK_INPUTS, LARGEST_WHOLE, LARGEST_WHOLE + 1, 3 * tuning.PIECE_INPUTS + 1])
def test_pieces_change_no_bit(d, h, groups, vectors, dtype):
    h = {"most": most_units(dtype), "more": most_units(dtype) + 1}.get(h, h)
    random, lanes = np.random.RandomState(6), tuning.group_size(dtype)
    last_lanes = vectors * lanes // tuning.GROUP_VECTORS
    X = random.uniform(-1, 1, (d, groups * lanes)).astype(dtype)
    flat = (random.uniform(-1, 1, h * d + h) / np.sqrt(d)).astype(dtype)
    X_groups, _ = layout.to_groups(X, X.dtype)
    pieces, whole = (layout.aligned_zeros(groups * h * lanes, dtype) for _ in range(2))
    in_pieces(flat, d, h, groups, last_lanes, X_groups, pieces)
    at_once(flat, d, h, groups, X_groups, whole)
    pieces, whole = (A1.reshape(groups, h, lanes) for A1 in (pieces, whole))
    np.testing.assert_array_equal(pieces[:-1], whole[:-1])
    np.testing.assert_array_equal(pieces[-1, :, :last_lanes], whole[-1, :, :last_lanes])
    A1 = np.tanh(flat[: h * d].reshape(h, d).astype(float) @ X.astype(float) + flat[h * d :, None])
    np.testing.assert_allclose(whole.transpose(1, 0, 2).reshape(h, -1), A1, atol=100 * np.finfo(dtype).eps)
