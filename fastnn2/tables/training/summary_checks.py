"""Checks of a summary that was read from a model file, which may be a stranger's."""

import dataclasses
import types
import typing
from typing import Any

from fastnn2.tables.reading.messages import shown
from fastnn2.tables.training.options import CLASSIFICATION, REGRESSION

LARGEST = 1e300  # an integer beyond the floats cannot be printed as one, and neither NaN nor infinity is below
# What the dicts of a Summary have, where its types do not say it; there may be more.
FIELDS: dict[str, dict[str, Any]] = {
    "rows": {"file": int, "without target": int, "training": int, "validation": int, "test": int},
    "network": {"inputs": int, "hidden": int, "outputs": int, "parameters": int, "dtype": str},
    "training": {
        "epochs": int, "ended": str, "loss": list[float], "validation_loss": list[float],
        "validation_score": list[float],
    },
}  # fmt: skip


def check_content(content: Any, summary: type) -> None:
    """Raise ValueError if what was read from JSON does not have the fields of a Summary, each of its type."""
    problem = _problem(content, summary, "it")
    if problem is not None:
        raise ValueError(problem)
    for name, fields in FIELDS.items():
        for key, hint in fields.items():
            if key not in content[name]:
                raise ValueError(f"its {name!r} has no {key!r}")
            problem = _problem(content[name][key], hint, f"its {key!r}")
            if problem is not None:
                raise ValueError(problem)
    tested = list(content["scores"].values())
    if not tested or not tested[0] or any(list(scores) != list(tested[0]) for scores in tested):
        raise ValueError("its scores are not the same ones for each model")
    labels = content["classes"]
    if labels is not None and (len({type(label) for label in labels}) != 1 or not isinstance(labels[0], str | int)):
        raise ValueError(f"its classes are {shown(labels)}; expected texts, integers or booleans")
    if content["task"] not in (CLASSIFICATION, REGRESSION):
        raise ValueError(f"its task is {shown(content['task'])}; expected {CLASSIFICATION} or {REGRESSION}")
    if "seconds" in content["training"]:
        raise ValueError("it has the times of the training, which a file does not keep")


def _problem(value: Any, hint: Any, what: str) -> str | None:
    """Return what is wrong with a value, or None if it has the type of an annotation."""
    parts = typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _problem_of_fields(value, hint, what)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        problems = [_problem(value, part, what) for part in parts]
        return None if None in problems else problems[0]
    if typing.get_origin(hint) is list:
        if not isinstance(value, list):
            return f"{what} is {shown(value)}; expected a list"
        return next(filter(None, (_problem(each, parts[0], what) for each in value)), None)
    if typing.get_origin(hint) is dict:
        if not isinstance(value, dict):
            return f"{what} is {shown(value)}; expected names and values"
        return next(filter(None, (_problem(each, parts[1], f"its {shown(key)}") for key, each in value.items())), None)
    if hint is Any or _is_scalar_of(value, hint):
        return None
    return f"{what} is {shown(value)}; expected {getattr(hint, '__name__', hint)}"


def _problem_of_fields(value: Any, hint: Any, what: str) -> str | None:
    if not isinstance(value, dict):
        return f"{what} is {shown(value)}; expected names and values"
    fields = {field.name: field for field in dataclasses.fields(hint)}
    hints = typing.get_type_hints(hint)
    unknown = [name for name in value if name not in fields]
    if unknown:
        return f"{what} has {shown(unknown[0])}, which is not known"
    for name, field in fields.items():
        if name in value:
            problem = _problem(value[name], hints[name], f"its {name!r}")
            if problem is not None:
                return problem
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            return f"{what} has no {name!r}"
    return None


def _is_scalar_of(value: Any, hint: Any) -> bool:
    if hint is None or hint is type(None):
        return value is None
    if hint is bool or hint is str:
        return isinstance(value, hint)
    is_number = isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    return hint in (int, float) and is_number and abs(value) < LARGEST
