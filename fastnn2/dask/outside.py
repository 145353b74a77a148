"""The samples of an estimator's fit: on the workers, or, where they are few, on the client."""

from typing import Any

import numpy as np

from fastnn2.dask.collections import Collection
from fastnn2.dask.descent import ClusterDescent
from fastnn2.dask.evaluation import Evaluator
from fastnn2.dask.fit import sum_of_weights
from fastnn2.dask.held_data import HeldData
from fastnn2.dask.requests import Cluster
from fastnn2.dask.worker_tasks import Conversion, as_features, as_weights, joined
from fastnn2.engine.mean_gradient import MeanGradient
from fastnn2.engine.objective import Objective
from fastnn2.engine.samples import Network
from fastnn2.estimators.outside_fit import Outside
from fastnn2.exceptions import Params
from fastnn2.functional import checks
from fastnn2.kernels.shared import choices

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
        weights = None
        if self.weights is not None:
            weights = _gather(cluster, self.weights, lambda rows, place: as_weights(rows, np.float64, place))
            checks.check_total_weight(float(weights.sum()))
        dtype = checks.choose_dtype(self.X, None)
        X = _gather(cluster, self.X, lambda rows, place: as_features(rows, dtype, place).reshape(len(rows), -1))
        return X, _gather(cluster, self.y, self.targets), weights


def _gather(cluster: Cluster, collection: Collection, convert: Conversion) -> Array:
    """Return the numbers of all rows of a collection, as an array on the client."""
    found = enumerate(cluster.compute(collection.partitions))
    return joined([(index, 0, rows) for index, rows in found if len(rows)], convert)


class HeldSamples(Outside):
    """Samples on the workers, who hold them from the first use until :meth:`release`.

    Parameters
    ----------
    cluster : Cluster
    samples : Samples
    network : Network
    model : estimator
        Only its parameters are read: `alpha`, and those of gradient descent.

    Attributes
    ----------
    mean_loss : Objective
        What L-BFGS minimizes, in float64.
    """

    def __init__(self, cluster: Cluster, samples: Samples, network: Network, model: Any) -> None:
        self._cluster, self._samples, self._network, self._model = cluster, samples, network, model
        self.mean_loss = self._objective(np.dtype(np.float64), network.activation, network.loss)
        self._sums: tuple[Evaluator, MeanGradient] | None = None
        self._data: HeldData | None = None

    def loss_and_gradient(self, params: Array) -> tuple[float, Array]:
        """Return the mean loss and its gradient at packed parameters, in float64."""
        if self._sums is None:
            self._sums = self._evaluator(self.mean_loss), MeanGradient(self.mean_loss, self._model.alpha)
        evaluate, mean_gradient = self._sums
        sums = evaluate(params)
        if self._samples.weights is not None:
            checks.check_total_weight(sums.sums_in_order()[0])
        return mean_gradient(params, sums)

    def descend(self, params: Array, network: Network) -> tuple[Params, Array]:
        """Train with gradient descent from packed parameters."""
        objective = self._objective(params.dtype, None, None)
        if (network.activation, network.loss) != (choices.TANH, choices.LOG_LOSS) or not objective.is_by_samples:
            objective = self._objective(params.dtype, network.activation, network.loss)
        weights, model = self._samples.weights, self._model
        total = float(objective.n) if weights is None else sum_of_weights(self._cluster, weights, params.dtype)
        job = ClusterDescent(objective, self._evaluator(objective), params, model.alpha, model.max_iter)
        return job.run(model.learning_rate_init, total, bool(model.verbose))

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
