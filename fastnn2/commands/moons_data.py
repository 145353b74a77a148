"""The moons of ``fastnn2 scale``, drawn in blocks."""

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK_SAMPLES = 1 << 20  # samples are drawn in blocks of this size


def draw_blocks(n: int, noise: float, seed: int) -> Iterator[tuple[Array, Array]]:
    """Yield n samples in blocks: X (rows, 2) and the labels (rows,), 0 or 1."""
    from sklearn.datasets import make_moons

    random = np.random.RandomState(seed)
    for start in range(0, n, BLOCK_SAMPLES):
        yield make_moons(n_samples=min(BLOCK_SAMPLES, n - start), noise=noise, random_state=random)


def make_data(n: int, noise: float, dtype: str, seed: int) -> tuple[Array, Array]:
    """Return X (2, n) and Y (1, n) in `dtype`, drawn in blocks so that hardly more memory is needed than they take."""
    X, Y = np.empty((2, n), dtype=dtype), np.empty((1, n), dtype=dtype)
    start = 0
    for rows, labels in draw_blocks(n, noise, seed):
        stop = start + len(rows)
        X[:, start:stop], Y[0, start:stop] = rows.T, labels
        start = stop
    return X, Y
