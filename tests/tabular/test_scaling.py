"""Numbers that are comparable, at any magnitude."""

import numpy as np
import pytest

from fastnn2.tabular import scaling

VALUES = np.random.default_rng(0).standard_normal(300)


@pytest.mark.parametrize("largest", [1e-10, 1.0, 3e38, 1e100, 0.0])
def test_ordinary_magnitudes_stay(largest):
    assert scaling.safe_exponent(largest) == 0
    assert scaling.divided(VALUES, 0) is VALUES


@pytest.mark.parametrize("exponent", [-1073, -900, 900, 1020])
def test_extreme_magnitudes_are_divided_by_a_power_of_two(exponent):
    values = np.ldexp([-1.0, 0.5, 1.0], exponent)
    found = scaling.safe_exponent(abs(values).max())
    assert found == exponent + 1
    divided = scaling.divided(values, found)
    np.testing.assert_array_equal(divided[[0, 2]], [-0.5, 0.5])
    assert np.isfinite(scaling.median_and_spread(divided)).all()


def test_a_value_far_outside_the_range_is_infinite():
    """As clipping comes next."""
    np.testing.assert_array_equal(scaling.divided(np.array([1e300, -1e300]), -1000), [np.inf, -np.inf])


def test_median_and_spread():
    assert scaling.median_and_spread(np.arange(5.0)) == (2.0, 2.0)
    assert scaling.median_and_spread(np.array([0.0, 0, 0, 0, 7])) == (0.0, 3.5)


def test_smooth_clipping():
    z = np.array([0.0, 3.0, -3.0, 1e-3, 1e300, -1e300, np.inf, -np.inf])
    found = scaling.smoothly_clipped(z)
    np.testing.assert_allclose(found[:4], [0, 3 / np.sqrt(2), -3 / np.sqrt(2), 1e-3], rtol=1e-7)
    np.testing.assert_allclose(found[4:], [3, -3, 3, -3])
    assert abs(found).max() <= scaling.LIMIT
