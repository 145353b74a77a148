"""The classes of all partitions of y, and the weights of samples times those of their classes."""

from typing import Any

import numpy as np
from dask import delayed

from fastnn2.dask.collections import Collection
from fastnn2.dask.requests import Cluster
from fastnn2.dask.targets import OneLabel, as_labels
from fastnn2.dask.worker_tasks import joined_weights, place_in

Array = np.ndarray[Any, Any]


def find_classes(cluster: Cluster, y: Collection) -> tuple[Array, Array]:
    """Return the classes of all partitions, in their order, and how many samples each has; y has one label a sample."""
    tasks = [delayed(count_labels, pure=False)(index, rows) for index, rows in enumerate(y.partitions)]
    found = [(labels, counts) for labels, counts in cluster.compute(tasks) if len(labels)]
    try:
        classes, places = np.unique(np.concatenate([labels for labels, _ in found]), return_inverse=True)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for labels, _ in found for label in labels.tolist()})
        raise TypeError(
            f"y has labels that cannot be sorted, of {' and '.join(kinds)}; expected labels of one kind, for example "
            "strings"
        ) from error
    # Weights are integers here, far below 2^53, so that their sums in float64 are exact.
    return classes, np.bincount(places, np.concatenate([counts for _, counts in found])).astype(np.int64)


def count_labels(partition: int, rows: Any) -> tuple[Array, Array]:
    """Return the labels of a partition, in their order, and how many samples each has; runs on a worker."""
    labels = as_labels(rows, place_in(partition, 0))
    try:
        found: tuple[Array, Array] = np.unique(labels, return_counts=True)
    except TypeError as error:
        raise TypeError(
            f"y has labels in partition {partition} that cannot be sorted ({error}); expected labels of one kind, for "
            "example strings"
        ) from error
    return found


def with_class_weights(y: Collection, weights: Collection | None, classes: Array, by_class: Array) -> Collection:
    """Return the weights of samples times those of their classes, in the partitions of y."""
    pieces, start = [], 0
    for index, (rows, length) in enumerate(zip(y.partitions, y.lengths, strict=True)):
        parts = None if weights is None else weights.parts(start, start + length)
        pieces.append(delayed(weigh, pure=False)(index, rows, parts, classes, by_class))
        start += length
    return Collection.of_parts(pieces, y.lengths, np.float64, "sample_weight")


def weigh(partition: int, rows: Any, weights: Any, classes: Array, by_class: Array) -> Array:
    """Return the weights of a partition's samples times those of their classes; runs on a worker."""
    by_sample: Array = by_class[OneLabel(classes).numbers(rows, place_in(partition, 0))]
    return by_sample * joined_weights(weights, np.float64) if weights else by_sample
