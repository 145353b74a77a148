"""L-BFGS, SciPy's, on the client; cost and gradient come from a cluster."""

import contextlib
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from fastnn2.engine.chunk_sums import ChunkSums
from fastnn2.engine.layout import unpack_params
from fastnn2.engine.mean_gradient import MeanGradient
from fastnn2.engine.objective import Objective
from fastnn2.estimators.blas import one_blas_thread
from fastnn2.exceptions import Params, TrainingDiverged, TrainingInterrupted
from fastnn2.kernels.shared import control_words
from fastnn2.threads.progress import Progress

Array = np.ndarray[Any, Any]

FAILED = 2  # a status of SciPy: neither has L-BFGS converged nor are all iterations done


class ClusterLbfgs:
    """A run of L-BFGS; ``evaluate(params)`` returns the sums over all samples.

    Parameters
    ----------
    objective : Objective
        Of float64.
    evaluate : callable
    params : ndarray
        Packed, those to begin with.
    alpha : float
        L2 penalty.
    iterations : int
        The most iterations.
    total_weight : float
        What the sums are divided by.
    """

    def __init__(
        self,
        objective: Objective,
        evaluate: Callable[[Array], ChunkSums],
        params: Array,
        alpha: float,
        iterations: int,
        total_weight: float,
    ) -> None:
        self._objective, self._evaluate, self._iterations = objective, evaluate, iterations
        self._mean_gradient = MeanGradient(objective, alpha, total_weight)
        self._control = np.zeros(control_words.CONTROL_SIZE, dtype=np.int64)
        self._costs: list[float] = []
        # The parameters after the last complete iteration, how many are complete, and the cost of these parameters. It
        # is replaced as a whole: Ctrl-C may come between any two lines.
        self._accepted: tuple[Array, int, float] = params.copy(), 0, np.nan
        self._tried: list[tuple[Array, float]] = []  # in the iteration that runs, with their costs

    def run(self, progress: bool | None) -> tuple[Params, Array]:
        """Train; return parameters and costs, or raise an error that has those of the complete iterations."""
        try:
            with Progress(self._control, self._iterations, progress) as bar:
                if self._iterations:
                    self._minimize(bar)
        except KeyboardInterrupt:
            params, costs = self.snapshot()
            raise TrainingInterrupted(
                f"stopped after {len(costs)} of {self._iterations} iterations; the error's .params and .cost_ have the "
                "result so far, and fastnn2.dask.fit(..., init=error.params) continues from it",
                params,
                costs,
            ) from None
        except TrainingDiverged:
            raise
        except Exception as error:
            with contextlib.suppress(Exception):  # an error that takes no attribute
                error.training = self.snapshot()  # type: ignore[attr-defined]
            raise
        return self.snapshot()

    def snapshot(self) -> tuple[Params, Array]:
        """Return the parameters after the complete iterations, and their costs."""
        params, done, _ = self._accepted
        objective = self._objective
        return unpack_params(params, objective.d, objective.h, objective.o), np.array(self._costs[:done])

    def _minimize(self, bar: Progress) -> None:
        def accept(x: Array) -> None:
            self._accept(x)
            bar.update()

        with one_blas_thread():
            result = scipy.optimize.minimize(
                self._cost_and_gradient, self._accepted[0], jac=True, method="L-BFGS-B", callback=accept,
                options={"maxiter": self._iterations, "maxfun": sys.maxsize})  # fmt: skip
        if result.status == FAILED:
            warnings.warn(
                f"L-BFGS stopped after {self._accepted[1]} iterations without having converged: {result.message}. "
                "Scale X, for example to mean 0 and variance 1, if the result is of no use",
                RuntimeWarning,
                stacklevel=4,
            )

    def _cost_and_gradient(self, params: Array) -> tuple[float, Array]:
        params = params.copy()  # SciPy may overwrite it
        cost, gradient = self._mean_gradient(params, self._evaluate(params))
        if not np.isfinite(cost):
            found, costs = self.snapshot()
            raise TrainingDiverged(
                f"training diverged: at iteration {len(costs)} the cost is not finite. Try smaller initial parameters, "
                "alpha or weights, or scale the inputs (for example to mean 0 and variance 1). The error's .params and "
                ".cost_ have the last finite values",
                found,
                costs,
            )
        if not self._accepted[1] and np.isnan(self._accepted[2]):
            self._accepted = params, 0, cost
        self._tried.append((params, cost))
        return cost, gradient

    def _accept(self, params: Array) -> None:
        """End an iteration with parameters that were tried."""
        _, done, before = self._accepted
        after = [cost for tried, cost in self._tried if (tried == params).all()][-1]
        self._costs[done:] = [before]
        self._accepted = params.copy(), done + 1, after
        self._control[control_words.COMPLETED] = done + 1
        self._tried.clear()
