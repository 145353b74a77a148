"""Numbers and booleans as one array: each type of each library by hand, and what is refused."""

import datetime
import decimal
import fractions
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from data import DTYPES
from frame_data import as_frame
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from fastnn2.estimators import NumberColumns
from fastnn2.estimators.number_columns import ROWS

NAN = np.nan
# What the values are -> columns that have them, and the numbers.
COLUMNS = {
    "floats": (
        [pd.Series([0.5, None, np.inf], dtype=kind) for kind in (float, "float32", "Float64", object)]
        + [pl.Series([0.5, None, np.inf], dtype=kind) for kind in (pl.Float64, pl.Float32)]
        + [pl.Series([0.5, np.nan, np.inf]), np.array([0.5, None, np.inf], object), np.array([0.5, NAN, np.inf], "f2")],
        [0.5, NAN, np.inf],
    ),
    "integers": (
        [pd.Series([3, -1], dtype=kind) for kind in ("int8", "Int64", "category", object)]
        + [pl.Series([3, -1], dtype=kind) for kind in (pl.Int8, pl.Int64, pl.Int128)]
        + [np.array([3, -1])],
        [3.0, -1.0],
    ),
    "integers with missing ones": (
        [pd.Series([None, 7], dtype=kind) for kind in ("Int8", "UInt64", float, object, "category")]
        + [pl.Series([None, 7], dtype=kind) for kind in (pl.Int64, pl.UInt8)],
        [NAN, 7.0],
    ),
    "booleans": (
        [pd.Series([None, True, False], dtype=kind) for kind in ("boolean", object)] + [pl.Series([None, True, False])],
        [NAN, 1.0, 0.0],
    ),
    "booleans without missing ones": ([make([True, False]) for make in (pd.Series, pl.Series, np.array)], [1.0, 0.0]),
    "decimals": (
        [pd.Series([made, pd.NA], dtype=object) for made in (decimal.Decimal("1.25"), fractions.Fraction(5, 4))]
        + [pl.Series([decimal.Decimal("1.25"), None])],
        [1.25, NAN],
    ),
    "missing ones alone": (
        [pd.Series([None, None], dtype=kind) for kind in (float, object, "Int64", "boolean")]
        + [pl.Series([None, None]), pl.Series([None, None], dtype=pl.Int8)],
        [NAN, NAN],
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COLUMNS)
def test_numbers_of_values(name, dtype):
    columns, expected = COLUMNS[name]
    for column in columns:
        found = NumberColumns(dtype).fit_transform(as_frame(column))
        assert found.dtype == dtype
        assert found.shape == (len(expected), 1)
        np.testing.assert_array_equal(found[:, 0], np.array(expected, dtype), str(column.dtype))


@pytest.mark.parametrize("count", [1, ROWS, 2 * ROWS + 3])
def test_any_number_of_rows(count):
    values = np.random.default_rng(0).standard_normal((count, 3))
    for X in (values, np.asfortranarray(values), pl.DataFrame(values), pd.DataFrame(values, columns=[*"abc"])):
        found = NumberColumns().fit_transform(X)
        np.testing.assert_array_equal(found, values)
        assert found.flags.c_contiguous


NOT_NUMBERS = [
    (["1", "2"], "'1'"),
    ([datetime.date(2020, 1, 1), None], r"datetime.date\(2020, 1, 1\)"),
    ([[1, 2], [3, 4]], r"\[1, 2\]"),
    ([datetime.timedelta(1), None], r"datetime.timedelta\(days=1\)"),
]


@pytest.mark.parametrize(("column", "value"), NOT_NUMBERS)
@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
def test_what_is_not_a_number_is_refused(make, column, value):
    good, bad = make({"age": [1, 2], "size": [1.5, 2.0]}), make({"age": [1, 2], "size": column})
    message = rf"column 'size' has {value} in row 0 \(the first row is 0\), which is not a number; expected numbers or"
    with pytest.raises(ValueError, match=message):
        NumberColumns().fit(good).transform(bad)


@pytest.mark.parametrize("value", [10**400, decimal.Decimal("sNaN"), fractions.Fraction(10**400, 3)])
def test_a_number_that_float64_cannot_hold_is_refused(value):
    frame = pd.DataFrame({"age": pd.Series([1, value], dtype=object)})
    with pytest.raises(ValueError, match=r"column 'age' has a \w+ in row 1 .* that float64 cannot hold; expected"):
        NumberColumns().fit_transform(frame)


def test_a_long_value_is_cut_short():
    with pytest.raises(ValueError, match=rf"column 'x0' has '{'a' * 99}… in row 0 \(the first"):
        NumberColumns().fit_transform([["a" * 1000]])


def test_another_dtype_is_refused():
    with pytest.raises(ValueError, match="The 'dtype' parameter of NumberColumns must be a str among"):
        NumberColumns("float16").fit([[1.0]])


def test_clones_and_pickles():
    frame = pl.DataFrame({"a": [1, None]})
    step = NumberColumns("float32").fit(frame)
    assert b"number_columns" not in pickle.dumps(step)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(step)).transform(frame), step.transform(frame))
    assert clone(step).get_params() == {"dtype": "float32"}


def test_checks_of_scikit_learn():
    expected = {"check_dtype_object": "an object that is no number raises ValueError, with its place, not TypeError"}
    check_estimator(NumberColumns(), expected_failed_checks=expected, on_skip=None)
