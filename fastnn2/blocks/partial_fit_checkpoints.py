"""The checkpoints of partial_fit_blocks: the state between two blocks, and which block comes next."""

import dataclasses
import json
import math
import pathlib
import time
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from fastnn2.blocks.labelled_blocks import LabelledBlocks, fingerprints
from fastnn2.blocks.read_ahead import ReadAhead
from fastnn2.estimators.checkpoint_contents import (
    RANDOM_STATE,
    FitIdentity,
    are_words,
    encoded,
    parameters_of,
    set_words,
    words_of,
)
from fastnn2.estimators.checkpoint_run import KEEP_SECONDS, MOST_BYTES
from fastnn2.estimators.checkpoint_state import CURVES, Curve, Recorded
from fastnn2.estimators.partial_fit_state import captured_between_calls, restore_between_calls
from fastnn2.storage.checkpointer import REMEDY, Checkpointer

Array = np.ndarray[Any, Any]

KIND = "partial_fit_blocks"
ORDER, ORDER_STATE = "order_of_blocks", "random_state_of_blocks"
MODEL = "model"  # JSON in an array, as names of features and labels may be longer than a file's header


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a run is: the epochs that are done, the blocks of the next one that are done, and its order if it has one.

    `order` is None before the order is drawn, and where blocks come in their own order.
    """

    epoch: int = 0
    done: int = 0
    order: Array | None = None


@dataclasses.dataclass(frozen=True)
class Start:
    """How a run begins, or goes on.

    Attributes
    ----------
    position : Position
    generator : RandomState
        Draws the orders of blocks.
    of_model : RandomState or None
        What the estimator draws from in place of NumPy's global random state; None without a change.
    """

    position: Position
    generator: np.random.RandomState
    of_model: np.random.RandomState | None = None


class BlockCheckpoints:
    """The checkpoints of a run, as a context manager, which has the lock of the file.

    Parameters
    ----------
    path : Path
    seconds : float
        The least time from one checkpoint to the next.
    resume : bool
        Whether to go on from the file, if there is one.
    """

    def __init__(self, path: pathlib.Path, seconds: float, resume: bool) -> None:
        self._path, self._resume = path, resume
        self._checkpointer = Checkpointer(path, KIND, seconds)
        self._curves = {name: Curve() for name in CURVES}
        self._generator: np.random.RandomState | None = None
        self._kept: tuple[dict[str, Any], dict[str, Array]] | None = None  # the last state, if it is not written
        self._kept_at = -math.inf

    def __enter__(self) -> "BlockCheckpoints":
        self._checkpointer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._checkpointer.__exit__(*error)

    def begin(
        self, model: Any, blocks: LabelledBlocks, epochs: int, shuffle: bool, random_state: Any, classes: Any
    ) -> Start:
        """Return how to begin; raise ValueError if the file has the checkpoint of another run.

        Parameters
        ----------
        model : estimator
            Gets the state of the file where the run goes on.
        blocks : LabelledBlocks
        epochs : int
        shuffle, random_state
            Of the order of blocks.
        classes : array_like or None
        """
        generator = check_random_state(random_state)
        identity = self._identity(model, blocks, shuffle, random_state, classes)
        initial = words_of(check_random_state(model.random_state))
        self._random_states = {"initial_random_state": initial, "split_random_state": initial}
        self._shuffle, self._generator = shuffle, generator
        if shuffle:
            words_of(generator)  # raises ValueError for one whose state cannot be kept
        self._description = {"fit": vars(identity), "seconds": self._checkpointer.seconds, "is_converged": False}
        size = len(json.dumps(self._description))
        if size > MOST_BYTES:
            raise ValueError(
                f"the parameters take {size} bytes in a checkpoint; at most {MOST_BYTES} fit. In place of a large "
                "class_weight pass sample_weight; leave many classes out, and a first pass finds them"
            )
        found = self._checkpointer.read()
        if found is None:
            return Start(Position(), generator)
        try:
            recorded = Recorded(self._path, *found)
            differences = identity.differences(recorded.fit)
            if differences:
                raise ValueError(f"the checkpoint {str(self._path)!r} is of another run: {'; '.join(differences)}")
            position, about = self._position(recorded, found[0], shuffle, blocks.count)
            if not self._resume:
                return Start(Position(), generator)
            self._check_epochs(position, epochs)
            restore_between_calls(model, recorded, about)
        except ValueError as error:
            raise ValueError(f"{error}. {REMEDY}") from error.__cause__
        of_model = model._random_state if model.random_state is None else None
        if shuffle:
            if random_state is None or random_state is np.random:  # NumPy's global random state is left alone
                # Without a generator of its own, the estimator draws from the same one.
                self._generator = of_model if of_model is not None else np.random.RandomState(0)
            set_words(self._generator, recorded.arrays[ORDER_STATE])
        return Start(position, self._generator, of_model)

    def _check_epochs(self, position: Position, epochs: int) -> None:
        least = position.epoch + (position.done > 0)
        if least > epochs:
            raise ValueError(
                f"epochs is {epochs}, and the checkpoint {str(self._path)!r} is in epoch {least}; pass {least} or "
                "more, or resume=False to begin anew"
            )

    def _identity(
        self, model: Any, blocks: LabelledBlocks, shuffle: bool, random_state: Any, classes: Any
    ) -> FitIdentity:
        if isinstance(random_state, np.random.RandomState):
            random_state = RANDOM_STATE
        elif random_state is np.random:
            random_state = None
        parameters = {
            **parameters_of(model),
            "shuffle of the blocks": shuffle,
            "random_state of the blocks": encoded(random_state, "random_state") if shuffle else None,
            "classes": None if classes is None else encoded(np.asarray(classes).tolist(), "classes"),
        }
        # The reader is a thread of its own, so that Ctrl-C does not wait for a disk.
        with ReadAhead(map(fingerprints, [blocks])) as reader:
            return FitIdentity(type(model).__name__, parameters, next(reader))

    def _position(
        self, recorded: Recorded, description: dict[str, Any], shuffle: bool, count: int | None
    ) -> tuple[Position, Any]:
        """Return where the run of a file is, and what the file says of the model."""
        place, order = description.get("position"), recorded.arrays.get(ORDER)
        fault = recorded.damaged("it does not say which block comes next")
        if not isinstance(place, list) or len(place) != 2 or not all(type(each) is int and each >= 0 for each in place):
            raise fault
        epoch, done = place
        try:
            about = json.loads(recorded.arrays[MODEL].tobytes())
        except (KeyError, ValueError, RecursionError):
            raise fault from None
        if shuffle and not are_words(recorded.arrays.get(ORDER_STATE)):
            raise fault
        if order is None:
            if shuffle and done > 0:
                raise fault
            return Position(epoch, done), about
        if not shuffle or order.dtype != np.int64 or order.shape != (count,) or done > len(order):
            raise fault
        if not np.array_equal(np.sort(order), np.arange(len(order))):
            raise fault
        return Position(epoch, done, order.astype(np.int64)), about

    def block_ended(self, model: Any, position: Position) -> None:
        """Keep the state after a block, or write it, if it is time to."""
        is_due = self._checkpointer.is_due()
        if is_due or time.monotonic() - self._kept_at >= KEEP_SECONDS:
            self.keep(model, position)
        if is_due:
            self.write()

    def keep(self, model: Any, position: Position) -> None:
        """Keep the state after a block."""
        state, arrays = captured_between_calls(model, self._curves)
        description = {**self._description, **state, "position": [position.epoch, position.done]}
        if position.order is not None:
            arrays[ORDER] = position.order
        if self._shuffle:
            assert self._generator is not None
            arrays[ORDER_STATE] = words_of(self._generator)
        self._kept = description, {**self._random_states, **arrays}
        self._kept_at = time.monotonic()

    def write(self) -> None:
        """Begin to write the state that is kept, if it is not written yet."""
        if self._kept is not None:
            description, arrays = self._kept
            about = json.dumps(description[MODEL]).encode()
            description = {name: value for name, value in description.items() if name != MODEL}
            self._checkpointer.write(description, {**arrays, MODEL: np.frombuffer(about, np.uint8)})
            self._kept = None
