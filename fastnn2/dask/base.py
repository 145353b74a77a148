"""What the estimators for a cluster have in common: their client, the way of a fit, and predictions."""

import copy
import warnings
from typing import Any, ClassVar

import distributed
import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn2.dask import predictions
from fastnn2.dask.collections import Collection, check_forms, check_same_rows
from fastnn2.dask.errors import ClusterError
from fastnn2.dask.fit import check_has_no_mini_batches
from fastnn2.dask.outside import HeldSamples, Samples
from fastnn2.dask.requests import Cluster
from fastnn2.estimators.outside_fit import (
    Form,
    check_one_hidden_layer,
    fitted_attributes,
    network_of_fit,
    run_outside_fit,
)
from fastnn2.functional import checks

Array = np.ndarray[Any, Any]

SOLVERS = ("lbfgs", "gradient_descent")


class DaskMLP(BaseEstimator):
    """The base class of both estimators."""

    _local_class: ClassVar[Any]
    solver: str
    timeout: float
    warm_start: bool
    alpha: float
    learning_rate_init: float
    max_iter: int
    verbose: Any

    # The client
    @property
    def client(self) -> Any:
        """The client of the cluster: the one that was set, or else Dask's current one.

        It is no parameter; pickles and clones have none.
        """
        client = self.__dict__.get("_client")
        if client is not None:
            return client
        try:
            return distributed.get_client()
        except ValueError as error:
            raise ClusterError(
                "there is no client; make one first, dask.distributed.Client(...), or set that of the estimator: "
                "model.client = client"
            ) from error

    @client.setter
    def client(self, client: Any) -> None:
        if client is not None and not isinstance(client, distributed.Client):
            raise TypeError(f"client is {type(client).__name__}; expected a dask.distributed.Client or None")
        self._client = client

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_client"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # The local class
    def to_local(self) -> Any:
        """Return a model of one machine with the same parameters and, bit for bit, the same predictions.

        Its solver is "lbfgs", or "sgd" in place of "gradient_descent"; `timeout` is left out.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Fitted, with copies of all attributes.

        Raises
        ------
        NotFittedError
            The model is not fitted.
        """
        check_is_fitted(self, "coefs_")
        local = self._new_local()
        vars(local).update(copy.deepcopy(fitted_attributes(self)))
        return local

    def _new_local(self) -> Any:
        parameters = {name: value for name, value in self.get_params(deep=False).items() if name != "timeout"}
        return self._local_class(**{**parameters, "solver": "lbfgs" if self.solver == "lbfgs" else "sgd"})

    # Fit
    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Fit; what needs no sample is checked before the cluster has work."""
        check_has_no_mini_batches(self.solver)
        self._validate_params()
        local = self._new_local()
        check_one_hidden_layer(local)
        cluster, rows, targets, weights = self._collections(X, y, sample_weight)
        check_forms(rows, targets, weights, of_any_kind=self._labels_of(targets))
        is_warm = self.warm_start and hasattr(self, "coefs_")
        example = predictions.meta_of(rows.collection)
        if is_warm:
            validate_data(self, X=example, skip_check_array=True, reset=False)
        validate_data(local, X=example, skip_check_array=True, reset=True)
        about_features = fitted_attributes(local)
        if targets.is_matrix and targets.columns == 1:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
                "(n_samples,), for example using ravel().",
                DataConversionWarning,
                stacklevel=3,
            )
        for collection in (rows, targets, weights):
            if collection is not None:
                collection.find_lengths(cluster)
        check_same_rows(rows, targets, weights)

        dtype = checks.choose_dtype(rows, None)
        run_dtype = np.float64 if self.solver == "lbfgs" else dtype
        binarizer, encoding, outputs, weights = self._targets(cluster, targets, weights, run_dtype, is_warm)
        samples = Samples(rows, targets, weights, encoding)
        network = network_of_fit(self, binarizer, rows.columns, outputs)
        about = self, local.get_params(deep=False), binarizer, about_features
        held = HeldSamples(cluster, samples, network, self)  # from their first use on
        if self.solver == "lbfgs" and not held.mean_loss.is_by_samples:
            run_outside_fit(*about, *samples.gathered(cluster))
            return
        try:
            forms = Form((rows.n, rows.columns), dtype), Form((rows.n, outputs), dtype)
            run_outside_fit(*about, *forms, outside=held)
        finally:
            held.release()

    def _collections(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Cluster, Collection, Collection, Collection | None]:
        """Return the cluster, X, y and the weights, or raise an error if one of them is no such thing."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; expected a dask array, "
                "Series or DataFrame"
            )
        cluster = Cluster(self.client, checks.as_positive_float(self.timeout, "timeout"))
        rows = Collection(predictions.as_rows(X) if predictions.is_lazy(X) else X, "X")
        targets = Collection(y, "y")
        weights = None if sample_weight is None else Collection(sample_weight, "sample_weight")
        return cluster, rows, targets, weights

    def _labels_of(self, targets: Collection) -> tuple[Collection, ...]:
        """Return the targets if they are labels of any kind, one a sample, and else nothing."""
        return (targets,) if is_classifier(self) and targets.columns == 1 else ()

    def _targets(
        self, cluster: Cluster, y: Collection, weights: Collection | None, dtype: Any, is_warm: bool
    ) -> tuple[Any, Any, int, Collection | None]:
        """Return the label binarizer, what becomes of y (see :mod:`targets`), the outputs, and the weights."""
        raise NotImplementedError

    # Predictions
    def _predict(self, X: Any, method: str) -> Any:
        """Return what a method of the local class predicts: as a dask array for a dask collection, else at once."""
        local = self.to_local()
        if not predictions.is_lazy(X):
            return getattr(local, method)(X)
        X = predictions.as_rows(X)
        return predictions.lazy(self._for_partitions(local, X), method, X)

    def _for_partitions(self, local: Any, X: Any) -> Any:
        """Return the local model for single partitions of X, whose features are checked here, once."""
        validate_data(self, X=predictions.meta_of(X), skip_check_array=True, reset=False)
        vars(local).pop("feature_names_in_", None)
        # A worker computes as many partitions at once as Dask gave it threads.
        return local.set_params(n_threads=1)

    def predict(self, X: Any) -> Any:
        """Predict.

        Parameters
        ----------
        X : dask Array or DataFrame (n_samples, n_features)
            Samples as rows. Nothing is computed, and no sample moves, before the result is. Arrays and dataframes of
            one machine are answered at once, on it.

        Returns
        -------
        dask Array (n_samples,) or (n_samples, n_outputs)
            With a chunk for each partition of X. A NumPy array for arrays of one machine.

        Raises
        ------
        NotFittedError
            The model is not fitted.
        ValueError
            X has other features than those of the fit.
        """
        return self._predict(X, "predict")

    def _score(self, X: Any, y: Any, sample_weight: Any, function: Any) -> float:
        """Return what a function of :mod:`scores` returns, or for X of one machine the score of the local class."""
        local = self.to_local()
        if not predictions.is_lazy(X):
            score: float = local.score(X, y, sample_weight)
            return score
        cluster, rows, targets, weights = self._collections(X, y, sample_weight)
        check_forms(rows, targets, weights, of_any_kind=(rows, *self._labels_of(targets)))  # predict checks X
        model = self._for_partitions(local, rows.collection)
        expected = 1 if local.out_activation_ == "softmax" else local.n_outputs_
        if targets.columns != expected:
            raise ValueError(f"y has {targets.columns} columns; expected {expected}, as in the fit")
        return float(function(cluster, model, rows, targets, weights))
