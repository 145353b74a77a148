"""Errors of training that carry the parameters and costs reached so far."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["TrainingDiverged", "TrainingInterrupted"]

Params = dict[str, "np.ndarray[Any, Any]"]
Results = list["tuple[Params, np.ndarray[Any, Any]] | None"]


class _Stopped(BaseException):
    """An error with `params`, `cost_` and `results`, which copies and pickles keep."""

    def __init__(
        self, message: str, params: Params, cost_: "np.ndarray[Any, Any]", results: "Results | None" = None
    ) -> None:
        super().__init__(message)
        self.params = params
        self.cost_ = cost_
        self.results = results

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.params, self.cost_, self.results)


class TrainingInterrupted(_Stopped, KeyboardInterrupt):
    """Training was stopped by Ctrl-C. The error carries all that was trained.

    Attributes
    ----------
    params : dict
        The parameters after the last complete iteration; ``fit`` continues from them with ``init=params``. Empty after
        ``fit_many``.
    cost_ : ndarray
        The costs of the completed iterations, float64. Empty after ``fit_many``.
    results : list or None
        After ``fit_many``: ``(params, cost_)`` of each network, None where it was not finished.
    """


class TrainingDiverged(_Stopped, ValueError):
    """A cost or a parameter is no longer finite.

    Attributes
    ----------
    params : dict
        The last set of parameters in which all are finite.
    cost_ : ndarray
        The finite costs up to then, float64.
    results : list or None
        After ``fit_many``: ``(params, cost_)`` of each network, None where it diverged. `params` and `cost_` are those
        of the first that did.
    """
