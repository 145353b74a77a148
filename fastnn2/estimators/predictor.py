"""Predictions of a model in hot loops: checks of the model and packing of parameters come once, not in each call."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from fastnn2.engine.inference import PreparedNetwork
from fastnn2.engine.samples import Network, SampleMatrix, check_ready
from fastnn2.estimators.networks import ACTIVATIONS, LOSSES, dtype_of_run, prepared_network

Array = np.ndarray[Any, Any]

_ACTIVATION_NAMES = {number: name for name, number in ACTIVATIONS.items()}
_OUTPUT_NAMES = {number: name for name, number in LOSSES.items()}


class Predictor:
    """What a model's :meth:`predictor` returns: call it with samples for what the model predicts.

    Attributes
    ----------
    dtype : dtype
        Of the samples and of the results.
    n_features_in_ : int
        Number of features of a sample.
    """

    def __init__(self, model: Any) -> None:
        check_is_fitted(model)
        dtype = dtype_of_run(model.coefs_[0].dtype, model.coefs_[0].dtype)
        self._set(prepared_network(model, dtype), is_classifier(model), model.n_threads)

    def _set(self, network: PreparedNetwork, is_classifier: bool, n_threads: int | None) -> None:
        self._network, self._is_classifier, self._n_threads = network, is_classifier, n_threads
        self.dtype, self.n_features_in_ = network.dtype, network.network.d

    def __call__(self, X: Array) -> Array:
        """Return the results for X (n, d), or for one sample (d,), C-contiguous and of the predictor's dtype."""
        check_ready(X, self.dtype)
        is_sample = X.ndim == 1
        if X.ndim > 2 or X.shape[-1:] != (self.n_features_in_,):
            raise self._shape_error(X.shape)
        rows = X[np.newaxis] if is_sample else X
        results, _ = self._network.outputs(SampleMatrix(rows, self.dtype), self._n_threads)
        if self._network.network.o == 1:
            results = _both_classes(results) if self._is_classifier else results.ravel()
        return results[0] if is_sample else results

    def _shape_error(self, shape: tuple[int, ...]) -> ValueError:
        d = self.n_features_in_
        message = (
            f"X has shape {shape}; expected (samples, {d}), or ({d},) for one sample, as the model has {d} features"
        )
        if len(shape) == 2 and shape[0] == d:
            message += ". X looks like one column per sample: pass np.ascontiguousarray(X.T)"
        return ValueError(message)

    def __getstate__(self) -> dict[str, Any]:
        network = self._network.network
        return {
            "shape": (network.d, network.h, network.o), "activation": _ACTIVATION_NAMES[network.activation],
            "out_activation": _OUTPUT_NAMES[network.loss], "params": self._network.params,
            "is_classifier": self._is_classifier, "n_threads": self._n_threads,
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        d, h, o = state["shape"]
        network = Network(d, h, o, ACTIVATIONS[state["activation"]], LOSSES[state["out_activation"]])
        params = state["params"]
        self._set(PreparedNetwork(network, params, params.dtype), state["is_classifier"], state["n_threads"])

    def __repr__(self) -> str:
        network, kind = self._network.network, "classifier" if self._is_classifier else "regressor"
        return f"<predictor of a {kind}: {network.d} features, {network.h} units, {self.dtype.name}>"


def _both_classes(second: Array) -> Array:
    """Return the probabilities (n, 2) of two classes from those of the second one (n, 1), as scikit-learn does."""
    both = np.empty((len(second), 2), dtype=second.dtype)
    both[:, 1:] = second
    np.subtract(1, second, out=both[:, :1])
    return both


class WithPredictor:
    """The method of both classes that returns a predictor."""

    def predictor(self) -> Predictor:
        """Return a function for hot loops: what ``predict_proba``, or a regressor's ``predict``, returns, bit by bit.

        It leaves out what a prediction does at each call: scikit-learn's checks of the model, of feature names and of
        NaN and infinity, and conversions. It is a snapshot of the model: later fits and changes do not count. Several
        threads may call it at once, it may be called after a fork, and it can be pickled.

        Returns
        -------
        callable
            It takes a C-contiguous array in the dtype of the model's ``coefs_``: X of shape (n, d), or one sample of
            shape (d,), for which it returns the result for that sample: probabilities of shape (classes,), or a
            regressor's number, or its numbers of shape (outputs,). Another shape or dtype, an empty X, or one that is
            not C-contiguous raises TypeError or ValueError. Where X has NaN or infinity, so may the results for that
            sample.

        Raises
        ------
        NotFittedError
            The model is not fitted.

        Examples
        --------
        >>> import numpy as np
        >>> from fastnn2 import MLPClassifier
        >>> model = MLPClassifier(5, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
        >>> probabilities = model.predictor()
        >>> probabilities(np.array([0.9])).round()
        array([0., 1.])
        >>> probabilities(np.array([[0.1], [0.9]])).round()
        array([[1., 0.],
               [0., 1.]])
        """
        return Predictor(self)


Predictor.__module__ = "fastnn2.estimators"  # the public name, which pickles contain
