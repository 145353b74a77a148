"""Edges of bins and the look-up of values: the encoding is what np.interp makes of the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fastnn2.tabular.bins import CLOSEST, MOST_COMPARED, look_up, quantile_edges

FINITE = st.floats(-1e100, 1e100, allow_subnormal=False)
BINS = (1, 2, 16, 64)


def encoded(values, edges):
    """Return the number of edges that a value has passed, with a fraction: what (1, …, 1, f, 0, …, 0) sums to."""
    bins, fractions = look_up(values, edges)
    return bins + fractions


def test_quartiles_by_hand():
    np.testing.assert_array_equal(quantile_edges(np.arange(9.0), 4), [0, 2, 4, 6, 8])
    bins, fractions = look_up(np.array([-1.0, 0, 1, 2, 7.5, 8, 99]), np.array([0.0, 2, 4, 6, 8]))
    np.testing.assert_array_equal(bins, [0, 0, 0, 1, 3, 3, 3])
    np.testing.assert_array_equal(fractions, [0, 0, 0.5, 0, 0.75, 1, 1])


def test_ties_are_one_edge():
    """Half of the values are 0, so half of the quantiles are."""
    values = np.concatenate([np.zeros(50), np.arange(1.0, 51)])
    edges = quantile_edges(values, 16)
    assert (np.diff(edges) > 0).all()
    assert edges[0] == 0
    assert edges[-1] == 50
    assert len(edges) < 12


@pytest.mark.parametrize("n_bins", BINS)
def test_a_rare_value_is_an_edge_at_the_end(n_bins):
    values = np.array([*[0.0] * 999, 1.0, 5.0])
    np.testing.assert_array_equal(quantile_edges(values, n_bins)[[0, -1]], [0, 5])


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0], ids=["least", "middle", "greatest"])
def test_edges_that_differ_by_rounding_are_merged(place):
    close = place + CLOSEST / 4 * np.array([-2.0, -1, 0, 1, 2])
    values = np.sort(np.concatenate([[0.0, 1.0], close[(close >= 0) & (close <= 1)]]))
    edges = quantile_edges(values, 64)
    assert (np.diff(edges) > CLOSEST).all()
    np.testing.assert_array_equal(edges[[0, -1]], [0, 1])
    assert len(edges) >= 3  # quantiles between the values are edges, too


@pytest.mark.parametrize("scale", [1e-90, 2.0**-149, 1e90, 2.0**60])
@pytest.mark.parametrize("n_bins", BINS)
def test_magnitudes_do_not_matter(scale, n_bins):
    """Also those of the least float32; powers of 2 change no bit."""
    values = np.random.default_rng(0).standard_normal(500)
    found = encoded(values * scale, quantile_edges(values * scale, n_bins))
    np.testing.assert_allclose(found, encoded(values, quantile_edges(values, n_bins)), rtol=1e-9, atol=1e-9)


@given(arrays(np.float64, st.integers(2, 60), elements=FINITE), st.sampled_from(BINS), st.lists(FINITE, min_size=1))
def test_the_encoding_is_that_of_interp(values, n_bins, others):
    if values.min() == values.max():
        values[0] = values[0] / 2 + 1
    if values.min() == values.max():
        return
    edges = quantile_edges(values, n_bins)
    assert 2 <= len(edges) <= n_bins + 1
    assert (np.diff(edges) > CLOSEST * (edges[-1] - edges[0])).all()
    np.testing.assert_array_equal(edges[[0, -1]], [values.min(), values.max()])
    x = np.concatenate([values, edges, others])
    bins, fractions = look_up(x, edges)
    assert bins.min() >= 0
    assert bins.max() <= len(edges) - 2
    assert fractions.min() >= 0
    assert fractions.max() <= 1
    expected = np.interp(x, edges, np.arange(len(edges), dtype=float))
    np.testing.assert_allclose(bins + fractions, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_edges", [2, MOST_COMPARED + 2, MOST_COMPARED + 3, 1000])
def test_either_search_finds_the_same(n_edges):
    """Up to the count at which a byte would overflow, and above."""
    edges = np.arange(float(n_edges))
    x = np.concatenate([edges, edges + 0.25, [-1.0, n_edges + 1.0]])
    np.testing.assert_array_equal(encoded(x, edges), np.clip(x, 0, n_edges - 1))


def test_missing_values_have_no_fraction():
    bins, fractions = look_up(np.array([np.nan, 0.5]), np.array([0.0, 1.0]))
    assert np.isnan(fractions[0])
    assert fractions[1] == 0.5
    assert (bins == 0).all()
