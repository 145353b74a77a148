"""The state of a model between two calls of ``partial_fit``: copied from the model, and brought to another one.

It is what a fit has after an epoch (:mod:`fastnn2.estimators.checkpoint_state`), with the parameters and moments of the
model, not of a trainer, and with what follows from the data: the numbers of features and outputs, and the classes.
"""

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import _safe_indexing

from fastnn2.estimators.checkpoint_contents import decoded, encoded
from fastnn2.estimators.checkpoint_state import Curve, Recorded, captured
from fastnn2.estimators.networks import LOSSES
from fastnn2.estimators.optimizer_state import flatten, is_adam, load_state, new_optimizer, store_state

Array = np.ndarray[Any, Any]

STATE_OF_OPTIMIZER = ("t", "learning_rate")  # beside its lists; all else are hyperparameters
LABEL_KINDS = "biufU"  # of dtypes; labels may be objects, too, if they are strings
MOST_LABEL_BYTES = 1 << 16  # of one label


@contextlib.contextmanager
def raising_interrupts(model: Any) -> Iterator[None]:
    """Let ``partial_fit`` raise KeyboardInterrupt; otherwise it ends early and warns."""
    model._raises_interrupt = True
    try:
        yield
    finally:
        del model._raises_interrupt


@contextlib.contextmanager
def drawing_from(model: Any, generator: np.random.RandomState | None) -> Iterator[None]:
    """Let a model with random_state=None draw from a generator in place of NumPy's global one."""
    if generator is None:
        yield
        return
    model.random_state = generator
    try:
        yield
    finally:
        model.random_state = None


def check_before_training(model: Any) -> None:
    """Raise what ``partial_fit`` raises for wrong parameters, and ValueError for those that need more than a block."""
    name = type(model).__name__
    if model.solver == "lbfgs":
        raise ValueError(
            'solver is "lbfgs", which needs all samples at once; take "sgd" or "adam", for example '
            f'{name}(solver="adam")'
        )
    if model.early_stopping:
        raise ValueError(
            "early_stopping is True, and partial_fit sets no samples apart for validation; set it to False, and score "
            "the model on samples of your own from time to time"
        )
    if isinstance(getattr(model, "class_weight", None), str):
        raise ValueError(
            'class_weight is "balanced", which cannot be computed from a block of the samples; pass a dict of weights'
        )
    model._validate_params()
    model._check_one_hidden_layer()


def rows_of(values: Any, indices: Array) -> Any:
    """Return some rows of X, y or weights as ``partial_fit`` takes them: arrays, sparse matrices, frames, lists."""
    return _safe_indexing(values, indices)


def captured_between_calls(model: Any, curves: dict[str, Curve]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the state of a model: what JSON can hold, and arrays, which do not change any more.

    Raises
    ------
    ValueError
        The labels are neither numbers nor strings.
    """
    state, arrays = captured(model, _packed(model), np.zeros(0, dtype=np.int64), curves)
    optimizer = model._optimizer
    options = {
        name: encoded(value, name)
        for name, value in vars(optimizer).items()
        if name not in STATE_OF_OPTIMIZER and not isinstance(value, list)
    }
    names = getattr(model, "feature_names_in_", None)
    about = {
        "features": int(model.n_features_in_),
        "feature_names": None if names is None else [str(name) for name in names],
        "outputs": int(model.n_outputs_),
        "out_activation": model.out_activation_,
        "solver": "adam" if is_adam(optimizer) else "sgd",
        "optimizer": options,
        "labels": _labels(model) if is_classifier(model) else None,
    }
    return {"state": state, "model": about}, arrays


def restore_between_calls(model: Any, recorded: Recorded, about: Any) -> None:
    """Bring the state of a file to a model with the same parameters, which need not be fitted.

    With ``random_state=None`` the model's `_random_state` is then a generator of its own, with the state of the file.

    Raises
    ------
    ValueError
        The file is damaged; the model is as it was.
    """
    try:
        fresh = _fresh(model, recorded, about)
    except Exception as error:  # whatever a stranger's description makes of it
        raise recorded.damaged("its description is not that of a model") from error
    trainer = _packed(fresh)
    recorded.restore(fresh, trainer)  # which sets random states last
    store_state(fresh._optimizer, trainer, fresh.coefs_ + fresh.intercepts_)
    parameters = model.get_params(deep=False)
    found = {name: value for name, value in vars(fresh).items() if name not in parameters}
    for name in [name for name in vars(model) if name.endswith("_") and name not in found]:
        delattr(model, name)
    vars(model).update(found)


def _packed(model: Any) -> Any:
    """Return the part of a model's state that a trainer has, in a stand-in for a trainer."""
    params = flatten(model.coefs_, model.intercepts_)
    trainer = types.SimpleNamespace(
        params=params, Y=params, X=types.SimpleNamespace(n=0), batches_done=0,
        network=types.SimpleNamespace(n_params=len(params)),
    )  # fmt: skip
    load_state(model._optimizer, trainer)  # type: ignore[arg-type]
    return trainer


def _fresh(model: Any, recorded: Recorded, about: Any) -> Any:
    """Return an estimator with the parameters of `model`, as after a first ``partial_fit``; the numbers are not set."""
    fresh = type(model)(**model.get_params(deep=False))
    d, o, names = about["features"], about["outputs"], about["feature_names"]
    h = int(np.ravel(model.hidden_layer_sizes)[0])
    is_right = (
        type(d) is int and type(o) is int and d > 0 and o > 0
        and recorded.arrays["params"].shape == (h * d + h + o * h + o,)
        and about["out_activation"] in LOSSES and about["solver"] in ("adam", "sgd")
        and (names is None or (len(names) == d and all(isinstance(name, str) for name in names)))
    )  # fmt: skip
    if not is_right:
        raise ValueError("what is known of the network does not fit together")
    fresh.n_features_in_, fresh.n_outputs_, fresh.n_layers_ = d, o, 3
    if names is not None:
        fresh.feature_names_in_ = np.array(names, dtype=object)
    fresh.out_activation_ = about["out_activation"]
    dtype = recorded.dtype_of_model
    fresh.coefs_ = [np.zeros((d, h), dtype), np.zeros((h, o), dtype)]
    fresh.intercepts_ = [np.zeros(h, dtype), np.zeros(o, dtype)]
    fresh.solver = about["solver"]  # of the optimizer, which may be older than the parameter
    fresh._optimizer = new_optimizer(fresh)
    options = {name: decoded(value) for name, value in about["optimizer"].items()}
    known = {name for name, value in vars(fresh._optimizer).items() if not isinstance(value, list)}
    if options.keys() != known - set(STATE_OF_OPTIMIZER):
        raise ValueError("its optimizer is another one")
    vars(fresh._optimizer).update(options)
    if is_classifier(fresh):
        _set_labels(fresh, about["labels"])
    is_instance = isinstance(model.random_state, np.random.RandomState)
    fresh._random_state = model.random_state if is_instance else np.random.RandomState(0)
    return fresh


# Labels


def _labels(model: Any) -> dict[str, Any]:
    binarizer = model._label_binarizer
    return {
        "classes": _encoded_labels(model.classes_), "binarized": _encoded_labels(binarizer.classes_),
        "type": binarizer.y_type_, "is_sparse": bool(binarizer.sparse_input_),
    }  # fmt: skip


def _set_labels(model: Any, labels: dict[str, Any]) -> None:
    binarizer = LabelBinarizer()
    binarizer.y_type_, binarizer.sparse_input_ = str(labels["type"]), bool(labels["is_sparse"])
    binarizer.classes_ = _decoded_labels(labels["binarized"])
    model._label_binarizer, model.classes_ = binarizer, _decoded_labels(labels["classes"])


def _encoded_labels(labels: Array) -> dict[str, Any]:
    values = labels.tolist()
    if labels.dtype.kind not in LABEL_KINDS and not all(type(value) is str for value in values):
        raise ValueError(
            f"the classes have dtype {labels.dtype}, which a checkpoint cannot hold; expected numbers or strings"
        )
    return {"dtype": labels.dtype.str, "values": values}


def _decoded_labels(labels: dict[str, Any]) -> Array:
    dtype, values = np.dtype(labels["dtype"]), labels["values"]
    is_known = dtype.kind in LABEL_KINDS or (dtype.kind == "O" and all(type(value) is str for value in values))
    if not is_known or dtype.itemsize > MOST_LABEL_BYTES or len(values) == 0:
        raise ValueError("its classes are none")
    return np.array(values, dtype=dtype)
