"""Parameters and data of many fits, checked once for all that share them."""

import contextlib
from typing import Any, NamedTuple

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight, validate_data

from fastnn2.estimators.sparse_input import checked

Array = np.ndarray[Any, Any]


class CheckedData(NamedTuple):
    """X and y as a fit's ``_validate_input`` returns them, and the attributes that it sets.

    ``_fit`` takes it in place of X.
    """

    X: Any
    y: Any
    attributes: dict[str, Any]
    is_reset: bool

    def set_attributes(self, model: Any) -> tuple[Any, Any]:
        """Give a model the attributes, as objects of its own; return X and y."""
        if self.is_reset and "feature_names_in_" not in self.attributes:
            vars(model).pop("feature_names_in_", None)  # those of a fit before
        for name, value in self.attributes.items():
            setattr(model, name, value.copy() if isinstance(value, np.ndarray) else value)
        binarizer = self.attributes.get("_label_binarizer")
        if binarizer is not None:
            model._label_binarizer = LabelBinarizer()
            vars(model._label_binarizer).update(vars(binarizer), classes_=model.classes_)
        return self.X, self.y


class CheckedInputs:
    """The checks of one call: what has been checked is known by its identity, as long as the call keeps it."""

    def __init__(self) -> None:
        self._valid: dict[type, set[Any]] = {}  # of each class, the names and values of parameters
        self._names: dict[type, list[str]] = {}
        self._X: dict[Any, tuple[Any, dict[str, Any]]] = {}
        self._y: dict[Any, tuple[Any, dict[str, Any]]] = {}
        self._data: dict[Any, CheckedData] = {}
        self._weights: dict[Any, Array] = {}
        self._class_weights: set[Any] = set()

    def check_parameters(self, model: Any) -> None:
        """Raise scikit-learn's error, or ours, if a parameter is wrong."""
        kind = type(model)
        if kind not in self._names:
            self._names[kind] = list(model.get_params(deep=False))
        valid, new = self._valid.setdefault(kind, set()), {}
        for name in self._names[kind]:
            value = getattr(model, name)
            try:
                if (name, type(value), value) not in valid:
                    new[name] = value
            except TypeError:  # it has no hash
                new[name] = value
        if not new:
            return
        validate_parameter_constraints(model._parameter_constraints, new, caller_name=kind.__name__)
        if "hidden_layer_sizes" in new:
            model._check_one_hidden_layer()
            if np.any(np.array(model.hidden_layer_sizes) <= 0):
                raise ValueError(f"hidden_layer_sizes is {model.hidden_layer_sizes!r}; expected a number above 0")
        for name, value in new.items():
            with contextlib.suppress(TypeError):
                valid.add((name, type(value), value))

    def data(self, model: Any, X: Any, y: Any) -> CheckedData:
        """Return X and y as a fit of the model takes them; raise scikit-learn's error if something is wrong."""
        if model.warm_start and (hasattr(model, "coefs_") or hasattr(model, "classes_")):
            # They are compared with those of the fit before.
            safe_X, safe_y = checked(X, "X"), checked(y, "y")
            X, y = model._validate_input(safe_X, safe_y, False, reset=not hasattr(model, "coefs_"))
            return CheckedData(X, y, {}, is_reset=False)
        kind = type(model), bool(model.warm_start)
        key = id(X), id(y), kind
        if key not in self._data:
            found_X, of_X = self._checked_X(model, X)
            found_y, of_y = self._checked_y(model, kind, y)
            check_consistent_length(found_X, found_y)
            self._data[key] = CheckedData(found_X, found_y, of_X | of_y, is_reset=True)
        return self._data[key]

    def _checked_X(self, model: Any, X: Any) -> tuple[Any, dict[str, Any]]:
        key = id(X), type(model)
        if key not in self._X:
            blank = type(model)()
            parameters = set(vars(blank))
            found = validate_data(
                blank, checked(X, "X"), reset=True, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32)
            )
            if isinstance(found, np.ndarray):
                found = np.ascontiguousarray(found)
            attributes = {name: value for name, value in vars(blank).items() if name not in parameters}
            self._X[key] = found, attributes
        return self._X[key]

    def _checked_y(self, model: Any, kind: tuple[type, bool], y: Any) -> tuple[Any, dict[str, Any]]:
        key = id(y), kind
        if key not in self._y:
            blank = type(model)(warm_start=model.warm_start)
            parameters = set(vars(blank))
            shape = getattr(y, "shape", None)
            length = shape[0] if shape else len(y) if hasattr(y, "__len__") else 1
            _, found = blank._validate_input(np.zeros((length, 1)), checked(y, "y"), False, reset=True)
            left_out = parameters | {"n_features_in_"}
            self._y[key] = found, {name: value for name, value in vars(blank).items() if name not in left_out}
        return self._y[key]

    def weights(self, sample_weight: Any, data: CheckedData) -> Any:
        """Return weights as a fit takes them; raise scikit-learn's error if something is wrong."""
        if sample_weight is None:
            return None
        key = id(sample_weight), data.X.shape[0], data.X.dtype
        if key not in self._weights:
            self._weights[key] = _check_sample_weight(sample_weight, data.X)
        return self._weights[key]

    def check_class_weight(self, model: Any, data: CheckedData, weights: Any) -> None:
        """Raise our error if class_weight does not fit the classes."""
        class_weight = getattr(model, "class_weight", None)
        key = id(class_weight), id(data.y), id(weights)
        if class_weight is None or key in self._class_weights:
            return
        blank = type(model)(class_weight=class_weight)
        if data.attributes:
            data.set_attributes(blank)
        else:
            blank._label_binarizer, blank.classes_ = model._label_binarizer, model.classes_
        y = data.y.reshape(-1, 1) if data.y.ndim == 1 else data.y
        blank._with_class_weight(y, weights)
        self._class_weights.add(key)
