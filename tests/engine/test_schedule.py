"""Learning rates with warm-up and half a cosine, against the formula with NumPy's functions."""

import numpy as np
import pytest

from fastnn2.engine.schedule import cosine, cosine_rates, powers


@pytest.mark.parametrize("steps", [1, 2, 33, 34, 1000, 100_000])
@pytest.mark.parametrize("beta_2", [0.95, 0.999, 0.0])
def test_rates_are_those_of_the_formula(steps, beta_2):
    t = np.arange(steps)
    expected = 0.01 * (1 + np.cos(np.pi * t / steps)) / 2 * np.minimum(1, (t + 1) / (0.03 * steps + 1))
    expected *= np.sqrt(1 - beta_2 ** (t + 1.0)) / (1 - 0.9 ** (t + 1.0))
    np.testing.assert_allclose(cosine_rates(steps, 0.01, 0.9, beta_2), expected, rtol=1e-12, atol=1e-16)


def test_rates_rise_for_3_percent_of_the_steps_and_then_fall_to_0():
    rates = cosine_rates(1000, 1.0, 0.0, 0.0)
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[31:]) < 0).all()
    assert rates[-1] < 1e-5


def test_cosine_is_exact_to_the_last_bits():
    x = np.linspace(0, 1, 10_001)
    np.testing.assert_allclose(cosine(x), np.cos(np.pi * x), rtol=0, atol=4e-16)
    assert cosine(np.array([0.5]))[0] == 0


def test_powers():
    np.testing.assert_allclose(powers(0.5, 4), [0.5, 0.25, 0.125, 0.0625], rtol=0)
    assert powers(0.5, 0).shape == (0,)
