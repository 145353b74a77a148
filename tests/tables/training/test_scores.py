"""Scores by hand and by scikit-learn, with weights and with classes that the test lacks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import metrics

from fastnn2.tables.training.scores import score_classes, score_numbers

CLASSES = np.array(["a", "b", "c"], object)


def random_case(seed, n=60, n_classes=3):
    source = np.random.default_rng(seed)
    probabilities = source.dirichlet(np.ones(n_classes), size=n)
    return CLASSES[source.integers(0, n_classes, n)], probabilities, source.uniform(0.1, 3, size=n)


def test_two_classes_by_hand():
    y = np.array(["a", "a", "b", "b", "b"], object)
    second = np.array([0.1, 0.6, 0.4, 0.7, 0.9])
    found = score_classes(y, np.column_stack([1 - second, second]), CLASSES[:2], None)
    assert_allclose(
        [found["accuracy"], found["balanced accuracy"], found["AUC"], found["log loss"]],
        [3 / 5, (1 / 2 + 2 / 3) / 2, 5 / 6, -np.log([0.9, 0.4, 0.4, 0.7, 0.9]).mean()],
        rtol=1e-14,
    )


def test_weights_by_hand():
    y, second, weights = np.array(["a", "b", "b"], object), np.array([0.2, 0.4, 0.8]), np.array([1.0, 2, 3])
    found = score_classes(y, np.column_stack([1 - second, second]), CLASSES[:2], weights)
    assert_allclose(found["accuracy"], 4 / 6)
    assert_allclose(found["balanced accuracy"], (1 + 3 / 5) / 2)
    assert_allclose(found["log loss"], -(weights * np.log([0.8, 0.4, 0.8])).sum() / 6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_three_classes_by_scikit_learn(seed, weighted):
    y, probabilities, weights = random_case(seed)
    weights = weights if weighted else None
    found = score_classes(y, probabilities, CLASSES, weights)
    predicted = CLASSES[probabilities.argmax(axis=1)]
    assert_allclose(found["accuracy"], metrics.accuracy_score(y, predicted, sample_weight=weights))
    assert_allclose(found["balanced accuracy"], metrics.balanced_accuracy_score(y, predicted, sample_weight=weights))
    assert_allclose(found["log loss"], metrics.log_loss(y, probabilities, sample_weight=weights))
    if not weighted:  # scikit-learn has no mean of weighted AUCs for more than two classes
        assert_allclose(found["AUC"], metrics.roc_auc_score(y, probabilities, multi_class="ovr"))


def test_a_class_that_the_test_lacks():
    y, probabilities, _ = random_case(7)
    chosen = y != "b"
    y, probabilities = y[chosen], probabilities[chosen]
    found = score_classes(y, probabilities, CLASSES, None)
    areas = [metrics.roc_auc_score(y == label, probabilities[:, k]) for k, label in ((0, "a"), (2, "c"))]
    assert_allclose(found["AUC"], np.mean(areas))
    assert_allclose(found["log loss"], metrics.log_loss(y, probabilities, labels=CLASSES))
    recalls = [np.mean(probabilities[y == label].argmax(axis=1) == k) for k, label in ((0, "a"), (2, "c"))]
    assert_allclose(found["balanced accuracy"], np.mean(recalls))


def test_one_class_has_no_auc():
    assert score_classes(CLASSES[:1], np.array([[0.7, 0.2, 0.1]]), CLASSES, None)["AUC"] is None


def test_numbers_by_hand():
    y, predicted, weights = np.array([1.0, 2, 4]), np.array([2.0, 2, 2]), np.array([1.0, 1, 2])
    found = score_numbers(y, predicted, None)
    mean = 7 / 3
    assert_allclose(found["R2"], 1 - 5 / ((y - mean) ** 2).sum())
    assert_allclose([found["MAE"], found["RMSE"]], [1, np.sqrt(5 / 3)])
    found = score_numbers(y, predicted, weights)
    assert_allclose(found["R2"], 1 - 9 / (weights * (y - 11 / 4) ** 2).sum())
    assert_allclose([found["MAE"], found["RMSE"]], [5 / 4, np.sqrt(9 / 4)])


def test_scores_that_are_not_defined():
    assert score_numbers(np.ones(3), np.zeros(3), None) == {"R2": None, "MAE": 1.0, "RMSE": 1.0}
    with np.errstate(over="ignore"):
        assert score_numbers(np.array([0.0, 1]), np.array([1e200, 0]), None)["RMSE"] is None
