"""Crowds of small networks for :mod:`bench.many`: their samples, seeds and initial parameters."""

import dataclasses

import numpy as np

import fastnn2
from bench import cases


@dataclasses.dataclass(frozen=True)
class Crowd:
    """Networks of one shape that differ in their seeds, and with `is_own` in their samples instead."""

    case: cases.Case
    networks: int
    dtype: str = "float64"
    is_own: bool = False  # each network has samples of its own: the case's, drawn with replacement

    @property
    def seeds(self):
        """Return random_state as fit_many takes it."""
        return 3 if self.is_own else list(range(self.networks))

    def shared(self):
        """Return X (d, n) and Y (1, n) of the case."""
        X, Y, _ = cases.problem(self.case)
        return X.astype(self.dtype), Y.astype(self.dtype)

    def drawn(self, first, last):
        """Return lists of X and Y of some networks that have samples of their own."""
        X, Y = self.shared()
        chosen = [
            np.random.default_rng(network).integers(self.case.n, size=self.case.n) for network in range(first, last)
        ]
        return [np.take(X, samples, axis=1) for samples in chosen], [np.take(Y, samples, axis=1) for samples in chosen]

    def samples(self):
        """Return X and Y as fit_many takes them."""
        return self.drawn(0, self.networks) if self.is_own else self.shared()

    def initial(self, network):
        """Return the initial parameters of a network as a dict."""
        seed = self.seeds if self.is_own else self.seeds[network]
        return fastnn2.init_params(np.zeros((self.case.d, 1)), np.zeros((1, 1)), self.case.h, random_state=seed)

    def fit(self, samples, n_threads, costs="all"):
        """Train all networks in one call of fit_many; return its results."""
        return fastnn2.fit_many(
            *samples, self.case.learning_rate, self.case.h, self.case.iterations, random_state=self.seeds, costs=costs,
            n_threads=n_threads, progress=False,
        )  # fmt: skip
