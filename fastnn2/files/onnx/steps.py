"""The steps of a Pipeline as parts of an ONNX graph: which can be converted, and what each of them adds.

Each class is known by name: a subclass may do something else.
"""

from collections.abc import Sequence
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from fastnn2.estimators import DateColumns, MLPClassifier, MLPRegressor, NumberColumns, TextColumns
from fastnn2.files.onnx.frame_columns import add_date_columns, add_number_columns, add_text_columns
from fastnn2.files.onnx.graph import Graph
from fastnn2.files.onnx.network import add_network
from fastnn2.files.onnx.transformers import TRANSFORMERS, refusal
from fastnn2.files.pipelines import is_drop, is_identity, parts_of


def check_steps(step: Any, what: str) -> None:
    """Raise an error if a model has a step of a class that cannot be converted, or one that is not fitted.

    Parameters
    ----------
    what : str
        The name of the step in errors.
    """
    if is_drop(step) or is_identity(step):
        return
    if type(step) is Pipeline:
        for name, part in step.steps:
            check_steps(part, f"the step {name!r} of {what}")
        return
    what = name_of(step, what)
    if type(step) not in (*ADD, MLPClassifier, MLPRegressor):
        known = ", ".join(sorted(known.__name__ for known in (Pipeline, *ADD)))
        advice = "fit a model without it, and apply it to X before"
        raise refusal(what, f"it is none of {known} and FunctionTransformer without a function; {advice}")
    check_is_fitted(step)
    if isinstance(step, ColumnTransformer | FeatureUnion):
        if step.transformer_weights:
            raise refusal(what, "it has transformer_weights; fit a model without them")
        parts = parts_of(step) if isinstance(step, ColumnTransformer) else step.transformer_list
        for name, part, *_ in parts:
            check_steps(part, f"the part {name!r} of {what}")


def name_of(step: Any, what: str) -> str:
    """Return the name of a step in errors, with its class."""
    return f"{what} ({type(step).__name__})"


def add_model(graph: Graph, model: Any, tensors: Sequence[Any], what: str = "the model") -> list[Any]:
    """Add a fitted model or transformer, which is checked, to the graph and return its results.

    Raises
    ------
    ValueError
        A step has an option, or gets columns, that cannot be converted.
    """
    tensors = list(tensors)
    if type(model) is Pipeline:
        for name, step in model.steps:
            tensors = add_model(graph, step, tensors, f"the step {name!r} of {what}")
        return tensors
    if is_identity(model):
        return tensors
    what = name_of(model, what)
    if type(model) in ADD:
        return [ADD[type(model)](graph, model, tensors, what)]
    return add_network(graph, model, tensors, what)


def _add_columns(graph: Graph, step: ColumnTransformer, tensors: list[Any], what: str) -> Any:
    results = [
        result
        for name, part, places in parts_of(step)
        for result in add_model(graph, part, graph.columns(tensors, places), f"the part {name!r} of {what}")
    ]
    return graph.joined(results, what)


def _add_union(graph: Graph, step: FeatureUnion, tensors: list[Any], what: str) -> Any:
    results = [
        result
        for name, part in step.transformer_list
        if not is_drop(part)
        for result in add_model(graph, part, tensors, f"the part {name!r} of {what}")
    ]
    return graph.joined(results, what)


ADD = {
    **TRANSFORMERS,
    DateColumns: add_date_columns,
    NumberColumns: add_number_columns,
    TextColumns: add_text_columns,
    ColumnTransformer: _add_columns,
    FeatureUnion: _add_union,
}
