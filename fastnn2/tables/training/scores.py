"""How good a model is on rows that it has not seen."""

import warnings
from typing import Any

import numpy as np

from fastnn2.tables.training.options import CLASSIFICATION
from fastnn2.tables.training.summary import Summary

Array = np.ndarray[Any, Any]
Scores = dict[str, dict[str, float | None]]  # of models by name, each a score by its name

NETWORK = "network"
MOST_FREQUENT, MEAN = "most frequent class", "mean"
LOGISTIC, RIDGE = "LogisticRegression", "Ridge"


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


class TestScores:
    """How good models are on test rows.

    Parameters
    ----------
    classes : ndarray or None
        All classes, sorted; None for a regression.
    y : ndarray (n,)
        Labels, each of them one of the classes, or numbers of the test rows.
    weights : ndarray (n,) or None
    """

    __test__ = False  # for pytest, as the name begins with Test

    def __init__(self, classes: Array | None, y: Array, weights: Array | None) -> None:
        self.classes, self.y, self._weights = classes, y, weights

    def of(self, predicted: Array) -> dict[str, float | None]:
        """Return the scores of probabilities (n, classes), or of numbers (n,)."""
        if self.classes is None:
            return score_numbers(self.y, predicted, self._weights)
        return score_classes(self.y, predicted, self.classes, self._weights)


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
