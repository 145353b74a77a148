"""The sum of weights: the formula that it was up to ten million, and the same bits however the weights are cut."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn2.functional import checks, total_weight
from fastnn2.functional.total_weight import SLICE, WeightSum, sum_weights

DTYPES = ("float32", "float64")


def weights_of(n, dtype, seed=0):
    return np.random.default_rng(seed).exponential(1, n).astype(dtype)


def sum_of_pieces(pieces, dtype):
    total = WeightSum(dtype)
    for piece in pieces:
        total.add(piece)
    return total.value()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 7, 8, 128, 129, 1000, 8191, 8192, 8193, 100_003, 3_000_001, SLICE])
def test_up_to_a_slice_it_is_the_sum_of_numpy(n, dtype):
    weights = weights_of(n, dtype)
    expected = float(weights.sum(dtype=np.float64))
    assert sum_weights(weights) == expected
    cuts = np.sort(np.random.default_rng(n).integers(0, n + 1, 9))
    assert sum_of_pieces(np.split(weights, cuts), dtype) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_beyond_a_slice_the_sums_of_slices_are_added(dtype):
    weights = weights_of(2 * SLICE + 12_345, dtype)
    found = sum_weights(weights)
    a, b, c = (float(part.sum(dtype=np.float64)) for part in np.split(weights, [SLICE, 2 * SLICE]))
    assert found == a + b + c
    assert found == pytest.approx(math.fsum(weights), rel=1e-14)
    assert sum_of_pieces([weights[:5], weights[5 : SLICE + 9], weights[SLICE + 9 :]], dtype) == found


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data(), n=st.integers(0, 400), size=st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_any_cuts_have_the_same_bits(dtype, data, n, size):
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=12)))
    weights = weights_of(n, dtype, seed=n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(total_weight, "SLICE", size)
        whole = sum_weights(weights)
        assert sum_of_pieces(np.split(weights, cuts), dtype) == whole
    expected = 0.0
    for first in range(0, n, size):
        expected += float(weights[first : first + size].sum(dtype=np.float64))
    assert whole == expected


def test_value_may_be_asked_for_in_between():
    total = WeightSum("float64")
    total.add(np.array([1.0, 2.0]))
    assert total.value() == 3
    total.add(np.array([4.0]))
    assert total.value() == 7


def test_too_large_a_sum_is_infinite_without_a_warning():
    weights = np.full(4, np.finfo(float).max)
    assert sum_weights(weights) == sum_of_pieces([weights[:1], weights[1:]], "float64") == np.inf


def test_fit_uses_it(monkeypatch):
    """The n of all formulas is this sum."""
    weights = weights_of(1000, "float32")
    assert checks.total_weight(weights, 1000) == sum_weights(weights)
    monkeypatch.setattr(total_weight, "SLICE", 10)
    found = checks.total_weight(weights, 1000)
    assert found == sum_of_pieces([weights], "float32")
    assert found == pytest.approx(math.fsum(weights), rel=1e-12)
    assert checks.total_weight(None, 5) == 5.0
