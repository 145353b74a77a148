"""The grid: shapes, data, initial weights and numbers of iterations."""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from fastnn2 import reference

BLOCK = 1 << 20  # samples are drawn in blocks, so that temporary arrays stay small


@dataclass(frozen=True)
class Case:
    """A training run. The time of a whole call is measured, layout included, so iterations are many enough to dominate.

    Learning rates are so small that float32 follows float64 to the last iteration.
    """

    n: int
    d: int
    h: int
    o: int = 1
    iterations: int = 20
    learning_rate: float = 0.1
    quick: bool = True  # whether it is part of the quick run

    @property
    def name(self):
        """Return the shape as one word, for -k and --only."""
        return f"{self.n}x{self.d}x{self.h}" + (f"x{self.o}" if self.o > 1 else "")

    @property
    def title(self):
        """Return the shape for tables."""
        return f"{self.n:,} x {self.d} x {self.h}" + (f" x {self.o}" if self.o > 1 else "")


TUTORIAL = Case(500, 2, 5, iterations=5000, learning_rate=0.3)
GRID = (
    TUTORIAL,
    Case(2_000, 10, 16, iterations=500),
    Case(10_000, 2, 5, iterations=500, learning_rate=0.3),
    Case(200, 24, 8, iterations=2000),
    Case(1_000_000, 2, 5, learning_rate=0.3, quick=False),
    Case(100_000, 30, 32, quick=False),
    Case(20_000, 64, 64, iterations=40, quick=False),
    Case(50_000, 100, 100, quick=False),
    Case(20_000, 784, 128, learning_rate=0.02, quick=False),
    Case(5_000, 784, 1024, learning_rate=0.005, quick=False),
    Case(10_000, 64, 64, o=10, iterations=40),
)
FIRST_COST, LAST_COST = 0.7383781203733911, 0.06791109327547613  # the tutorial's, in float64


@lru_cache(maxsize=1)
def problem(case):
    """Return X (d, n), Y (o, n) and initial parameters, float64, always the same for a case."""
    if case == TUTORIAL:
        return tutorial()
    if case.d == 2:
        X, Y = moons(case.n)
    else:
        # A random network with twice as many hidden units labels the samples; a tenth of the labels is flipped.
        rng = np.random.default_rng(7)
        X = rng.standard_normal((case.d, case.n))
        teacher = reference.init_params(X, np.empty((case.o, 1)), 2 * case.h, random_state=rng)
        Y = (reference.forward(X, teacher)[0] > 0.5) ^ (rng.random((case.o, case.n)) < 0.1)
    Y = Y.astype(float)
    return X, Y, reference.init_params(X, Y, case.h)


def tutorial():
    """Return the tutorial's data and weights, drawn from one generator: weights first, moons after them."""
    from sklearn.datasets import make_moons

    rng = np.random.RandomState(3)
    params = reference.init_params(np.empty((2, 1)), np.empty((1, 1)), TUTORIAL.h, random_state=rng)
    X, Y = make_moons(n_samples=TUTORIAL.n, noise=0.2, random_state=rng)
    return np.ascontiguousarray(X.T), Y.reshape(1, -1).astype(float), params


def moons(n, noise=0.2, seed=7):
    """Return two interleaving half circles: X (2, n), and Y (1, n), which says to which of them a sample belongs."""
    rng = np.random.default_rng(seed)
    X, Y = np.empty((2, n)), np.empty((1, n))
    for start in range(0, n, BLOCK):
        part = slice(start, min(start + BLOCK, n))
        size = part.stop - part.start
        upper, angle = rng.random(size) < 0.5, rng.uniform(0, np.pi, size)
        X[0, part] = np.where(upper, np.cos(angle), 1 - np.cos(angle))
        X[1, part] = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
        X[:, part] += noise * rng.standard_normal((2, size))
        Y[0, part] = ~upper
    return X, Y


@cache
def expected_cost(case):
    """Return the reference's last cost in float64, which every peer has to reach before it is timed."""
    X, Y, params = problem(case)
    cost_ = reference.fit(X, Y, case.learning_rate, case.h, case.iterations, init=params)[1]
    if not cost_[-1] < cost_[0]:
        raise AssertionError(f"{case.name} does not learn: cost {cost_[0]:.6g} at first, {cost_[-1]:.6g} at last")
    return cost_[-1]
