"""Columns of texts, categories and booleans as texts: :class:`TextColumns`."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fastnn2.estimators.frame_columns import checked_columns, is_missing, is_polars, values_of

Array = np.ndarray[Any, Any]

_BOOLEANS = np.array(["false", "true", ""], dtype=object)  # the last one is missing
_WORDS = ("false", "true")


class TextColumns(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Columns of texts, categories and booleans as texts, the same from pandas, polars and NumPy.

    In front of a :class:`~sklearn.preprocessing.OneHotEncoder`, a model that is fitted to a frame of one library
    predicts for a frame of the other. Fitting learns nothing but the names and the number of the columns.

    ================================  ================================
    value                             text
    ================================  ================================
    missing: None, NaN, NaT, NA       ``""``
    boolean                           ``"true"`` or ``"false"``
    integer, or float that is one     ``"3"``
    any other                         as by ``str``
    ================================  ================================

    Parameters
    ----------
    missing_texts : tuple of str, default=()
        Texts that mean a missing value, too, such as ``("NA", "?")``, with or without blanks around them.
        With ``""`` among them, blanks alone mean one.
    booleans : bool, default=False
        Whether all columns are of booleans, so that texts such as ``"TRUE"`` and ``" False"``, as files have them, are
        ``"true"`` and ``"false"``.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (columns,)
        Only if X had names of columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastnn2.estimators import TextColumns
    >>> frame = pd.DataFrame({"city": ["Oslo", None], "sold": [True, False]})
    >>> TextColumns().fit_transform(frame)
    array([['Oslo', 'true'],
           ['', 'false']], dtype=object)
    """

    def __init__(self, missing_texts: tuple[str, ...] = (), booleans: bool = False) -> None:
        self.missing_texts = missing_texts
        self.booleans = booleans

    def fit(self, X: Any, y: Any = None) -> "TextColumns":
        """Learn the names and the number of the columns.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        TextColumns
            Itself.
        """
        checked_columns(self, X, reset=True)
        return self

    def transform(self, X: Any) -> Array:
        """Return the columns as texts.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)

        Returns
        -------
        ndarray of str (n_samples, n_features)
            Its dtype is object.
        """
        check_is_fitted(self)
        columns = checked_columns(self, X, reset=False)
        result = np.empty((len(columns[0]), len(columns)), dtype=object)
        for place, column in enumerate(columns):
            result[:, place] = self._as_meant(texts_of(column))
        return result

    def _as_meant(self, texts: Array) -> Array:
        """Return texts with "" in place of those that mean a missing value, and booleans in their own words."""
        if not self.missing_texts and not self.booleans:
            return texts
        meant = {text: self._meant(text) for text in set(texts.tolist())}
        return np.array([meant[text] for text in texts.tolist()], dtype=object)

    def _meant(self, text: str) -> str:
        stripped = text.strip()
        if stripped in self.missing_texts:
            return ""
        return stripped.lower() if self.booleans and stripped.lower() in _WORDS else text

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


TextColumns.__module__ = "fastnn2.estimators"  # where pickles and model files find it


def texts_of(column: Any) -> Array:
    """Return a column as an array of texts (n_samples,)."""
    if is_polars(column):
        column = column.alias("texts")  # polars takes names such as "^a$" for patterns, also of a Series
    if is_polars(column) and type(column.dtype).__name__ in ("String", "Categorical", "Enum"):
        texts = column.cast(str)
        return np.asarray(texts.fill_null("").to_numpy(), dtype=object)
    if type(column.dtype).__name__ == "CategoricalDtype":
        texts = [*map(_text, column.cat.categories.tolist()), ""]  # the code of a missing value is -1
        return np.asarray(np.array(texts, dtype=object)[column.cat.codes.to_numpy()])
    if str(column.dtype) == "Boolean":
        return np.asarray(_BOOLEANS[column.cast(int).fill_null(2).to_numpy()])
    if str(column.dtype) == "boolean":
        return np.asarray(_BOOLEANS[column.to_numpy(dtype=np.int8, na_value=2)])
    values = values_of(column)
    if values.dtype.kind == "b":
        return np.asarray(_BOOLEANS[values.astype(np.int8)])
    if values.dtype.kind in "iuf":
        different, places = np.unique(values, return_inverse=True)
        return np.array([_text(value) for value in different], dtype=object)[places]
    if values.dtype.kind == "M":
        is_date = np.datetime_data(values.dtype)[0] == "D"
        values = (values if is_date else values.astype("datetime64[us]")).astype(object)
    if values.dtype.kind == "U":
        return values.astype(object)
    texts = [value if type(value) is str else _text(value) for value in values.tolist()]
    return np.array(texts, dtype=object)


def _text(value: Any) -> str:
    """Return a value as a text."""
    if is_missing(value):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)) and value.is_integer():
        return str(int(value))
    return str(value)
