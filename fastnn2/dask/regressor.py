"""The regressor for a cluster."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions

from fastnn2.dask import scores
from fastnn2.dask.base import SOLVERS, DaskMLP
from fastnn2.dask.collections import Collection
from fastnn2.dask.requests import Cluster
from fastnn2.dask.targets import Numbers
from fastnn2.estimators.mlp import MLPRegressor


class DaskMLPRegressor(RegressorMixin, DaskMLP):
    """:class:`fastnn2.MLPRegressor` for dask collections, trained where their partitions are.

    With ``solver="lbfgs"`` the fitted model is, bit for bit, that of the local class with the same parameters, for any
    number of workers and any partitions.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
    hidden_layer_sizes : int or (int,)
        Number of hidden units, in one hidden layer.
    activation : {"relu", "tanh", "logistic", "identity"}
        Of the hidden layer.
    solver : {"lbfgs", "gradient_descent"}
        "lbfgs" is SciPy's, on the client; the workers compute loss and gradient, in float64. "gradient_descent" takes
        `max_iter` steps of `learning_rate_init` times the gradient of all samples, in float32 if X is, else float64,
        and does not stop early.
    alpha, learning_rate_init, max_iter, random_state, tol, verbose, warm_start, max_fun
        As in the local class. "gradient_descent" does not use `tol` and `max_fun`; with `verbose` it shows a progress
        bar.
    timeout : float
        The longest time, in seconds, that the client waits while nothing happens on the cluster.

    Attributes
    ----------
    client : distributed.Client
        The client of the cluster; one may be set. It is no parameter, and pickles and clones have none.
    coefs_, intercepts_, loss_, n_features_in_, feature_names_in_, n_iter_, n_layers_, n_outputs_, out_activation_
        As in the local class.
    loss_curve_ : list of float
        The costs of "gradient_descent".

    Notes
    -----
    A fit that is stopped leaves the model with what was trained, as that of :class:`DaskMLPClassifier`.

    Examples
    --------
    >>> import dask.array
    >>> from dask.distributed import Client, LocalCluster
    >>> from fastnn2.dask import DaskMLPRegressor
    >>> cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0")
    >>> client = Client(cluster)
    >>> X = dask.array.random.default_rng(0).normal(size=(4000, 3), chunks=(1000, 3)).persist()
    >>> y = X[:, 0] * X[:, 1]
    >>> model = DaskMLPRegressor(hidden_layer_sizes=20, activation="tanh", random_state=0, tol=0.01).fit(X, y)
    >>> model.predict(X)
    dask.array<predict, shape=(4000,), dtype=float64, chunksize=(1000,), chunktype=numpy.ndarray>
    >>> model.score(X, y) > 0.9
    True
    >>> client.close()
    >>> cluster.close()
    """

    _local_class = MLPRegressor
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{
            name: MLPRegressor._parameter_constraints[name]
            for name in (
                "loss", "hidden_layer_sizes", "activation", "alpha", "learning_rate_init", "max_iter", "random_state",
                "tol", "verbose", "warm_start", "max_fun",
            )
        },
        "solver": [StrOptions(set(SOLVERS))],
        "timeout": [Interval(Real, 0, None, closed="neither")],
    }  # fmt: skip

    def __init__(
        self,
        loss: str = "squared_error",
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
        timeout: float = 300.0,
    ) -> None:
        self.loss = loss
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
        self.timeout = timeout

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DaskMLPRegressor":
        """Fit the model.

        Parameters
        ----------
        X : dask Array or DataFrame (n_samples, n_features)
        y : dask Array, Series or DataFrame (n_samples,) or (n_samples, n_outputs)
            Numbers. Its partitions may differ from those of X.
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
        return None, Numbers(np.dtype(dtype)), y.columns, weights

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the coefficient of determination R2, the mean over all outputs; only sums over partitions move.

        Parameters
        ----------
        X : dask Array or DataFrame (n_samples, n_features)
        y : dask Array, Series or DataFrame (n_samples,) or (n_samples, n_outputs)
        sample_weight : dask Array or Series (n_samples,), optional

        Returns
        -------
        float
        """
        return self._score(X, y, sample_weight, scores.r2)
