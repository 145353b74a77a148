"""What becomes of Y on the workers: which numbers are valid, and how labels become the targets of outputs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import check_array

from fastnn2.functional import checks

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class UnitInterval:
    """Numbers from 0 to 1, as fit takes them."""

    def __call__(self, rows: Any, place: Callable[[tuple[int, ...]], str]) -> Array:
        """Return targets (m, o) of some rows, or raise ValueError with the place of the first that is not valid."""
        array = checks.as_real_array(rows, "Y")
        if not checks.is_in_unit_interval(array):
            checks.check_in_unit_interval(array, "Y", axes=place)
        return array.reshape(len(array), -1)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Finite numbers, as a regressor takes them.

    Attributes
    ----------
    dtype : dtype
        In which they must be finite, too.
    """

    dtype: Any

    def __call__(self, rows: Any, place: Callable[[tuple[int, ...]], str]) -> Array:
        """Return targets (m, o) of some rows, or raise ValueError with the place of the first that is not valid."""
        array = checks.as_real_array(rows, "y")
        checks.check_finite(array, "y", self.dtype, place)
        return array.reshape(len(array), -1)


class Indicator:
    """Several labels a sample, each 0 or 1."""

    def __call__(self, rows: Any, place: Callable[[tuple[int, ...]], str]) -> Array:
        """Return targets (m, o) of some rows, or raise ValueError with the place of the first that is not valid."""
        array = checks.as_real_array(rows, "y")
        checks.check_in_unit_interval(array, "y", "labels", place)
        between = (array > 0) & (array < 1)
        if between.any():
            at = tuple(int(i) for i in np.unravel_index(np.argmax(between), array.shape))
            raise ValueError(
                f"y has {array[at]} at {place(at)}; expected 0 or 1 in each column, as y has {array.shape[1]} columns "
                "of labels"
            )
        return array


@dataclasses.dataclass(frozen=True)
class OneLabel:
    """One label a sample.

    Attributes
    ----------
    classes : ndarray
        In their order.
    """

    classes: Array

    def numbers(self, rows: Any, place: Callable[[tuple[int, ...]], str]) -> Array:
        """Return the numbers of classes (m,) of some rows."""
        labels = as_labels(rows, place)
        numbers: Array = np.minimum(np.searchsorted(self.classes, labels), len(self.classes) - 1)
        is_other = self.classes[numbers] != labels
        if is_other.any():
            at = int(np.argmax(is_other))
            label = labels[at : at + 1].tolist()[0]
            raise ValueError(
                f"y has {label!r} at {place((at,))}, which was not there when its classes were found; the collection "
                "must not change between two computations"
            )
        return numbers

    def __call__(self, rows: Any, place: Callable[[tuple[int, ...]], str]) -> Array:
        """Return targets (m, o) of some rows."""
        numbers = self.numbers(rows, place)[:, np.newaxis]
        targets: Array = numbers == (1 if len(self.classes) <= 2 else np.arange(len(self.classes)))
        return targets


def as_labels(rows: Any, place: Callable[[tuple[int, ...]], str]) -> Array:
    """Return the labels (m,) of some rows as scikit-learn reads them, or raise ValueError where one is missing."""
    import pandas

    column = rows.iloc[:, 0] if getattr(rows, "ndim", 1) == 2 and hasattr(rows, "iloc") else rows
    missing = np.ravel(pandas.isna(column))
    if missing.any():
        raise ValueError(
            f"y has a missing label (NaN or None) at {place((int(np.argmax(missing)),))}; expected a label for each "
            "sample. Remove such samples or replace it"
        )
    if not len(column):
        return np.asarray(column).ravel()
    labels: Array = check_array(column, ensure_2d=False, dtype=None, input_name="y").ravel()
    if labels.dtype.kind == "f" and (labels != np.trunc(labels)).any():
        at = int(np.argmax(labels != np.trunc(labels)))
        raise ValueError(
            f"Unknown label type: continuous. y has {labels[at]} at {place((at,))}; a classifier expects classes, and "
            "for numbers there is DaskMLPRegressor"
        )
    return labels
