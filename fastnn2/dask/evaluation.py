"""Sums over the samples of all workers, for given parameters: one task a worker, over the blocks that it holds.

A task stays with its worker: on another one it would need the blocks there, too. Where a worker is gone, the evaluation
is repeated, a few times, once the others hold its blocks.
"""

from typing import Any

import numpy as np

from fastnn2.dask import worker_tasks
from fastnn2.dask.held_data import HeldData
from fastnn2.dask.requests import Cluster
from fastnn2.engine import chunk_sums
from fastnn2.engine.chunk_sums import ChunkSums
from fastnn2.engine.objective import Objective

Array = np.ndarray[Any, Any]

MOST_PARTS = 32  # parts that are added in one place; more are added in a tree


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
            return chunk_sums.merged(self._cluster.gather(last, "an evaluation", self._data.check_workers))
        except BaseException:
            self._cluster.cancel(tasks)
            raise

    def _submit(self, params: Array, tasks: list[Any]) -> list[Any]:
        """Submit an evaluation, and add its tasks to `tasks`, one by one; return the last level of its tree."""
        options: dict[str, Any] = {"pure": False, "priority": 1, "fifo_timeout": "0 ms"}
        with self._cluster.connection() as client:
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
