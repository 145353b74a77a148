"""What the runs of fit and fit_blocks have in common: costs, parameters so far, and how a run ends."""

import abc
from typing import Any

import numpy as np

from fastnn2.engine.layout import aligned_zeros, unpack_params
from fastnn2.exceptions import Params, TrainingDiverged, TrainingInterrupted
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.threads.pauses import Observer

Array = np.ndarray[Any, Any]


class TrainingRun(abc.ABC):
    """Gradient descent over all samples; `shape` is (d, h, o, n).

    A run that goes on from an earlier one is given the costs of the iterations that are done.

    Attributes
    ----------
    is_intact : bool
        Whether a run that is over, with an error or not, has left whole iterations. It has not if a thread has failed,
        or in a child that was forked during the run and has no part in it.
    """

    function = "fit"  # the public function that runs it, for messages

    def __init__(
        self, shape: tuple[int, int, int, int], iterations: int, threads: int, costs_so_far: Array | None = None
    ) -> None:
        d, h, o, n = shape
        self.shape, self.iterations, self.threads = shape, iterations, threads
        self.work = tuning.work_of_iteration(d, n, h, o)
        self.costs = np.zeros(iterations)
        self.control = aligned_zeros(control_words.NEXT_CHUNKS + 2 * threads * control_words.WORD, np.int64)
        for word in (control_words.ABANDONED, control_words.DIVERGED, control_words.SERIAL_FROM, control_words.OUTCOME):
            self.control[word] = -1
        self.control[control_words.PAUSE_AT] = control_words.NEVER
        self.is_intact = False  # set by `run`
        self.first_iteration = 0 if costs_so_far is None else len(costs_so_far)
        if costs_so_far is not None:
            self.costs[: self.first_iteration] = costs_so_far
            self.control[control_words.COMPLETED] = self.first_iteration

    @abc.abstractmethod
    def run(
        self, learning_rate: float, total_weight: float, progress: bool | None, observer: Observer | None = None
    ) -> tuple[Params, Array]:
        """Train; return parameters and costs, or raise them in an error where training stopped early.

        An observer may end the run, which then returns what it has. What it raises is raised as it is.
        """

    @abc.abstractmethod
    def _params_after(self, iterations: int) -> Array:
        """Return the packed parameters after `iterations`, the number of completed iterations."""

    def _finished(self, interrupted: bool, may_end_early: bool) -> tuple[Params, Array]:
        """Return what a run that is over returns, or raise it in an error; `interrupted` is whether Ctrl-C came."""
        params = None
        while params is None:
            try:
                params, _ = self.snapshot()
            except KeyboardInterrupt:  # copying millions of parameters takes long: start again
                interrupted = True
        return self._result(params, interrupted, may_end_early)

    def snapshot(self) -> tuple[Params, Array]:
        """Return the parameters after the completed iterations, as copies, and their costs, as a view.

        No thread changes them meanwhile: thread 0 is out of its kernel.
        """
        d, h, o, _ = self.shape
        done = int(self.control[control_words.COMPLETED])
        return unpack_params(self._params_after(done), d, h, o), self.costs[:done]

    def interrupted(self) -> TrainingInterrupted:
        """Return the error that tells of Ctrl-C, with what is trained so far."""
        return self._interrupted(*self.snapshot())

    def _interrupted(self, params: Params, costs: Array) -> TrainingInterrupted:
        message = (
            f"stopped after {len(costs)} of {self.iterations} iterations; the error's .params and .cost_ have the "
            f"result so far, and {self.function}(..., init=error.params) continues from it"
        )
        return TrainingInterrupted(message, params, costs)

    def _result(self, params: Params, interrupted: bool, may_end_early: bool) -> tuple[Params, Array]:
        """Return parameters and costs, or raise them where training stopped early or Ctrl-C came at its very end."""
        done, outcome = int(self.control[control_words.COMPLETED]), self.control[control_words.OUTCOME]
        if outcome == control_words.FINISHED and not interrupted:
            return params, self.costs
        if outcome == control_words.INTERRUPTED and not interrupted and may_end_early:
            return params, self.costs[:done].copy()
        if interrupted or outcome == control_words.INTERRUPTED:
            raise self._interrupted(params, self.costs[:done])
        costs = self.costs[: done + (outcome == control_words.PARAMS_NOT_FINITE)]
        message = (
            f"{diverged_message(done, int(outcome), costs)}. The error's .params and .cost_ have the last finite values"
        )
        raise TrainingDiverged(message, params, costs)


def diverged_message(done: int, outcome: int, costs: Array) -> str:
    """Return what to say of a run whose cost or parameters are no longer finite after `done` iterations.

    `costs` are the finite ones, or the last of them.
    """
    subject = "cost is" if outcome == control_words.COST_NOT_FINITE else "parameters after the update are"
    # If the very first cost is not finite, no update has been made, so the learning rate is not the cause.
    remedy = "smaller initial parameters, alpha or weights, or scale the inputs (for example to mean 0 and variance 1)"
    if done or outcome != control_words.COST_NOT_FINITE:
        remedy = (
            "a smaller learning rate or alpha (weights grow where learning_rate * alpha / n is above 2), or scale the "
            "inputs (for example to mean 0 and variance 1)"
        )
    last = f"the last finite cost was {costs[-1]:.6g}" if len(costs) else "there was no finite cost before"
    return f"training diverged: at iteration {done} the {subject} not finite; {last}. Try {remedy}"
