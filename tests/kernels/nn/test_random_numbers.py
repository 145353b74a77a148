"""Random numbers, masks and orders: those of the specification, bit for bit."""

import numpy as np
import pytest
from data import DTYPES, assert_same_bits
from numba import njit

from fastnn2.kernels.nn import random_numbers
from fastnn2.reference import tabular as reference

SEEDS = [0, 1, 1234567, 2**63 - 1]


@njit
def random_bits(seed, first, out):
    for i in range(len(out)):
        out[i] = random_numbers.random_bits(np.uint64(seed), np.uint64(first + i))


@njit
def drop_units(seed, first, drop, scale, A, numbers):
    return random_numbers.drop_units(np.uint64(seed), first, drop, scale, A, numbers)


@njit
def shuffle_order(seed, first, order, n):
    return random_numbers.shuffle_order(np.uint64(seed), first, order, n)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("first", [0, 7, 2**40])
def test_bits_are_those_of_the_reference(first, seed):
    out = np.empty(1000, dtype=np.uint64)
    random_bits(seed, first, out)
    assert_same_bits(out, reference.random_bits(seed, first, 1000))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("drop", [1, 38, 127, 128, 129, 255])
@pytest.mark.parametrize("seed", SEEDS)
def test_units_are_dropped_by_the_masks_of_the_reference(seed, drop, dtype):
    samples, units, behind = 13, 64, 8
    A = np.random.default_rng(0).standard_normal(samples * units + behind).astype(dtype)
    before, scale = A.copy(), 256.0 / (256.0 - drop)
    draws = drop_units(seed, 5, drop, scale, A, samples * units)
    mask, expected_draws = reference.dropout_mask(seed, 5, samples, units, drop)
    assert draws == expected_draws
    kept = before[:-behind] * np.dtype(dtype).type(scale)
    assert_same_bits(A[:-behind], np.where(mask.ravel() == 0, np.dtype(dtype).type(0), kept))
    assert_same_bits(A[-behind:], before[-behind:])


@pytest.mark.parametrize("dtype", DTYPES)
def test_units_that_are_dropped_are_zero_whatever_they_were(dtype):
    """A product with zero would keep NaN, and infinity would become NaN."""
    A = np.array([np.nan, np.inf, -np.inf, -1.0] * 64, dtype=dtype)
    drop_units(3, 0, 128, 2.0, A, len(A))
    mask, _ = reference.dropout_mask(3, 0, 1, len(A), 128)
    is_dropped = mask.ravel() == 0
    assert 0 < is_dropped.sum() < len(A)
    assert_same_bits(A[is_dropped], np.zeros(is_dropped.sum(), dtype))
    assert not np.isfinite(A[~is_dropped][A[~is_dropped] != -2]).any()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 100, 5000])
@pytest.mark.parametrize("seed", SEEDS)
def test_orders_are_those_of_the_reference(seed, n):
    order = np.random.default_rng(1).permutation(n + 3)
    expected, expected_draws = reference.shuffle(order[:n], seed, 11)
    behind = order[n:].copy()
    assert shuffle_order(seed, 11, order, n) == expected_draws
    assert_same_bits(order[:n], expected)
    assert_same_bits(order[n:], behind)
