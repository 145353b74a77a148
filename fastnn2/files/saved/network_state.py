"""The network in a model that goes to a file or comes from one: what is kept in another form, and what is checked.

A file keeps the curves of losses as arrays, as skops makes 150 bytes of each number in a list, and class_weight as
pairs, as skops takes the keys True and False for the same.
"""

from typing import Any

import numpy as np
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelBinarizer

from fastnn2.estimators import MLPClassifier
from fastnn2.estimators.networks import ACTIVATIONS, LOSSES
from fastnn2.files.pipelines import MLPS, TABULAR, network_in
from fastnn2.files.saved import tabular_state

_CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_")


def saved_network_in(model: Any) -> Any:
    """Return the estimator of ours that a model is, or that a Pipeline ends with, of any kind that files keep."""
    return network_in(model, kinds=(*MLPS, *TABULAR))


def _replaced(model: Any, network: Any) -> Any:
    """Return a copy of a model with another network; the copy shares all the rest."""
    if type(model) is not Pipeline:
        return network
    *others, (name, last) = model.steps
    pipeline = _shallow_copy(model)
    pipeline.steps = type(model.steps)([*others, (name, _replaced(last, network))])
    return pipeline


def _shallow_copy(model: Any) -> Any:
    new = object.__new__(type(model))
    vars(new).update(vars(model))
    return new


def to_stored(model: Any) -> Any:
    """Return the model in the form that a file keeps, after :func:`check_network`; the model is as it was."""
    network = _shallow_copy(saved_network_in(model))
    attributes = vars(network)
    if _has_another_optimizer(attributes):
        del attributes["_optimizer"]
    check_network(network)
    if type(network) in TABULAR:
        tabular_state.to_stored(attributes)
    for name in _CURVES:
        curve = attributes.get(name)
        if isinstance(curve, list) and curve and all(type(number) is float for number in curve):
            attributes[name] = np.array(curve)
    if isinstance(attributes.get("class_weight"), dict):
        attributes["class_weight"] = list(attributes["class_weight"].items())
    return _replaced(model, network)


def _has_another_optimizer(attributes: dict[str, Any]) -> bool:
    """Return whether there is an optimizer of an earlier fit with other shapes; L-BFGS has none and leaves it."""
    if attributes.get("solver") != "lbfgs":
        return False
    optimizer: Any = attributes.get("_optimizer")
    coefs = attributes.get("coefs_")
    if type(optimizer) not in (AdamOptimizer, SGDOptimizer) or coefs is None:
        return False
    moments = optimizer.ms if type(optimizer) is AdamOptimizer else optimizer.velocities
    return [array.shape for array in moments] != [array.shape for array in coefs + attributes["intercepts_"]]


def from_stored(model: Any) -> None:
    """Bring a model back from the form that a file keeps, in place."""
    network = saved_network_in(model)
    attributes = vars(network)
    if type(network) in TABULAR:
        tabular_state.from_stored(attributes)
    for name in _CURVES:
        curve = attributes.get(name)
        if isinstance(curve, np.ndarray):
            _expect(curve.ndim == 1 and curve.dtype == np.float64, name, "a list of numbers")
            attributes[name] = curve.tolist()
    if isinstance(attributes.get("class_weight"), list):
        attributes["class_weight"] = dict(attributes["class_weight"])


def dtype_of(network: Any) -> str | None:
    """Return the name of the dtype of a network that was checked, None if it is not fitted."""
    if type(network) in TABULAR:
        return network.params_[0]["W1"].dtype.name if hasattr(network, "params_") else None
    coefs = getattr(network, "coefs_", None)
    return coefs[0].dtype.name if coefs else None


def check_network(network: Any) -> None:
    """Raise ValueError if arrays and sizes of an estimator do not fit each other: kernels do not check them."""
    if type(network) in TABULAR:
        tabular_state.check_tabular(network)
        return
    attributes = vars(network)
    n_threads = attributes.get("n_threads")
    _expect(n_threads is None or (_is_count(n_threads) and n_threads > 0), "n_threads", "None or a number above 0")
    if "coefs_" not in attributes:
        _expect(not any(name in attributes for name in ("intercepts_", "_optimizer")), "coefs_", "to be there")
        return
    arrays = _check_lists(attributes["coefs_"], attributes.get("intercepts_"))
    (d, h), (_, o) = (array.shape for array in arrays[:2])
    shapes = [(d, h), (h, o), (h,), (o,)]
    _check_arrays(arrays, shapes, arrays[0].dtype, "coefs_ and intercepts_")
    _expect(0 not in (d, h, o), "coefs_", "at least one feature, unit and output")
    for name, value in (("n_features_in_", d), ("n_outputs_", o), ("n_layers_", 3)):
        _expect(_is_count(attributes.get(name)) and attributes[name] == value, name, f"{value}, as coefs_ have")
    _expect(attributes.get("activation") in ACTIVATIONS, "activation", f"one of {sorted(ACTIVATIONS)}")
    _expect(attributes.get("out_activation_") in LOSSES, "out_activation_", f"one of {sorted(LOSSES)}")
    if isinstance(network, MLPClassifier):
        _check_classes(attributes, o)
    best = attributes.get("_best_coefs", []), attributes.get("_best_intercepts", [])
    if any(len(array) for arrays_of in best for array in arrays_of):
        best_arrays = _check_lists(*best)  # float32 where L-BFGS, which begins with them, makes float64
        _check_arrays(best_arrays, shapes, best_arrays[0].dtype, "_best_coefs and _best_intercepts")
    if "_optimizer" in attributes:
        _check_optimizer(attributes["_optimizer"], shapes)


def _check_lists(coefs: Any, intercepts: Any) -> list[Any]:
    """Return the four arrays of two lists with two arrays each; the first two are matrices."""
    for arrays in (coefs, intercepts):
        is_pair = type(arrays) is list and len(arrays) == 2 and all(type(array) is np.ndarray for array in arrays)
        _expect(is_pair, "coefs_ and intercepts_", "two arrays each")
    _expect(all(array.ndim == 2 for array in coefs), "coefs_", "two dimensions")
    return [*coefs, *intercepts]


def _check_arrays(arrays: Any, shapes: list[tuple[int, ...]], dtype: Any, name: str) -> None:
    found = [getattr(array, "shape", None) for array in arrays]
    _expect(found == shapes, name, f"the shapes {shapes}, and has {found}")
    _expect(all(array.dtype == dtype for array in arrays) and dtype in (np.float32, np.float64), name, "one dtype")


def _check_classes(attributes: dict[str, Any], o: int) -> None:
    classes: Any = attributes.get("classes_")
    binarizer: Any = attributes.get("_label_binarizer")
    _expect(type(classes) is np.ndarray and classes.ndim == 1, "classes_", "an array of classes")
    _expect(len(classes) == o or (o == 1 and len(classes) <= 2), "classes_", f"as many classes as outputs, {o}")
    _expect(type(binarizer) is LabelBinarizer, "_label_binarizer", "a LabelBinarizer")
    _expect(np.shape(binarizer.classes_) == classes.shape, "_label_binarizer", "one of the classes of classes_")


def _check_optimizer(optimizer: Any, shapes: list[tuple[int, ...]]) -> None:
    _expect(type(optimizer) in (AdamOptimizer, SGDOptimizer), "_optimizer", "an optimizer of scikit-learn")
    is_adam = type(optimizer) is AdamOptimizer
    for name in ("ms", "vs") if is_adam else ("velocities",):
        moments = getattr(optimizer, name)
        _expect(type(moments) is list and len(moments) == 4, f"_optimizer.{name}", "four arrays")
        # Their dtype may be another one than that of coefs_, after a fit with L-BFGS.
        _check_arrays(moments, shapes, getattr(moments[0], "dtype", None), f"_optimizer.{name}")
    _expect(not is_adam or _is_count(optimizer.t), "_optimizer.t", "a number of updates")


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= 0)


def _expect(condition: Any, name: str, what: str) -> None:
    if not condition:
        raise ValueError(f"its {name} should be {what}")
