"""Which inputs an ONNX model has: one for an array, or one for each column of a frame that the model uses."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder

from fastnn2.estimators import DateColumns, TextColumns
from fastnn2.estimators.networks import dtype_of_run
from fastnn2.files.onnx.frame_columns import DAYS
from fastnn2.files.onnx.graph import STRINGS, TYPES, Array, Dtype, is_missing
from fastnn2.files.pipelines import is_drop, is_identity, parts_of

ARRAY_NAME = "X"
PASS_X = "pass X, some of the samples that it was fitted to, for their types"


class Inputs:
    """The inputs of a model, as the columns of a table.

    Attributes
    ----------
    names, dtypes, widths : list
        Of each input; the dtype of strings is object.
    places : dict or None
        Which input a column is, by its number; None if the only input has all columns.
    """

    def __init__(self, names: list[str], dtypes: list[Dtype], widths: list[int], places: dict[int, int] | None) -> None:
        self.names, self.dtypes, self.widths, self.places = names, dtypes, widths, places


def inputs_of(model: Any, network: Any, X: Any) -> Inputs:
    """Return the inputs of a fitted model.

    Parameters
    ----------
    model, network : object
        The model, and the network in it.
    X : array_like, pandas or polars frame, or None
        Samples, of which the types are read. None takes them from the model.

    Raises
    ------
    TypeError
        X is sparse, or has a type that ONNX does not have.
    ValueError
        X does not have the model's columns, or is None and the types do not follow from the model.
    """
    names, n_features = _names_and_count(model)
    if X is None:
        return _inputs_of_model(model, names, n_features, network.coefs_[0].dtype)
    if issparse(X):
        raise TypeError(f"X is sparse ({type(X).__name__}), and ONNX models take dense samples; pass X[:10].toarray()")
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        return _inputs_of_frame(model, X, names, n_features)
    array = np.asarray(X)
    if array.ndim != 2 or array.shape[1] != n_features:
        raise ValueError(
            f"X has shape {array.shape}; the model has {n_features} features: expected (samples, {n_features})"
        )
    steps = {type(use.step): use.step for use in _uses(model, list(range(n_features)))}
    step = next(iter(steps.values())) if len(steps) == 1 else None
    return Inputs([ARRAY_NAME], [_dtype_of_input(array, step, "X")], [n_features], None)


def _inputs_of_frame(model: Any, X: Any, names: list[str] | None, n_features: int) -> Inputs:
    columns = list(X.columns)
    if len({str(column) for column in columns}) != len(columns):
        raise ValueError(f"X has columns of the same name: {columns}; expected different names, which the inputs get")
    if names is None:
        if len(columns) != n_features:
            raise ValueError(f"X has {len(columns)} columns; expected {n_features}, the features of the model")
        names = columns
    # A column of a frame has one type; where two steps take it, that of the last one decides.
    steps = {use.place: use.step for use in _uses(model, list(range(n_features)))}
    used = sorted(steps)
    missing = [names[place] for place in used if names[place] not in columns]
    if missing:
        raise ValueError(f"X does not have the columns {missing}; the model was fitted with {list(names)}")
    dtypes = [
        _dtype_of_input(np.asarray(X[names[place]]), steps[place], f"the column {names[place]!r} of X")
        for place in used
    ]
    return _by_column([str(names[place]) for place in used], dtypes, used)


def _inputs_of_model(model: Any, names: list[str] | None, n_features: int, dtype_of_model: Dtype) -> Inputs:
    default = dtype_of_run(dtype_of_model, dtype_of_model)
    dtypes: dict[int, Dtype] = {}
    for use in _uses(model, list(range(n_features))):
        place, dtype = use.place, _dtype_taken(use, default)
        if dtypes.setdefault(place, dtype) != dtype:
            column = place if names is None else repr(names[place])
            both = f"{_type_name(dtypes[place])} and as {_type_name(dtype)}"
            raise ValueError(f"X is None, and the model takes the column {column} as {both}; {PASS_X}")
    used = sorted(dtypes)
    if names is not None:
        return _by_column([names[place] for place in used], [dtypes[place] for place in used], used)
    if len(set(dtypes.values())) > 1:
        found = ", ".join(sorted(map(_type_name, set(dtypes.values()))))
        raise ValueError(f"X is None, and the model takes its columns, which have no names, as {found}; {PASS_X}")
    return Inputs([ARRAY_NAME], [dtypes[used[0]]], [n_features], None)


def _by_column(names: list[str], dtypes: list[Dtype], used: list[int]) -> Inputs:
    return Inputs(names, dtypes, [1] * len(names), {place: number for number, place in enumerate(used)})


def _type_name(dtype: Dtype) -> str:
    return "strings" if dtype == STRINGS else dtype.name


def _names_and_count(model: Any) -> tuple[list[str] | None, int]:
    """Return the names of the columns that a model was fitted with, if they had names, and their number."""
    first = next(_first_fitted(model))
    names = getattr(first, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names], int(first.n_features_in_)


def _first_fitted(step: Any) -> Iterator[Any]:
    """Yield what has the names and the number of the columns of a step: its first part that is fitted to them."""
    if isinstance(step, Pipeline | FeatureUnion):
        for _, part in step.steps if isinstance(step, Pipeline) else step.transformer_list:
            yield from _first_fitted(part)
    elif not is_identity(step) and not is_drop(step):
        yield step


class _Use(NamedTuple):
    """A column that a step takes from a sample: its place there, and its number among the columns of the step."""

    place: int
    step: Any
    number: int


def _uses(step: Any, places: list[int]) -> Iterator[_Use]:
    """Yield each use of a column by a fitted step."""
    if isinstance(step, Pipeline):
        yield from _uses(next((part for _, part in step.steps if not is_identity(part)), None), places)
    elif isinstance(step, ColumnTransformer):
        for _, part, own in parts_of(step):
            yield from _uses(part, [places[place] for place in own])
    elif isinstance(step, FeatureUnion):
        for _, part in step.transformer_list:
            yield from _uses(part, places)
    elif not is_drop(step):
        yield from (_Use(place, step, number) for number, place in enumerate(places))


def _dtype_taken(use: _Use, default: Dtype) -> Dtype:
    """Return the dtype that a step takes a column as."""
    step = use.step
    if isinstance(step, DateColumns):
        return DAYS
    if isinstance(step, TextColumns):
        return STRINGS
    if isinstance(step, OneHotEncoder):
        return _dtype_of_categories(step.categories_[use.number])
    if isinstance(step, SimpleImputer) and any(isinstance(value, str) for value in step.statistics_):
        return STRINGS
    return default


def _dtype_of_input(values: Array, step: Any, what: str) -> Dtype:
    """Return the dtype of the tensor that has the values of an array or a column, which a step takes."""
    if isinstance(step, DateColumns):
        return DAYS
    if isinstance(step, TextColumns) and (values.dtype.kind not in "biuf" or values.dtype.name not in TYPES):
        return STRINGS
    return _dtype_of_values(values, what)


def _dtype_of_categories(categories: Array) -> Dtype:
    if any(isinstance(category, str) for category in categories):
        return STRINGS
    has_type = categories.dtype.name in TYPES and categories.dtype != STRINGS
    return categories.dtype if has_type else np.dtype(float)


def _dtype_of_values(values: Array, what: str) -> Dtype:
    """Return the dtype of the tensor that has the values of an array or a column."""
    dtype: Dtype = values.dtype
    if dtype.kind in "UT":
        return STRINGS
    if dtype.name in TYPES and dtype != STRINGS:
        return dtype
    if dtype == STRINGS:
        flat = values.ravel()
        known = [value for value in flat if isinstance(value, str)]
        if known and all(isinstance(value, str) or is_missing(value) for value in flat):
            return STRINGS
        if not known:
            try:
                np.array([np.nan if is_missing(value) else value for value in flat], float)
            except (TypeError, ValueError):
                pass
            else:
                return np.dtype(float)
        found = ", ".join(sorted({type(value).__name__ for value in flat}))
        raise TypeError(f"{what} has values of the types {found}; expected numbers alone or strings alone")
    raise TypeError(
        f"{what} has the type {dtype.name}; expected float32, float64, integers, booleans or strings, which the "
        "inputs of ONNX can have"
    )
