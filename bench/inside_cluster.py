"""What the bench imports from fastnn2.dask's private modules, which need the extra `dask`; see :mod:`bench.inside`."""

import contextlib

from fastnn2.dask import evaluation, worker_tasks
from fastnn2.dask.collections import Collection
from fastnn2.dask.held_data import HeldData
from fastnn2.dask.requests import Cluster
from fastnn2.dask.targets import UnitInterval
from fastnn2.engine.chunk_sums import ChunkSums, of_chunks

__all__ = ["ChunkSums", "Cluster", "evaluation", "held", "of_chunks", "worker_tasks"]

TIMEOUT = 120.0  # seconds


@contextlib.contextmanager
def held(client, objective, X, Y):
    """Lay samples out on the workers; return what sums over them, for given parameters, and how many workers do."""
    cluster = Cluster(client, TIMEOUT)
    rows, targets = Collection(X, "X"), Collection(Y, "Y")
    for collection in (rows, targets):
        collection.find_lengths(cluster)
    data = HeldData(cluster, objective, rows, targets, None, UnitInterval())
    try:
        yield evaluation.Evaluator(cluster, objective, data), len(data.groups)
    finally:
        data.release()
