"""Predictions of a fitted model, partition by partition, where the samples are; nothing is computed before it is asked.

The model is one task, which all partitions share.
"""

from typing import Any

import dask.array
import dask.dataframe
import numpy as np
from dask import delayed
from sklearn.utils import check_array

from fastnn2.dask.collections import whole_rows

Array = np.ndarray[Any, Any]


def is_lazy(X: Any) -> bool:
    """Return whether X is a dask array or dataframe."""
    return isinstance(X, dask.array.Array | dask.dataframe.DataFrame | dask.dataframe.Series)


def as_rows(X: Any) -> Any:
    """Return X with all columns of a row in one chunk, or raise ValueError if it is no matrix."""
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimensions; expected two, samples as rows. Reshape your data: for one feature "
            "X.reshape(-1, 1), or X.to_frame() of a series"
        )
    return whole_rows(X, "X") if isinstance(X, dask.array.Array) else X


def meta_of(X: Any) -> Any:
    """Return an empty array or dataframe with the columns of X."""
    return np.empty((0, X.shape[1]), X.dtype) if isinstance(X, dask.array.Array) else X._meta


def lazy(model: Any, method: str, X: Any) -> dask.array.Array:
    """Return what a method of a model of the local class predicts for X, as a dask array.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted, without names of features: those of X have been checked.
    method : str
    X : dask Array or DataFrame
    """
    X = as_rows(X)
    dtype = X.dtype if isinstance(X, dask.array.Array) else as_plain(X._meta_nonempty).dtype
    example = np.zeros((1, model.n_features_in_), dtype if dtype.kind in "biuf" else np.float64)
    empty: Array = getattr(model, method)(example)[:0]
    shared = delayed(model, pure=False)
    if isinstance(X, dask.array.Array):
        options: dict[str, Any] = {"chunks": (X.chunks[0], empty.shape[1:])} if empty.ndim == 2 else {"drop_axis": 1}
        return X.map_blocks(predict, shared, method, empty, dtype=empty.dtype, meta=empty, **options)
    pieces = [
        dask.array.from_delayed(
            delayed(predict, pure=False)(rows, shared, method, empty), (np.nan, *empty.shape[1:]), meta=empty
        )
        for rows in X.to_delayed()
    ]
    return dask.array.concatenate(pieces, allow_unknown_chunksizes=True)


def predict(rows: Any, model: Any, method: str, empty: Array) -> Array:
    """Return what a method of a model predicts for some rows; runs on a worker."""
    if not len(rows):
        return empty
    predicted: Array = getattr(model, method)(as_plain(rows)).astype(empty.dtype, copy=False)
    return predicted


def as_plain(rows: Any) -> Any:
    """Return a dataframe as an array, whose names of columns need no further check."""
    return check_array(rows, ensure_all_finite=False) if hasattr(rows, "iloc") else rows
