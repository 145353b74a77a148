"""One table as frames of pandas and polars in all their types, and a Pipeline for it as a user of tables has."""

import datetime
import warnings

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastnn2
from fastnn2.estimators import DateColumns, NumberColumns, TextColumns

NUMBERS, TEXTS, DATES = ["price", "rooms", "size"], ["city", "garden", "new"], ["sold", "seen"]
CATEGORIES = [["", "Oslo", "Rome"], ["", "false", "true"], ["false", "true"]]
N = 120


def values():
    """Return the table's columns as lists, with None where a value is missing."""
    source = np.random.default_rng(0)

    def some(share, made):
        return [None if is_missing else value for is_missing, value in zip(source.random(N) < share, made, strict=True)]

    day, moment = datetime.date(2019, 12, 30), datetime.datetime(2019, 12, 30, 23, 59, 59, 999_999)
    days, moments = source.integers(-30_000, 900, N).tolist(), source.integers(-(10**15), 10**14, N).tolist()
    return {
        "price": some(0.2, source.normal(5e5, 1e5, N).tolist()),
        "rooms": some(0.1, source.integers(1, 9, N).tolist()),
        "size": source.normal(80, 30, N).tolist(),
        "city": some(0.2, source.choice(["Oslo", "Rome"], N).tolist()),
        "garden": some(0.3, source.choice([True, False], N).tolist()),
        "new": source.choice([True, False], N).tolist(),
        "sold": some(0.2, [day + datetime.timedelta(number) for number in days]),
        "seen": some(0.1, [moment + datetime.timedelta(0, 0, number) for number in moments]),
    }


def frames():
    """Return the same table in different types: name -> frame."""
    columns = values()
    polars, pandas = pl.DataFrame(columns), pd.DataFrame(columns)
    zone = pl.col("seen").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Kathmandu")
    midnight = pl.col("sold").cast(pl.Datetime("ms"))
    return {
        "polars": polars,
        "polars, categories": polars.with_columns(city=pl.col("city").cast(pl.Categorical), sold=midnight),
        "polars, zones": polars.with_columns(zone, pl.col("city").cast(pl.Enum(["Rome", "Oslo"]))),
        "pandas": pandas,
        "pandas, objects": pandas.astype({"city": object, "new": object, "seen": object, "rooms": object}),
        "pandas, nullable": pandas.assign(
            price=pd.array(columns["price"], dtype="Float64"),
            rooms=pd.array(columns["rooms"], dtype="Int64"),
            garden=pd.array(columns["garden"], dtype="boolean"),
            city=pd.array(columns["city"], dtype="string"),
            sold=pd.Series(columns["sold"], dtype="datetime64[s]"),
        ),
        "pandas, categories": pandas.assign(
            city=pd.Categorical(columns["city"], categories=["Rome", "none", "Oslo"]),
            garden=pd.Categorical(columns["garden"]),
            sold=pd.Series(columns["sold"], dtype="datetime64[ns]").dt.tz_localize("UTC"),
        ),
    }


def as_frame(column):
    """Return a column as a frame of its library, or as an array (n, 1)."""
    if isinstance(column, np.ndarray):
        return column.reshape(-1, 1)
    return column.rename("a").to_frame()


def targets():
    return np.arange(N) % 3


def pipeline(dtype="float64", columns=(*NUMBERS, *TEXTS, *DATES), converted=False):
    """Return a Pipeline that is not fitted, for some columns of the table.

    If `converted`, NumberColumns makes an array of the numbers; otherwise scikit-learn does.
    """
    numbers = SimpleImputer(strategy="median", add_indicator=True), StandardScaler()
    numbers = make_pipeline(*[NumberColumns(dtype)] * converted, *numbers)
    kinds = [categories for name, categories in zip(TEXTS, CATEGORIES, strict=True) if name in columns]
    encoder = OneHotEncoder(categories=kinds, handle_unknown="ignore", sparse_output=False, dtype=dtype)
    dates = (DateColumns(dtype), SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    parts = [
        ("numbers", numbers, NUMBERS),
        ("texts", make_pipeline(TextColumns(), encoder), TEXTS),
        ("dates", make_pipeline(*dates), DATES),
    ]
    parts = [(name, step, [column for column in own if column in columns]) for name, step, own in parts]
    chosen = ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0)
    network = fastnn2.MLPClassifier(6, learning_rate_init=0.03, max_iter=20, random_state=0)
    return Pipeline([("columns", chosen), ("network", network)])


def fit(model, X):
    """Return a Pipeline for the table after a short fit to X, which does not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, targets())


def fitted(X, **options):
    """Return the Pipeline of :func:`pipeline` after a short fit to X."""
    return fit(pipeline(**options), X)
