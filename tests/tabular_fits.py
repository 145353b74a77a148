"""Tables and quick fits that the tests of tabular estimators share."""

import numpy as np
import pandas
import pytest
from data import extra
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from fastnn2 import TabularClassifier, TabularRegressor


def mixed_frame(n, seed=0):
    """Return a pandas frame with two columns of numbers, of which one has missing values, and two of categories."""
    source = np.random.default_rng(seed)
    a = source.standard_normal(n)
    a[source.uniform(size=n) < 0.1] = np.nan
    city = source.choice(np.array(["Rome", "Oslo", "Bonn", None], dtype=object), size=n)
    return pandas.DataFrame(
        {"a": a, "count": source.integers(0, 9, n), "city": city, "old": source.uniform(size=n) < 0.5}
    )


def as_polars(frame):
    """Return the same frame of polars."""
    polars = extra("polars", "tables")
    return polars.DataFrame(
        {name: frame[name].astype(object).where(frame[name].notna(), None).to_list() for name in frame}
    )


def numbers_of(frame):
    """Return a target of numbers for a frame."""
    a = frame["a"].fillna(0.5).to_numpy()
    return abs(a) * 3 + frame["count"].to_numpy() * (frame["city"] == "Rome").to_numpy() - frame["old"].to_numpy()


def classes_of(frame, count):
    """Return a target of so many classes, which are the first letters."""
    y = numbers_of(frame)
    edges = np.quantile(y, np.arange(1, count) / count)
    return np.array([chr(ord("a") + k) for k in range(count)])[np.searchsorted(edges, y)]


def quick(estimator, **options):
    """Return a copy of an estimator, which may be at the end of a Pipeline, with few epochs and seeds of its own."""
    model = clone(estimator)
    last = model[-1] if isinstance(model, Pipeline) else model
    last.set_params(max_iter=4)
    if last.random_state is None:
        last.set_params(random_state=0)
    last.set_params(**options)
    return model


def fitted(estimator, X, y, **fit_options):
    """Return a fitted copy with few epochs."""
    return quick(estimator).fit(X, y, **fit_options)


def fit_bits(model):
    """Return all parameters of a fitted model in one array of bytes."""
    arrays = [params[name] for params in model.params_ for name in sorted(params)]
    return b"".join(array.tobytes() for array in arrays)


def outputs(model, X):
    """Return probabilities, or values."""
    return model.predict_proba(X) if isinstance(model, TabularClassifier) else model.predict(X)


# A frame, a target for each estimator, and a mark for tests that take both.
FRAME = mixed_frame(120)
NUMBERS = FRAME[["a", "count"]].to_numpy()
TARGETS = {TabularClassifier: classes_of(FRAME, 3), TabularRegressor: numbers_of(FRAME)}
both = pytest.mark.parametrize("kind", TARGETS)
