"""Integer labels as the targets of a network, in one pass, and the weights of classes.

scikit-learn's LabelBinarizer looks at y six times, which takes a tenth of a short fit.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import validate_data

Array = np.ndarray[Any, Any]


class IntegerLabels:
    """The check of a classifier's X and y, a method of scikit-learn's class that is replaced."""

    warm_start: bool

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> Any:
        if incremental or self.warm_start or not are_integers(y):  # y of checked data is None
            return super()._validate_input(X, y, incremental, reset)  # type: ignore[misc]
        as_theirs = {"accept_sparse": ["csr", "csc"], "multi_output": True, "dtype": (np.float64, np.float32)}
        X, y = validate_data(self, X, y, reset=reset, **as_theirs)
        self._label_binarizer, targets = binarized(y)
        self.classes_ = self._label_binarizer.classes_
        return X, targets


def are_integers(y: Any) -> bool:
    """Return whether y is a plain array of one integer for each sample, which needs no checks."""
    return type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "iu" and y.dtype.isnative and len(y) > 0


def binarized(y: Array) -> tuple[LabelBinarizer, Array]:
    """Return a LabelBinarizer as fitted to integers, and what it makes of them, as booleans."""
    binarizer = LabelBinarizer()
    classes, numbers = np.unique(y, return_inverse=True)
    binarizer.y_type_ = "binary" if len(classes) <= 2 else "multiclass"
    binarizer.sparse_input_, binarizer.classes_ = False, classes
    if len(classes) <= 2:
        return binarizer, (numbers == 1)[:, np.newaxis]
    return binarizer, numbers[:, np.newaxis] == np.arange(len(classes))


def weights_of_classes(class_weight: Any, classes: list[Any], count: Callable[[], Array]) -> Array:
    """Return the weight of each class.

    Parameters
    ----------
    class_weight : dict or "balanced"
    classes : list
    count : callable
        Returns how many samples each class has; called for "balanced".
    """
    if isinstance(class_weight, str):
        counts = count()
        balanced: Array = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return balanced
    unknown = [name for name in class_weight if name not in classes]
    if unknown:
        raise ValueError(f"class_weight has {unknown}; expected some of the classes {classes}")
    for name, weight in class_weight.items():
        _check_weight(name, weight)
    return np.array([class_weight.get(name, 1.0) for name in classes], dtype=float)


def _check_weight(name: Any, weight: Any) -> None:
    """Raise ValueError if the weight of a class is not a finite number of 0 or more."""
    try:
        accepted = 0 <= float(weight) < np.inf
    except (TypeError, ValueError, OverflowError):
        accepted = False
    if not accepted:
        raise ValueError(f"class_weight[{name!r}] is {weight!r}; expected a finite number of 0 or more")
