"""The checkpoints of one fit: which file it may write, where it goes on, and when its state is kept.

A kernel runs several epochs in one call, and only at its end is the state that of a finished epoch. The calls are made
so short that checkpoints come in time, and so that after Ctrl-C there is a state of the last moment.
"""

import contextlib
import json
import math
import time
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from fastnn2.engine.mini_batch import MiniBatchTrainer
from fastnn2.estimators.checkpoint_contents import RANDOM_STATE, FitIdentity, set_words, words_of
from fastnn2.estimators.checkpoint_state import CURVES, Curve, Recorded, captured
from fastnn2.storage.checkpointer import REMEDY, Checkpointer, InUse
from fastnn2.storage.tensors import MOST_HEADER_BYTES

Array = np.ndarray[Any, Any]

KIND = "estimator"
MOST_BYTES = MOST_HEADER_BYTES // 4  # of a description, which takes at most twice as many in a header
KEEP_SECONDS = 0.5  # a call of the kernel takes about this at most, and a state that is older is replaced
BUSY_SECONDS = 0.01  # the length of calls while the last checkpoint is being written, although the next is due

CLONES = (
    "Clones of an estimator share its callbacks, as the candidates of a grid search do: set the callback on one "
    "estimator only, or on best_estimator_ after the search"
)


class AnotherFit(ValueError):
    """The file has the checkpoint of another fit; `differences` says what is not the same."""

    def __init__(self, path: str, differences: list[str], action: str) -> None:
        self.differences = "; ".join(differences)
        super().__init__(f"{path!r} has the checkpoint of another fit: {self.differences}; {action}")


class CheckpointRun:
    """What an estimator has as `_checkpoint_run` while it fits with a Checkpoint.

    Parameters
    ----------
    checkpointer : Checkpointer
    context : CallbackContext
        Of the fit.
    """

    def __init__(self, checkpointer: Checkpointer, context: Any) -> None:
        self.context = context
        self._checkpointer, self._open = checkpointer, contextlib.ExitStack()
        self._recorded: Recorded | None = None
        self._curves = {name: Curve() for name in CURVES}
        self._description: dict[str, Any] = {}
        self._random_states: dict[str, Array] = {}
        self._kept: tuple[dict[str, Any], dict[str, Array]] | None = None  # the last state, if it is not written
        self._kept_at, self._call_began = -math.inf, 0.0
        self._seconds_per_epoch = 0.0

    def begin(self, model: Any, X: Any, y: Any, sample_weight: Any, goes_on: bool) -> None:
        """Take the file for a fit, which goes on from its checkpoint or begins anew; raise ValueError if it must not.

        Nothing of the model, the file or a random state is changed.
        """
        generator = check_random_state(model.random_state)
        self._random_states["initial_random_state"] = words_of(generator)
        identity = FitIdentity.of(model, X, y, sample_weight)
        self._description = {"fit": vars(identity), "seconds": self._checkpointer.seconds}
        size = len(json.dumps(self._description))
        if size > MOST_BYTES:
            raise ValueError(
                f"the parameters take {size} bytes in a checkpoint; at most {MOST_BYTES} fit. In place of a large "
                "class_weight pass sample_weight"
            )
        path = str(self._checkpointer.path)
        try:
            self._open.enter_context(self._checkpointer)
        except InUse as error:
            raise ValueError(f"{error}. {CLONES}") from None
        recorded = self._read()
        if recorded is None:
            if goes_on:
                raise ValueError(f"there is no checkpoint {path!r} any more, which this fit is to go on from")
            return
        differences = identity.differences(recorded.fit)
        if goes_on and not differences:
            differences = self._differences_of_rest(model, recorded)
        if differences:
            action = "go on with the parameters and data of its fit, or make a new estimator with another file"
            if not goes_on:
                action = f"choose another file, delete this one, or go on from it with Checkpoint.resume. {CLONES}"
            raise AnotherFit(path, differences, action)
        if goes_on:
            self._recorded = recorded

    def _read(self) -> Recorded | None:
        found = self._checkpointer.read()
        try:
            return None if found is None else Recorded(self._checkpointer.path, *found)
        except ValueError as error:
            raise ValueError(f"{error}. {REMEDY}") from error.__cause__

    def _differences_of_rest(self, model: Any, recorded: Recorded) -> list[str]:
        """Return what else must be as it was where a fit goes on."""
        found = []
        initial = self._random_states["initial_random_state"]
        is_instance = recorded.fit.parameters["random_state"] == RANDOM_STATE
        if is_instance and not np.array_equal(initial, recorded.arrays["initial_random_state"]):
            found.append("random_state has another state")
        least = max(recorded.parameters["max_iter"], recorded.state["n_iter_"])
        if model.max_iter < least:
            found.append(f"max_iter is {least} there and {model.max_iter} here, and may only grow")
        return found

    def before_draws(self, model: Any) -> None:
        """Let a fit that goes on begin with the random state of the first beginning, and with the model's dtype."""
        if self._recorded is None:
            self._random_states["split_random_state"] = words_of(model._random_state)
            return
        for name in ("initial_random_state", "split_random_state"):
            self._random_states[name] = self._recorded.arrays[name].copy()  # not a view of the whole file
        if model.random_state is None:  # else NumPy's global random state would be set
            model._random_state = np.random.RandomState(0)
        set_words(model._random_state, self._random_states["split_random_state"])
        dtype = self._recorded.dtype_of_model
        model.coefs_ = [array.astype(dtype) for array in model.coefs_]
        model.intercepts_ = [array.astype(dtype) for array in model.intercepts_]

    def start(self, model: Any, trainer: MiniBatchTrainer, order: Array) -> tuple[Array, bool]:
        """Return the order of the samples that the next one follows, and whether any epochs are left to run."""
        if self._recorded is None:
            return order, True
        recorded, self._recorded = self._recorded, None
        order = recorded.restore(model, trainer)
        del model._resumes_from  # only now: where a fit fails before, the next one goes on
        return order, not recorded.is_converged

    def limited(self, epochs: int) -> int:
        """Return how many epochs the next call of the kernel may run, at most `epochs`."""
        self._call_began = time.monotonic()
        if self._seconds_per_epoch == 0.0:  # not known before the first call
            return 1
        seconds = min(self._checkpointer.seconds_left(), KEEP_SECONDS)
        if seconds == 0 and not self._checkpointer.is_due():
            seconds = BUSY_SECONDS
        return max(1, min(epochs, int(seconds / self._seconds_per_epoch)))

    def epochs_ended(self, model: Any, trainer: MiniBatchTrainer, order: Array, epochs: int) -> None:
        """Keep the state after a call of the kernel, or write it, if it is time to."""
        now = time.monotonic()
        self._seconds_per_epoch = max((now - self._call_began) / epochs, 1e-9)
        is_due = self._checkpointer.is_due()
        if is_due or now - self._kept_at >= KEEP_SECONDS:
            self._keep(model, trainer, order, is_converged=False)
        if is_due:
            self.write()

    def end(self, model: Any, trainer: MiniBatchTrainer, order: Array, is_converged: bool) -> None:
        """Write the last state: the fit has converged, has reached max_iter, or was stopped by a callback."""
        self._keep(model, trainer, order, is_converged)
        self.write()

    def _keep(self, model: Any, trainer: MiniBatchTrainer, order: Array, is_converged: bool) -> None:
        state, arrays = captured(model, trainer, order, self._curves)
        description = {**self._description, "state": state, "is_converged": is_converged}
        self._kept = description, {**self._random_states, **arrays}
        self._kept_at = time.monotonic()

    def write(self) -> None:
        """Begin to write the state that is kept, if it is not written yet."""
        if self._kept is not None:
            description, arrays = self._kept
            self._checkpointer.write(description, arrays)
            self._kept = None

    def close(self) -> None:
        """Wait for the last checkpoint, and give the file up."""
        self._open.close()
