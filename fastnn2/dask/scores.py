"""Scores of predictions, from sums over partitions; only these sums travel."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from dask import delayed
from sklearn.exceptions import UndefinedMetricWarning

from fastnn2.dask.collections import Collection, check_same_rows
from fastnn2.dask.predictions import as_plain
from fastnn2.dask.requests import Cluster
from fastnn2.dask.targets import Indicator, Numbers, as_labels
from fastnn2.dask.worker_tasks import joined, joined_weights
from fastnn2.functional import checks

Array = np.ndarray[Any, Any]


class Moments(NamedTuple):
    """Of the outputs of some samples: their number, sum of weights, mean, squared distances to it, squared errors."""

    samples: int
    weight: float
    mean: Array
    spread: Array
    errors: Array


def accuracy(cluster: Cluster, model: Any, X: Collection, y: Collection, weights: Collection | None) -> float:
    """Return the weighted share of samples whose labels are all predicted."""
    right, total = np.sum(_by_partition(cluster, count_right, model, X, y, weights), axis=0)
    checks.check_total_weight(float(total))
    return float(right / total)


def r2(cluster: Cluster, model: Any, X: Collection, y: Collection, weights: Collection | None) -> float:
    """Return the weighted coefficient of determination, the mean over all outputs."""
    total: Moments | None = None
    for part in _by_partition(cluster, moments_of, model, X, y, weights):
        total = part if total is None else _joined(total, part)
    assert total is not None  # there is a sample
    checks.check_total_weight(total.weight)
    if total.samples < 2:
        warnings.warn("R^2 score is not well-defined with less than two samples.", UndefinedMetricWarning, stacklevel=3)
        return float("nan")
    spread, errors = total.spread, total.errors
    # As scikit-learn has it for outputs that do not vary.
    by_output = np.where(errors == 0, 1.0, np.where(spread == 0, 0.0, 1 - errors / np.where(spread == 0, 1, spread)))
    return float(by_output.mean())


def _joined(a: Moments, b: Moments) -> Moments:
    weight = a.weight + b.weight
    if weight == 0:
        return a._replace(samples=a.samples + b.samples)
    shift = b.mean - a.mean
    return Moments(
        a.samples + b.samples,
        weight,
        a.mean + shift * (b.weight / weight),
        a.spread + b.spread + shift**2 * (a.weight * b.weight / weight),
        a.errors + b.errors,
    )


def _by_partition(
    cluster: Cluster, function: Any, model: Any, X: Collection, y: Collection, weights: Collection | None
) -> list[Any]:
    """Return what a function returns for each partition of X that has rows."""
    for collection in (X, y, weights):
        if collection is not None:
            collection.find_lengths(cluster)
    check_same_rows(X, y, weights)
    shared, tasks, start = delayed(model, pure=False), [], 0
    for rows, length in zip(X.partitions, X.lengths, strict=True):
        own = [None if source is None else source.parts(start, start + length) for source in (y, weights)]
        if length:
            tasks.append(delayed(function, pure=False)(shared, rows, *own))
        start += length
    return cluster.compute(tasks)


def count_right(model: Any, rows: Any, y: Any, weights: Any) -> tuple[float, float]:
    """Return the weights of the samples whose labels are predicted, and of all; runs on a worker."""
    predicted = model.predict(as_plain(rows))
    if predicted.ndim == 2:
        labels = joined(y, Indicator())
        is_right = (predicted == labels).all(axis=1)
    else:
        is_right = predicted == joined(y, as_labels)
    by_sample = _weights(weights, len(predicted))
    return float(by_sample[is_right].sum()), float(by_sample.sum())


def moments_of(model: Any, rows: Any, y: Any, weights: Any) -> Moments:
    """Return the moments of a partition's targets and errors; runs on a worker."""
    predicted = model.predict(as_plain(rows))
    targets = joined(y, Numbers(np.float64)).astype(np.float64, copy=False)
    by_sample = _weights(weights, len(predicted))[:, np.newaxis]
    weight = float(by_sample.sum())
    # From the first sample on, so that the mean and the spread of outputs that do not vary are exact.
    mean = targets[0] + (by_sample * (targets - targets[0])).sum(axis=0) / (weight or 1.0)
    spread = (by_sample * (targets - mean) ** 2).sum(axis=0)
    errors = (by_sample * (targets - predicted.reshape(targets.shape)) ** 2).sum(axis=0)
    return Moments(len(targets), weight, mean, spread, errors)


def _weights(parts: Any, count: int) -> Array:
    return np.ones(count) if parts is None else joined_weights(parts, np.float64)
