"""Rows of categories: known, rare and new, missing."""

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder

from fastnn2.tabular.categories import count_rows, frequent_categories, rows_of

TEXTS = ["b", "a", "b", "c", None, "a", "d"]


@pytest.mark.parametrize(
    ("most", "expected"), [(1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"]), (4, [*"abcd"]), (9, [*"abcd"])]
)
def test_the_most_frequent_ones(most, expected):
    """Of equally frequent ones the first."""
    assert frequent_categories(TEXTS, most) == expected


@pytest.mark.parametrize("most", [1, 2, 5])
def test_the_same_as_of_one_hot_encoder(most):
    """Which counts the row of rare ones among its `max_categories`."""
    texts = np.random.default_rng(0).choice([*"abcdefgh"], 60).tolist()
    encoder = OneHotEncoder(max_categories=most + 1).fit(np.array(texts, dtype=object).reshape(-1, 1))
    rare = encoder.infrequent_categories_[0].tolist()
    assert frequent_categories(texts, most) == [text for text in [*"abcdefgh"] if text not in rare]


def test_rows():
    rows = rows_of([*TEXTS, "new", ""], ["a", "b"])
    assert rows.tolist() == [1, 0, 1, 2, 3, 0, 2, 2, 2]
    assert rows.dtype == np.uint32
    assert count_rows(["a", "b"]) == 4


def test_without_a_known_category():
    assert frequent_categories([None, None], 3) == []
    assert rows_of([None, "a"], []).tolist() == [1, 0]
    assert count_rows([]) == 2
