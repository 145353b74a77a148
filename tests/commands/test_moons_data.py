"""Moons in blocks, and in arrays."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_moons

from fastnn2.commands import moons_data


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [2, 99, 100, 101, 200, 257])
def test_data_equals_make_moons_block_by_block(n, dtype, monkeypatch):
    monkeypatch.setattr(moons_data, "BLOCK_SAMPLES", 100)
    X, Y = moons_data.make_data(n, 0.2, dtype, 7)
    assert (X.shape, Y.shape) == ((2, n), (1, n))
    assert (X.dtype, Y.dtype) == (np.dtype(dtype), np.dtype(dtype))
    random = np.random.RandomState(7)
    lengths = [100] * (n // 100) + ([n % 100] if n % 100 else [])
    blocks = [make_moons(n_samples=length, noise=0.2, random_state=random) for length in lengths]
    assert_array_equal(X, np.concatenate([rows for rows, _ in blocks]).T.astype(dtype), strict=True)
    assert_array_equal(Y[0], np.concatenate([labels for _, labels in blocks]).astype(dtype), strict=True)


def test_data_of_one_block_equals_make_moons():
    X, Y = moons_data.make_data(500, 0.1, "float64", 3)
    rows, labels = make_moons(n_samples=500, noise=0.1, random_state=np.random.RandomState(3))
    assert_array_equal(X, rows.T)
    assert_array_equal(Y[0], labels)


def test_data_depends_on_the_seed_alone():
    state = np.random.get_state()[1].copy()
    first, second, other = (moons_data.make_data(50, 0.1, "float64", seed) for seed in (1, 1, 2))
    assert_array_equal(first[0], second[0])
    assert not np.array_equal(first[0], other[0])
    assert_array_equal(np.random.get_state()[1], state)
