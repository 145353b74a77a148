"""The epochs of a training in blocks: their losses and scores, the best parameters, and when to stop."""

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class EpochHistory:
    """The epochs that are done.

    Parameters
    ----------
    tol : float
    n_iter_no_change : int
        As scikit-learn counts: training has converged after more epochs than this one after the other, of which none
        is better by `tol` than the best one before.
    has_scores : bool
        Whether scores on rows for validation decide, as with early stopping; else the losses.

    Attributes
    ----------
    losses, scores : list of float
    best : list of ndarray
        The parameters of the best epoch by the scores, or of the last epoch without scores; empty before the first.
    """

    def __init__(self, tol: float, n_iter_no_change: int, has_scores: bool) -> None:
        self._tol, self._most = tol, n_iter_no_change
        self.has_scores = has_scores
        self.losses: list[float] = []
        self.scores: list[float] = []
        self.best: list[Array] = []

    def truncate(self, epochs: int) -> None:
        """Forget all after some epochs, which another process had done after its last checkpoint, to do them again.

        The best parameters stay. If they are those of a later epoch, that is better than all before, so they are
        found again.
        """
        del self.losses[epochs:], self.scores[epochs:]

    def add(self, loss: float, score: float | None, parameters: list[Array]) -> None:
        """Add an epoch."""
        if score is None or not self.scores or score > max(self.scores):
            self.best = [array.copy() for array in parameters]
        self.losses.append(loss)
        if score is not None:
            self.scores.append(score)

    def drop_unscored(self) -> None:
        """Forget the loss of an epoch whose score Ctrl-C has kept from being added."""
        if self.has_scores:
            del self.losses[len(self.scores) :]

    @property
    def best_score(self) -> float | None:
        """The highest score; None without scores."""
        return max(self.scores) if self.scores else None

    @property
    def is_converged(self) -> bool:
        """Whether too many epochs in a row were no better than the best one before."""
        goals = self.scores if self.has_scores else [-loss for loss in self.losses]
        best, count = -math.inf, 0
        for goal in goals:
            count = count + 1 if goal < best + self._tol else 0
            best = max(best, goal)
        return count > self._most
