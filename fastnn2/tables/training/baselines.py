"""Simple models that a network is compared with: a constant one and a linear one."""

import warnings
from typing import Any

import numpy as np

from fastnn2.tables.training.scores import LOGISTIC, MEAN, MOST_FREQUENT, RIDGE, Scores, TestScores

Array = np.ndarray[Any, Any]

FEWEST_LINEAR_ROWS = 1000
LOGISTIC_WORK = 2_000_000  # numbers times outputs that an iteration looks at
LOGISTIC_ITERATIONS = 200
RIDGE_WORK = 200_000_000_000  # products: a few seconds


def frequencies(y: Array, classes: Array, weights: Array | None) -> Array:
    """Return the share of each class (classes,), which the most frequent class predicts for every row."""
    shares = np.bincount(np.searchsorted(classes, y), weights=weights, minlength=len(classes))
    result: Array = shares / shares.sum()
    return result


def constant_scores(tested: TestScores, y: Array, weights: Array | None) -> Scores:
    """Return the scores of a model that predicts the same for all rows, learned from y of rows of training."""
    n = len(tested.y)
    if tested.classes is None:
        return {MEAN: tested.of(np.full(n, np.average(y, weights=weights)))}
    return {MOST_FREQUENT: tested.of(np.tile(frequencies(y, tested.classes, weights), (n, 1)))}


def linear_rows(n: int, inputs: int, n_classes: int | None) -> int:
    """Return to how many of n rows of training a linear model is fitted, so that it takes seconds.

    Parameters
    ----------
    n, inputs : int
    n_classes : int or None
        None is a regression.
    """
    # LogisticRegression looks at all numbers for each output in each iteration; Ridge makes a matrix of products once.
    most = RIDGE_WORK // inputs**2 if n_classes is None else LOGISTIC_WORK // (inputs * _outputs(n_classes))
    return min(n, max(FEWEST_LINEAR_ROWS, most))


def _outputs(n_classes: int) -> int:
    return 1 if n_classes == 2 else n_classes


def _sample(y: Array, count: int, has_classes: bool) -> Any:
    """Return the places of some rows, chosen with a fixed seed; each class has one at least."""
    if count >= len(y):
        return slice(None)
    order = np.random.default_rng(0).permutation(len(y))
    chosen = order[:count]
    if has_classes:
        chosen = np.union1d(chosen, order[np.unique(y[order], return_index=True)[1]])
    return np.sort(chosen)


def linear_note(labels: Array | None, X: Array) -> str | None:
    """Return a note if a linear model learns from a sample of the rows of training, else None.

    Parameters
    ----------
    labels : ndarray (n,) or None
        None is a regression.
    X : ndarray (n, d)
    """
    n, d = X.shape
    rows = linear_rows(n, d, None if labels is None else len(np.unique(labels)))
    name = RIDGE if labels is None else LOGISTIC
    return f"for comparison, {name} is fitted to {rows:,} of the {n:,} rows" if rows < n else None


def linear_classes(X: Array, y: Array, weights: Array | None, test_X: Array, class_weight: str | None) -> Array:
    """Return the probabilities of a LogisticRegression for rows of a test (n, classes); see :func:`linear_rows`."""
    from sklearn.linear_model import LogisticRegression

    n_classes = len(np.unique(y))
    rows = _sample(y, linear_rows(len(X), X.shape[1], n_classes), has_classes=True)
    X, y, weights = X[rows], y[rows], None if weights is None else weights[rows]
    work = X.size * _outputs(n_classes)
    iterations = max(20, min(LOGISTIC_ITERATIONS, LOGISTIC_ITERATIONS * LOGISTIC_WORK // work))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is a yardstick: that it could be a little better needs no warning
        model = LogisticRegression(max_iter=iterations, class_weight=class_weight).fit(X, y, sample_weight=weights)
    probabilities: Array = model.predict_proba(test_X)
    return probabilities


def linear_numbers(X: Array, y: Array, weights: Array | None, test_X: Array) -> Array:
    """Return the predictions of a Ridge regression for rows of a test (n,); see :func:`linear_rows`."""
    from sklearn.linear_model import Ridge

    rows = _sample(y, linear_rows(len(X), X.shape[1], None), has_classes=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # columns that depend on each other
        model = Ridge().fit(X[rows], y[rows], sample_weight=None if weights is None else weights[rows])
    predicted: Array = model.predict(test_X)
    return predicted


def linear_predictions(
    classes: Array | None, X: Array, y: Array, weights: Array | None, test_X: Array, class_weight: str | None
) -> tuple[str, Array]:
    """Return the name of a linear model that learns from X and y, and what it predicts for the rows of a test.

    A class that y lacks has the probability 0.
    """
    if classes is None:
        return RIDGE, linear_numbers(X, y, weights, test_X)
    found = linear_classes(X, y, weights, test_X, class_weight)
    probabilities = np.zeros((len(test_X), len(classes)), dtype=found.dtype)
    probabilities[:, np.searchsorted(classes, np.unique(y))] = found
    return LOGISTIC, probabilities
