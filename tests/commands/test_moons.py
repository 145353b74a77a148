"""``fastnn2 moons``: its data, its memory check, and the format of times."""

import argparse

import numpy as np
import pytest
from data import PUBLISHED_FIRST_COST, assert_same_bits, published_data
from numpy.testing import assert_array_equal

from fastnn2.commands import memory, moons


def test_published_run_draws_the_published_data():
    chosen = moons.PUBLISHED
    params, X, Y = moons.draw_run(chosen["samples"], chosen["noise"], chosen["hidden"], chosen["seed"])
    expected_X, expected_Y, expected_params = published_data()
    assert_same_bits(params, expected_params)
    assert_array_equal(X, expected_X, strict=True)
    assert_array_equal(Y, expected_Y, strict=True)
    assert moons.PUBLISHED_FIRST_COST == PUBLISHED_FIRST_COST


def test_draws_depend_on_the_seed_alone():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    first, second, other = (moons.draw_run(20, 0.1, 4, seed) for seed in (7, 7, 8))
    assert_same_bits(first, second)
    assert not np.array_equal(first[1], other[1])
    assert not np.array_equal(first[0]["W1"], other[0]["W1"])
    assert_array_equal(np.random.get_state()[1], before)  # the global state is not changed


@pytest.mark.parametrize("samples", [2, 3, 500])
def test_shapes_of_drawn_arrays(samples):
    params, X, Y = moons.draw_run(samples, 0.0, 6, 0)
    assert (X.shape, Y.shape) == ((2, samples), (1, samples))
    assert {name: value.shape for name, value in params.items()} == {
        "W1": (6, 2), "b1": (6, 1), "W2": (1, 6), "b2": (1, 1),
    }  # fmt: skip
    assert set(Y.ravel()) == {0, 1}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_run_too_large_for_memory_is_an_error_before_any_work(dtype, tmp_path, monkeypatch):
    """Samples are drawn in float64 for either dtype, once for training and once for testing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "available_memory", lambda: 1_200_000_000)
    monkeypatch.setattr(moons, "draw_run", None)
    options = argparse.Namespace(
        published=False, samples=10_000_001, hidden=5, iterations=100, dtype=dtype, plot=None, no_plot=False
    )
    message = r"need 1\.2 GB, but 1\.2 GB are available; at most --samples 9\d{6} would fit"
    with pytest.raises(ValueError, match=message):
        moons.run(options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (75.0, "75 s"),
        (1.0, "1 s"),
        (0.0123456, "12.3 ms"),
        (0.001, "1 ms"),
        (0.000000423, "0.423 µs"),
        (0.0, "0 µs"),
    ],
)
def test_format_duration(seconds, text):
    assert moons.format_duration(seconds) == text
