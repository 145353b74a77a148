"""Two-layer neural networks (tanh, then sigmoid), trained on the CPU as fast as the CPU allows.

>>> import fastnn2
>>> params, cost_ = fastnn2.fit([[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1], 0.3, 5, 1000)

The functions have the names and arguments of the tutorial; :mod:`fastnn2.reference` has them in plain NumPy.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fastnn2._version import __version__
from fastnn2.exceptions import TrainingDiverged, TrainingInterrupted

if TYPE_CHECKING:
    from fastnn2 import callbacks as callbacks
    from fastnn2 import reference as reference
    from fastnn2.blocks.fit_blocks import fit_blocks
    from fastnn2.blocks.partial_fit_blocks import partial_fit_blocks
    from fastnn2.displays import plot_cost, plot_decision
    from fastnn2.estimators import MLPClassifier, MLPRegressor
    from fastnn2.estimators.fit_estimators import fit_estimators
    from fastnn2.files.c.to_c import to_c
    from fastnn2.files.onnx.to_onnx import to_onnx
    from fastnn2.files.saved.save import load, save
    from fastnn2.functional.fit import fit
    from fastnn2.functional.fit_many import fit_many
    from fastnn2.functional.predictor import predictor
    from fastnn2.functional.steps import backward, cost, forward, init_params, predict, update
    from fastnn2.reference import sigmoid
    from fastnn2.tabular import TabularClassifier, TabularRegressor

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "TabularClassifier",
    "TabularRegressor",
    "TrainingDiverged",
    "TrainingInterrupted",
    "__version__",
    "backward",
    "cost",
    "fit",
    "fit_blocks",
    "fit_estimators",
    "fit_many",
    "forward",
    "init_params",
    "load",
    "partial_fit_blocks",
    "plot_cost",
    "plot_decision",
    "predict",
    "predictor",
    "save",
    "sigmoid",
    "to_c",
    "to_onnx",
    "update",
]

# These are imported on first use, so that the command can catch Ctrl-C while NumPy is imported.
_MODULES = {
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "TabularClassifier": "tabular",
    "TabularRegressor": "tabular",
    "init_params": "functional.steps",
    "sigmoid": "reference",
    "backward": "functional.steps",
    "cost": "functional.steps",
    "forward": "functional.steps",
    "predict": "functional.steps",
    "update": "functional.steps",
    "fit": "functional.fit",
    "fit_blocks": "blocks.fit_blocks",
    "fit_estimators": "estimators.fit_estimators",
    "fit_many": "functional.fit_many",
    "predictor": "functional.predictor",
    "plot_cost": "displays",
    "plot_decision": "displays",
    "to_onnx": "files.onnx.to_onnx",
    "to_c": "files.c.to_c",
    "partial_fit_blocks": "blocks.partial_fit_blocks",
    "load": "files.saved.save",
    "save": "files.saved.save",
}


def _load(name: str) -> Any:
    if name in ("callbacks", "reference"):
        return importlib.import_module(f"fastnn2.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'fastnn2' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fastnn2.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # a type checker that saw __getattr__ would accept misspelt names
    __getattr__ = _load


def __dir__() -> list[str]:
    return sorted([*__all__, "callbacks", "reference"])
