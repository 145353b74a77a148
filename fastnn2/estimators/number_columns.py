"""Columns of numbers and booleans as one array: :class:`NumberColumns`."""

import decimal
import numbers
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from fastnn2.estimators.frame_columns import checked_columns, is_missing, is_polars, names_of, not_expected, values_of

Array = np.ndarray[Any, Any]

ROWS = 4096  # that are copied at a time, so that the rows of the result stay in the cache for all columns
_NUMBERS = (numbers.Real, np.bool_, decimal.Decimal)


class NumberColumns(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Columns of numbers and booleans as one array, the same from pandas, polars and NumPy.

    scikit-learn's transformers convert frames themselves, and compute with any polars frame in float64, and with a
    pandas frame in float32 only if all its columns are. Behind NumberColumns they compute in its dtype, and faster.
    None, NaN, NaT and NA are NaN; booleans are 0 and 1. Fitting learns nothing but the names and the number of the
    columns.

    Parameters
    ----------
    dtype : {"float64", "float32"}, default="float64"
        Of the result.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (columns,)
        Only if X had names of columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastnn2.estimators import NumberColumns
    >>> frame = pd.DataFrame({"size": [80.5, 65.0], "rooms": pd.array([3, None], dtype="Int64")})
    >>> NumberColumns("float32").fit_transform(frame)
    array([[80.5,  3. ],
           [65. ,  nan]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"dtype": [StrOptions({"float64", "float32"})]}

    def __init__(self, dtype: str = "float64") -> None:
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "NumberColumns":
        """Learn the names and the number of the columns.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        NumberColumns
            Itself.
        """
        checked_columns(self, X, reset=True)
        return self

    def transform(self, X: Any) -> Array:
        """Return the columns as one array.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)

        Returns
        -------
        ndarray (n_samples, n_features)
        """
        check_is_fitted(self)
        columns = checked_columns(self, X, reset=False)
        found = [numbers_of(column, name) for column, name in zip(columns, names_of(self), strict=True)]
        result = np.empty((len(found[0]), len(found)), dtype=self.dtype)
        for first in range(0, len(result), ROWS):
            rows = slice(first, first + ROWS)
            for place, values in enumerate(found):
                result[rows, place] = values[rows]
        return result

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


NumberColumns.__module__ = "fastnn2.estimators"  # where pickles and model files find it


def numbers_of(column: Any, name: str, expected: str = "numbers or booleans") -> Array:
    """Return a column as an array of numbers or booleans (n_samples,); `expected` is for the error."""
    if is_polars(column):
        if column.dtype.is_numeric() or str(column.dtype) in ("Boolean", "Null"):
            return np.asarray((column if column.dtype.is_float() else column.cast(float)).to_numpy())
    elif column.dtype.kind in "biuf" and not isinstance(column.dtype, np.dtype):  # pandas' types with missing values
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    values = values_of(column)
    if values.dtype.kind in "biuf":
        return values
    return np.array(
        [_number(value, row, name, expected) for row, value in enumerate(values.tolist())], dtype=np.float64
    )


def _number(value: Any, row: int, name: str, expected: str) -> float:
    if is_missing(value):
        return np.nan
    if not isinstance(value, _NUMBERS):
        raise not_expected(name, row, value, "a number", expected)
    try:
        return float(value)
    except (OverflowError, ValueError):  # an integer of 400 digits, or decimal's signaling NaN
        raise ValueError(
            f"column {name!r} has a {type(value).__name__} in row {row} (the first row is 0) that float64 cannot hold; "
            "expected numbers up to 1.8e308: divide the column, or take its logarithm"
        ) from None
