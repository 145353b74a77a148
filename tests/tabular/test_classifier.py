"""TabularClassifier: classes of any type and number, their weights, and probabilities."""

import numpy as np
import pandas
import pytest
from data import assert_same_bits
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from tabular_fits import classes_of, fit_bits, fitted, mixed_frame, quick

from fastnn2 import TabularClassifier

FRAME = mixed_frame(120)
TWO, THREE = classes_of(FRAME, 2), classes_of(FRAME, 3)


def test_it_learns():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = TabularClassifier(random_state=0).fit(X[::2], y[::2])
    assert model.score(X[1::2], y[1::2]) > 0.9


LABELS = {
    "texts": (np.array(["no", "yes"]), "<U3"),
    "objects": (np.array(["no", "yes"], dtype=object), object),
    "booleans": (np.array([False, True]), bool),
    "integers": (np.array([-3, 70_000_000_000]), np.int64),
    "small integers": (np.array([3, 5], dtype=np.int8), np.int8),
    "floats": (np.array([0.0, 1.0]), np.float64),
}


@pytest.mark.parametrize("name", LABELS)
def test_classes_of_any_type(name):
    labels, dtype = LABELS[name]
    y = labels[(TWO == "b").astype(int)]
    model = fitted(TabularClassifier(), FRAME, y)
    assert model.classes_.dtype == dtype
    assert_array_equal(model.classes_, labels)
    predicted = model.predict(FRAME)
    assert predicted.dtype == dtype
    assert_array_equal(predicted, labels[model.predict_proba(FRAME).argmax(axis=1)])
    assert fit_bits(model) == fit_bits(fitted(TabularClassifier(), FRAME, TWO))


def test_categories_of_pandas():
    y = pandas.Series(THREE, dtype="category")
    assert fit_bits(fitted(TabularClassifier(), FRAME, y)) == fit_bits(fitted(TabularClassifier(), FRAME, THREE))


@pytest.mark.parametrize("count", [2, 3, 20])
def test_probabilities(count):
    y = classes_of(FRAME, count)
    model = fitted(TabularClassifier(), FRAME, y)
    proba = model.predict_proba(FRAME)
    assert proba.shape == (120, count)
    assert proba.dtype == np.float32
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert proba.min() >= 0
    outputs = model._outputs(FRAME)
    assert len(outputs) == 4
    assert_allclose(proba[:, -1], outputs.mean(axis=0)[:, -1], rtol=1e-6)
    assert len(np.unique(outputs[:, 0, 0])) == 4  # the networks differ


def test_the_loss_is_the_log_loss():
    for y in (TWO, THREE):
        model = quick(TabularClassifier(n_estimators=1, keep_best=False, dropout=0.0, batch_size=120)).set_params(
            max_iter=1, learning_rate_init=1e-30
        )
        model.fit(FRAME, y)
        assert model.loss_curves_[0][0] == pytest.approx(log_loss(y, model.predict_proba(FRAME)), rel=1e-5)


def test_the_loss_is_weighted():
    weights = np.random.default_rng(0).uniform(0.5, 2, 120)
    model = quick(TabularClassifier(n_estimators=1, keep_best=False, dropout=0.0, batch_size=120)).set_params(
        max_iter=1, learning_rate_init=1e-30
    )
    model.fit(FRAME, THREE, sample_weight=weights)
    expected = log_loss(THREE, model.predict_proba(FRAME), sample_weight=weights)
    assert model.loss_curves_[0][0] == pytest.approx(expected, rel=1e-5)


# Few rows of a class


def test_a_class_of_one_row_stays_in_training():
    y = THREE.copy()
    y[7] = "z"
    model = quick(TabularClassifier(n_estimators=8), max_iter=30).fit(FRAME, y)
    assert len(model.classes_) == 4
    assert model.predict_proba(FRAME)[7, 3] > model.predict_proba(FRAME)[:, 3].mean()


@pytest.mark.parametrize("n", [2, 3])
def test_two_rows(n):
    model = quick(TabularClassifier(), max_iter=100).fit(np.arange(n)[:, np.newaxis], np.arange(n) % 2)
    assert_array_equal(model.predict([[0], [1]]), [0, 1])


@pytest.mark.filterwarnings("ignore:The number of unique classes is greater than 50%")
def test_a_class_for_each_row():
    model = fitted(TabularClassifier(), FRAME[:60], np.arange(60))
    assert model.validation_loss_curves_ is None  # each stays in training
    assert model.predict_proba(FRAME).shape == (120, 60)


# Weights of classes


def test_weights_of_classes_are_weights_of_samples():
    by_class = {"a": 0.5, "b": 2.0, "c": 1.0}
    weights = np.array([by_class[name] for name in THREE])
    expected = fit_bits(fitted(TabularClassifier(), FRAME, THREE, sample_weight=weights))
    assert fit_bits(fitted(TabularClassifier(class_weight=by_class), FRAME, THREE)) == expected
    del by_class["c"]  # 1 by default
    assert fit_bits(fitted(TabularClassifier(class_weight=by_class), FRAME, THREE)) == expected
    more = np.random.default_rng(0).uniform(0.5, 2, 120)
    model = fitted(TabularClassifier(class_weight=by_class), FRAME, THREE, sample_weight=more.tolist())
    assert fit_bits(model) == fit_bits(fitted(TabularClassifier(), FRAME, THREE, sample_weight=more * weights))


def test_balanced_classes():
    y = np.where(np.arange(120) % 4 == 0, "rare", "usual")
    weights = np.where(y == "rare", 120 / (2 * 30), 120 / (2 * 90))
    expected = fit_bits(fitted(TabularClassifier(), FRAME, y, sample_weight=weights))
    assert fit_bits(fitted(TabularClassifier(class_weight="balanced"), FRAME, y)) == expected
    # rows of weight 0 do not count
    used = np.arange(120) % 8 != 0
    model = fitted(TabularClassifier(class_weight="balanced"), FRAME, y, sample_weight=used)
    assert fit_bits(model) == fit_bits(fitted(TabularClassifier(class_weight="balanced"), FRAME[used], y[used]))


def test_a_class_of_weight_zero_is_not_trained_on():
    model = quick(TabularClassifier(class_weight={"c": 0.0}), max_iter=60).fit(FRAME, THREE)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert model.predict_proba(FRAME)[:, 2].max() < 0.1
    by_weight = quick(TabularClassifier(), max_iter=60).fit(FRAME, THREE, sample_weight=THREE != "c")
    assert_same_bits(by_weight.predict_proba(FRAME), model.predict_proba(FRAME))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"z": 1.0}, r"class_weight has \['z'\]; expected some of the classes \['a', 'b', 'c'\]"),
        ({"a": -1.0}, r"class_weight\['a'\] is -1.0; expected a finite number of 0 or more"),
        ({"a": "much"}, r"class_weight\['a'\] is 'much'"),
        ("balance", "class_weight"),
        ([1, 2, 3], "class_weight"),
        ({"a": 0, "b": 0, "c": 0}, "Sample weights must contain at least one non-zero number"),
    ],
)
def test_weights_of_classes_that_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        TabularClassifier(class_weight=weights).fit(FRAME, THREE)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_weights_of_another_length(class_weight):
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(3,\), expected \(120,\)"):
        TabularClassifier(class_weight=class_weight).fit(FRAME, THREE, sample_weight=[1, 2, 3])


# What is refused


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(120, "a"), "y has one class, 'a'; expected two or more classes"),
        (np.linspace(0, 1, 120), "Unknown label type: continuous"),
        (np.where(np.arange(120) == 3, np.nan, 1.0), "NaN"),
        (np.array(["a", None, "b"] * 40, dtype=object), r"y has None in row 1 .*; expected a class for each row of X"),
        (pandas.Series(["a", "b", None] * 40, dtype="string"), r"y has <NA> in row 2 .*; expected a class"),
        (pandas.Series(["a", "b", None] * 40, dtype="category"), r"y has nan in row 2 .*; expected a class"),
        (np.ones((120, 2)), r"y should be a 1d array, got an array of shape \(120, 2\)"),
        ([], "y has no samples; expected a class for each row of X"),
        (None, "requires y to be passed, but the target y is None"),
    ],
)
def test_targets_that_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        TabularClassifier().fit(FRAME, y)
