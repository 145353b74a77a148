"""TabularClassifier: classes from raw tables."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelEncoder
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from fastnn2.estimators.frame_columns import is_missing
from fastnn2.estimators.labels import weights_of_classes
from fastnn2.kernels.shared import choices
from fastnn2.tabular.base import Tabular

Array = np.ndarray[Any, Any]


class TabularClassifier(ClassifierMixin, Tabular):  # type: ignore[misc]
    """Classes from a raw table, by the mean of a few networks with one hidden layer.

    A network sees each number itself, and a piecewise-linear function of it, which it learns; each category has
    parameters of its own. Training is Adam with a warm-up and half a cosine, with dropout, and each network keeps the
    parameters of its best epoch on rows that it holds out.

    Parameters
    ----------
    n_estimators : int, default=4
        Number of networks, whose probabilities are averaged.
    hidden_size : int, default=128
        Hidden units of a network, with relu.
    n_bins : int, default=16
        Bins of a numeric feature with more than two values, at its training quantiles; 0 for none, 255 at most.
    categorical_features : "from_dtype", None, or array_like of bool, int or str, default="from_dtype"
        Which columns are categories: a mask, places or names. "from_dtype" takes categories, texts, objects and
        booleans.
    max_categories : int, default=30
        The most categories of a column with parameters of their own; rare and new ones share one more.
    learning_rate_init : float, default=0.01
        The learning rate after the first 3 % of the steps, from where it falls to 0 along half a cosine.
    beta_2 : float, default=0.95
        Decay of the second moments of Adam.
    max_iter : int, default=60
        Epochs.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch; "auto" is a 32nd of the rows, within 32 and 200.
    dropout : float or "auto", default="auto"
        The share of hidden units that are dropped in training, in steps of 1/256 and below 1; "auto" is 0.15 with bins.
    keep_best : bool or "auto", default="auto"
        Whether each network holds out rows of its own and keeps the parameters of its best epoch on them; otherwise
        those of the last epoch. "auto" does with 50 rows or more.
    validation_fraction : float, default=0.15
        The share of each class that is held out, rounded; at least one row of each stays in training.
    class_weight : dict, "balanced" or None, default=None
        The weight of each sample is multiplied by that of its class.
    dtype : {"float32", "float64"}, default="float32"
        Of the networks.
    random_state : int, RandomState or None, default=None
        Source of the seeds of the networks.
    n_threads : int or None, default=None
        Largest number of threads; None takes the available cores. The model does not depend on it.
    progress : bool or None, default=None
        Whether to show a bar; None shows one on a terminal if the fit takes over a second.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
    params_ : list of dict
        The parameters of each network: W1 (d, h), V (p, n_bins + 1, h), C (category rows, h), b1 (h,), W2 (o, h) and
        b2 (o,), for d numbers, p binned features and o outputs. After Ctrl-C, networks without an epoch are left out.
    encoder_ : object
        How the columns are encoded.
    loss_curves_, validation_loss_curves_ : list of list of float
        The mean log loss of each network after each epoch, in training and on the rows held out; the latter is None
        where none are.
    n_iter_ : int
        Epochs.
    n_features_in_, feature_names_in_
        As of all estimators of scikit-learn.

    Examples
    --------
    >>> from fastnn2 import TabularClassifier
    >>> from sklearn.datasets import load_breast_cancer
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = TabularClassifier(random_state=0).fit(X[::2], y[::2])
    >>> bool(model.score(X[1::2], y[1::2]) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Tabular._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        *,
        n_estimators: int = 4,
        hidden_size: int = 128,
        n_bins: int = 16,
        categorical_features: Any = "from_dtype",
        max_categories: int = 30,
        learning_rate_init: float = 0.01,
        beta_2: float = 0.95,
        max_iter: int = 60,
        batch_size: Any = "auto",
        dropout: Any = "auto",
        keep_best: Any = "auto",
        validation_fraction: float = 0.15,
        class_weight: Any = None,
        dtype: str = "float32",
        random_state: Any = None,
        n_threads: int | None = None,
        progress: bool | None = None,
    ) -> None:
        super().__init__(
            n_estimators=n_estimators, hidden_size=hidden_size, n_bins=n_bins,
            categorical_features=categorical_features, max_categories=max_categories,
            learning_rate_init=learning_rate_init, beta_2=beta_2, max_iter=max_iter, batch_size=batch_size,
            dropout=dropout, keep_best=keep_best, validation_fraction=validation_fraction, dtype=dtype,
            random_state=random_state, n_threads=n_threads, progress=progress,
        )  # fmt: skip
        self.class_weight = class_weight

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "TabularClassifier":
        """Fit the networks.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)
            Numbers, which may be missing, and categories.
        y : array_like (n_samples,)
            Classes.
        sample_weight : array_like (n_samples,), optional
            0 or more; samples of weight 0 are left out.

        Returns
        -------
        self
        """
        y = self._target(y)
        if not len(y):
            raise ValueError("y has no samples; expected a class for each row of X")
        _check_labels(y)
        with np.errstate(invalid="ignore"):  # of NaN, which is looked for later
            check_classification_targets(y)
        encoder = LabelEncoder().fit(y)
        numbers = encoder.transform(y)
        labels = encoder.classes_.tolist()
        if len(labels) < 2:
            raise ValueError(f"y has one class, {labels[0]!r}; expected two or more classes")
        if self.class_weight is not None:
            weights = _check_sample_weight(sample_weight, numbers[:, np.newaxis], dtype=np.float64)
            used = numbers[weights > 0]  # "balanced" counts these
            by_class = weights_of_classes(self.class_weight, labels, lambda: np.bincount(used, minlength=len(labels)))
            sample_weight = weights * by_class[numbers]
        X, numbers, weights = self._used_rows(X, numbers, sample_weight)
        self.classes_ = encoder.classes_
        if len(labels) == 2:
            self._fit_rows(X, numbers[:, np.newaxis], weights, choices.LOG_LOSS, numbers)
        else:
            one_hot = numbers[:, np.newaxis] == np.arange(len(labels))
            self._fit_rows(X, one_hot, weights, choices.CROSS_ENTROPY, numbers)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class: the mean over the networks.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)

        Returns
        -------
        ndarray (n_samples, n_classes)
        """
        mean = self._mean(self._outputs(X))
        return mean if mean.shape[1] > 1 else np.hstack([1 - mean, mean])

    def predict(self, X: Any) -> Array:
        """Return the class of the highest probability.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)

        Returns
        -------
        ndarray (n_samples,)
        """
        places = self.predict_proba(X).argmax(axis=1)
        predicted: Array = self.classes_[places]
        return predicted


def _check_labels(y: Array) -> None:
    """Raise ValueError if a label among objects, which scikit-learn does not name, is missing."""
    for row, label in enumerate(y.tolist() if y.dtype.kind == "O" else []):
        if is_missing(label):
            raise ValueError(
                f"y has {label!r} in row {row} (the first row is 0); expected a class for each row of X: leave out "
                "rows without one, or give them a class of their own"
            )


TabularClassifier.__module__ = "fastnn2.tabular"  # the public name, which pickles contain
