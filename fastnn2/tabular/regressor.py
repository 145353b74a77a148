"""TabularRegressor: numbers from raw tables."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import check_array
from sklearn.utils._param_validation import StrOptions

from fastnn2.kernels.shared import choices
from fastnn2.tabular import scaling
from fastnn2.tabular.base import Tabular

Array = np.ndarray[Any, Any]


class TabularRegressor(RegressorMixin, Tabular):  # type: ignore[misc]
    """A number from a raw table, by the mean of a few networks with one hidden layer.

    The networks and their training are those of :class:`TabularClassifier`.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        "poisson" is for counts and other targets of 0 or more; predictions are then above 0.
    n_estimators : int, default=4
        Number of networks, whose values are averaged.
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
        The share of hidden units that are dropped in training, in steps of 1/256 and below 1; "auto" is 0.
    keep_best : bool or "auto", default="auto"
        Whether each network holds out rows of its own and keeps the parameters of its best epoch on them; otherwise
        those of the last epoch. "auto" does with 50 rows or more.
    validation_fraction : float, default=0.15
        The share of the rows that is held out, rounded; at least one row stays in training.
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
    params_, encoder_, loss_curves_, validation_loss_curves_, n_iter_, n_features_in_, feature_names_in_
        As of :class:`TabularClassifier`. Squared errors are those of the standardised target, divided by 2.
    target_mean_, target_scale_ : float
        What targets are standardised by; the scale is 0 if they are all the same. With the Poisson loss they are
        divided by the scale, their mean.

    Examples
    --------
    >>> from fastnn2 import TabularRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = TabularRegressor(random_state=0).fit(X[::2], y[::2])
    >>> mean, spread = model.predict(X[1::2], return_std=True)
    >>> mean.shape, spread.shape
    ((221,), (221,))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Tabular._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        loss: str = "squared_error",
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
        self.loss = loss

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "TabularRegressor":
        """Fit the networks.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)
            Numbers, which may be missing, and categories.
        y : array_like (n_samples,)
            Targets; 0 or more with the Poisson loss.
        sample_weight : array_like (n_samples,), optional
            0 or more; samples of weight 0 are left out.

        Returns
        -------
        self
        """
        y = self._target(y)
        with np.errstate(over="ignore", invalid="ignore"):  # of the sum that it looks at first
            y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        X, y, weights = self._used_rows(X, y, sample_weight)
        exponent = scaling.safe_exponent(float(abs(y).max()))
        y = scaling.divided(y, exponent)
        if self.loss == "poisson":
            if y.min() < 0 or y.max() == 0:
                found = np.ldexp(y.min(), exponent) if y.min() < 0 else "only zeros"
                raise ValueError(
                    f"loss is 'poisson', and y has {found}; expected numbers of 0 or more, not all of them 0"
                )
            mean, scale, loss = 0.0, float(np.average(y, weights=weights)), choices.POISSON
        else:
            mean, scale = _mean_and_deviation(y, weights)
            loss = choices.SQUARED_ERROR
        self.target_mean_, self.target_scale_ = float(np.ldexp(mean, exponent)), float(np.ldexp(scale, exponent))
        y = ((y - mean) / (scale or 1.0)).astype(self.dtype)
        self._fit_rows(X, y[:, np.newaxis], weights, loss, None)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the mean of the networks' values.

        Parameters
        ----------
        X : pandas or polars frame, or array_like (n_samples, n_features)
        return_std : bool
            Whether to return the standard deviation of the networks' values, too. It is their spread, which says how
            far they agree; it is no error bar of the prediction.

        Returns
        -------
        mean : ndarray (n_samples,)
            float64.
        std : ndarray (n_samples,)
            Only with `return_std`.
        """
        values = self._outputs(X)[:, :, 0].astype(np.float64)
        mean = self._mean(values)
        predicted = mean * self.target_scale_ + self.target_mean_
        if not return_std:
            return predicted
        return predicted, np.sqrt(self._mean((values - mean) ** 2)) * self.target_scale_


def _mean_and_deviation(y: Array, weights: Array | None) -> tuple[float, float]:
    """Return the weighted mean and standard deviation of targets (n,); the latter is exactly 0 if all are the same."""
    shifts = y - y[0]  # small where all targets are large
    shift = np.average(shifts, weights=weights)
    return float(y[0] + shift), float(np.sqrt(np.average((shifts - shift) ** 2, weights=weights)))


TabularRegressor.__module__ = "fastnn2.tabular"  # the public name, which pickles contain
