"""What the tests of fit_blocks share: samples as rows, iterables of their blocks, and limits of memory."""

import re

import numpy as np
from data import RATE, assert_same_bits

import fastnn2

# name -> d, h, o: kernels for few inputs, for layers, and for parameters that all threads share
SHAPES = {
    "narrow": (2, 5, 1),
    "one feature": (1, 3, 1),
    "layers": (5, 9, 1),
    "outputs": (3, 7, 3),
    "shared": (40, 110, 1),
}
ITERATIONS = 3


def samples(shape, n, dtype="float64", weighted=False, seed=0):
    """Return X (n, d), Y (n, o) and, if wanted, weights (n,)."""
    d, _, o = SHAPES[shape]
    source = np.random.default_rng([seed, d, o, n])
    X = source.standard_normal((n, d)).astype(dtype)
    Y = source.choice([0.0, 1.0, 0.25], size=(n, o)).astype(dtype)
    weights = source.uniform(0.25, 4.0, n).astype(dtype)
    weights[1::5] = 0.0
    return (X, Y, weights) if weighted else (X, Y)


class Blocks:
    """Yields the rows between cuts, again and again; `passes` counts how often it was begun."""

    def __init__(self, arrays, cuts):
        self.arrays, self.cuts, self.passes = arrays, [0, *cuts, len(arrays[0])], 0

    def __iter__(self):
        self.passes += 1
        for first, last in zip(self.cuts, self.cuts[1:], strict=False):
            yield tuple(array[first:last] for array in self.arrays)


def fit(arrays, shape, iterations=ITERATIONS, **options):
    """Return what fit makes of rows."""
    X, Y, *weights = arrays
    weights = weights[0] if weights else None
    return fastnn2.fit(X.T, Y.T, RATE, SHAPES[shape][1], iterations, sample_weight=weights, **options)


def fit_blocks(blocks, shape, iterations=ITERATIONS, **options):
    """Return what fit_blocks makes of blocks."""
    return fastnn2.fit_blocks(blocks, RATE, SHAPES[shape][1], iterations, **options)


def smallest_limit(blocks, shape, **options):
    """Return the number that the error of a limit that is too small names."""
    try:
        fit_blocks(blocks, shape, memory_limit=1, **options)
    except ValueError as error:
        return int(re.search(r"pass (\d+) or more$", str(error)).group(1))
    raise AssertionError("one byte is enough")


def assert_equals_fit(blocks, arrays, shape, **options):
    """Assert that fit_blocks gives the bits of fit."""
    shared = {name: value for name, value in options.items() if name in ("alpha", "dtype", "init", "random_state")}
    assert_same_bits(fit_blocks(blocks, shape, **options), fit(arrays, shape, **shared))
