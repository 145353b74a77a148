"""What TabularClassifier and TabularRegressor have in common: the fit of an ensemble, and its outputs."""

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, _num_samples, check_is_fitted

from fastnn2.engine.encoded_rows import EncodedRows
from fastnn2.engine.schedule import cosine_rates
from fastnn2.engine.tabular_inference import TabularNetworks
from fastnn2.engine.tabular_shape import TabularShape
from fastnn2.engine.tabular_training import Recipe, train_members
from fastnn2.tabular.encoder import TableEncoder
from fastnn2.tabular.members import count_held, new_members
from fastnn2.tabular.table_columns import check_not_sparse

Array = np.ndarray[Any, Any]

BETA_1, EPSILON = 0.9, 1e-8  # of Adam
DROPOUT = 0.15  # "auto", of a classifier with bins
FEWEST_TO_HOLD_OUT = 50  # rows from which on "auto" holds some out


class Tabular(BaseEstimator):  # type: ignore[misc]
    """An ensemble of networks with one hidden layer, on raw tables."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 0, 255, closed="both")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "max_categories": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "keep_best": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "progress": ["boolean", None],
    }

    def __init__(
        self,
        *,
        n_estimators: int,
        hidden_size: int,
        n_bins: int,
        categorical_features: Any,
        max_categories: int,
        learning_rate_init: float,
        beta_2: float,
        max_iter: int,
        batch_size: Any,
        dropout: Any,
        keep_best: Any,
        validation_fraction: float,
        dtype: str,
        random_state: Any,
        n_threads: int | None,
        progress: bool | None,
    ) -> None:
        self.n_estimators = n_estimators
        self.hidden_size = hidden_size
        self.n_bins = n_bins
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.learning_rate_init = learning_rate_init
        self.beta_2 = beta_2
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.dropout = dropout
        self.keep_best = keep_best
        self.validation_fraction = validation_fraction
        self.dtype = dtype
        self.random_state = random_state
        self.n_threads = n_threads
        self.progress = progress

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: tables may have missing values and categories."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.sparse = False
        return tags

    def _target(self, y: Any) -> Array:
        """Return the target as one dimension."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        target: Array = column_or_1d(y, warn=True)
        return target

    def _used_rows(self, X: Any, y: Array, sample_weight: Any) -> tuple[Any, Array, Array | None]:
        """Return the rows, the targets and the weights of samples with a weight above 0; None if all weigh the same.

        Weights are divided by the largest one. Those that the dtype does not hold beside it are 0.
        """
        check_not_sparse(X)
        n = _num_samples(X)
        if n != len(y):
            raise ValueError(f"X has {n} rows, and y has {len(y)}; expected a target for each row")
        if sample_weight is None:
            return X, y, None
        weights = _check_sample_weight(sample_weight, np.empty((len(y), 0)), ensure_non_negative=True)
        weights = (weights / weights.max()).astype(self.dtype)
        kept = np.flatnonzero(weights >= np.finfo(self.dtype).tiny)
        if len(kept) < len(y):
            X, y, weights = _safe_indexing(X, kept), y[kept], weights[kept]
        return X, y, None if (weights == 1).all() else weights

    def _fit_rows(self, X: Any, Y: Array, weights: Array | None, loss: int, classes: Array | None) -> None:
        """Fit the ensemble to targets (n, o); `classes` are the numbers of the classes, None for a regression."""
        self._forget()
        n, dtype = len(Y), np.dtype(self.dtype)
        held_fraction = self._held_fraction(n, classes)
        encoder = TableEncoder(self.n_bins, self.max_categories, self.categorical_features, dtype=self.dtype)
        samples = encoder.fit_encode(X, owner=self)
        self.encoder_ = encoder
        shape = self._shape(self.hidden_size, Y.shape[1], dtype)
        members = new_members(
            self.n_estimators, check_random_state(self.random_state), shape, self.encoder_.zero_rows, n, classes,
            held_fraction)  # fmt: skip
        n_training = len(members[0].order)
        batch = self._batch(n, n_training)
        steps = self.max_iter * -(-n_training // batch)
        recipe = Recipe(
            loss, self.max_iter, batch, self._drop(classes is not None),
            cosine_rates(steps, self.learning_rate_init, BETA_1, self.beta_2), BETA_1, self.beta_2, EPSILON,
        )  # fmt: skip
        interrupted = train_members(
            shape, samples, np.ascontiguousarray(Y, dtype=dtype), weights, members, recipe, self.n_threads,
            self.progress)  # fmt: skip
        for number, member in enumerate(members):
            if not member.is_finite:
                self._forget()
                raise ValueError(
                    f"the training of network {number} has numbers that are not finite in epoch "
                    f"{len(member.losses) + 1}; learning_rate_init is {self.learning_rate_init}: lower it"
                )
        # Few threads train one network after the other: Ctrl-C leaves the later ones as they began.
        members = [member for member in members if len(member.losses)] or members
        self.params_ = [{name: view.copy() for name, view in shape.views(one.params).items()} for one in members]
        self.loss_curves_ = [one.losses.tolist() for one in members]
        self.validation_loss_curves_ = [one.held_losses.tolist() for one in members] if held_fraction else None
        self.n_iter_ = max(len(one.losses) for one in members)
        self._loss = loss
        if interrupted:
            warnings.warn("Training interrupted by user.", stacklevel=4)  # where fit is called, through its decorator

    def _forget(self) -> None:
        """Delete encoder and networks: a fit that fails leaves no model made of two fits."""
        for name in ("encoder_", "params_"):
            if hasattr(self, name):
                delattr(self, name)

    def _held_fraction(self, n: int, classes: Array | None) -> float:
        """Return the share of samples that each network holds out, 0 for none."""
        is_auto = isinstance(self.keep_best, str)
        if not (n >= FEWEST_TO_HOLD_OUT if is_auto else self.keep_best):
            return 0.0
        if count_held(n, classes, self.validation_fraction).any():
            return float(self.validation_fraction)
        if is_auto:
            return 0.0
        of_each = "" if classes is None else " of each class"
        raise ValueError(
            f"keep_best is True, and validation_fraction, {self.validation_fraction}, of {n} samples holds out "
            f"none{of_each}; pass more samples, a larger fraction, or keep_best=False"
        )

    def _batch(self, n: int, n_training: int) -> int:
        wanted = min(max(n // 32, 32), 200) if isinstance(self.batch_size, str) else int(self.batch_size)
        return min(wanted, n_training)

    def _drop(self, is_classifier: bool) -> int:
        """Return of 256 hidden units how many are dropped; never all of them."""
        if isinstance(self.dropout, str):
            has_bins = not np.isnan(self.encoder_.edges).all()
            share = DROPOUT if is_classifier and has_bins else 0.0
        else:
            share = self.dropout
        return min(round(256 * share), 255)

    def _outputs(self, X: Any) -> Array:
        """Return the outputs of each member (members, n, o)."""
        check_is_fitted(self, "params_")
        samples: EncodedRows = self.encoder_.encode(X, owner=self)
        return self._networks().outputs(samples, self.n_threads)

    @staticmethod
    def _mean(members: Array) -> Array:
        """Return the mean over the first axis, whose bits for a row do not depend on how many rows there are."""
        total = members[0].copy()
        for member in members[1:]:
            total += member
        mean: Array = total / len(members)
        return mean

    def _networks(self) -> TabularNetworks:
        """Return the networks as the kernel takes them."""
        first = self.params_[0]
        shape = self._shape(len(first["b1"]), len(first["b2"]), first["W1"].dtype)
        packed = []
        for params in self.params_:
            packed.append(np.zeros(shape.count, dtype=shape.dtype))
            for name, view in shape.views(packed[-1]).items():
                view[...] = params[name]
        return TabularNetworks(shape, packed, self._loss)

    def _shape(self, h: int, o: int, dtype: Any) -> TabularShape:
        """Return the shape of a network with h hidden units and o outputs for the rows of the encoder."""
        encoder = self.encoder_
        return TabularShape(encoder.d, encoder.p, encoder.q, encoder.bins, encoder.category_rows, h, o, dtype)
