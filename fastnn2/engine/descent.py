"""Gradient descent whose steps Python takes, once the sums of all samples are there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.layout import aligned_zeros, gradient_length, padded_length
from fastnn2.engine.training_run import TrainingRun
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.records import DescendRecord
from fastnn2.threads.pauses import Observer

Array = np.ndarray[Any, Any]


class Descent(TrainingRun):
    """A run with two sets of parameters, used in turn: those of the last complete iteration stay until the next is.

    Parameters
    ----------
    params : ndarray
        Packed, those after the iterations of `costs_so_far`.
    shape : tuple
        (d, h, o, n)
    alpha : float
    iterations, threads, costs_so_far
        As for :class:`TrainingRun`.
    """

    def __init__(
        self,
        params: Array,
        shape: tuple[int, int, int, int],
        alpha: float,
        iterations: int,
        threads: int,
        costs_so_far: Array | None = None,
    ) -> None:
        super().__init__(shape, iterations, threads, costs_so_far)
        dtype = params.dtype
        stride = padded_length(len(params), dtype)
        self.params = aligned_zeros(2 * stride, dtype).reshape(2, stride)
        self.params[self.first_iteration % 2, : len(params)] = params
        self.count = -(-len(params) // tuning.UPDATE_WIDTH) * tuning.UPDATE_WIDTH
        self.gradients_stride = gradient_length(len(params))
        self.has_l2 = alpha != 0
        self.l2 = aligned_zeros(stride, np.float64)
        for weights in tuning.weights_of(*shape[:3]):
            self.l2[weights] = alpha
        self.results = np.zeros(2)
        self._descend = provider.kernel("descend", dtype)

    @property
    def completed(self) -> int:
        """Return the number of completed iterations."""
        return int(self.control[control_words.COMPLETED])

    def current(self) -> Array:
        """Return the packed parameters after the completed iterations, with the zeros that follow; a view."""
        current: Array = self.params[self.completed % 2]
        return current

    def iterate(
        self, take_step: Callable[[], bool], end_iteration: Callable[[], object], observer: Observer | None
    ) -> None:
        """Run all iterations, or until one is not finite or the observer ends the run; write OUTCOME.

        Parameters
        ----------
        take_step : callable
            Sums over all samples and calls :meth:`step`, whose answer it returns.
        end_iteration : callable
            Called after each iteration.
        observer : Observer, optional
        """
        control = self.control
        completed = self.first_iteration
        pause_at = observer.next_pause(completed) if observer is not None else control_words.NEVER
        while completed < self.iterations:
            if not take_step():
                return
            completed += 1
            ends = False
            if observer is not None and (completed >= pause_at or completed == self.iterations or observer.is_due()):
                ends = observer.look(completed)
                pause_at = observer.next_pause(completed)
            end_iteration()
            if ends and completed < self.iterations:
                control[control_words.OUTCOME] = control_words.INTERRUPTED
                return
        control[control_words.OUTCOME] = control_words.FINISHED

    def step(self, gradients: Array, chunks: int, learning_rate: float, total_weight: float) -> bool:
        """Take a step; return whether cost and parameters are finite, or write OUTCOME.

        `gradients` are those of `chunks` chunks, with costs as their last numbers; they are overwritten.
        """
        control, completed = self.control, self.completed
        before, after = self.params[completed % 2], self.params[(completed + 1) % 2]
        self._descend(
            DescendRecord(
                chunks=chunks, gradients=gradients, gradients_stride=self.gradients_stride,
                shared=tuning.count_params(*self.shape[:3]) >= tuning.SHARED_PARAMS, params=before, new=after,
                params_stride=len(before), count=self.count, l2=self.l2, has_l2=self.has_l2,
                learning_rate=learning_rate, total_weight=total_weight, results=self.results)
        )  # fmt: skip
        cost, is_finite = self.results
        if not np.isfinite(cost):
            control[control_words.OUTCOME] = control_words.COST_NOT_FINITE
            return False
        self.costs[completed] = cost
        if not is_finite:
            control[control_words.OUTCOME] = control_words.PARAMS_NOT_FINITE
            return False
        control[control_words.COMPLETED] = completed + 1
        return True

    def _params_after(self, iterations: int) -> Array:
        d, h, o, _ = self.shape
        flat: Array = self.params[iterations % 2, : tuning.count_params(d, h, o)]
        return flat
