"""Sums over the samples of all workers, for given parameters: one task a worker, over the blocks that it holds.

A task stays with its worker: on another one it would need the blocks there, too. Where a worker is gone, the evaluation
is repeated, a few times, once the others hold its blocks.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import dask
import numpy as np

from fastnn2.dask import worker_tasks
from fastnn2.dask.held_data import HeldData
from fastnn2.dask.requests import Cluster
from fastnn2.engine import chunk_sums
from fastnn2.engine.chunk_sums import ChunkSums
from fastnn2.engine.objective import Objective

Array = np.ndarray[Any, Any]

MOST_PARTS = 32  # parts that are added in one place; more are added in a tree
# Dask warns of tasks with much data, and advises to make them on the workers, which is no way for parameters.
ALLOWED = {"distributed.admin.large-graph-warning-threshold": "1 PiB"}
WARNED_BYTES = 1 << 22  # far below the limit of that warning, of which settings below are someone's wish
_config_lock = threading.Lock()  # settings are of the process, and threads may train at the same time


@contextlib.contextmanager
def _without_warning(params: Array) -> Iterator[None]:
    """Let large parameters be sent without Dask's warning."""
    if params.nbytes < WARNED_BYTES:
        yield
        return
    with _config_lock, dask.config.set(ALLOWED):
        yield


class Evaluator:
    """Sums over held data."""

    def __init__(self, cluster: Cluster, objective: Objective, data: HeldData) -> None:
        self._cluster, self._objective, self._data = cluster, objective, data

    def __call__(self, params: Array) -> ChunkSums:
        """Return the sums for packed parameters (parameters,), in the dtype of the objective.

        Raises
        ------
        ClusterError
            Samples are lost for good, workers die again and again, or nothing happens for too long.
        """
        return self._data.repeat(lambda: self._attempt(params), "an evaluation")

    def _attempt(self, params: Array) -> ChunkSums:
        tasks: list[Any] = []
        try:
            last = self._submit(params, tasks)
            found = self._cluster.gather(last, "an evaluation", self._data.check_workers)
        except BaseException:
            self._cluster.cancel(tasks)
            raise
        del last
        self._cluster.let_go(tasks)
        return chunk_sums.merged(found)

    def _submit(self, params: Array, tasks: list[Any]) -> list[Any]:
        """Submit an evaluation, and add its tasks to `tasks`, one by one; return the last level of its tree."""
        options: dict[str, Any] = {"pure": False, "priority": 1, "fifo_timeout": "0 ms"}
        with _without_warning(params), self._cluster.connection() as client:
            for address, blocks in self._data.groups.items():
                tasks.append(
                    client.submit(
                        worker_tasks.evaluate, self._objective, blocks, params, workers=[address], **options)
                )  # fmt: skip
            level = list(tasks)
            while len(level) > MOST_PARTS:
                parts = [level[first : first + MOST_PARTS] for first in range(0, len(level), MOST_PARTS)]
                level = []
                for part in parts:
                    level.append(client.submit(chunk_sums.merged, part, **options))
                    tasks.append(level[-1])
        return level
