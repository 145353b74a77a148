"""Targets: which task they are for, their labels, and the scale of numbers, which is folded into the network."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from table_data import polars

import fastnn2
from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT, Column
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.options import CLASSIFICATION, REGRESSION
from fastnn2.tables.training.targets import Scale, as_labels, check_classes, check_known_classes, find_task

EPSILON = {"float64": 1e-14, "float32": 1e-6}


@pytest.mark.parametrize(
    ("kind", "values", "wanted", "task", "note"),
    [
        (TEXT, ["a", "b"], None, CLASSIFICATION, "'y' is text: classification"),
        (BOOLEAN, [True, False], None, CLASSIFICATION, "'y' is true or false: classification"),
        (NUMBER, [0.0, 1.0, 1.0], None, CLASSIFICATION, "has 2 different integers: classification"),
        (NUMBER, [*map(float, range(20))], None, CLASSIFICATION, "has 20 different integers: classification"),
        (NUMBER, [*map(float, range(21))], None, REGRESSION, "has 21 different integers: regression"),
        (NUMBER, [0.0, 1.0, 1.5], None, REGRESSION, "has 3 different numbers: regression"),
        (NUMBER, [0.0, 2.0**53], None, REGRESSION, "has 2 different numbers: regression"),
        (NUMBER, [0.0, 1.0], REGRESSION, REGRESSION, None),
        (NUMBER, [0.0, 1.5], CLASSIFICATION, CLASSIFICATION, None),
    ],
)
def test_task(kind, values, wanted, task, note):
    found, said = find_task(Column("y", kind), polars.Series(values), wanted)
    assert found == task
    assert said is None if note is None else note in said


@pytest.mark.parametrize(
    ("kind", "wanted", "message"),
    [
        (DATE, None, r"the target 'y' is a date; expected numbers, or the labels of classes\. Make a number of it"),
        (TEXT, REGRESSION, r"the target 'y' is text; a regression needs numbers\. Use --task classification"),
        (BOOLEAN, REGRESSION, "the target 'y' is true or false; a regression needs numbers"),
    ],
)
def test_targets_of_no_task(kind, wanted, message):
    with pytest.raises(TableError, match=message):
        find_task(Column("y", kind), polars.Series(["a"]), wanted)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (TEXT, ["b", "a"], ["b", "a"]),
        (BOOLEAN, [True, False], [True, False]),
        (NUMBER, [3.0, -1.0], [3, -1]),
        (NUMBER, [3.0, 0.5], ["3.0", "0.5"]),
        (NUMBER, [-0.0, 0.0, 0.5], ["0.0", "0.0", "0.5"]),
    ],
)
def test_labels(kind, values, expected):
    labels = as_labels(polars.Series(values), Column("y", kind)).tolist()
    assert labels == expected
    assert [type(label) for label in labels] == [type(label) for label in expected]


def test_labels_of_a_test_are_like_those_of_training():
    column, whole = Column("y", NUMBER), polars.Series([1.0, 2.0])
    fractions = as_labels(polars.Series([1.0, 1.5, 2.0]), column)
    assert as_labels(whole, column, fractions).tolist() == ["1.0", "2.0"]
    assert as_labels(whole, column, np.array([1, 2, 3])).tolist() == [1, 2]
    assert as_labels(whole + 0.5, column, np.array([1, 2])).tolist() == ["1.5", "2.5"]


def test_numbers_of_classes():
    with pytest.raises(TableError, match="the target 'y' has one class, 'a', in all rows; expected at least two"):
        check_classes(np.array(["a", "a"], object), "y")
    check_classes(np.arange(1000), "y")
    with pytest.raises(TableError, match=r"has 1,001 different labels; expected at most 1,000 .* --task regression"):
        check_classes(np.arange(1001), "y")


@pytest.mark.parametrize("known", [np.array(["a", "b"], object), np.array([1, 2])])
def test_classes_of_a_test_that_are_not_known(known):
    check_known_classes(known[:1], known, "t.csv")
    with pytest.raises(TableError, match=r"'t\.csv' has the class 'c', which no row of training has; leave such rows"):
        check_known_classes(np.array(["c"], object), known, "t.csv")


def fitted(y, dtype, weights=None):
    """Return inputs, a network that is fitted to the scaled numbers, and the scale."""
    X = np.random.default_rng(0).normal(size=(len(y), 3)).astype(dtype)
    scale = Scale(y, weights, dtype)
    network = fastnn2.MLPRegressor(hidden_layer_sizes=8, max_iter=5, random_state=0, tol=0)
    with pytest.warns(match="Maximum iterations"):
        network.fit(X, scale.transform(y, dtype), sample_weight=weights)
    return X, network, scale


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize(("mean", "spread"), [(0, 1), (1e3, 50), (-7, 1e-3), (2e8, 1e6), (0, 1e-20), (0, 1e20)])
def test_the_folded_network_predicts_the_numbers_themselves(mean, spread, dtype):
    y = mean + spread * np.random.default_rng(1).normal(size=200)
    X, network, scale = fitted(y, dtype)
    expected = network.predict(X).astype(float) * scale.deviation + scale.mean
    scale.fold_into(network)
    assert network.coefs_[-1].dtype == network.intercepts_[-1].dtype == dtype
    assert_allclose(network.predict(X), expected, rtol=0, atol=EPSILON[dtype] * 100 * (abs(mean) + 4 * spread))


def test_weights_count_in_the_scale():
    y, weights = np.array([1.0, 2, 6]), np.array([2.0, 1, 1])
    scale, repeated = Scale(y, weights), Scale(np.array([1.0, 1, 2, 6]), None)
    assert_allclose([scale.mean, scale.deviation], [repeated.mean, repeated.deviation], rtol=1e-15)
    assert scale.mean == 2.5


def test_a_folded_network_can_be_trained_on():
    y = 100 + 5 * np.random.default_rng(1).normal(size=200)
    X, network, scale = fitted(y, "float64")
    scale.fold_into(network)
    before = network.coefs_[0].copy()
    network.partial_fit(X, y)
    assert not np.array_equal(network.coefs_[0], before)
    assert np.isfinite(network.predict(X)).all()


@pytest.mark.parametrize("mean", [1e9, -1e9])
def test_numbers_that_float32_rounds_away(mean):
    y = mean + np.random.default_rng(1).normal(size=50)
    Scale(y, None, "float64")
    with pytest.raises(TableError, match=r"near the rounding of float32\. Pass --dtype float64"):
        Scale(y, None, "float32")
    with pytest.raises(TableError, match=r"near the rounding of float64\. Subtract its mean"):
        Scale(mean + (y - mean) / 1e5, None, "float64")


@pytest.mark.parametrize(("size", "dtype"), [(1e200, "float64"), (1e-200, "float64"), (1e35, "float32")])
def test_numbers_of_other_sizes(size, dtype):
    with pytest.raises(TableError, match=rf"expected sizes from .* in {dtype}"):
        Scale(size * np.array([1.0, 2, 4]), None, dtype)


def test_equal_numbers():
    with pytest.raises(TableError, match="the target is 3 in all rows of training; expected different numbers"):
        Scale(np.full(5, 3.0), None)


def test_scaled_numbers():
    y = np.array([1e300, 3e300]) / 1e200
    assert_array_equal(Scale(y, None).transform(y, np.float32), np.array([-1, 1], np.float32))
