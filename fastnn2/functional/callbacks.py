"""The callback of fit."""

from collections.abc import Callable
from typing import Any

from fastnn2.engine.training_run import TrainingRun
from fastnn2.exceptions import Params
from fastnn2.functional import checks
from fastnn2.threads.pauses import Observer

Callback = Callable[[int, float, Params], Any]


def as_caller(callback: Any, every: Any) -> "Caller | None":
    """Return what calls a callback after each `every` iterations (None is 1), or None if there is none."""
    if callback is None:
        if every is not None:
            raise ValueError(
                f"callback_every is {every!r}, but callback is None; pass a function as callback, or leave out "
                "callback_every"
            )
        return None
    if not callable(callback):
        raise TypeError(
            f"callback is {type(callback).__name__}; expected a function of (iteration, cost, params), or None"
        )
    return Caller(callback, 1 if every is None else checks.as_integer(every, "callback_every", 1))


class Caller(Observer):
    """Calls a function after each `every` iterations of a job.

    Attributes
    ----------
    error : BaseException or None
        What the function has raised.
    """

    def __init__(self, callback: Callback, every: int) -> None:
        self._callback, self._every = callback, every
        self.error: BaseException | None = None

    def attach(self, job: TrainingRun) -> None:
        """Take the job to look at."""
        self._job = job

    def next_pause(self, completed: int) -> int:
        """Return the next multiple of `every`."""
        return (completed // self._every + 1) * self._every

    def look(self, completed: int) -> bool:
        """Call the function if it is time; return whether it returns a true value."""
        if completed % self._every != 0:
            return False
        params, costs = self._job.snapshot()
        try:
            return bool(self._callback(completed, float(costs[-1]), params))
        except BaseException as error:
            self.error = error
            raise
