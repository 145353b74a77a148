"""Columns become numbers: how many, which categories, what is dropped and why, and the same from any frame."""

import datetime

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from table_data import polars

from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT, Column
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.preparation import as_input, prepare

ODD_NAMES = ("*", "^a$", "a", "x\ny", "\x1b[31mred", "count", "rows", "text", "")
TIMES = polars.Datetime("us")


def prepared(frame, max_categories=30):
    """Return the preparation of a frame, fitted, and the numbers."""
    kinds = {polars.String: TEXT, polars.Boolean: BOOLEAN, TIMES: DATE, polars.Float64: NUMBER}
    columns = [Column(name, kinds[dtype]) for name, dtype in frame.schema.items()]
    preparation = prepare(frame, columns, TrainingOptions(target="y", max_categories=max_categories))
    return preparation, preparation.transformer.fit_transform(as_input(frame, preparation.columns))


def random_frame(seed):
    """Return a frame of columns of random kinds, most with missing values, some of one value or none."""
    source = np.random.default_rng(seed)
    n = int(source.integers(10, 60))
    columns = []
    for name in source.permutation(ODD_NAMES)[: source.integers(2, len(ODD_NAMES))]:
        different = int(source.integers(1, 40))
        numbers = source.integers(0, different, n)
        kind = source.integers(5)
        start = datetime.datetime(2024, 1, 1)
        values = [
            numbers.astype(float).tolist(),
            [f"v{k}" for k in numbers],
            (numbers % 2 == 0).tolist(),
            [start + datetime.timedelta(days=int(k)) for k in numbers],
            [start + datetime.timedelta(hours=7 * int(k)) for k in numbers],
        ][kind]
        missing = source.uniform(size=n) < source.choice([0, 0.2, 0.2, 1], p=[0.4, 0.3, 0.2, 0.1])
        dtype = [polars.Float64, polars.String, polars.Boolean, TIMES, TIMES][kind]
        values = [None if m else v for v, m in zip(values, missing, strict=True)]
        columns.append(polars.Series("values", values, dtype).alias(str(name)))
    columns.append(polars.Series("sure", source.normal(size=n)))
    return polars.DataFrame(columns)


@pytest.mark.parametrize("seed", range(40))
def test_widths_are_those_of_the_network(seed):
    frame = random_frame(seed)
    preparation, X = prepared(frame, max_categories=int(2 + seed % 9))
    assert sum(use.width for use in preparation.uses) == X.shape[1]
    assert [use.name for use in preparation.uses] == frame.columns
    assert [column.name for column in preparation.columns] == [use.name for use in preparation.uses if use.width]
    assert len(preparation.notes) == sum(not use.width for use in preparation.uses)
    assert np.isfinite(X).all()


@pytest.mark.parametrize("seed", range(10))
def test_frames_of_pandas_give_the_same_numbers(seed):
    frame = random_frame(seed)
    preparation, X = prepared(frame)
    used = as_input(frame, preparation.columns)
    objects = (polars.String, polars.Boolean)
    by_pandas = pd.DataFrame({
        name: pd.Series(used[name].to_list(), dtype=object if used[name].dtype in objects else None)
        for name in used.columns
    })  # fmt: skip
    assert_allclose(preparation.transformer.transform(by_pandas), X, rtol=1e-12, atol=1e-12)


def test_numbers_are_standardised_and_missing_ones_are_said():
    frame = polars.DataFrame({"a": [1.0, 2, None, 4], "b": [10.0, 20, 30, 40]})
    preparation, X = prepared(frame)
    filled = np.array([1, 2, 2, 4.0])
    assert_allclose(X[:, 0], (filled - filled.mean()) / filled.std())
    assert X[2, 2] > 0
    assert (X[[0, 1, 3], 2] < 0).all()
    assert [use.width for use in preparation.uses] == [2, 1]
    # A value that is missing only later is the median, without an input that says so.
    new = preparation.transformer.transform(polars.DataFrame({"a": [1.0], "b": [None]}, {"a": float, "b": float}))
    assert new[0, 1] == 0


def test_the_most_frequent_categories_are_kept_and_ties_go_by_name():
    frame = polars.DataFrame({"t": ["b", "a", "c", "c", "d", None]})
    preparation, X = prepared(frame, max_categories=2)
    assert_array_equal(X, [[0, 0], [0, 0], [0, 1], [0, 1], [0, 0], [1, 0]])  # "" of the missing one comes first
    assert preparation.uses[0].use == "one-hot: 2 of 5 categories, one of them for missing, the others together"
    preparation, X = prepared(frame, max_categories=3)
    assert_array_equal(X.sum(axis=0), [1, 1, 2])
    unseen = preparation.transformer.transform(polars.DataFrame({"t": ["z"]}))
    assert_array_equal(unseen, np.zeros((1, 3)))


def test_booleans_are_categories():
    _, X = prepared(polars.DataFrame({"b": [True, False, None, True]}))
    assert_array_equal(X, [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]])


def test_dates_have_a_wave_of_the_day_only_with_times():
    days = [datetime.datetime(2024, 1, day) for day in (1, 2, 3)]
    preparation, X = prepared(polars.DataFrame({"d": days}))
    assert X.shape == (3, 5)
    assert preparation.uses[0].use == "days, standardised, and waves of the year and the week"
    preparation, X = prepared(polars.DataFrame({"d": [*days[:2], datetime.datetime(2024, 1, 3, 12)]}))
    assert X.shape == (3, 7)
    assert preparation.uses[0].use == "days, standardised, and waves of the year, the week and the day"


def test_columns_of_no_use_are_dropped():
    n = 40
    frame = polars.DataFrame({
        "sure": np.arange(n) * 1.0, "same": ["x"] * n, "none": [None] * n, "one": [7.0] * n, "yes": [True] * n,
        "key": [f"key {k}" for k in range(n)], "nearly": ["twice", "twice", *map(str, range(n - 2))],
        "often": [f"v{k // 2}" for k in range(n)], "kept": [None, *["x"] * (n - 1)], "half": [None, *[7.0] * (n - 1)],
    }, schema_overrides={"none": polars.Float64})  # fmt: skip
    preparation, _ = prepared(frame)
    dropped = {use.name: use.use for use in preparation.uses if not use.width}
    assert dropped == {
        "same": "dropped: has one value in all rows",
        "none": "dropped: has no values",
        "one": "dropped: has one value in all rows",
        "yes": "dropped: has one value in all rows",
        "key": "dropped: has a different text in nearly every row (40 of 40), as names or keys have",
        "nearly": "dropped: has a different text in nearly every row (39 of 40), as names or keys have",
    }
    assert preparation.notes[0] == "column 'same' has one value in all rows: it is dropped"
    assert {use.name: use.width for use in preparation.uses if use.width} == {
        "sure": 1, "often": 20, "kept": 2, "half": 2,
    }  # fmt: skip


def test_different_texts_of_few_rows_are_categories():
    assert prepared(polars.DataFrame({"t": list("abcdefghij")}))[1].shape == (10, 10)


def test_no_column_is_left():
    with pytest.raises(TableError, match=r"no column is left to predict from: column 'a' has one value in all rows"):
        prepared(polars.DataFrame({"a": [1.0, 1.0]}))


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_numbers_whose_variance_would_be_infinite_are_refused(value):
    with pytest.raises(TableError, match=r"column 'a' has numbers up to 1e\+300; expected at most 1e\+150"):
        prepared(polars.DataFrame({"a": [1.0, value]}))
