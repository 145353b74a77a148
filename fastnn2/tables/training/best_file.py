"""The file beside a checkpoint of a training in blocks: which rows its parts have, its curves, its best network.

The checkpoint itself is that of partial_fit_blocks, which knows neither validation nor an early end. This file is
written after each epoch, before the checkpoint of the next one can be.
"""

import pathlib
from typing import Any

import numpy as np

from fastnn2.storage import checkpoint_file
from fastnn2.storage.lock import FileLock
from fastnn2.tables.training.block_parts import PartSizes
from fastnn2.tables.training.epoch_history import EpochHistory
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.training_job import TrainingJob

Array = np.ndarray[Any, Any]

KIND = "train in blocks"
SUFFIX = ".best"
LOSSES, SCORES, PARAMETER = "losses", "scores", "parameter_"


def best_path(checkpoint: pathlib.Path) -> pathlib.Path:
    """Return the path of the file beside a checkpoint."""
    return checkpoint.with_name(checkpoint.name + SUFFIX)


# Options that must be the same where a training goes on; the number of epochs may grow.
SAME_OPTIONS = (
    "target", "drop", "weight", "task", "max_categories", "early_stopping", "hidden", "alpha", "learning_rate",
    "batch_size", "class_weight", "dtype", "seed", "test_size",
)  # fmt: skip


def identity_of(job: TrainingJob, digest: str) -> dict[str, Any]:
    """Return what a training must have in common with that of a checkpoint: options, columns, targets."""
    columns = [[column.name, column.kind] for column in job.features]
    return {**options_of(job.options), "columns": columns, "targets": digest}


def options_of(options: TrainingOptions) -> dict[str, Any]:
    """Return the options that must be the same, as JSON gives them back."""
    found = {name: getattr(options, name) for name in SAME_OPTIONS}
    return {**found, "drop": list(options.drop)}


class BestFile:
    """The file beside a checkpoint.

    Parameters
    ----------
    checkpoint : Path
    identity : dict
        What must be the same where a training goes on, by name.
    sizes : PartSizes
    """

    def __init__(self, checkpoint: pathlib.Path, identity: dict[str, Any], sizes: PartSizes) -> None:
        self._path, self._identity, self._sizes = best_path(checkpoint), identity, sizes
        self._lock = FileLock(self._path)

    def __enter__(self) -> "BestFile":
        """Take the lock; raise ValueError if another training has it."""
        if not self._lock.acquire():
            raise ValueError(f"another training writes {str(self._path)!r}; wait for its end, or take another file")
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def write(self, history: EpochHistory) -> None:
        """Write what was reached; raise ValueError if that cannot be done."""
        arrays = {LOSSES: np.array(history.losses, np.float64), SCORES: np.array(history.scores, np.float64)}
        arrays |= {f"{PARAMETER}{place}": array for place, array in enumerate(history.best)}
        description = {"identity": self._identity, "sizes": vars(self._sizes)}
        try:
            checkpoint_file.write(self._path, KIND, description, arrays)
        except OSError as error:
            raise ValueError(f"cannot write the checkpoint {str(self._path)!r}: {error.strerror or error}") from error


class SavedBest:
    """The content of a file beside a checkpoint.

    Parameters
    ----------
    checkpoint : Path

    Raises
    ------
    FileNotFoundError
    ValueError
        It is damaged, or something else.
    """

    def __init__(self, checkpoint: pathlib.Path) -> None:
        self._path = best_path(checkpoint)
        description, self._arrays = checkpoint_file.read(self._path, KIND)
        try:
            self._identity = dict(description["identity"])
            self.sizes = PartSizes(**description["sizes"])
            are_sizes = all(type(size) is int and size >= 0 for size in vars(self.sizes).values())
            curves = self._arrays[LOSSES], self._arrays[SCORES]
        except (KeyError, TypeError, ValueError):
            raise self._damaged() from None
        if not are_sizes or not all(curve.ndim == 1 and curve.dtype == np.float64 for curve in curves):
            raise self._damaged()

    @classmethod
    def of(cls, options: TrainingOptions) -> "SavedBest | None":
        """Return what the file has that a training goes on from; None where it begins anew."""
        if options.checkpoint is None or not best_path(options.checkpoint).exists():
            return None
        return cls(options.checkpoint)

    def _damaged(self) -> ValueError:
        return ValueError(f"the checkpoint {str(self._path)!r} is damaged; remove it and the file beside it")

    def differences(self, identity: dict[str, Any]) -> str:
        """Return what is not as it was, in words; "" if all is."""
        changed = [name for name, value in identity.items() if self._identity.get(name) != value]
        return ", ".join(
            f"other {name}" if name in ("columns", "targets")
            else f"{name}={self._identity.get(name)!r} (here {identity[name]!r})"
            for name in changed
        )  # fmt: skip

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return len(self._arrays[LOSSES])

    def history(self, history: EpochHistory) -> EpochHistory:
        """Return a history with the epochs that are done."""
        history.losses, history.scores = self._arrays[LOSSES].tolist(), self._arrays[SCORES].tolist()
        history.best = [self._arrays[name].copy() for name in sorted(self._arrays) if name.startswith(PARAMETER)]
        is_right = len(history.scores) == (len(history.losses) if history.has_scores else 0)
        if not is_right or len(history.best) != (4 if history.losses else 0):
            raise self._damaged()
        return history
