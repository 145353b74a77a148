"""Which columns of a table are categories, as the argument ``categorical_features`` says."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn2.tabular.table_columns import is_categorical

Array = np.ndarray[Any, Any]

FROM_DTYPE = "from_dtype"
EXPECTED = 'expected "from_dtype", None, a mask, or indices or names of columns'


def plain_choice(categorical_features: Any) -> str | list[Any] | None:
    """Return the argument ``categorical_features`` as "from_dtype", None, or a list of bool, int or str."""
    if categorical_features is None:
        return None
    if isinstance(categorical_features, str):
        if categorical_features != FROM_DTYPE:
            raise ValueError(f"categorical_features is {categorical_features!r}; {EXPECTED}, in a list")
        return FROM_DTYPE
    try:
        chosen = np.asarray(categorical_features)
    except ValueError:  # lists of different lengths
        chosen = np.empty((0, 0))
    if chosen.ndim != 1:
        raise ValueError(f"categorical_features is {categorical_features!r}; {EXPECTED}, in one dimension")
    return list(chosen.tolist())


def categorical_mask(categorical_features: Any, columns: Sequence[Any], names: Sequence[str], has_names: bool) -> Array:
    """Return which columns are categories.

    Parameters
    ----------
    categorical_features : "from_dtype", None, or list of bool, int or str
    columns : sequence of columns
    names : sequence of str
        Of the columns.
    has_names : bool
        Whether the table has these names, so that they may be asked for.

    Returns
    -------
    ndarray of bool (n_columns,)
    """
    if categorical_features is None:
        return np.zeros(len(columns), dtype=bool)
    if categorical_features == FROM_DTYPE:
        found = [is_categorical(column, name) for column, name in zip(columns, names, strict=True)]
        return np.array(found, dtype=bool)
    chosen = np.array(categorical_features)
    mask = np.zeros(len(columns), dtype=bool)
    if chosen.dtype.kind == "b":
        if len(chosen) != len(columns):
            raise ValueError(
                f"categorical_features is a mask of {len(chosen)} booleans; expected {len(columns)}, one a column"
            )
        return chosen.copy()
    if chosen.dtype.kind in "iu":
        outside = [index for index in chosen.tolist() if not 0 <= index < len(columns)]
        if outside:
            raise ValueError(
                f"categorical_features has the index {outside[0]}; expected 0 to {len(columns) - 1}, as X has "
                f"{len(columns)} columns"
            )
        mask[chosen] = True
    elif len(chosen):
        mask[_places(chosen.tolist(), names, has_names)] = True
    return mask


def _places(chosen: list[Any], names: Sequence[str], has_names: bool) -> list[int]:
    """Return the places of the columns of these names."""
    other = [value for value in chosen if not isinstance(value, str)]
    if other:
        raise ValueError(f"categorical_features has {other[0]!r}, a {type(other[0]).__name__}; {EXPECTED}")
    if not has_names:
        raise ValueError(
            f"categorical_features names the column {chosen[0]!r}, but X has no names of columns; pass indices or a "
            "mask, or a frame"
        )
    missing = [name for name in chosen if name not in names]
    if missing:
        shown = ", ".join(map(repr, names[:20])) + (", …" if len(names) > 20 else "")
        raise ValueError(f"categorical_features names the column {missing[0]!r}, but X has the columns {shown}")
    return [list(names).index(name) for name in chosen]
