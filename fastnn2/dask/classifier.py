"""The classifier for a cluster."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions

from fastnn2.dask import scores
from fastnn2.dask.base import SOLVERS, DaskMLP
from fastnn2.dask.collections import Collection
from fastnn2.dask.labels import find_classes, with_class_weights
from fastnn2.dask.requests import Cluster
from fastnn2.dask.targets import Indicator, OneLabel
from fastnn2.estimators.labels import weights_of_classes
from fastnn2.estimators.mlp import MLPClassifier
from fastnn2.estimators.outside_fit import binarizer_of


class DaskMLPClassifier(ClassifierMixin, DaskMLP):
    """:class:`fastnn2.MLPClassifier` for dask collections, trained where their partitions are.

    With ``solver="lbfgs"`` the fitted model is, bit for bit, that of the local class with the same parameters, for any
    number of workers and any partitions.

    Parameters
    ----------
    hidden_layer_sizes : int or (int,)
        Number of hidden units, in one hidden layer.
    activation : {"relu", "tanh", "logistic", "identity"}
        Of the hidden layer.
    solver : {"lbfgs", "gradient_descent"}
        "lbfgs" is SciPy's, on the client; the workers compute loss and gradient, in float64. "gradient_descent" takes
        `max_iter` steps of `learning_rate_init` times the gradient of all samples, and does not stop early; where
        `activation` is "tanh" and y has two classes or several labels a sample, parameters and costs have the bits of
        :func:`fastnn2.fit` from the same initial parameters, in its dtype: float32 if X is, else float64. Very wide
        hidden layers, which :func:`fastnn2.dask.fit` refuses, have other bits.
    alpha, learning_rate_init, max_iter, random_state, tol, verbose, warm_start, max_fun
        As in the local class. "gradient_descent" does not use `tol` and `max_fun`; with `verbose` it shows a progress
        bar.
    class_weight : dict, "balanced" or None
        As in the local class; "balanced" counts the classes of all partitions.
    timeout : float
        The longest time, in seconds, that the client waits while nothing happens on the cluster.

    Attributes
    ----------
    client : distributed.Client
        The client of the cluster; one may be set. It is no parameter, and pickles and clones have none.
    classes_, coefs_, intercepts_, loss_, n_features_in_, feature_names_in_, n_iter_, n_layers_, n_outputs_,\
 out_activation_
        As in the local class.
    loss_curve_ : list of float
        The costs of "gradient_descent".

    Notes
    -----
    A fit that is stopped, by Ctrl-C (:class:`fastnn2.TrainingInterrupted`) or by an error of the cluster
    (:class:`fastnn2.dask.ClusterError`), leaves the model with what was trained: the parameters with the lowest loss of
    all evaluations of "lbfgs", whose number `n_iter_` then is, or those of the last step of "gradient_descent".

    Examples
    --------
    >>> import dask.array
    >>> from dask.distributed import Client, LocalCluster
    >>> from fastnn2.dask import DaskMLPClassifier
    >>> cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0")
    >>> client = Client(cluster)
    >>> X = dask.array.random.default_rng(0).normal(size=(4000, 3), chunks=(1000, 3)).persist()
    >>> y = X.sum(axis=1) > 0
    >>> model = DaskMLPClassifier(10, max_iter=50, random_state=0, tol=0.01).fit(X, y)
    >>> model.predict(X)
    dask.array<predict, shape=(4000,), dtype=bool, chunksize=(1000,), chunktype=numpy.ndarray>
    >>> model.score(X, y) > 0.95
    True
    >>> model.to_local().predict([[1.0, 1.0, 1.0]])
    array([ True])
    >>> client.close()
    >>> cluster.close()
    """

    _local_class = MLPClassifier
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{
            name: MLPClassifier._parameter_constraints[name]
            for name in (
                "hidden_layer_sizes", "activation", "alpha", "learning_rate_init", "max_iter", "random_state", "tol",
                "verbose", "warm_start", "max_fun", "class_weight",
            )
        },
        "solver": [StrOptions(set(SOLVERS))],
        "timeout": [Interval(Real, 0, None, closed="neither")],
    }  # fmt: skip

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "lbfgs",
        alpha: float = 0.0001,
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        max_fun: int = 15000,
        class_weight: Any = None,
        timeout: float = 300.0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.timeout = timeout

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DaskMLPClassifier":
        """Fit the model.

        Parameters
        ----------
        X : dask Array or DataFrame (n_samples, n_features)
        y : dask Array, Series or DataFrame (n_samples,) or (n_samples, n_outputs)
            Labels of any kind: integers, strings, booleans, categories; or several labels a sample, each 0 or 1. Some
            classes may be missing in some partitions, and partitions may differ from those of X.
        sample_weight : dask Array or Series (n_samples,), optional
            0 or more.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            A parameter or a collection is not valid; a wrong number is named with its partition and row.
        ClusterError
            The cluster cannot do its work: workers are lost for good, the samples do not fit, nothing happens.
        TrainingInterrupted
            Ctrl-C; the model has what was trained.
        """
        self._fit(X, y, sample_weight)
        return self

    def _targets(
        self, cluster: Cluster, y: Collection, weights: Collection | None, dtype: Any, is_warm: bool
    ) -> tuple[Any, Any, int, Collection | None]:
        if y.columns > 1:
            if self.class_weight is not None:
                raise ValueError(
                    "class_weight needs one class for each sample, and y is multilabel; pass sample_weight instead"
                )
            binarizer = binarizer_of(y.columns)
            self._check_classes(binarizer.classes_, is_warm)
            return binarizer, Indicator(), y.columns, weights
        classes, counts = find_classes(cluster, y)
        binarizer = binarizer_of(classes)
        self._check_classes(classes, is_warm)
        if self.class_weight is not None:
            by_class = weights_of_classes(self.class_weight, classes.tolist(), lambda: counts)
            if not by_class.any():
                raise ValueError("class_weight is 0 for the classes of all samples; expected at least one above 0")
            weights = with_class_weights(y, weights, classes, by_class)
        return binarizer, OneLabel(classes), 1 if len(classes) <= 2 else len(classes), weights

    def _check_classes(self, classes: Any, is_warm: bool) -> None:
        """Raise ValueError if a fit with warm_start has other classes than the one before."""
        if is_warm and not np.array_equal(classes, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )

    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : dask Array or DataFrame (n_samples, n_features)
            As for :meth:`predict`.

        Returns
        -------
        dask Array (n_samples, n_classes)
            As for :meth:`predict`, in the order of `classes_`.
        """
        return self._predict(X, "predict_proba")

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : dask Array or DataFrame (n_samples, n_features)
            As for :meth:`predict`.

        Returns
        -------
        dask Array (n_samples, n_classes)
            As for :meth:`predict`, in the order of `classes_`.
        """
        return self._predict(X, "predict_log_proba")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; only sums over partitions move.

        Parameters
        ----------
        X : dask Array or DataFrame (n_samples, n_features)
        y : dask Array, Series or DataFrame (n_samples,) or (n_samples, n_outputs)
        sample_weight : dask Array or Series (n_samples,), optional

        Returns
        -------
        float
        """
        return self._score(X, y, sample_weight, scores.accuracy)
