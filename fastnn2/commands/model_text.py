"""The description of a model that ``fastnn2 train`` did not make, as values and as lines of text."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from fastnn2.commands.text_lines import labelled_lines, labelled_list
from fastnn2.files.pipelines import TABULAR
from fastnn2.tables.models.predict import label_text
from fastnn2.tables.training.summary import network_sizes
from fastnn2.tables.training.summary_checks import LARGEST


def describe(model: Any) -> dict[str, Any]:
    """Return what a model is: a dict for JSON, without what it does not have.

    Parameters
    ----------
    model : dict, an estimator of fastnn2, or Pipeline
    """
    if isinstance(model, dict):
        (h, d), o = model["W1"].shape, len(model["W2"])
        arrays = {name: list(array.shape) for name, array in model.items()}
        parameters = sum(array.size for array in model.values())
        sizes = {"inputs": d, "hidden": h, "outputs": o, "parameters": parameters, "dtype": model["W1"].dtype.name}
        return {"model": "parameters", **sizes, "arrays": arrays}
    network = model
    found: dict[str, Any] = {"model": type(model).__name__}
    if isinstance(model, Pipeline):
        steps = list(_steps(model))
        network = steps[-1][1]
        found["steps"] = [{"name": name, "class": _class_name(step)} for name, step in steps]
    if type(network) in TABULAR:
        return found | _tabular(network)
    found["fitted"] = hasattr(network, "coefs_")
    if not found["fitted"]:
        return found | {"hidden": _first(network.hidden_layer_sizes), "activation": str(network.activation)}
    found |= network_sizes(network)
    found |= {"activation": network.activation, "output": network.out_activation_}
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        found["features"] = [str(name) for name in np.ravel(names)]
    if is_classifier(network):
        found["classes"] = _classes(network)
    iterations, loss = (_as_number(getattr(network, name, None)) for name in ("n_iter_", "loss_"))
    return found | {"solver": str(network.solver), "iterations": iterations, "loss": loss}


def _tabular(estimator: Any) -> dict[str, Any]:
    """Return what an estimator of raw tables is, as :func:`describe` does."""
    found: dict[str, Any] = {"fitted": hasattr(estimator, "params_"), "activation": "relu"}
    if not found["fitted"]:
        return found | {"hidden": _first(estimator.hidden_size)}
    encoder, params = estimator.encoder_, estimator.params_
    (o, h), dtype = params[0]["W2"].shape, params[0]["W2"].dtype.name
    sizes = {"networks": len(params), "inputs": len(encoder.names), "hidden": h, "outputs": o}
    encoded = {"numbers": encoder.d, "binned": encoder.p, "bins": encoder.n_bins, "categorical": encoder.q}
    found |= sizes | {"parameters": sum(array.size for each in params for array in each.values()), "dtype": dtype}
    found |= {"encoded": encoded, "features": encoder.names}
    return found | ({"classes": _classes(estimator)} if is_classifier(estimator) else {})


def _classes(network: Any) -> list[Any]:
    return [label if isinstance(label, str | int | float) else str(label) for label in network.classes_.tolist()]


def _steps(model: Any) -> Any:
    """Yield the names and steps of a Pipeline, and those of a Pipeline that it ends with."""
    for name, step in model.steps[:-1]:
        yield name, step
    name, last = model.steps[-1]
    if isinstance(last, Pipeline):
        yield from _steps(last)
    else:
        yield name, last


def _class_name(step: Any) -> str:
    return step if isinstance(step, str) else type(step).__name__


def _first(sizes: Any) -> int | None:
    first = sizes[0] if isinstance(sizes, list | tuple) and sizes else sizes
    return int(first) if isinstance(first, int) else None


def _as_number(value: Any) -> float | None:
    """Return a number; None where JSON has none, or where a stranger's file has something else."""
    if not isinstance(value, int | float | np.number) or not -LARGEST < value < LARGEST:
        return None
    return value.item() if isinstance(value, np.number) else value


def description_lines(found: dict[str, Any]) -> list[str]:
    """Return lines that say what :func:`describe` has found."""
    called = {"parameters": "parameters as from fastnn2.fit, tanh and logistic"}
    lines = labelled_lines("model", called.get(found["model"], found["model"]))
    if "steps" in found:
        lines += labelled_lines("steps", ", ".join(f"{step['name']} ({step['class']})" for step in found["steps"]))
    if found.get("fitted") is False:
        return [
            *lines,
            *labelled_lines("network", f"{found['hidden']} hidden units ({found['activation']}); it is not fitted"),
        ]
    activation, output = (f" ({found[name]})" if name in found else "" for name in ("activation", "output"))
    hidden, inputs, outputs = (_count(found[name], name) for name in ("hidden", "inputs", "outputs"))
    sizes = f"{inputs}, {hidden}{activation}, {outputs}{output}, {found['dtype']}"
    lines += labelled_lines("network", f"{found['networks']} of {sizes}" if "networks" in found else sizes)
    if "encoded" in found:
        encoded = found["encoded"]
        text = f"{encoded['numbers']} of numbers, {encoded['binned']} binned (up to {encoded['bins']} bins), "
        lines += labelled_lines("columns", text + f"{encoded['categorical']} of categories")
    lines += labelled_lines("parameters", f"{found['parameters']:,}")
    for name, shape in found.get("arrays", {}).items():
        lines += labelled_lines("", f"{name} ({', '.join(map(str, shape))})")
    for name in ("features", "classes"):
        if name in found:
            lines += labelled_list(name, [label_text(each) for each in found[name]])
    if found.get("iterations") is not None:
        loss = "" if found["loss"] is None else f", loss {found['loss']:.4g}"
        lines += labelled_lines("training", f"{found['iterations']:,} iterations of {found['solver']}{loss}")
    return lines


def _count(number: int, name: str) -> str:
    words = {"inputs": "input", "hidden": "hidden unit", "outputs": "output"}
    return f"{number:,} {words[name]}{'' if number == 1 else 's'}"
