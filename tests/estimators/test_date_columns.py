"""Dates as numbers: the formula, each type of each library by hand, and what is refused."""

import datetime
import math
import pickle
from datetime import date, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pytest
from frame_data import as_frame
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from fastnn2.estimators import DateColumns

EPOCH = datetime.datetime(1970, 1, 1)
MOMENTS = [EPOCH + timedelta(days=18_321, hours=18), None, datetime.datetime(1700, 2, 28), EPOCH - timedelta(0, 0, 1)]
MOMENTS_DAYS = [18_321.75, math.nan, -98_557.0, -1e-6 / 86_400]
DAYS = [date(1970, 1, 1), None, date(2024, 2, 29), date(1969, 12, 31)]
DAYS_DAYS = [0.0, math.nan, 19_782.0, -1.0]


def in_zone(hours):
    """Return the moments in a zone that is so many hours before UTC."""
    zone = timezone(timedelta(hours=hours))
    return [None if value is None else (value.replace(tzinfo=datetime.UTC).astimezone(zone)) for value in MOMENTS]


def isoformat(made):
    return [None if value is None else value.isoformat() for value in made]


# What the values are -> columns that have them, and their days.
COLUMNS = {
    "moments": (
        [make(MOMENTS) for make in (pl.Series, pd.Series)]
        + [make(MOMENTS, dtype=object) for make in (pd.Series, np.array)]
        + [np.array(MOMENTS, "datetime64[us]"), pl.Series(MOMENTS, dtype=pl.Object)],
        MOMENTS_DAYS,
    ),
    "moments in zones": (
        [
            pl.Series(MOMENTS).dt.replace_time_zone("UTC").dt.convert_time_zone("America/St_Johns"),
            pd.Series(MOMENTS).dt.tz_localize("UTC").dt.tz_convert("Asia/Kathmandu"),
            pd.Series(in_zone(5.5), dtype=object),
            np.array(in_zone(-7), object),
        ],
        MOMENTS_DAYS,
    ),
    "texts": (
        [make(isoformat(made)) for make in (pd.Series, pl.Series) for made in (MOMENTS, in_zone(3))]
        + [pd.Series(isoformat(MOMENTS), dtype=kind) for kind in ("string", object, "category")]
        + [np.array(isoformat(in_zone(0)), object)],
        MOMENTS_DAYS,
    ),
    "days": (
        [pl.Series(DAYS), pd.Series(DAYS, dtype=object), np.array(DAYS, "datetime64[D]"), np.array(DAYS, object)]
        + [pl.Series(DAYS, dtype=pl.Datetime(unit)) for unit in ("ms", "us", "ns")]
        + [pd.Series(DAYS, dtype=f"datetime64[{unit}]") for unit in ("s", "ms", "us", "ns")]
        + [np.array(DAYS, f"datetime64[{unit}]") for unit in ("h", "m", "s", "12h", "ns")]
        + [pl.Series(isoformat(DAYS)), pd.Series(isoformat(DAYS), dtype="category")]
        + [pd.Series([np.datetime64(value, "s") for value in DAYS], dtype=object)],
        DAYS_DAYS,
    ),
    "long units": ([np.array([3, -2], "datetime64[Y]"), np.array([36, -24], "datetime64[M]")], [1096.0, -731.0]),
    "short units": ([np.array([3 * 10**12, -(10**12)], "datetime64[ps]")], [3 / 86_400, -1 / 86_400]),
    "other forms of ISO 8601": (
        [pl.Series(["19700102", "1970-W01-5", "1970-01-02 12", "1970-01-02T00:30+00:30", "1970-01-02T06:00:00.000Z"])],
        [1.0, 1.0, 1.5, 1.0, 1.25],
    ),
    "missing ones alone": (
        [pd.Series([None, None], dtype=kind) for kind in (float, object, "str", "datetime64[ns]")]
        + [pl.Series([None, None]), pl.Series([None, None], dtype=pl.Date), pl.Series(["", None])],
        [math.nan, math.nan],
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_days_of_values(name):
    columns, expected = COLUMNS[name]
    for column in columns:
        found = DateColumns().fit_transform(as_frame(column))
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found[:, 0], expected, str(column.dtype))


def test_the_formula():
    column = [EPOCH + timedelta(days=days) for days in (0, 1, 10_000.75, -10_000.25)] + [None]
    found = DateColumns().fit_transform(pl.DataFrame({"a": column}))
    for row, value in zip(found, column, strict=True):
        if value is None:
            assert math.isnan(row[0])
            assert row[1:].tolist() == [0.0] * 6
            continue
        t = (value - EPOCH) / timedelta(days=1)
        angles = [2 * math.pi * t / period for period in (365.2425, 7, 1)]
        expected = [t, *(function(angle) for angle in angles for function in (math.sin, math.cos))]
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-10)


def test_the_day_counts_where_the_fit_saw_times():
    frame = pd.DataFrame({"sold": ["2020-01-01", None], "seen": ["2020-01-01 06:00", None]}, dtype="datetime64[us]")
    step = DateColumns().fit(frame)
    assert step.has_time_.tolist() == [False, True]
    parts = ("days", "year_sin", "year_cos", "week_sin", "week_cos")
    names = [f"{name}_{part}" for name in ("sold", "seen") for part in parts]
    assert step.get_feature_names_out().tolist() == [*names, "seen_day_sin", "seen_day_cos"]
    found = step.transform(frame)
    assert found.shape == (2, 12)
    np.testing.assert_allclose(found[0, -2:], [1, 0], rtol=0, atol=1e-15)
    later = step.transform(frame.assign(sold=frame["seen"]))
    assert later.shape == (2, 12)
    assert later[0, 0] == found[0, 5]


def test_names_of_columns_without_names():
    step = DateColumns().fit(np.array([["2020-01-01"]], "datetime64[D]"))
    assert step.get_feature_names_out().tolist()[:2] == ["x0_days", "x0_year_sin"]
    assert step.get_feature_names_out(["sold"]).tolist()[:2] == ["sold_days", "sold_year_sin"]


def test_float32_is_rounded_at_the_end():
    frame = pl.DataFrame({"a": MOMENTS})
    found = DateColumns(dtype="float32").fit_transform(frame)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, DateColumns().fit_transform(frame).astype(np.float32))
    with pytest.raises(ValueError, match="The 'dtype' parameter of DateColumns must be a str among"):
        DateColumns(dtype="float16").fit(frame)


NOT_DATES = [
    (["2020-01-01", "1.2.2020"], "'1.2.2020'"),
    (["2020-01-01", "2020-02-30"], "'2020-02-30'"),
    (["2020-01-01", "2020"], "'2020'"),
    (["2020-01-01", "now"], "'now'"),
    (["2020-01-01", "0001-01-01T00:00+05:00"], r"'0001-01-01T00:00\+05:00'"),
    ([None, [1]], r"\[1\]"),
    ([None, 3.5], "3.5"),
    ([datetime.time(1), datetime.time(2)], r"datetime.time\(1, 0\)"),
    ([timedelta(1), timedelta(2)], r"datetime.timedelta\(days=1\)"),
    ([True, False], "True"),
    ([3, 4], "3"),
]


@pytest.mark.parametrize(("column", "value"), NOT_DATES)
def test_what_is_not_a_date_is_refused(column, value):
    row = 0 if isinstance(column[0], (int, timedelta, datetime.time)) else 1
    message = rf"column 'sold' has {value} in row {row} \(the first row is 0\), which is not a date; expected dates"
    dates = [date(2020, 1, 1)] * 2
    for make in (pl.DataFrame, pd.DataFrame):
        good, bad = make({"seen": dates, "sold": dates}), make({"seen": dates, "sold": column})
        with pytest.raises(ValueError, match=message):
            DateColumns().fit(bad)
        with pytest.raises(ValueError, match=message):
            DateColumns().fit(good).transform(bad)


def test_fit_transform_learns_what_fit_learns():
    frame = pl.DataFrame({"a": MOMENTS, "b": DAYS})
    one, other = DateColumns(), DateColumns()
    np.testing.assert_array_equal(one.fit_transform(frame), other.fit(frame).transform(frame))
    assert one.has_time_.tolist() == other.has_time_.tolist() == [True, False]


def test_clones_and_pickles():
    frame = pl.DataFrame({"a": MOMENTS})
    step = DateColumns("float32").fit(frame)
    assert b"date_columns" not in pickle.dumps(step)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(step)).transform(frame), step.transform(frame))
    assert clone(step).get_params() == {"dtype": "float32"}
    assert not hasattr(clone(step), "has_time_")


class OfNumbers(DateColumns):
    """DateColumns that takes numbers as seconds, as the checks of scikit-learn have no dates."""

    def fit(self, X, y=None):
        return super().fit(as_dates(X), y)

    def fit_transform(self, X, y=None):
        return super().fit_transform(as_dates(X), y)

    def transform(self, X):
        return super().transform(as_dates(X))


def as_dates(X):
    """Return X with dates in place of numbers; what the checks expect to be refused stays."""
    if isinstance(X, pd.DataFrame):
        return X.astype("int64").astype("datetime64[s]")
    if (hasattr(X, "__array__") and not isinstance(X, np.ndarray)) or isinstance(X, list):
        X = np.asarray(X)
    is_real = isinstance(X, np.ndarray) and X.dtype.kind in "biufO"
    return (np.nan_to_num(X.astype(float)) * 1e4).astype("datetime64[s]") if is_real else X


def test_checks_of_scikit_learn():
    check_estimator(OfNumbers(), on_skip=None)
