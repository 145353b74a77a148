"""Sums over the samples of all workers, for given parameters: one task a worker, whatever happens to workers meanwhile.

Dask computes the task of a lost worker again, on blocks that it also computes again. What it gives up is asked for
anew, a few times.
"""

from typing import Any

import numpy as np
from distributed import KilledWorker

from fastnn2.dask import worker_tasks
from fastnn2.dask.errors import ClusterError
from fastnn2.dask.held_data import HeldData
from fastnn2.dask.requests import LOST, Cluster
from fastnn2.engine.chunk_sums import ChunkSums
from fastnn2.engine.objective import Objective

Array = np.ndarray[Any, Any]

ATTEMPTS = 8  # in a row, of an evaluation whose tasks Dask has given up
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
        error: BaseException | None = None
        for _ in range(ATTEMPTS):
            futures = self._submit(params)
            try:
                found = self._cluster.gather(futures[-1], "an evaluation")
            except (KilledWorker, *LOST) as lost:
                error = lost
                self._cluster.cancel([future for level in futures for future in level])
                self._data.recover()
                continue
            except BaseException:
                self._cluster.cancel([future for level in futures for future in level])
                raise
            addresses, sums = worker_tasks.merge(found)
            if _flat(addresses) != sorted(self._data.groups):
                self._data.regroup()
            return sums
        raise ClusterError(f"{ATTEMPTS} evaluations in a row have failed; the last: {error}") from error

    def _submit(self, params: Array) -> list[list[Any]]:
        """Submit the tasks of an evaluation, and of its tree; return the futures of each level."""
        client = self._cluster.client
        options: dict[str, Any] = {"pure": False, "priority": 1, "fifo_timeout": "0 ms"}
        levels = [
            [
                client.submit(
                    worker_tasks.evaluate, self._objective, blocks, params, workers=[address],
                    allow_other_workers=True, **options)
                for address, blocks in self._data.groups.items()
            ]
        ]  # fmt: skip
        while len(levels[-1]) > MOST_PARTS:
            last = levels[-1]
            levels.append(
                [
                    client.submit(worker_tasks.merge, last[first : first + MOST_PARTS], **options)
                    for first in range(0, len(last), MOST_PARTS)
                ]
            )
        return levels


def _flat(addresses: Any) -> list[str]:
    """Return the addresses in nested tuples, in alphabetical order."""
    if isinstance(addresses, str):
        return [addresses]
    return sorted(name for part in addresses for name in _flat(part))
