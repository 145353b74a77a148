"""The checkpoints of fit: what they hold, which ones a run goes on from, and when they are written."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.engine.layout import PARAM_NAMES, pack_params, param_shapes
from fastnn2.engine.training_run import TrainingRun
from fastnn2.kernels.shared import control_words
from fastnn2.storage.checkpointer import REMEDY, Checkpointer
from fastnn2.storage.digest import digest
from fastnn2.threads.pauses import Observer

Array = np.ndarray[Any, Any]

COSTS = "cost_"
# What must be as in the run that has written a file: the key -> the words of a message for it.
SETTINGS = {
    "data": "the data (X, Y and sample_weight) differ",
    "features": "the number of features",
    "samples": "the number of samples",
    "outputs": "the number of outputs",
    "hidden_size": "hidden_size",
    "learning_rate": "learning_rate",
    "alpha": "alpha",
    "dtype": "dtype",
    "init": "init",
    "initial": "the initial parameters (from init and random_state) differ",
}
FORM_OF_DATA = ("features", "samples", "outputs", "dtype")
DIGESTS = ("data", "initial")  # of no use in a message


class Saver(Observer):
    """The checkpoints of a run, as a context manager, which has the lock of the file.

    Parameters
    ----------
    path : Path
    seconds : float
        The least time from one checkpoint to the next.
    resume : bool
        Whether to go on from the file, if there is one.
    kind : str
        The name of the function whose checkpoints these are.
    """

    def __init__(self, path: pathlib.Path, seconds: float, resume: bool, kind: str = "fit") -> None:
        self._path, self._resume = path, resume
        self._checkpointer = Checkpointer(path, kind, seconds)
        self._saved = 0  # completed iterations in the last checkpoint
        self._job: TrainingRun | None = None

    def __enter__(self) -> "Saver":
        self._checkpointer.__enter__()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Wait for the last checkpoint. If Ctrl-C comes meanwhile, the error has what is trained."""
        try:
            self._checkpointer.__exit__(kind, error, traceback)
        except KeyboardInterrupt:
            if error is None and self._job is not None:
                raise self._job.interrupted() from None
            if error is None:
                raise

    digest = staticmethod(digest)  # of the samples; runs without checkpoints do not import it

    def begin(
        self,
        data: str,
        shape: tuple[int, int, int, int],
        learning_rate: float,
        alpha: float,
        dtype: np.dtype[Any],
        init: Any,
        iterations: int,
        initial: Callable[[], Array],
        matches_any: bool,
    ) -> tuple[Array, Array]:
        """Return the packed parameters to begin with and the costs so far; refuse a file of another run.

        Parameters
        ----------
        data : str
            The digest of the samples.
        shape : tuple
            (d, h, o, n)
        learning_rate, alpha, dtype, init
            As the run has them.
        iterations : int
            The number of all iterations.
        initial : callable
            Returns the packed initial parameters. It is not called where they are fresh and not needed.
        matches_any : bool
            Whether they are drawn from fresh entropy: then any that were drawn in the same way will do.
        """
        d, h, o, n = shape
        settings = {
            "features": d, "samples": n, "outputs": o, "hidden_size": h, "learning_rate": learning_rate, "alpha": alpha,
            "dtype": dtype.name, "init": init if isinstance(init, str) else "parameters",
        }  # fmt: skip
        found = self._checkpointer.read()
        self._settings = {"data": data, **settings}
        if found is not None:
            exempt = () if matches_any else ("init",)
            self._check(found[0], {key: value for key, value in self._settings.items() if key not in exempt})
        if found is not None and self._resume and matches_any:
            self._settings["initial"] = found[0].get("initial")
        else:
            flat = initial()
            self._settings["initial"] = digest(flat)
            if found is not None and not matches_any:
                self._check(found[0], {"initial": self._settings["initial"]})
        if found is None or not self._resume:
            return flat, np.zeros(0)
        params, costs = self._training(found, settings)
        if len(costs) > iterations:
            raise ValueError(
                f"number_of_iterations is {iterations}, but the checkpoint {str(self._path)!r} has {len(costs)} "
                f"iterations; pass {len(costs)} or more, or resume=False to begin anew"
            )
        self._saved = len(costs)
        return params, costs

    def _check(self, found: dict[str, Any], expected: dict[str, Any]) -> None:
        """Raise ValueError if the description of a file is not as expected."""
        differences = {}
        for key, value in expected.items():
            if type(found.get(key)) is not type(value) or found[key] != value:
                detail = "" if key in DIGESTS else f" is {found.get(key)!r} there and {value!r} here"
                differences[key] = SETTINGS[key] + detail
        if not differences.keys().isdisjoint(FORM_OF_DATA):
            differences.pop("data", None)  # a digest of the same numbers in another form tells nothing
        if differences:
            raise ValueError(
                f"the checkpoint {str(self._path)!r} is of another run: {'; '.join(differences.values())}. {REMEDY}"
            )

    def _training(
        self, found: tuple[dict[str, Any], dict[str, Array]], settings: dict[str, Any]
    ) -> tuple[Array, Array]:
        """Return the packed parameters and the costs of a file that belongs to this run."""
        description, arrays = found
        dtype = np.dtype(settings["dtype"])
        shapes = param_shapes(settings["features"], settings["hidden_size"], settings["outputs"])
        costs = arrays.get(COSTS)
        is_right = (
            arrays.keys() == {*PARAM_NAMES, COSTS}
            and all(arrays[name].shape == shape and arrays[name].dtype == dtype for name, shape in shapes.items())
            and costs is not None
            and costs.dtype == np.float64
            and costs.shape == (description.get("iterations"),)
            and all(bool(np.isfinite(array).all()) for array in arrays.values())
        )
        if not is_right or costs is None:
            raise ValueError(f"{str(self._path)!r} is damaged: its arrays are not those of its description. {REMEDY}")
        return pack_params(arrays, dtype), costs

    def attach(self, job: TrainingRun) -> None:
        """Take the job whose checkpoints these are."""
        self._job = job

    def next_pause(self, completed: int) -> int:
        """Return NEVER: a checkpoint is due at a time, not after an iteration."""
        return control_words.NEVER

    def is_due(self) -> bool:
        """Return whether it is time for a checkpoint."""
        return self._checkpointer.is_due()

    def look(self, completed: int) -> bool:
        """Begin to write a checkpoint if it is time."""
        if self.is_due():
            self._write()
        return False

    def finish(self) -> bool:
        """Begin to write the last checkpoint; return whether Ctrl-C came meanwhile."""
        is_interrupted = False
        while True:
            try:
                self._write()
                return is_interrupted
            except KeyboardInterrupt:
                is_interrupted = True

    def _write(self) -> None:
        assert self._job is not None
        params, costs = self._job.snapshot()
        if len(costs) > self._saved:
            self._checkpointer.write({**self._settings, "iterations": len(costs)}, {**params, COSTS: costs})
            self._saved = len(costs)
