"""The sum of sample weights, of an array or of pieces of one: the same bits for any pieces."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SLICE = 10_000_000  # weights that NumPy sums at once; the sums of slices are added one after the other


def sum_weights(weights: Array) -> float:
    """Return the sum of weights (n,) in float64."""
    with np.errstate(over="ignore"):
        if len(weights) <= SLICE:
            return float(weights.sum(dtype=np.float64))
        total = WeightSum(weights.dtype)
        total.add(weights)
        return total.value()


class WeightSum:
    """The sum of weights that come in pieces: what :func:`sum_weights` returns for all of them in one array.

    The order in which NumPy adds the numbers of an array depends on their count. Therefore the weights of a slice are
    kept until it is full.

    Parameters
    ----------
    dtype : dtype
        Of the weights.
    """

    def __init__(self, dtype: Any) -> None:
        self._total = 0.0
        self._slice = np.empty(SLICE, dtype)  # the system gives memory only for what is written
        self._kept = 0

    def add(self, weights: Array) -> None:
        """Add the next weights (m,)."""
        while len(weights):
            room = SLICE - self._kept
            self._add_to_slice(weights[:room])
            weights = weights[room:]

    def _add_to_slice(self, weights: Array) -> None:
        if len(weights) == SLICE:  # a whole one, which needs no copy
            self._total += sum_weights(weights)
            return
        self._slice[self._kept : self._kept + len(weights)] = weights
        self._kept += len(weights)
        if self._kept == SLICE:
            self._total += sum_weights(self._slice)
            self._kept = 0

    def value(self) -> float:
        """Return the sum of all weights so far."""
        return self._total + sum_weights(self._slice[: self._kept])
