"""The samples of an estimator's fit: on the workers, or, where they are few, on the client."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.dask.collections import Collection
from fastnn2.dask.descent import ClusterDescent
from fastnn2.dask.evaluation import Evaluator
from fastnn2.dask.fit import sum_of_weights
from fastnn2.dask.held_data import HeldData
from fastnn2.dask.requests import Cluster
from fastnn2.dask.worker_tasks import place_in
from fastnn2.engine.mean_gradient import MeanGradient
from fastnn2.engine.objective import Objective
from fastnn2.engine.samples import Network
from fastnn2.estimators.outside_fit import Outside
from fastnn2.exceptions import Params
from fastnn2.functional import checks
from fastnn2.kernels.shared import choices, tuning

Array = np.ndarray[Any, Any]


class Samples:
    """The collections of a fit.

    Attributes
    ----------
    X, y, weights : Collection
        Whose lengths are known; no weights if there are none.
    targets : callable
        One of :mod:`targets`: what becomes of y.
    """

    def __init__(self, X: Collection, y: Collection, weights: Collection | None, targets: Any) -> None:
        self.X, self.y, self.weights, self.targets = X, y, weights, targets

    def gathered(self, cluster: Cluster) -> tuple[Array, Array, Array | None]:
        """Return X, the targets of outputs and the weights of all samples, as arrays on the client."""

        def gather(collection: Collection, checked: Any) -> Array:
            found = enumerate(cluster.compute(collection.partitions))
            return np.concatenate([checked(rows, place_in(index, 0)) for index, rows in found if len(rows)])

        weights = None if self.weights is None else gather(self.weights, _checked_weights)
        if weights is not None:
            checks.check_total_weight(float(weights.sum()))
        return gather(self.X, self._checked_X), gather(self.y, self.targets), weights

    def _checked_X(self, rows: Any, place: Any) -> Array:
        array = checks.as_real_array(rows, "X")
        checks.check_finite(array, "X", axes=place)
        cast: Array = array.astype(checks.choose_dtype(self.X, None), copy=False)
        return cast.reshape(len(cast), -1)


def _checked_weights(rows: Any, place: Any) -> Array:
    array = checks.as_real_array(rows, "sample_weight")
    return checks.cast_weights(array.reshape(len(array)), np.float64, place)


def are_shared_by_units(network: Network, n: int) -> bool:
    """Return whether the local class sums so few samples in parts of the hidden units, for which they are gathered."""
    return tuning.count_parts(n, network.d, network.h, network.o, np.dtype(np.float64)) > 1


class HeldSamples(Outside):
    """Samples on the workers, who hold them from the first use until :meth:`release`.

    Parameters
    ----------
    cluster : Cluster
    samples : Samples
    network : Network
    alpha : float
        L2 penalty.
    learning_rate, iterations, progress
        Of gradient descent.
    """

    def __init__(
        self,
        cluster: Cluster,
        samples: Samples,
        network: Network,
        alpha: float,
        learning_rate: float,
        iterations: int,
        progress: bool,
    ) -> None:
        self._cluster, self._samples, self._network, self._alpha = cluster, samples, network, alpha
        self._learning_rate, self._iterations, self._progress = learning_rate, iterations, progress
        self._data: HeldData | None = None
        self._loss: Callable[[Array], tuple[float, Array]] | None = None

    def loss_and_gradient(self, params: Array) -> tuple[float, Array]:
        """Return the mean loss and its gradient at packed parameters, in float64."""
        if self._loss is None:
            network, samples = self._network, self._samples
            objective = self._objective(np.dtype(np.float64), network.activation, network.loss)
            evaluate, mean = self._evaluator(objective), MeanGradient(objective, self._alpha)

            def loss(params: Array) -> tuple[float, Array]:
                sums = evaluate(params)
                if samples.weights is not None:
                    checks.check_total_weight(sums.sums_in_order()[0])
                return mean(params, sums)

            self._loss = loss
        return self._loss(params)

    def descend(self, params: Array, network: Network) -> tuple[Params, Array]:
        """Train with gradient descent from packed parameters."""
        is_of_fit = network.activation == choices.TANH and network.loss == choices.LOG_LOSS
        if is_of_fit and tuning.train_kernel(network.d, network.h, network.o) != "train_wide":
            objective = self._objective(params.dtype, None, None)
        else:
            objective = self._objective(params.dtype, network.activation, network.loss)
        weights = self._samples.weights
        total = float(objective.n) if weights is None else sum_of_weights(self._cluster, weights, params.dtype)
        job = ClusterDescent(objective, self._evaluator(objective), params, self._alpha, self._iterations)
        return job.run(self._learning_rate, total, self._progress)

    def _objective(self, dtype: Any, activation: int | None, loss: int | None) -> Objective:
        network, samples = self._network, self._samples
        return Objective(
            network.d, network.h, network.o, samples.X.n, dtype, samples.weights is not None, activation, loss
        )

    def _evaluator(self, objective: Objective) -> Evaluator:
        samples = self._samples
        self._data = HeldData(self._cluster, objective, samples.X, samples.y, samples.weights, samples.targets)
        return Evaluator(self._cluster, objective, self._data)

    def release(self) -> None:
        """Let the workers forget the samples."""
        if self._data is not None:
            self._data.release()
