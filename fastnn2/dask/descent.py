"""Gradient descent of fit, whose sums come from a cluster."""

import contextlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.engine.chunk_sums import ChunkSums
from fastnn2.engine.descent import Descent
from fastnn2.engine.layout import aligned_zeros
from fastnn2.engine.objective import Objective
from fastnn2.exceptions import Params
from fastnn2.kernels.shared import tuning
from fastnn2.threads.pauses import Observer
from fastnn2.threads.progress import Progress

Array = np.ndarray[Any, Any]


class ClusterDescent(Descent):
    """A run of gradient descent; ``evaluate(params)`` returns the sums over all samples."""

    function = "fastnn2.dask.fit"

    def __init__(
        self,
        objective: Objective,
        evaluate: Callable[[Array], ChunkSums],
        params: Array,
        alpha: float,
        iterations: int,
        costs_so_far: Array | None = None,
    ) -> None:
        shape = objective.d, objective.h, objective.o, objective.n
        super().__init__(params, shape, alpha, iterations, 1, costs_so_far)
        self._objective, self._evaluate = objective, evaluate
        self._gradient = aligned_zeros(max(objective.stride, self.gradients_stride), np.float64)
        # Costs are added as in train: in pairs, or one after the other where threads share the parameters.
        self._adds_in_order = not objective.is_of_fit or objective.params >= tuning.SHARED_PARAMS

    def run(
        self, learning_rate: float, total_weight: float, progress: bool | None, observer: Observer | None = None
    ) -> tuple[Params, Array]:
        """Train, as :meth:`TrainingRun.run`; any other error gets the result so far in its attribute training."""
        process, is_interrupted = os.getpid(), False
        try:
            with Progress(self.control, self.iterations, progress) as bar:
                self.iterate(lambda: self._take_step(learning_rate, total_weight), bar.update, observer)
        except KeyboardInterrupt:
            is_interrupted = True
        except Exception as error:
            with contextlib.suppress(Exception):  # an error that takes no attribute
                params, costs = self.snapshot()
                error.training = params, costs.copy()  # type: ignore[attr-defined]
            raise
        finally:
            self.is_intact = process == os.getpid()
        return self._finished(is_interrupted, observer is not None)

    def _take_step(self, learning_rate: float, total_weight: float) -> bool:
        objective = self._objective
        sums = self._evaluate(self.current()[: objective.params])
        total = sums.total(objective.cut.chunks)
        self._gradient[: objective.params] = total[: objective.params]
        self._gradient[self.gradients_stride - 1] = sums.sums_in_order()[1] if self._adds_in_order else total[-1]
        return self.step(self._gradient, 1, learning_rate, total_weight)
