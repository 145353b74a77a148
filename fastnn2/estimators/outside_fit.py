"""Fits of both classes whose sums over samples come from elsewhere, such as a cluster.

All that surrounds these sums is the classes' own: the initial parameters, L-BFGS, what is warned of, and what is kept.
"""

import abc
import contextlib
from typing import Any, NamedTuple

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from fastnn2.engine.layout import unpack_params
from fastnn2.engine.samples import Network
from fastnn2.estimators.blas import one_blas_thread
from fastnn2.estimators.hook_signatures import warn_of_changed_signatures
from fastnn2.estimators.mlp import MLPClassifier, MLPRegressor
from fastnn2.estimators.networks import ACTIVATIONS, LOSSES
from fastnn2.estimators.optimizer_state import flatten, packed_order
from fastnn2.estimators.sklearn_hooks import TRANSIENT, OneHiddenLayer
from fastnn2.exceptions import Params, TrainingDiverged, TrainingInterrupted

Array = np.ndarray[Any, Any]


class Form(NamedTuple):
    """What a fit reads of X or y, where their numbers are elsewhere."""

    shape: tuple[int, int]
    dtype: Any
    ndim: int = 2


class Outside(abc.ABC):
    """Who has the samples of a fit."""

    @abc.abstractmethod
    def loss_and_gradient(self, params: Array) -> tuple[float, Array]:
        """Return the mean loss and its gradient at packed parameters, in float64."""

    @abc.abstractmethod
    def descend(self, params: Array, network: Network) -> tuple[Params, Array]:
        """Train with gradient descent from packed parameters; return parameters and costs, or raise them in an error.

        An error has them in `params` and `cost_`, or in `training`, or else nothing is trained.
        """


class _Trained(OneHiddenLayer):
    """The methods of both classes that an outside fit replaces."""

    _outside: Outside | None = None  # None where X and y are there
    _has_trained = False  # whether attributes of this fit are worth keeping
    _evaluations = 0
    _order: Array | None = None
    _lowest: tuple[float, Array] | None = None

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> Any:
        return X, y

    def _with_class_weight(self, y: Any, sample_weight: Any) -> Any:
        return sample_weight  # which have the weights of classes in them

    def _fit_lbfgs(self, X: Any, y: Any, sample_weight: Any, *lists: Any) -> None:
        before = list(self.coefs_), list(self.intercepts_)
        try:
            if self._outside is None:
                super()._fit_lbfgs(X, y, sample_weight, *lists)
            else:
                with one_blas_thread():
                    super(OneHiddenLayer, self)._fit_lbfgs(X, y, sample_weight, *lists)
            self._has_trained = True
        except BaseException as error:
            self.coefs_, self.intercepts_ = before
            if self._lowest is not None:
                self._keep_lowest(error)
            raise

    def _keep_lowest(self, error: BaseException) -> None:
        """Keep the parameters with the lowest loss so far, in the model and in an error."""
        assert self._lowest is not None
        loss, packed = self._lowest
        self._unpack(packed)
        self.n_iter_, self.loss_ = self._evaluations, loss
        self._has_trained = True
        params, losses = _named(self.coefs_, self.intercepts_), np.array([loss])
        if isinstance(error, KeyboardInterrupt):
            raise TrainingInterrupted(
                f"stopped after {self._evaluations} evaluations of L-BFGS; the model has the parameters with the "
                f"lowest loss of them, {loss:.6g}, and a fit with warm_start=True continues from them",
                params,
                losses,
            ) from error
        with contextlib.suppress(Exception):  # an error that takes no attribute
            error.training = params, losses  # type: ignore[attr-defined]

    def _loss_grad_lbfgs(
        self, packed_coef_inter: Array, X: Any, y: Any, sample_weight: Any, *lists: Any
    ) -> tuple[float, Array]:
        if self._outside is None:
            loss, gradient = super()._loss_grad_lbfgs(packed_coef_inter, X, y, sample_weight, *lists)
        else:
            if self._order is None:
                self._order = packed_order(self.coefs_, self.intercepts_)
            order = self._order
            params = np.empty(len(order))
            params[order] = packed_coef_inter
            loss, gradient = self._outside.loss_and_gradient(params)
            gradient = gradient[order]
        self._evaluations += 1
        if np.isfinite(loss) and (self._lowest is None or loss < self._lowest[0]):
            self._lowest = loss, packed_coef_inter.copy()
        return loss, gradient

    def _fit_stochastic(
        self, X: Any, y: Any, sample_weight: Any, activations: Any, deltas: Any, coef_grads: Any,
        intercept_grads: Any, layer_units: Any, incremental: bool,
    ) -> None:  # fmt: skip
        """Fit with gradient descent."""
        assert self._outside is not None
        try:
            params, costs = self._outside.descend(
                flatten(self.coefs_, self.intercepts_).astype(X.dtype), self._network()
            )
        except BaseException as error:
            if isinstance(error, TrainingInterrupted | TrainingDiverged):
                params, costs = error.params, error.cost_
            else:
                params, costs = getattr(error, "training", ({}, np.zeros(0)))
            if len(costs):
                self._keep(params, costs, X.shape[0])
            if isinstance(error, TrainingInterrupted):
                kept = (
                    "the model has what is trained so far, and a fit with warm_start=True continues from it"
                    if len(costs)
                    else "nothing is trained, and the model is as it was before"
                )
                raise TrainingInterrupted(
                    f"stopped after {len(costs)} of {self.max_iter} iterations; {kept}",
                    error.params,
                    error.cost_,
                ) from error
            raise
        self._keep(params, costs, X.shape[0])

    def _keep(self, params: Params, costs: Array, n: int) -> None:
        """Set the attributes after gradient descent."""
        self.coefs_ = [np.ascontiguousarray(params[name].T) for name in ("W1", "W2")]
        self.intercepts_ = [params[name].ravel() for name in ("b1", "b2")]
        curve = costs.tolist()
        self.loss_curve_ = [*getattr(self, "loss_curve_", []), *curve]
        self.loss_, self.n_iter_ = curve[-1], len(curve)
        self.best_loss_ = min(getattr(self, "best_loss_", np.inf), *curve)
        self.t_ += n * len(curve)
        self._no_improvement_count = 0
        self.validation_loss_curve_ = None
        self._has_trained = True


class _Classifier(_Trained, MLPClassifier):
    """A classifier in an outside fit."""


class _Regressor(_Trained, MLPRegressor):
    """A regressor in an outside fit."""


_OWN = {"_outside", "_has_trained", "_evaluations", "_order", "_lowest", *TRANSIENT}


def network_of_fit(model: Any, binarizer: LabelBinarizer | None, d: int, outputs: int) -> Network:
    """Return the network of a fit that has not begun.

    Parameters
    ----------
    model : estimator
        Only its parameters are read.
    binarizer : LabelBinarizer, optional
        Of a classifier, fitted.
    d, outputs : int
        Features, and outputs of the network.
    """
    if binarizer is None:
        out_activation = "exp" if model.loss == "poisson" else "identity"
    else:
        out_activation = "softmax" if binarizer.y_type_ == "multiclass" else "logistic"
    (h,) = np.atleast_1d(model.hidden_layer_sizes)
    return Network(d, int(h), outputs, ACTIVATIONS[model.activation], LOSSES[out_activation])


def run_outside_fit(
    target: Any,
    parameters: dict[str, Any],
    binarizer: LabelBinarizer | None,
    attributes: dict[str, Any],
    X: Any,
    y: Any,
    sample_weight: Any = None,
    outside: Outside | None = None,
) -> None:
    """Fit, and give the attributes to `target`, also after an error, if by then something is trained.

    Parameters
    ----------
    target : estimator
        With warm_start, the fit goes on from its attributes.
    parameters : dict
        Of the local class; solver "sgd" stands for gradient descent.
    binarizer : LabelBinarizer, optional
        Of a classifier, fitted.
    attributes : dict
        What the fit is to have besides, such as the names of the features.
    X, y : array or Form
        y as the outputs learn it; where they are elsewhere, their form.
    sample_weight : array (n,), optional
        With the weights of classes in them, where X is an array.
    outside : Outside, optional
        Who has the samples, where X is a form.
    """
    warn_of_changed_signatures()
    model: Any = _Regressor(**parameters) if binarizer is None else _Classifier(**parameters)
    of_every_model = set(vars(model))
    vars(model).update({**fitted_attributes(target), **attributes})
    if hasattr(model, "coefs_"):  # the fit changes its lists, also where it fails
        model.coefs_, model.intercepts_ = list(model.coefs_), list(model.intercepts_)
    if binarizer is not None:
        model._label_binarizer, model.classes_ = binarizer, binarizer.classes_
    model._outside = outside
    try:
        model._fit(X, y, sample_weight=sample_weight, incremental=False)
    finally:
        if model._has_trained:
            left_out = _OWN | of_every_model
            vars(target).update(
                {name: value for name, value in fitted_attributes(model).items() if name not in left_out}
            )


def binarizer_of(classes: Any) -> LabelBinarizer:
    """Return the binarizer of a fit: of all its classes, or, for an integer, of that many labels that are yes or no."""
    if isinstance(classes, int):
        classes = np.repeat([[0], [1]], classes, axis=1)
    return LabelBinarizer().fit(classes)


def check_one_hidden_layer(model: Any) -> None:
    """Raise ValueError if the parameters of a model of the local class are for another number of hidden layers."""
    model._check_one_hidden_layer()


def fitted_attributes(model: Any) -> dict[str, Any]:
    """Return all that is no parameter of a model, without what belongs to a process."""
    names = {*model.get_params(deep=False), "_client", "_metadata_request"}
    return {name: value for name, value in vars(model).items() if name not in names}


def _named(coefs: list[Array], intercepts: list[Array]) -> Params:
    """Return the parameters in the functions' names and shapes."""
    (d, h), o = coefs[0].shape, coefs[1].shape[1]
    return unpack_params(flatten(coefs, intercepts), d, h, o)
