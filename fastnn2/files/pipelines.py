"""What all formats know of scikit-learn's Pipelines: the network at the end, and which columns each step gets."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from fastnn2.estimators import MLPClassifier, MLPRegressor
from fastnn2.tabular import TabularClassifier, TabularRegressor

MLPS = (MLPClassifier, MLPRegressor)
TABULAR = (TabularClassifier, TabularRegressor)
PASSES_ON = (None, "passthrough")


def network_in(model: Any, what: str = "it", also_expected: str = "", kinds: tuple[type, ...] = MLPS) -> Any:
    """Return the estimator of ours that a model is, or that a Pipeline ends with.

    Parameters
    ----------
    model : object
    what : str
        What the model is called in a message.
    also_expected : str
        What else the caller takes, for the end of the message.
    kinds : tuple of classes
        Of the estimators that the caller takes.

    Raises
    ------
    TypeError
        It is another model.
    """
    last = model
    while type(last) is Pipeline:
        last = last.steps[-1][1] if last.steps else None
    if type(last) in kinds:
        return last
    found = type(last).__module__.split(".")[0] + "." + type(last).__name__
    if last is not model:
        found = f"a Pipeline that ends with {found}"
    *others, name = [kind.__name__ for kind in kinds]
    raise TypeError(
        f"{what} is {found}; expected fastnn2's {', '.join(others)} or {name}, or a scikit-learn Pipeline that ends "
        f"with one{also_expected}{_hint(last)}"
    )


def _hint(model: Any) -> str:
    if type(model).__module__.startswith("sklearn.neural_network.") and hasattr(model, "hidden_layer_sizes"):
        return f". Convert it first: fastnn2.{type(model).__name__}.from_sklearn(model)"
    if hasattr(model, "best_estimator_"):
        return ". Pass its best_estimator_"
    if type(model) in TABULAR:
        return ". A model that takes raw tables is kept by fastnn2.save alone"
    return ""


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
