"""Rows are held out: how many, with the shares of the classes, and of each class some in each part."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.split import check_rows_of_classes, hold_out, validation_fraction

NUMBERS = TrainingOptions(target="y")


def options(**settings):
    return TrainingOptions(target="y", **{"early_stopping": True, **settings})


@pytest.mark.parametrize(("n", "size", "expected"), [(100, 0.2, 20), (11, 0.25, 3), (10, 1e-9, 1), (50, 0.9, 45)])
def test_sizes_and_order(n, size, expected):
    training, test = hold_out(None, n, options(test_size=size))
    assert len(test) == expected
    assert_array_equal(np.sort(np.concatenate([training, test])), np.arange(n))
    assert (np.diff(training) > 0).all()
    assert (np.diff(test) > 0).all()


def test_seeds():
    first, again, other = (hold_out(None, 100, options(seed=seed))[1] for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert list(first) != list(other)


def test_classes_keep_their_shares():
    labels = np.repeat(["a", "b", "c"], [600, 300, 100])
    _, test = hold_out(labels, 1000, NUMBERS)
    assert_array_equal(np.unique(labels[test], return_counts=True)[1], [120, 60, 20])


@pytest.mark.parametrize("size", [0.01, 0.2, 0.8])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_a_class_of_few_rows_is_in_each_part(seed, early_stopping, size):
    fewest = 2 + early_stopping
    labels = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], [90, fewest, fewest]))
    chosen = options(test_size=size, seed=seed, early_stopping=early_stopping)
    training, test = hold_out(labels, len(labels), chosen)
    assert np.bincount(labels[test], minlength=3).min() >= 1
    assert np.bincount(labels[training], minlength=3).min() >= fewest - 1
    assert_array_equal(np.sort(np.concatenate([training, test])), np.arange(len(labels)))


def test_a_thousand_classes_of_three_rows():
    labels = np.repeat(np.arange(1000), 3)
    training, test = hold_out(labels, 3000, NUMBERS)
    assert len(np.unique(labels[test])) == 1000
    assert np.bincount(labels[training]).min() == 2
    assert validation_fraction(labels[training], len(training)) == 0.5


@pytest.mark.parametrize(
    ("labels", "n", "settings", "message"),
    [
        (None, 9, {}, "there are 9 rows with a target; expected at least 10"),
        (None, 1, {}, "there is 1 row with a target; expected at least 10"),
        (None, 10, {"test_size": 0.95}, "10 of 10 rows would be held out for the test, which leaves too few"),
        (["a"] * 9 + ["b"], 10, {}, r"class 'b' has 1 row; expected at least 3, for training, the test and validation"),
        (["a"] * 9 + ["b"] * 2, 11, {}, r"class 'b' has 2 rows; .* or pass --no-early-stopping"),
        (["a"] * 9 + ["b"], 10, {"early_stopping": False}, "expected at least 2, for training and the test"),
    ],
)
def test_too_few_rows(labels, n, settings, message):
    with pytest.raises(TableError, match=message):
        hold_out(None if labels is None else np.array(labels, object), n, options(**settings))


def test_rows_of_classes_with_a_test_file():
    labels = np.array([0, 0, 0, 1])
    check_rows_of_classes(labels, early_stopping=False, has_test=True)
    with pytest.raises(TableError, match="class 1 has 1 row; expected at least 2, for training and validation"):
        check_rows_of_classes(labels, early_stopping=True, has_test=True)


def test_validation_fraction():
    assert validation_fraction(None, 1000) == 0.1
    assert validation_fraction(None, 8) == 0.25
    assert validation_fraction(np.arange(20) % 5, 20) == 0.25
    with pytest.raises(TableError, match="there are 3 rows for training, too few for a validation part of 2"):
        validation_fraction(None, 3)
