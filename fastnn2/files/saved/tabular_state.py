"""Tabular estimators in the form that a file keeps, and the check of one that comes from a file.

A file keeps what the encoder has learned as a dict of arrays and one text of JSON, so it names no class but those of
the estimators, and a category takes a few bytes. Curves of losses are arrays, as in network_state.
"""

import json
import math
from typing import Any

import numpy as np

from fastnn2.kernels.shared import choices
from fastnn2.tabular import TabularClassifier
from fastnn2.tabular.categories import count_rows
from fastnn2.tabular.encoder import TableEncoder

_CURVES = ("loss_curves_", "validation_loss_curves_")
_ENCODER_ARRAYS = {
    "number_columns": "i", "binned_columns": "i", "category_columns": "i", "exponents": "i",
    "centres": "f", "spreads": "f", "edges": "f",
}  # fmt: skip
_ENCODER_REST = (
    "n_bins", "max_categories", "categorical_features", "dtype", "names", "categories", "category_kinds",
)  # fmt: skip
_REST = "rest"  # the key of the text of JSON
_PARAMS = {"W1", "V", "C", "b1", "W2", "b2"}
_LARGEST_EXPONENT = 1100  # of float64
_OF_A_FIT = {
    "encoder_", "params_", "loss_curves_", "validation_loss_curves_", "n_iter_", "_loss", "n_features_in_",
    "feature_names_in_", "classes_", "target_mean_", "target_scale_",
}  # fmt: skip
_OF_SCIKIT_LEARN = {"_sklearn_version"}


def to_stored(attributes: dict[str, Any]) -> None:
    """Bring the attributes of an estimator into the form that a file keeps, in place."""
    for name in _CURVES:
        if isinstance(attributes.get(name), list):
            attributes[name] = [np.array(curve, dtype=np.float64) for curve in attributes[name]]
    encoder = attributes.get("encoder_")
    if type(encoder) is TableEncoder:
        state = vars(encoder)
        stored = {name: state[name] for name in _ENCODER_ARRAYS}
        attributes["encoder_"] = {**stored, _REST: json.dumps({name: state[name] for name in _ENCODER_REST})}


def from_stored(attributes: dict[str, Any]) -> None:
    """Bring the attributes back from the form that a file keeps, in place."""
    for name in _CURVES:
        curves = attributes.get(name)
        if curves is not None:
            is_right = isinstance(curves, list) and all(
                type(curve) is np.ndarray and curve.ndim == 1 and curve.dtype == np.float64 for curve in curves
            )
            _expect(is_right, name, "lists of numbers")
            attributes[name] = [curve.tolist() for curve in curves]
    if "encoder_" in attributes:
        attributes["encoder_"] = _encoder(attributes["encoder_"])


def _encoder(stored: Any) -> TableEncoder:
    """Return the encoder of what a file keeps of it; its arrays are checked later."""
    is_dict = isinstance(stored, dict) and stored.keys() == {*_ENCODER_ARRAYS, _REST}
    _expect(is_dict and isinstance(stored[_REST], str), "encoder_", "arrays and a text")
    try:
        rest = json.loads(stored[_REST])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its encoder_ has a text that is not JSON ({type(error).__name__})") from error
    _expect(isinstance(rest, dict) and rest.keys() == set(_ENCODER_REST), "encoder_", f"with {_ENCODER_REST}")
    encoder = object.__new__(TableEncoder)
    vars(encoder).update(rest)
    vars(encoder).update({name: stored[name] for name in _ENCODER_ARRAYS})
    return encoder


def check_tabular(estimator: Any) -> None:
    """Raise ValueError if arrays and sizes of an estimator do not fit each other: kernels do not check them."""
    attributes = vars(estimator)
    parameters = set(estimator._get_param_names())
    missing = sorted(parameters - attributes.keys())
    _expect(not missing, ", ".join(missing), "there")
    unknown = sorted(attributes.keys() - parameters - _OF_A_FIT - _OF_SCIKIT_LEARN)
    _expect(not unknown, ", ".join(unknown), "left out; it is no attribute of such an estimator")
    n_threads = attributes.get("n_threads")
    _expect(n_threads is None or _is_count(n_threads, 1), "n_threads", "None or a number above 0")
    if "params_" not in attributes:
        _expect("encoder_" not in attributes, "params_", "there, as encoder_ is")
        return
    encoder = attributes.get("encoder_")
    _expect(type(encoder) is TableEncoder, "encoder_", "an encoder of tables")
    assert isinstance(encoder, TableEncoder)
    _check_encoder(encoder, attributes.get("n_features_in_"))
    _check_params(attributes["params_"], encoder, _count_outputs(estimator, attributes))


def _check_encoder(encoder: TableEncoder, n_features: Any) -> None:
    _expect(_is_count(n_features, 1), "n_features_in_", "a number above 0")
    _expect(_is_count(encoder.n_bins, 0) and encoder.n_bins <= 255, "encoder_.n_bins", "a number from 0 to 255")
    _expect(_is_count(encoder.max_categories, 1), "encoder_.max_categories", "a number above 0")
    _expect(encoder.dtype in ("float32", "float64"), "encoder_.dtype", "float32 or float64")
    _expect(_are_texts(encoder.names) and len(encoder.names) == n_features, "encoder_.names", f"{n_features} names")
    for name, kind in _ENCODER_ARRAYS.items():
        array = getattr(encoder, name)
        dtype = np.int64 if kind == "i" else np.float64
        _expect(type(array) is np.ndarray and array.dtype == dtype, f"encoder_.{name}", f"an array of {dtype.__name__}")
    places = (encoder.number_columns, encoder.binned_columns, encoder.category_columns)
    for name, array in zip(("number_columns", "binned_columns", "category_columns"), places, strict=True):
        is_right = array.ndim == 1 and bool(((array >= 0) & (array < n_features)).all()) and _are_unique(array)
        _expect(is_right, f"encoder_.{name}", f"different places, from 0 to {n_features - 1}")
    for name in ("exponents", "centres", "spreads"):
        _expect(getattr(encoder, name).shape == (n_features,), f"encoder_.{name}", f"{n_features} numbers")
    _expect(bool((abs(encoder.exponents) < _LARGEST_EXPONENT).all()), "encoder_.exponents", "exponents of float64")
    _expect(encoder.edges.shape == (encoder.p, encoder.n_bins + 1), "encoder_.edges", "a row for each binned feature")
    counts = (~np.isnan(encoder.edges)).sum(axis=1)
    rising = all(bool((np.diff(row[:count]) > 0).all()) for row, count in zip(encoder.edges, counts, strict=True))
    _expect(rising and bool((counts != 1).all()), "encoder_.edges", "rising")
    for name in ("categories", "category_kinds"):
        lists = getattr(encoder, name)
        is_right = isinstance(lists, list) and len(lists) == encoder.q and all(map(_are_texts, lists))
        _expect(is_right, f"encoder_.{name}", "a list of texts for each categorical feature")
    chosen = encoder.categorical_features
    is_right = (
        chosen is None
        or chosen == "from_dtype"
        or (isinstance(chosen, list) and all(isinstance(each, bool | int | str) for each in chosen))
    )
    _expect(is_right, "encoder_.categorical_features", '"from_dtype", None or a list')


def _count_outputs(estimator: Any, attributes: dict[str, Any]) -> int:
    """Return how many outputs the networks have, after a check of what their outputs mean."""
    if isinstance(estimator, TabularClassifier):
        classes = attributes.get("classes_")
        is_right = type(classes) is np.ndarray and classes.ndim == 1 and len(classes) >= 2
        _expect(is_right, "classes_", "an array of two classes or more")
        assert isinstance(classes, np.ndarray)
        outputs = 1 if len(classes) == 2 else len(classes)
        losses: tuple[int, ...] = (choices.LOG_LOSS if outputs == 1 else choices.CROSS_ENTROPY,)
    else:
        outputs, losses = 1, (choices.SQUARED_ERROR, choices.POISSON)
        for name in ("target_mean_", "target_scale_"):
            value = attributes.get(name)
            _expect(type(value) is float and math.isfinite(value), name, "a finite number")
    loss = attributes.get("_loss")
    _expect(_is_count(loss, 0) and loss in losses, "_loss", f"one of {losses}")
    return outputs


def _check_params(params: Any, encoder: TableEncoder, o: int) -> None:
    is_list = isinstance(params, list) and len(params) > 0
    _expect(is_list and all(isinstance(each, dict) and each.keys() == _PARAMS for each in params), "params_", "dicts")
    arrays = [array for each in params for array in each.values()]
    _expect(all(type(array) is np.ndarray and array.dtype == encoder.dtype for array in arrays), "params_", "arrays")
    h = len(params[0]["b1"]) if params[0]["b1"].ndim == 1 else 0
    _expect(h > 0, "params_", "those of at least one hidden unit")
    rows = sum(map(count_rows, encoder.categories))
    shapes = {
        "W1": (encoder.d, h), "V": (encoder.p, encoder.n_bins + 1, h), "C": (rows, h), "b1": (h,), "W2": (o, h),
        "b2": (o,),
    }  # fmt: skip
    for each in params:
        for name, shape in shapes.items():
            _expect(each[name].shape == shape, f"params_ {name}", f"of shape {shape}, and has {each[name].shape}")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _are_unique(array: Any) -> bool:
    return len(np.unique(array)) == len(array)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def _expect(condition: Any, name: str, what: str) -> None:
    if not condition:
        raise ValueError(f"its {name} should be {what}")
