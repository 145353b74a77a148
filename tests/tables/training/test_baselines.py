"""The simple models are those of scikit-learn, on samples where there are many rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression, Ridge

from fastnn2.tables.training import baselines
from fastnn2.tables.training.baselines import (
    constant_scores,
    frequencies,
    linear_classes,
    linear_numbers,
    linear_predictions,
    linear_rows,
)
from fastnn2.tables.training.scores import TestScores

CLASSES = np.array(["a", "b", "c"], object)


def test_frequencies():
    y = np.array(["c", "a", "c"], object)
    assert_array_equal(frequencies(y, CLASSES, None), [1 / 3, 0, 2 / 3])
    assert_array_equal(frequencies(y, CLASSES, np.array([1.0, 2, 1])), [0.5, 0, 0.5])


def test_linear_models_are_those_of_scikit_learn():
    source = np.random.default_rng(0)
    X, weights = source.normal(size=(300, 4)), source.uniform(1, 2, size=300)
    y = CLASSES[np.digitize(X[:, 0] + source.normal(size=300), [-1, 1])]
    model = LogisticRegression(max_iter=200, class_weight="balanced").fit(X, y, sample_weight=weights)
    assert_array_equal(linear_classes(X, y, weights, X, "balanced"), model.predict_proba(X))
    assert_array_equal(linear_numbers(X, X[:, 1], weights, X), Ridge().fit(X, X[:, 1], weights).predict(X))


@pytest.mark.parametrize(
    ("n", "inputs", "n_classes", "rows"),
    [
        (500, 10_000, 1000, 500),
        (10_000_000, 30, None, 10_000_000),
        (10_000_000, 2000, None, 50_000),
        (1_000_000, 20, 2, 100_000),
        (1_000_000, 20, 5, 20_000),
        (1_000_000, 10_000, 1000, 1000),
    ],
)
def test_rows_of_linear_models(n, inputs, n_classes, rows):
    assert linear_rows(n, inputs, n_classes) == rows


def test_a_sample_has_every_class(monkeypatch):
    monkeypatch.setattr(baselines, "LOGISTIC_WORK", 1)
    monkeypatch.setattr(baselines, "FEWEST_LINEAR_ROWS", 30)
    source = np.random.default_rng(0)
    X, y = source.normal(size=(1000, 2)), np.repeat(CLASSES, [998, 1, 1])
    probabilities = linear_classes(X, y, None, X, None)
    assert probabilities.shape == (1000, 3)
    assert_array_equal(probabilities, linear_classes(X, y, None, X, None))


def test_constant_models_by_hand():
    tested = TestScores(None, np.array([1.0, 3]), None)
    found = constant_scores(tested, np.array([0.0, 4]), np.array([3.0, 1]))
    assert found == {"mean": {"R2": -1.0, "MAE": 1.0, "RMSE": 2**0.5}}
    tested = TestScores(CLASSES[:2], CLASSES[[0, 0, 1]], None)
    found = constant_scores(tested, CLASSES[[0, 0, 0, 1]], None)["most frequent class"]
    assert_allclose(found["accuracy"], 2 / 3)
    assert_allclose(found["log loss"], -np.log([0.75, 0.75, 0.25]).mean())


def test_a_class_that_the_sample_lacks_has_probability_0():
    X, y = np.array([[-1.0], [1.0]] * 9), CLASSES[[0, 2] * 9]
    name, probabilities = linear_predictions(CLASSES, X, y, None, X, None)
    assert name == "LogisticRegression"
    assert_array_equal(probabilities[:, 1], 0)
    assert_allclose(probabilities.sum(axis=1), 1)
