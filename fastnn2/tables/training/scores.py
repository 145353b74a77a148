"""How good a model is on rows that it has not seen, and how good simple models are."""

import warnings
from typing import Any

import numpy as np

from fastnn2.tables.training.options import CLASSIFICATION
from fastnn2.tables.training.summary import Summary

Array = np.ndarray[Any, Any]

NETWORK = "network"
MOST_FREQUENT, MEAN = "most frequent class", "mean"
LOGISTIC, RIDGE = "LogisticRegression", "Ridge"

FEWEST_LINEAR_ROWS = 1000
LOGISTIC_WORK = 2_000_000  # numbers times outputs that an iteration looks at
LOGISTIC_ITERATIONS = 200
RIDGE_WORK = 200_000_000_000  # products: a few seconds


def score_classes(y: Array, probabilities: Array, classes: Array, weights: Array | None) -> dict[str, float | None]:
    """Return accuracy, balanced accuracy, AUC and log loss; None for the AUC of rows of one class.

    Parameters
    ----------
    y : ndarray (n,)
        Labels, each of them one of the classes.
    probabilities : ndarray (n, classes)
    classes : ndarray (classes,)
        Sorted.
    weights : ndarray (n,) or None

    Notes
    -----
    AUC is the area under the ROC curve; for more than two classes the mean of those of each class against the others.
    It and the balanced accuracy are means over those classes that the rows have.
    """
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

    numbers = np.searchsorted(classes, y)
    predicted = probabilities.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class may be missing among the rows
        balanced = balanced_accuracy_score(numbers, predicted, sample_weight=weights)
        return {
            "accuracy": float(accuracy_score(numbers, predicted, sample_weight=weights)),
            "balanced accuracy": float(balanced),
            "AUC": _auc(numbers, probabilities, weights),
            "log loss": float(log_loss(numbers, probabilities, labels=np.arange(len(classes)), sample_weight=weights)),
        }


def _auc(numbers: Array, probabilities: Array, weights: Array | None) -> float | None:
    from sklearn.metrics import roc_auc_score

    found = np.unique(numbers)
    if len(found) < 2:
        return None
    each = [1] if probabilities.shape[1] == 2 else found
    areas = [roc_auc_score(numbers == k, probabilities[:, k], sample_weight=weights) for k in each]
    return float(np.mean(areas))


def score_numbers(y: Array, predicted: Array, weights: Array | None) -> dict[str, float | None]:
    """Return R2, MAE and RMSE; None for the R2 of numbers that are all equal, and for what is too large for a float.

    Parameters
    ----------
    y, predicted : ndarray (n,)
    weights : ndarray (n,) or None
    """
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    return {
        "R2": _finite(r2_score(y, predicted, sample_weight=weights)) if np.ptp(y) > 0 else None,
        "MAE": _finite(mean_absolute_error(y, predicted, sample_weight=weights)),
        "RMSE": _finite(root_mean_squared_error(y, predicted, sample_weight=weights)),
    }


def _finite(score: Any) -> float | None:
    return float(score) if np.isfinite(score) else None


def frequencies(y: Array, classes: Array, weights: Array | None) -> Array:
    """Return the share of each class (classes,), which the most frequent class predicts for every row."""
    shares = np.bincount(np.searchsorted(classes, y), weights=weights, minlength=len(classes))
    result: Array = shares / shares.sum()
    return result


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


def hints(summary: Summary) -> list[str]:
    """Return what a user could change, where the scores are poor."""
    if summary.options["class_weight"] is not None:
        return []  # the probabilities are then those of other shares of the classes
    is_classification = summary.task == CLASSIFICATION
    score, simple = ("log loss", MOST_FREQUENT) if is_classification else ("RMSE", MEAN)
    reached, constant = summary.scores[NETWORK][score], summary.scores[simple][score]
    if constant is not None and (reached is None or reached >= constant):
        return [
            f"by its {score} the network is no better than the {simple}; a smaller --learning-rate, a larger --alpha "
            "or other columns may help"
        ]
    return []
