"""Columns of dates as numbers: :class:`DateColumns`."""

import datetime
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from fastnn2.estimators.frame_columns import checked_columns, is_missing, names_of, not_expected, values_of

Array = np.ndarray[Any, Any]

# Days of each period; the day counts only in columns that have times.
PERIODS = {"year": 365.2425, "week": 7.0, "day": 1.0}

# How many of a unit of NumPy's datetime64 are a day.
_PER_DAY = {"D": 1, "h": 24, "m": 1440, "s": 86_400, "ms": 86_400_000, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}


class DateColumns(TransformerMixin, BaseEstimator):
    """Columns of dates, with or without a time, as numbers, the same from pandas, polars and NumPy.

    Each column becomes its days since 1970-01-01 in UTC, t, with the time of the day as a fraction, and for the periods
    P of the year (365.2425 days), the week (7) and the day (1) ``sin(2 pi f)`` and ``cos(2 pi f)``, where
    ``f = t / P - floor(t / P)``.

    A date that is missing has NaN days, and 0 for sines and cosines. So a :class:`~sklearn.impute.SimpleImputer` with
    ``add_indicator=True`` says once for a column where dates are missing. The day has a sine and a cosine only in
    columns in which the fit saw another time than midnight.

    Dates are ``Date`` and ``Datetime`` of polars, ``datetime64`` of pandas and NumPy in any unit, and
    ``datetime.date``, ``datetime.datetime`` and texts in ISO 8601 in columns of objects or texts. Times with a zone are
    converted to UTC; those without one are taken as UTC. None, NaN, NaT, NA and ``""`` are missing.

    Parameters
    ----------
    dtype : {"float64", "float32"}, default="float64"
        Of the result, which is computed in float64.

    Attributes
    ----------
    has_time_ : ndarray of bool of shape (columns,)
        Whether the fit saw another time than midnight in a column.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (columns,)
        Only if X had names of columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastnn2.estimators import DateColumns
    >>> frame = pd.DataFrame({"sold": pd.to_datetime(["1970-01-08", None])})
    >>> dates = DateColumns().fit(frame)
    >>> dates.get_feature_names_out().tolist()
    ['sold_days', 'sold_year_sin', 'sold_year_cos', 'sold_week_sin', 'sold_week_cos']
    >>> dates.transform(frame)[:, [0, 3, 4]]
    array([[ 7.,  0.,  1.],
           [nan,  0.,  0.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"dtype": [StrOptions({"float64", "float32"})]}

    def __init__(self, dtype: str = "float64") -> None:
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "DateColumns":
        """Learn the names and the number of the columns, and which of them have times.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        DateColumns
            Itself.
        """
        self._fitted_days(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """Do what fit and transform do, and read the dates once.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        ndarray (n_samples, n_features_out)
            As from transform.
        """
        return self._as_numbers(self._fitted_days(X))

    def transform(self, X: Any) -> Array:
        """Return the columns as numbers.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)

        Returns
        -------
        ndarray (n_samples, n_features_out)
            For each column its days, and sine and cosine for each of its periods.
        """
        check_is_fitted(self)
        return self._as_numbers(self._days(X, reset=False))

    def _fitted_days(self, X: Any) -> list[Array]:
        """Learn what fit learns, and return the days of each column (n_samples,)."""
        days = self._days(X, reset=True)
        self.has_time_ = np.array([bool((t[~np.isnan(t)] % 1 != 0).any()) for t in days])
        return days

    def _as_numbers(self, days: list[Array]) -> Array:
        """Return the days of each column with their sines and cosines (n_samples, n_features_out)."""
        result = np.empty((len(days[0]), self._n_features_out), dtype=self.dtype)
        place = 0
        for t, has_time in zip(days, self.has_time_, strict=True):
            result[:, place] = t
            place += 1
            missing = np.isnan(t)
            for name in periods_of(has_time):
                turns = t / PERIODS[name]
                angle = 2 * np.pi * (turns - np.floor(turns))
                result[:, place] = np.where(missing, 0, np.sin(angle))
                result[:, place + 1] = np.where(missing, 0, np.cos(angle))
                place += 2
        return result

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the numbers.

        Parameters
        ----------
        input_features : array_like of str of shape (columns,), optional
            The names of the columns, by default those of the fit, or x0, x1, ...

        Returns
        -------
        ndarray of str (n_features_out,)
            Such as sold_days, sold_year_sin and sold_year_cos for the column sold.
        """
        check_is_fitted(self)
        names = []
        for name, has_time in zip(_check_feature_names_in(self, input_features), self.has_time_, strict=True):
            names.append(f"{name}_days")
            names += [f"{name}_{period}_{function}" for period in periods_of(has_time) for function in ("sin", "cos")]
        return np.array(names, dtype=object)

    @property
    def _n_features_out(self) -> int:
        return sum(1 + 2 * len(periods_of(has_time)) for has_time in self.has_time_)

    def _days(self, X: Any, reset: bool) -> list[Array]:
        """Return the days of each column of X (n_samples,)."""
        columns = checked_columns(self, X, reset=reset)
        return [_days_since_1970(_instants(column, name)) for column, name in zip(columns, names_of(self), strict=True)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


DateColumns.__module__ = "fastnn2.estimators"  # where pickles and model files find it


def periods_of(has_time: bool) -> list[str]:
    """Return the names of the periods of a column."""
    return [name for name in PERIODS if has_time or name != "day"]


def _days_since_1970(instants: Array) -> Array:
    """Return dates and times of the type datetime64 as days (n,), NaN where they are NaT.

    The day and the part of a day are taken apart before any rounding, so that the same instant in another unit is the
    same number.
    """
    unit, count = np.datetime_data(instants.dtype)
    if unit not in _PER_DAY or count != 1:
        unit = "D" if unit in ("Y", "M", "W") else "ns"
        instants = instants.astype(f"datetime64[{unit}]")
    missing = np.isnat(instants)
    counts = np.where(missing, 0, instants.astype(np.int64))
    rest = np.fmod(counts, _PER_DAY[unit])
    return np.where(missing, np.nan, (counts - rest) // _PER_DAY[unit] + rest / _PER_DAY[unit])


def _instants(column: Any, name: str) -> Array:
    """Return a column as an array of the type datetime64, in UTC."""
    values = values_of(column)
    if values.dtype.kind == "M":
        return values
    if values.dtype.kind == "f" and np.isnan(values).all():  # as pandas reads a column in which all are missing
        return np.full(len(values), "NaT", dtype="datetime64[D]")
    dates = [_date(value, row, name) for row, value in enumerate(values.tolist())]
    # NumPy reads texts three times as fast as objects of datetime.
    return np.array(["NaT" if date is None else date.isoformat() for date in dates]).astype("datetime64[us]")


def _date(value: Any, row: int, name: str) -> datetime.date | None:
    """Return a value as a date, a datetime without a zone, or None."""
    date = value
    try:
        if isinstance(value, str):
            if not value:
                return None
            date = datetime.datetime.fromisoformat(value)
        elif is_missing(value):
            return None
        elif isinstance(value, np.datetime64):
            date = value.astype("datetime64[us]").item()
        if isinstance(date, datetime.datetime) and date.tzinfo is not None:
            return date.astimezone(datetime.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):  # the year in UTC may be 0 or 10000
        date = None
    if not isinstance(date, datetime.date):
        expected = "dates, or texts in ISO 8601 such as 2024-02-29 or 2024-02-29T18:30"
        raise not_expected(name, row, value, "a date", expected)
    return date
