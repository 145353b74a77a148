"""A model of ``fastnn2 train`` as it comes from a file: whether it is one, and whether it is what it says it is."""

from typing import Any

from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from fastnn2.tables.training.options import CLASSIFICATION
from fastnn2.tables.training.preparation import PARTS
from fastnn2.tables.training.summary import Summary, summary_of


def checked_summary(model: Any) -> Summary | None:
    """Return the summary of a model, or None if ``fastnn2 train`` did not make it.

    Raises
    ------
    ValueError
        The summary cannot be read, or is not that of this model.
    """
    summary = summary_of(model)
    if summary is not None:
        problem = _difference(model, summary)
        if problem is not None:
            raise ValueError(f"what it says of its training is not of this model: {problem}")
    return summary


def _difference(model: Any, summary: Summary) -> str | None:
    """Return how a model and its summary differ, or None if they do not."""
    if type(model) is not Pipeline or len(model.steps) != 2 or not isinstance(model[0], ColumnTransformer):
        return "it is not a Pipeline of a ColumnTransformer and a network"
    network = model[-1]
    if not hasattr(model[0], "transformers_") or not hasattr(network, "coefs_"):
        return "it is not fitted"
    prepared = {name: part for part, _, names in model[0].transformers_ for name in names if part in PARTS.values()}
    used = {use.name: PARTS.get(use.kind) for use in summary.columns if use.width}
    if used != prepared or len(used) != sum(use.width > 0 for use in summary.columns):
        return "the columns are not the same"
    (d, h), sizes = network.coefs_[0].shape, summary.network
    found = {"inputs": d, "hidden": h, "outputs": network.n_outputs_, "dtype": network.coefs_[0].dtype.name}
    for name, value in found.items():
        if sizes[name] != value:
            return f"{name} is {value}, and it says {sizes[name]}"
    classes = network.classes_.tolist() if is_classifier(network) else None
    if (summary.task == CLASSIFICATION) != (classes is not None) or summary.classes != classes:
        return "the classes are not the same"
    return None
