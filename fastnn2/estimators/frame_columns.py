"""The columns of a frame of pandas or polars, or of an array, one by one and unconverted.

Neither library is imported: their frames and columns are known by their methods.
"""

import collections
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_feature_names_in, validate_data

Array = np.ndarray[Any, Any]

MOST_SHOWN = 100  # characters of a value in an error


def checked_columns(estimator: Any, X: Any, reset: bool) -> list[Any]:
    """Return the columns of X after scikit-learn's checks of their number and names.

    Parameters
    ----------
    estimator : object
        It gets or has ``n_features_in_`` and ``feature_names_in_``.
    X : pandas or polars frame, or array_like (n_samples, n_features)
    reset : bool
        Whether `estimator` is being fitted.

    Returns
    -------
    list of Series of pandas, Series of polars, or 1-D arrays
    """
    if hasattr(X, "collect_schema") and not hasattr(X, "get_columns"):
        raise TypeError(f"X is a {type(X).__name__}, which has no values yet; expected a frame: pass X.collect()")
    if hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "get_columns")):
        _check_different(list(X.columns))
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        for count, what in zip(X.shape, ("rows", "columns"), strict=True):
            if count == 0:
                raise ValueError(f"X has 0 {what}; {type(estimator).__name__} expects at least one")
        return X.get_columns() if hasattr(X, "get_columns") else [X.iloc[:, place] for place in range(X.shape[1])]
    if isinstance(X, list | tuple):
        X = np.array(X, dtype=object)  # otherwise NumPy would make texts of all values if one is a text
    X = validate_data(estimator, X, reset=reset, dtype=None, ensure_all_finite=False)
    return list(X.T)


def _check_different(names: list[Any]) -> None:
    """Raise ValueError if two columns of a frame have one name."""
    if len(set(names)) < len(names):
        name, count = collections.Counter(names).most_common(1)[0]
        raise ValueError(f"X has {count} columns of the name {name!r}; expected a name for each column: rename them")


def names_of(estimator: Any) -> list[str]:
    """Return the names of the columns that an estimator was fitted to, x0, x1, ... where they had none."""
    return [str(name) for name in _check_feature_names_in(estimator)]


def not_expected(name: str, row: int, value: Any, kind: str, expected: str) -> ValueError:
    """Return the error for a value in a column of another kind."""
    found = repr(value)
    found = found if len(found) <= MOST_SHOWN else f"{found[:MOST_SHOWN]}…"
    return ValueError(
        f"column {name!r} has {found} in row {row} (the first row is 0), which is not {kind}; expected {expected}"
    )


def is_polars(column: Any) -> bool:
    """Return whether a column is a Series of polars."""
    return hasattr(column, "to_physical")


def values_of(column: Any) -> Array:
    """Return the values of a column as a 1-D array, of objects if NumPy has no type for them and for missing ones."""
    if isinstance(column, np.ndarray):
        return column.astype(object) if column.dtype.kind == "T" else column
    if is_polars(column):
        is_integer = column.dtype.is_integer() and "128" not in str(column.dtype)
        has_type = is_integer or column.dtype.is_float() or str(column.dtype) == "Boolean"
        if column.dtype.is_temporal() or (has_type and column.null_count() == 0):
            return np.asarray(column.to_numpy())
        return np.fromiter(column.to_list(), dtype=object, count=len(column))  # also of lists, which stay lists
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert(None)  # the same instants in UTC
    return np.asarray(column.to_numpy() if isinstance(column.dtype, np.dtype) else column.to_numpy(dtype=object))


_MAY_BE_MISSING = (float, np.floating, np.datetime64, np.timedelta64)


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, _MAY_BE_MISSING) and bool(value != value)
