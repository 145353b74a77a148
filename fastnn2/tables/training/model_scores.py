"""The scores of a network on test rows, beside those of simple models."""

from typing import Any

import numpy as np

from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training import scores

Array = np.ndarray[Any, Any]
Scores = dict[str, dict[str, float | None]]


class TestScores:
    """How good models are on test rows.

    Parameters
    ----------
    classes : ndarray or None
        All classes, sorted; None for a regression.
    y : ndarray (n,)
        Labels or numbers of the test rows.
    weights : ndarray (n,) or None

    Raises
    ------
    TableError
        A label is none of the classes.
    """

    __test__ = False  # for pytest, as the name begins with Test

    def __init__(self, classes: Array | None, y: Array, weights: Array | None) -> None:
        self._classes, self._y, self._weights = classes, y, weights
        unknown = y[:0] if classes is None else np.setdiff1d(y, classes)
        if len(unknown):
            raise TableError(
                f"the test has the class {unknown.tolist()[0]!r}, which no row of training has; leave such rows out"
            )

    def of(self, predicted: Array) -> dict[str, float | None]:
        """Return the scores of probabilities (n, classes), or of numbers (n,)."""
        if self._classes is None:
            return scores.score_numbers(self._y, predicted, self._weights)
        return scores.score_classes(self._y, predicted, self._classes, self._weights)

    def of_constant(self, y: Array, weights: Array | None) -> Scores:
        """Return the scores of a model that predicts the same for all rows, learned from y of rows of training."""
        if self._classes is None:
            mean = np.average(y, weights=weights)
            return {scores.MEAN: self.of(np.full(len(self._y), mean))}
        shares = scores.frequencies(y, self._classes, weights)
        return {scores.MOST_FREQUENT: self.of(np.tile(shares, (len(self._y), 1)))}


def linear_note(labels: Array | None, X: Array) -> str | None:
    """Return a note if a linear model learns from a sample of the rows of training, else None.

    Parameters
    ----------
    labels : ndarray (n,) or None
        None is a regression.
    X : ndarray (n, d)
    """
    n, d = X.shape
    rows = scores.linear_rows(n, d, None if labels is None else len(np.unique(labels)))
    name = scores.RIDGE if labels is None else scores.LOGISTIC
    return f"for comparison, {name} is fitted to {rows:,} of the {n:,} rows" if rows < n else None


def linear_predictions(
    classes: Array | None, X: Array, y: Array, weights: Array | None, test_X: Array, class_weight: str | None
) -> tuple[str, Array]:
    """Return the name of a linear model that learns from X and y, and what it predicts for the rows of a test.

    A class that y lacks has the probability 0.
    """
    if classes is None:
        return scores.RIDGE, scores.linear_numbers(X, y, weights, test_X)
    found = scores.linear_classes(X, y, weights, test_X, class_weight)
    probabilities = np.zeros((len(test_X), len(classes)), dtype=found.dtype)
    probabilities[:, np.searchsorted(classes, np.unique(y))] = found
    return scores.LOGISTIC, probabilities
