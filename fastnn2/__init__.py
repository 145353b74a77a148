"""Two-layer neural networks (tanh, then sigmoid), trained on the CPU as fast as the CPU allows.

>>> import fastnn2
>>> params, cost_ = fastnn2.fit([[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1], 0.3, 5, 1000)

The functions are those of the tutorial; :mod:`fastnn2.reference` has them in plain NumPy.
"""

from fastnn2._version import __version__
from fastnn2.exceptions import TrainingDiverged, TrainingInterrupted
from fastnn2.reference import init_params, sigmoid
from fastnn2.steps import backward, cost, forward, predict, update
from fastnn2.training import fit

__all__ = [
    "TrainingDiverged",
    "TrainingInterrupted",
    "__version__",
    "backward",
    "cost",
    "fit",
    "forward",
    "init_params",
    "predict",
    "sigmoid",
    "update",
]
