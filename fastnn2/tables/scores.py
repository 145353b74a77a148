"""How good a model is on rows that it has not seen, and how good simple models are."""

import warnings
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

NETWORK = "network"
MOST_FREQUENT, MEAN = "most frequent class", "mean"
LOGISTIC, RIDGE = "LogisticRegression", "Ridge"


def score_classes(y: Array, probabilities: Array, classes: Array, weights: Array | None) -> dict[str, float | None]:
    """Return accuracy, balanced accuracy, AUC and log loss; None for an AUC that is not defined.

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

    n_classes = probabilities.shape[1]
    if len(np.unique(numbers)) < n_classes:
        return None
    each = [1] if n_classes == 2 else range(n_classes)
    areas = [roc_auc_score(numbers == k, probabilities[:, k], sample_weight=weights) for k in each]
    return float(np.mean(areas))


def score_numbers(y: Array, predicted: Array, weights: Array | None) -> dict[str, float | None]:
    """Return R2, MAE and RMSE; None for an R2 that is not defined, where all numbers are equal.

    Parameters
    ----------
    y, predicted : ndarray (n,)
    weights : ndarray (n,) or None
    """
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    return {
        "R2": float(r2_score(y, predicted, sample_weight=weights)) if np.ptp(y) > 0 else None,
        "MAE": float(mean_absolute_error(y, predicted, sample_weight=weights)),
        "RMSE": float(root_mean_squared_error(y, predicted, sample_weight=weights)),
    }


def frequencies(y: Array, classes: Array, weights: Array | None) -> Array:
    """Return the share of each class (classes,), which the most frequent class predicts for every row."""
    shares = np.bincount(np.searchsorted(classes, y), weights=weights, minlength=len(classes))
    result: Array = shares / shares.sum()
    return result


def linear_classes(X: Array, y: Array, weights: Array | None, test_X: Array, class_weight: str | None) -> Array:
    """Return the probabilities of a LogisticRegression for rows of a test (n, classes)."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is a yardstick; 1,000 iterations are enough
        model = LogisticRegression(max_iter=1000, class_weight=class_weight).fit(X, y, sample_weight=weights)
    probabilities: Array = model.predict_proba(test_X)
    return probabilities


def linear_numbers(X: Array, y: Array, weights: Array | None, test_X: Array) -> Array:
    """Return the predictions of a Ridge regression for rows of a test (n,)."""
    from sklearn.linear_model import Ridge

    predicted: Array = Ridge().fit(X, y, sample_weight=weights).predict(test_X)
    return predicted
