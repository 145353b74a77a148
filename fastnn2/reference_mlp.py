"""The NumPy specification of the estimators: the public name of :mod:`fastnn2.reference.mlp`."""

from fastnn2.reference.mlp import (
    ACTIVATIONS,
    LOSSES,
    OUTPUTS,
    SLOPES,
    adam,
    epoch,
    loss_and_gradient,
    outputs,
    sgd,
)

__all__ = ["ACTIVATIONS", "LOSSES", "OUTPUTS", "SLOPES", "adam", "epoch", "loss_and_gradient", "outputs", "sgd"]
