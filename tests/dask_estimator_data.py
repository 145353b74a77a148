"""Data and comparisons for the tests of the estimators for a cluster."""

import dask.array
import numpy as np
from data import assert_same_bits

PARTITIONS = {
    "even": [500, 500, 500, 500],
    "tiny": [1, 3, 1990, 6],
    "empty": [0, 700, 0, 1300, 0],
    "one": [2000],
}


def samples(n=2000, d=4, seed=0, dtype="float64"):
    """Return X (n, d), a number for each sample, and weights, some of which are 0."""
    source = np.random.RandomState(seed)
    X = source.randn(n, d).astype(dtype)
    numbers = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * source.randn(n)
    return X, numbers, source.randint(0, 3, n) * source.rand(n)


def cut(array, lengths, columns=None):
    """Return a dask array with partitions of these lengths; `from_array` drops empty ones."""
    ends = np.cumsum([0, *lengths])
    assert ends[-1] == len(array)
    chunks = (tuple(lengths),) if array.ndim == 1 else (tuple(lengths), columns or (array.shape[1],))
    return dask.array.from_array(array, chunks=chunks)


def forget_sizes(array):
    """Return a dask array that does not know the sizes of its partitions."""
    return array[dask.array.ones(array.shape[0], chunks=(array.chunks[0],), dtype=bool)]


def assert_same_model(model, local):
    """Compare the fitted attributes of a model and one of the local class, bit by bit."""
    for found, expected in zip(model.coefs_ + model.intercepts_, local.coefs_ + local.intercepts_, strict=True):
        assert_same_bits(found, expected)
    for name in ("loss_", "n_iter_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(model, name) == getattr(local, name), name
    if hasattr(local, "classes_"):
        assert np.array_equal(model.classes_, local.classes_)
        assert np.asarray(model.classes_).dtype == np.asarray(local.classes_).dtype
