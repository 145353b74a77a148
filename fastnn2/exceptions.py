"""Errors of training that carry the parameters and costs reached so far."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["TrainingDiverged", "TrainingInterrupted"]

Params = dict[str, "np.ndarray[Any, Any]"]


class _Stopped(BaseException):
    """An error with `params` and `cost_`, which copies and pickles keep."""

    def __init__(self, message: str, params: Params, cost_: "np.ndarray[Any, Any]") -> None:
        super().__init__(message)
        self.params = params
        self.cost_ = cost_

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.params, self.cost_)


class TrainingInterrupted(_Stopped, KeyboardInterrupt):
    """Training was stopped by Ctrl-C. The error carries all that was trained.

    Attributes
    ----------
    params : dict
        The parameters after the last complete iteration; ``fit`` continues from them with ``init=params``.
    cost_ : ndarray
        The costs of the completed iterations, float64.
    """


class TrainingDiverged(_Stopped, ValueError):
    """A cost or a parameter is no longer finite.

    Attributes
    ----------
    params : dict
        The last set of parameters in which all are finite.
    cost_ : ndarray
        The finite costs up to then, float64.
    """
