"""A raw table as what a network reads: :class:`TableEncoder` learns how, and encodes."""

from typing import Any

import numpy as np
from sklearn.utils import Tags, TargetTags

from fastnn2.engine.encoded_rows import EncodedRows
from fastnn2.tabular import bins, categories, scaling
from fastnn2.tabular.categorical_features import categorical_mask, plain_choice
from fastnn2.tabular.table_columns import finite_float64, numbers_in, table_columns, texts_in, value_kinds

Array = np.ndarray[Any, Any]

COLUMNS_AT_A_TIME = 16  # that are converted before they are encoded, which may take 8 bytes a value
ROWS_AT_A_TIME = 8192  # so that the rows of the results stay in the cache for these columns


class TableEncoder:
    """What was learned of the columns of a table, and the rows of other tables encoded by it.

    - **Numbers**: each numeric feature that has two or more different values in training, less its median, divided by
      the distance of its quartiles, and clipped smoothly.
    - **Binned features**: each numeric feature that has more than two, with bins at its quantiles. Also one that has at
      most two and missing values in training: it has no bins, so its present values have the first row and the
      fraction 0. With ``n_bins=0``, these are all features with missing values.
    - **Categorical features**: the most frequent categories have a row each.

    Columns without a value, and those whose one value is never missing, are ignored.

    Parameters
    ----------
    n_bins : int
        At least 0.
    max_categories : int
        At least 1: the most categories of a feature with a row of their own.
    categorical_features : "from_dtype", None, or array_like of bool, int or str
        Which columns are categories; "from_dtype" takes categories, texts, booleans, and objects that are not numbers.
    dtype : {"float32", "float64"}
        Of the results; all is computed in float64.

    Attributes
    ----------
    d, p, q : int
        The numbers of numbers, of binned features and of categorical features.
    bins : int
        As `n_bins`.
    category_rows : int
        Of the table of categories of all features.
    names : list of str
        Of all columns of the table: x0, x1, ... where they have none.
    number_columns, binned_columns, category_columns : ndarray of int64 (d,), (p,), (q,)
        Their places among the columns of the table.
    exponents : ndarray of int64 (n_columns,)
        Numbers of a column are divided by this power of 2, 0 for most, before anything else.
    centres, spreads : ndarray of float64 (n_columns,)
        What numbers are shifted and divided by.
    edges : ndarray of float64 (p, n_bins + 1)
        Of the bins; NaN after the last edge.
    categories : list of list of str
        The known categories of each categorical feature, sorted.
    category_kinds : list of list of str
        The kinds of values of each categorical feature in training.
    """

    def __init__(self, n_bins: int, max_categories: int, categorical_features: Any, dtype: str = "float32") -> None:
        self.n_bins = int(n_bins)
        self.max_categories = int(max_categories)
        self.categorical_features = plain_choice(categorical_features)
        self.dtype = dtype

    @property
    def d(self) -> int:
        """Return the number of numbers."""
        return len(self.number_columns)

    @property
    def p(self) -> int:
        """Return the number of binned features."""
        return len(self.binned_columns)

    @property
    def q(self) -> int:
        """Return the number of categorical features."""
        return len(self.category_columns)

    @property
    def bins(self) -> int:
        """Return the most bins of a feature."""
        return self.n_bins

    @property
    def category_rows(self) -> int:
        """Return the number of rows of the table of categories."""
        return sum(map(categories.count_rows, self.categories))

    @property
    def zero_rows(self) -> Array:
        """Return which rows of categories begin at 0 (category_rows,): those of rare and of missing values."""
        masks = [np.arange(categories.count_rows(known)) >= len(known) for known in self.categories]
        return np.concatenate([np.zeros(0, dtype=bool), *masks])

    def fit_encode(self, table: Any, owner: Any = None) -> EncodedRows:
        """Learn how the columns of a table are encoded, and return its rows.

        Parameters
        ----------
        table : pandas or polars frame, or array_like (n_samples, n_features)
        owner : estimator, optional
            It gets ``n_features_in_`` and ``feature_names_in_``, by default the encoder does.
        """
        owner = self if owner is None else owner
        columns, self.names = table_columns(table, owner, reset=True)
        has_names = hasattr(owner, "feature_names_in_")
        is_category = categorical_mask(self.categorical_features, columns, self.names, has_names)
        self.category_columns = np.flatnonzero(is_category)
        self.categories: list[list[str]] = []
        self.category_kinds: list[list[str]] = []
        for place in self.category_columns.tolist():
            self._learn_category(columns[place], self.names[place])
        self.exponents = np.zeros(len(columns), dtype=np.int64)
        self.centres, self.spreads = np.full((2, len(columns)), np.nan)
        numbers: list[int] = []
        edges: dict[int, Array] = {}
        for place in np.flatnonzero(~is_category).tolist():
            self._learn_number(columns[place], place, numbers, edges)
        self.number_columns = np.array(numbers, dtype=np.int64)
        self.binned_columns = np.array(list(edges), dtype=np.int64)
        self.edges = np.full((len(edges), self.n_bins + 1), np.nan)
        for row, found in zip(self.edges, edges.values(), strict=True):
            row[: len(found)] = found
        return self._encode(columns)

    def encode(self, table: Any, owner: Any = None) -> EncodedRows:
        """Return the rows of another table with the same columns.

        Parameters
        ----------
        table : pandas or polars frame, or array_like (n_samples, n_features)
        owner : estimator, optional
            As in :meth:`fit_encode`.
        """
        columns, _ = table_columns(table, self if owner is None else owner, reset=False)
        return self._encode(columns)

    def _learn_category(self, column: Any, name: str) -> None:
        self.category_kinds.append(sorted(value_kinds(column, name)))
        self.categories.append(categories.frequent_categories(texts_in(column, name), self.max_categories))

    def _learn_number(self, column: Any, place: int, numbers: list[int], edges: dict[int, Array]) -> None:
        """Learn the range of a numeric feature, and add it to those of numbers and to those with edges."""
        raw = numbers_in(column, self.names[place])
        values = finite_float64(raw, self.names[place])
        missing = np.isnan(values)
        has_missing = bool(missing.any())
        if has_missing:
            values = values[~missing]
        del missing
        if not len(values):
            return
        low, high = float(values.min()), float(values.max())
        if low == high:
            if has_missing:
                edges[place] = np.empty(0)
            return
        exponent = scaling.safe_exponent(max(abs(low), abs(high)))
        values = scaling.divided(values, exponent)
        self.exponents[place] = exponent
        self.centres[place], self.spreads[place] = scaling.median_and_spread(values)
        numbers.append(place)
        least, greatest = scaling.divided(np.array([low, high]), exponent)
        if self.n_bins and bool(((values != least) & (values != greatest)).any()):
            edges[place] = bins.quantile_edges(values, self.n_bins)
        elif has_missing:
            edges[place] = np.empty(0)

    def _encode(self, columns: list[Any]) -> EncodedRows:
        n = len(columns[0])
        encoded = EncodedRows(
            np.empty((n, self.d), dtype=self.dtype),
            np.empty((n, self.p), dtype=np.uint32),
            np.empty((n, self.p), dtype=self.dtype),
            np.empty((n, self.q), dtype=np.uint32),
        )
        first_row = 0
        for k, place in enumerate(self.category_columns.tolist()):
            self._check_kinds(columns[place], k)
            texts = texts_in(columns[place], self.names[place])
            encoded.categories[:, k] = categories.rows_of(texts, self.categories[k]) + np.uint32(first_row)
            first_row += categories.count_rows(self.categories[k])
        used = np.union1d(self.number_columns, self.binned_columns).tolist()
        for first in range(0, len(used), COLUMNS_AT_A_TIME):
            self._encode_numbers(columns, used[first : first + COLUMNS_AT_A_TIME], encoded)
        return encoded

    def _check_kinds(self, column: Any, k: int) -> None:
        """Raise ValueError if a categorical feature has no value of a kind that it had in training, but others."""
        name, expected = self.names[self.category_columns[k]], set(self.category_kinds[k])
        found = value_kinds(column, name)
        if found and expected and not found & expected and any(text is not None for text in texts_in(column, name)):
            raise ValueError(
                f"column {name!r} has {' and '.join(sorted(found))} ({column.dtype}); expected "
                f"{' or '.join(sorted(expected))}, as in the fit: convert the column"
            )

    def _encode_numbers(self, columns: list[Any], places: list[int], encoded: EncodedRows) -> None:
        """Encode some columns of numbers, in place."""
        raw = {place: numbers_in(columns[place], self.names[place]) for place in places}
        number_of = {place: k for k, place in enumerate(self.number_columns.tolist())}
        binned_of = {place: k for k, place in enumerate(self.binned_columns.tolist())}
        for first_row in range(0, encoded.n, ROWS_AT_A_TIME):
            block = slice(first_row, first_row + ROWS_AT_A_TIME)
            for place in places:
                values = finite_float64(raw[place][block], self.names[place], first_row)
                missing = np.isnan(values)
                values = scaling.divided(values, int(self.exponents[place]))
                if place in number_of:
                    encoded.numbers[block, number_of[place]] = np.where(missing, 0, self._scaled(values, place))
                if place in binned_of:
                    k = binned_of[place]
                    rows, fractions = self._binned(values, k)
                    encoded.rows[block, k] = np.where(missing, self.n_bins, rows) + k * (self.n_bins + 1)
                    encoded.fractions[block, k] = np.where(missing, 1, fractions)

    def _scaled(self, values: Array, place: int) -> Array:
        """Return the numbers of a column, comparable to those of other columns."""
        with np.errstate(over="ignore"):
            z = (values - self.centres[place]) / self.spreads[place]
        return scaling.smoothly_clipped(z)

    def _binned(self, values: Array, k: int) -> tuple[Array, Array]:
        """Return the bins of values and the fractions of the way through them."""
        edges = self.edges[k, : self.n_bins + 1]  # a file that has more does not lead outside of the table of bins
        edges = edges[~np.isnan(edges)]
        if not len(edges):
            return np.zeros(len(values), dtype=np.int64), np.zeros(len(values))
        return bins.look_up(values, edges)

    def __sklearn_tags__(self) -> Tags:
        """Return the tags that scikit-learn's checks of names ask for."""
        return Tags(estimator_type=None, target_tags=TargetTags(required=False))
