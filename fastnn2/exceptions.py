"""The errors that carry what was trained so far."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["TrainingDiverged", "TrainingInterrupted"]

Params = dict[str, "np.ndarray[Any, Any]"]


class _Stopped(BaseException):
    """What both carry, through copies and pickles too."""

    def __init__(self, message: str, params: Params, cost_: "np.ndarray[Any, Any]") -> None:
        super().__init__(message)
        self.params = params
        self.cost_ = cost_

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.params, self.cost_)


class TrainingInterrupted(_Stopped, KeyboardInterrupt):
    """Training was stopped by Ctrl-C; nothing trained is lost.

    Attributes
    ----------
    params : dict
        The parameters after the last whole iteration: ``fit`` goes on from them with ``init=params``.
    cost_ : ndarray
        The costs of the iterations that were done, float64.
    """


class TrainingDiverged(_Stopped, ValueError):
    """A cost or a parameter is no longer finite.

    Attributes
    ----------
    params : dict
        The last parameters that were all finite.
    cost_ : ndarray
        The finite costs up to there, float64.
    """
