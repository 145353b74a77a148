"""Mean loss and gradient from the sums over all samples, for a solver that takes its own steps."""

from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.chunk_sums import ChunkSums
from fastnn2.engine.layout import aligned_zeros, padded_length
from fastnn2.engine.objective import Objective
from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.records import MeanGradientRecord

Array = np.ndarray[Any, Any]


class MeanGradient:
    """The mean loss of all samples, with an L2 penalty, and its gradient.

    Parameters
    ----------
    objective : Objective
    alpha : float
        L2 penalty.
    total_weight : float, optional
        The sum of all weights; None takes what the kernel has summed, or the number of samples.
    """

    def __init__(self, objective: Objective, alpha: float, total_weight: float | None = None) -> None:
        self._objective, self._total_weight = objective, total_weight
        self._kernel = provider.kernel("mean_gradient", objective.dtype)
        size = padded_length(objective.params + tuning.UPDATE_WIDTH, objective.dtype)
        self._params, self._gradient = (aligned_zeros(size, objective.dtype) for _ in range(2))
        self._l2 = aligned_zeros(size, np.float64)
        for weights in tuning.weights_of(objective.d, objective.h, objective.o):
            self._l2[weights] = alpha
        self._sums = aligned_zeros(objective.stride, np.float64)
        self._result = np.zeros(1)

    def __call__(self, params: Array, sums: ChunkSums) -> tuple[float, Array]:
        """Return loss and gradient (parameters,) at packed parameters, whose `sums` these are."""
        objective, count = self._objective, self._objective.params
        chunks = objective.cut.chunks
        self._params[:count] = params
        self._sums[:] = sums.total(chunks)
        weight, loss = sums.sums_in_order()
        self._sums[-1] = loss
        if self._total_weight is not None:
            weight = self._total_weight
        elif not objective.has_weights:
            weight = float(objective.n)
        self._kernel(
            MeanGradientRecord(
                chunks=chunks, sums=self._sums, stride=objective.stride, params=self._params, count=count, l2=self._l2,
                total_weight=weight, gradient=self._gradient, result=self._result)
        )  # fmt: skip
        # L-BFGS of one machine has a mean over mini-batches, weighted by their samples: here over one, of all samples.
        loss = float(self._result[0]) * objective.n / objective.n
        return loss, self._gradient[:count].copy()
