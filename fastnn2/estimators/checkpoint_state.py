"""The state of a fit after an epoch: copied from the model and its trainer, and brought back to them.

Parameters and moments are the trainer's, in the dtype of the run; those of the model may be rounded. What is read from
a file is checked before anything is made of it: a file may come from a stranger.
"""

import pathlib
from typing import Any

import numpy as np

from fastnn2.engine.mini_batch import MiniBatchTrainer
from fastnn2.estimators.checkpoint_contents import FitIdentity, are_words, decoded, set_words, words_of
from fastnn2.estimators.optimizer_state import flatten, is_adam, write

Array = np.ndarray[Any, Any]

COUNTS = ("n_iter_", "t_", "_no_improvement_count")  # attributes of the model
NUMBERS = ("loss_", "best_loss_", "best_validation_score_")  # float or None
CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_")  # list of float or None
RANDOM_STATES = ("initial_random_state", "split_random_state", "random_state")
MOST = 1 << 62


class Curve:
    """A list of the model as an array, of which only what is new is copied; what was returned before stays as it is."""

    def __init__(self) -> None:
        self._values, self._known = np.empty(16), 0

    def array_of(self, values: list[float]) -> Array:
        """Return the numbers of a list that has only grown since the last call."""
        count = len(values)
        if count > len(self._values):
            larger = np.empty(2 * count)
            larger[: self._known] = self._values[: self._known]
            self._values = larger
        self._values[self._known : count] = values[self._known :]
        self._known = count
        return self._values[:count]


def captured(
    model: Any, trainer: MiniBatchTrainer, order: Array, curves: dict[str, Curve]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the state after an epoch: what JSON can hold, and arrays, which do not change any more."""
    optimizer = model._optimizer
    numbers = {name: getattr(model, name) for name in NUMBERS}
    description = {
        **{name: int(getattr(model, name)) for name in COUNTS},
        **{name: None if number is None else float(number) for name, number in numbers.items()},
        "updates": int(optimizer.t) if is_adam(optimizer) else 0, "learning_rate": float(optimizer.learning_rate),
        "dtype_of_model": model.coefs_[0].dtype.name,
        "best_is_current": model._best_coefs is model.coefs_,  # after a fit with warm_start and early_stopping
    }  # fmt: skip
    arrays = {
        "random_state": words_of(model._random_state), "params": trainer.params,
        "first_moments": trainer.first_moments, "best_params": flatten(model._best_coefs, model._best_intercepts),
    }  # fmt: skip
    if is_adam(optimizer):
        arrays["second_moments"] = trainer.second_moments
    if model.shuffle:
        arrays["order"] = order.copy()
    for name in CURVES:
        if getattr(model, name) is not None:
            arrays[name] = curves[name].array_of(getattr(model, name))
    return description, arrays


class Recorded:
    """A checkpoint that is read from a file.

    Parameters
    ----------
    path : Path
        For the messages of errors.
    description, arrays
        As :func:`fastnn2.storage.checkpoint_file.read` returns them.

    Raises
    ------
    ValueError
        They are not what a fit writes.
    """

    def __init__(self, path: pathlib.Path, description: dict[str, Any], arrays: dict[str, Array]) -> None:
        self._path, self.arrays = path, arrays
        try:
            identity = description["fit"]
            self.fit = FitIdentity(identity["estimator"], identity["parameters"], identity["data"])
            self.parameters = {name: decoded(value) for name, value in self.fit.parameters.items()}
            self.seconds, self.is_converged = description["seconds"], description["is_converged"]
            self.state = description["state"]
            is_right = (
                isinstance(self.fit.estimator, str)
                and self.fit.data.keys() == {"X", "y", "sample_weight"}
                and all(isinstance(each, str) for each in self.fit.data.values())
                and type(self.seconds) in (int, float) and 0 <= self.seconds < np.inf
                and type(self.is_converged) is bool
                and isinstance(self.parameters.get("max_iter"), int | np.integer)
            )  # fmt: skip
        except Exception as error:  # whatever a stranger's description makes of the lines above
            raise self.damaged("its description is not that of a fit") from error
        if not is_right or not self._is_state_right():
            raise self.damaged("its description is not that of a fit")

    def _is_state_right(self) -> bool:
        state = self.state
        names = {*COUNTS, *NUMBERS, "updates", "learning_rate", "dtype_of_model", "best_is_current"}
        return (
            isinstance(state, dict) and state.keys() == names
            and all(type(state[name]) is int and 0 <= state[name] < MOST for name in (*COUNTS, "updates"))
            and all(state[name] is None or type(state[name]) is float for name in NUMBERS)
            and type(state["learning_rate"]) is float and type(state["best_is_current"]) is bool
            and state["dtype_of_model"] in ("float32", "float64")
            and all(are_words(self.arrays.get(name)) for name in RANDOM_STATES)
        )  # fmt: skip

    def damaged(self, fault: str) -> ValueError:
        """Return the error for a file that is not what a fit writes."""
        return ValueError(f"{str(self._path)!r} is damaged: {fault}")

    @property
    def dtype_of_model(self) -> np.dtype[Any]:
        """Return the dtype of the model's parameters."""
        dtype: np.dtype[Any] = np.dtype(self.state["dtype_of_model"])
        return dtype

    def restore(self, model: Any, trainer: MiniBatchTrainer) -> Array:
        """Bring the state to a model and its trainer, before the first epoch; return the order of the samples."""
        run_dtype, optimizer, state, n = trainer.Y.dtype, model._optimizer, self.state, trainer.X.n
        size = (trainer.network.n_params,)
        params, first = self._array("params", run_dtype, size), self._array("first_moments", run_dtype, size)
        best = self._array("best_params", self.dtype_of_model, size)
        order = self._array("order", np.int64, (n,)) if model.shuffle else np.arange(n, dtype=np.int64)
        if not np.array_equal(np.sort(order), np.arange(n)):
            raise self.damaged("its order of the samples leaves some out")
        if is_adam(optimizer):
            trainer.second_moments = self._array("second_moments", run_dtype, size)
            trainer.batches_done = optimizer.t = state["updates"]
        trainer.params, trainer.first_moments = params, first
        rate = state["learning_rate"]
        optimizer.learning_rate = np.float64(rate) if is_adam(optimizer) and optimizer.t else rate
        for name in (*COUNTS, *NUMBERS):
            setattr(model, name, state[name])
        for name in CURVES:
            curve = None if name not in self.arrays else self._array(name, np.float64, self.arrays[name].shape[:1])
            setattr(model, name, None if curve is None else curve.tolist())
        write(params, model.coefs_, model.intercepts_)
        model._best_coefs = [np.empty_like(array) for array in model.coefs_]
        model._best_intercepts = [np.empty_like(array) for array in model.intercepts_]
        write(best, model._best_coefs, model._best_intercepts)
        if state["best_is_current"]:
            model._best_coefs, model._best_intercepts = model.coefs_, model.intercepts_
        set_words(model._random_state, self.arrays["random_state"])
        return order.astype(np.int64)

    def _array(self, name: str, dtype: Any, shape: tuple[int, ...]) -> Array:
        array = self.arrays.get(name)
        if array is None or array.dtype != dtype or array.shape != shape:
            expected = f"{name} of shape {shape} and dtype {np.dtype(dtype).name}"
            raise self.damaged(f"it has no {expected}")
        return array
