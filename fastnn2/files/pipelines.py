"""What the steps of a fitted scikit-learn Pipeline do to the columns that they get, for all formats."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer

PASSES_ON = (None, "passthrough")


def is_identity(step: Any) -> bool:
    """Return whether a step leaves its columns as they are."""
    if step is None or isinstance(step, str):
        return step in PASSES_ON
    return type(step) is FunctionTransformer and step.func is None  # what "passthrough" is after a fit


def is_drop(step: Any) -> bool:
    """Return whether a step leaves out its columns."""
    return isinstance(step, str) and step == "drop"


def parts_of(transformer: ColumnTransformer) -> list[tuple[str, Any, list[int]]]:
    """Return what a fitted ColumnTransformer does: name, transformer and places of the columns of each part."""
    parts = [
        (name, step, column_indices(transformer, columns))
        for name, step, columns in transformer.transformers_
        if not is_drop(step)
    ]
    return [part for part in parts if part[2]]


def column_indices(transformer: ColumnTransformer, columns: Any) -> list[int]:
    """Return the places of the columns that a part of a fitted ColumnTransformer takes."""
    names = [str(name) for name in getattr(transformer, "feature_names_in_", ())]
    places = np.arange(transformer.n_features_in_)
    if isinstance(columns, str):
        columns = [columns]
    if isinstance(columns, slice) and (isinstance(columns.start, str) or isinstance(columns.stop, str)):
        start = None if columns.start is None else names.index(columns.start)
        stop = None if columns.stop is None else names.index(columns.stop) + 1
        columns = slice(start, stop, columns.step)
    if not isinstance(columns, slice) and np.ndim(columns) and any(isinstance(column, str) for column in columns):
        columns = [names.index(column) for column in columns]
    if not isinstance(columns, slice) and np.ndim(columns) and not len(columns):
        return []
    return [int(place) for place in np.atleast_1d(places[columns])]
