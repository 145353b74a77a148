"""Columns of any kind of table as numbers or as texts, and which kinds of values they have.

The same values of pandas, polars and NumPy are the same numbers and the same texts. Neither library is imported.
"""

import datetime
import decimal
import numbers
import re
from typing import Any

import numpy as np
from scipy.sparse import issparse

from fastnn2.estimators.frame_columns import checked_columns, is_missing, is_polars, names_of, values_of
from fastnn2.estimators.number_columns import numbers_of
from fastnn2.estimators.text_columns import texts_of

Array = np.ndarray[Any, Any]

TEXTS, BOOLEANS, NUMBERS, DATES, OTHERS = "texts", "booleans", "numbers", "dates", "other values"

_TIMES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
_MISSING = ("NoneType", "NAType", "NaTType")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")


def check_not_sparse(table: Any) -> None:
    """Raise TypeError for a sparse matrix."""
    if issparse(table):
        raise TypeError(
            f"X is a sparse {type(table).__name__} of shape {table.shape}; expected a dense table: pass X.toarray()"
        )


def table_columns(table: Any, owner: Any, reset: bool) -> tuple[list[Any], list[str]]:
    """Return the columns of a table and their names, after scikit-learn's checks of their number and names.

    Parameters
    ----------
    table : pandas or polars frame, or array_like (n_samples, n_features)
    owner : object
        It gets or has ``n_features_in_`` and ``feature_names_in_``.
    reset : bool
        Whether the owner is being fitted.
    """
    check_not_sparse(table)
    if isinstance(table, np.ma.MaskedArray):
        raise TypeError(
            "X is a masked array, whose mask would be lost; expected an array with NaN for missing values: pass "
            "X.astype(float).filled(np.nan)"
        )
    columns = checked_columns(owner, table, reset=reset)
    return columns, names_of(owner)


def is_categorical(column: Any, name: str) -> bool:
    """Return whether a column is one of categories, judged by its type: category, text or boolean.

    A column of objects is, unless all its values are numbers: so are the columns of an array of objects of which one
    has texts. A column of dates raises ValueError.
    """
    found = value_kinds(column, name)
    if DATES in found and not _has_categories(column):
        raise _dates(column, name)
    return _has_categories(column) or not found <= {NUMBERS}


def value_kinds(column: Any, name: str) -> set[str]:
    """Return which kinds of values a column has, or may have by its type; a column of objects is looked at."""
    kind = _kind_of_type(column)
    if kind is not None:
        return {kind}
    if type(column.dtype).__name__ == "CategoricalDtype":
        return _kinds_of(column.cat.categories.tolist(), name)
    return _kinds_of(values_of(column).tolist(), name)


def _has_categories(column: Any) -> bool:
    return type(column.dtype).__name__ in ("CategoricalDtype", "Categorical", "Enum")


def _kind_of_type(column: Any) -> str | None:
    """Return the kind of all values of a column if its type says so."""
    dtype = column.dtype
    if is_polars(column):
        name = type(dtype).__name__
        if name in ("String", "Categorical", "Enum"):
            return TEXTS
        if name == "Boolean":
            return BOOLEANS
        if dtype.is_temporal():
            return DATES
        return NUMBERS if dtype.is_numeric() or name == "Null" else None
    if type(dtype).__name__ in ("StringDType", "StringDtype"):
        return TEXTS
    return {"U": TEXTS, "b": BOOLEANS, "M": DATES, "m": DATES, "i": NUMBERS, "u": NUMBERS, "f": NUMBERS}.get(dtype.kind)


def _kinds_of(values: list[Any], name: str) -> set[str]:
    """Return the kinds of values that are present."""
    found: set[str] = set()
    for kind in set(map(type, values)):
        if issubclass(kind, str):
            found.add(TEXTS)
        elif issubclass(kind, (bool, np.bool_)):
            found.add(BOOLEANS)
        elif issubclass(kind, (numbers.Real, decimal.Decimal)):
            if any(type(value) is kind and not is_missing(value) for value in values):
                found.add(NUMBERS)
        elif issubclass(kind, _TIMES):
            if any(type(value) is kind and not is_missing(value) for value in values):
                found.add(DATES)
        elif kind.__name__ not in _MISSING:
            _check_others(values, kind, name)
            found.add(OTHERS)
    return found


def _check_others(values: list[Any], kind: type, name: str) -> None:
    """Raise ValueError if values of a type that is not known cannot be categories."""
    for row, value in enumerate(values):
        if type(value) is kind and (kind.__hash__ is None or _ADDRESS.search(str(value))):
            raise ValueError(
                f"column {name!r} has a {kind.__name__} in row {row} (the first row is 0), which is neither a number "
                "nor a category; expected numbers, texts, booleans or categories: make a column of each value"
            )


def numbers_in(column: Any, name: str) -> Array:
    """Return a column of a numeric feature as numbers or booleans (n,), NaN where they are missing."""
    if _kind_of_type(column) == DATES:
        raise _dates(column, name)
    return numbers_of(column, name, "numbers or booleans; texts may be named in categorical_features")


def finite_float64(values: Array, name: str, first_row: int = 0) -> Array:
    """Return numbers of a column from `first_row` on as float64 (n,), or raise ValueError for an infinite one."""
    with np.errstate(over="ignore"):  # of types that are wider
        converted = np.ascontiguousarray(values, dtype=np.float64)
    infinite = np.isinf(converted)
    if infinite.any():
        row = int(infinite.argmax())
        raise ValueError(
            f"column {name!r} has {converted[row]} in row {first_row + row} (the first row is 0); expected finite "
            "numbers, or NaN where a value is missing: replace it"
        )
    return converted


def texts_in(column: Any, name: str) -> list[str | None]:
    """Return a column of a categorical feature as texts, None where they are missing.

    Booleans are "true" and "false", 3 and 3.0 are "3". An empty text is a category.
    """
    if column.dtype.is_float() if is_polars(column) else column.dtype.kind == "f":
        with np.errstate(over="ignore"):  # of types that are wider
            column = numbers_of(column, name).astype(np.float64)  # the text of 0.1 differs between float32 and float64
    try:
        texts: list[str | None] = texts_of(column).tolist()
    except ValueError as error:  # an integer of thousands of digits
        raise ValueError(f"column {name!r} has a value that is no text: {error}; expected categories") from error
    empty = [row for row, text in enumerate(texts) if not text]
    if empty:
        values = values_of(column)
        for row in empty:
            if is_missing(values[row]):
                texts[row] = None
    return texts


def _dates(column: Any, name: str) -> ValueError:
    return ValueError(
        f"column {name!r} has dates or times ({column.dtype}); expected numbers, texts, booleans or categories: "
        "convert it with fastnn2.estimators.DateColumns, or leave it out"
    )
