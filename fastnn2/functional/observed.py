"""A run of fit or fit_blocks that is looked at: by a callback, by checkpoints, or by both."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn2.engine.training_run import TrainingRun
from fastnn2.exceptions import Params, TrainingDiverged
from fastnn2.functional import checks
from fastnn2.functional.callbacks import Caller
from fastnn2.threads.pauses import Observer

if TYPE_CHECKING:
    import pathlib

    from fastnn2.functional.checkpoints import Saver

Array = np.ndarray[Any, Any]


def as_checkpoint(checkpoint: Any, seconds: Any, resume: Any) -> "tuple[pathlib.Path, float, bool] | None":
    """Return the path of the checkpoints, their seconds, and whether to go on from them; None if there are none."""
    if not isinstance(resume, bool | np.bool_):
        raise TypeError(f"resume is {resume!r}; expected True or False")
    seconds = checks.as_non_negative_float(seconds, "checkpoint_seconds")
    if checkpoint is None:
        if resume:
            raise ValueError("resume is True, but checkpoint is None; pass the file to go on from as checkpoint")
        return None
    # Runs without checkpoints do not pay for this module and the one below: their imports take longer than a short run.
    from fastnn2.storage.atomic import as_path

    return as_path(checkpoint, "checkpoint"), seconds, bool(resume)


def as_saver(checkpoint: Any, seconds: Any, resume: Any, kind: str = "fit") -> "Saver | None":
    """Return what writes checkpoints of a function, `kind`, or None if there are none."""
    wanted = as_checkpoint(checkpoint, seconds, resume)
    if wanted is None:
        return None
    from fastnn2.functional.checkpoints import Saver

    return Saver(*wanted, kind)


class Observers(Observer):
    """Several observers of a job. A pause is when one of them wants it, and each decides whether to do something."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def next_pause(self, completed: int) -> int:
        """Return the first iteration that one of them waits for."""
        return min(observer.next_pause(completed) for observer in self._observers)

    def is_due(self) -> bool:
        """Return whether one of them wants a pause now."""
        return any(observer.is_due() for observer in self._observers)

    def look(self, completed: int) -> bool:
        """Let all of them look; return whether one ends the run."""
        answers = [observer.look(completed) for observer in self._observers]
        return any(answers)


def run_observed(
    job: TrainingRun,
    learning_rate: float,
    total_weight: float,
    progress: bool | None,
    caller: Caller | None,
    saver: "Saver | None",
) -> tuple[Params, Array]:
    """Run a job, with a callback, with checkpoints, with both or with neither; see :meth:`TrainingRun.run`.

    What a callback raises gets the result so far in its attribute `training`; an error that takes no attribute is
    raised without it. The last checkpoint is that of the end, unless training diverged.
    """
    if caller is None and saver is None:
        return job.run(learning_rate, total_weight, progress)
    observers: list[Saver | Caller] = [observer for observer in (saver, caller) if observer is not None]
    for observer in observers:
        observer.attach(job)
    try:
        observed_by = observers[0] if len(observers) == 1 else Observers(observers)
        result = job.run(learning_rate, total_weight, progress, observed_by)
    except BaseException as error:
        is_of_callback = caller is not None and error is caller.error
        if is_of_callback:
            params, costs = job.snapshot()
            with contextlib.suppress(Exception):
                error.training = params, costs.copy()  # type: ignore[attr-defined]
        has_diverged = isinstance(error, TrainingDiverged) and not is_of_callback
        if saver is not None and not has_diverged and job.is_intact:
            saver.finish()
        raise
    finally:
        if caller is not None:
            caller.error = None  # which has a traceback, whose frames have `caller`
    if saver is not None and saver.finish():
        raise job.interrupted()
    return result
