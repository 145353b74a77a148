"""The tasks that lay out blocks, and where they run: so that few rows travel, and partitions are not all in memory."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import distributed

from fastnn2.dask import worker_tasks
from fastnn2.dask.collections import Collection, Part
from fastnn2.dask.plan import PlannedBlock
from fastnn2.dask.requests import Cluster, TasksLost
from fastnn2.engine.objective import Objective
from fastnn2.kernels.shared import tuning


def rows_of_chunks(objective: Objective, first: int, end: int) -> tuple[int, int]:
    """Return the rows of the chunks [first, end), as the first and the one behind the last."""
    lanes, cut = tuning.group_size(objective.dtype), objective.cut
    return cut.chunk(first).first * lanes, min(cut.chunk(end - 1).last * lanes, objective.n)


def holders_of(cluster: Cluster, collection: Collection) -> list[Sequence[str]]:
    """Return the workers that have each partition; none have one that is not computed yet."""
    futures = {future.key for future in distributed.futures_of(collection.collection)}
    keys = [part.key for part in collection.partitions]
    held = [key for key in keys if key in futures]
    found = cluster.ask("who_has", keys=held) if held else {}
    return [found.get(key, ()) for key in keys]


class BlockTasks:
    """The tasks of all blocks.

    Parameters
    ----------
    cluster : Cluster
    objective : Objective
    planned : list of PlannedBlock
    collections : list of Collection
        X, Y and, if there are any, weights.
    targets : callable
        One of :mod:`targets`.

    Attributes
    ----------
    keys : set
        The names of all tasks that were submitted, with those that make the partitions.
    """

    def __init__(
        self, cluster: Cluster, objective: Objective, planned: list[PlannedBlock], collections: list[Collection],
        targets: Any
    ) -> None:  # fmt: skip
        self._cluster, self._objective, self._planned = cluster, objective, planned
        self._collections, self._targets = collections, targets
        self.keys: set[Any] = set()

    def submit(self, indexes: Iterable[int], *, placed: bool) -> dict[int, Any]:
        """Submit the tasks of some blocks, by their indexes; return their futures.

        Those that take rows out of a partition run where it is, so that only these rows travel; those that lay them out
        run on the owner of the block, and go before further partitions, which then need not all be in memory at once.
        Unless they are `placed`, all run anywhere.
        """
        indexes = list(indexes)
        parts_of = {index: self._parts(self._planned[index]) for index in indexes}
        futures: dict[Any, Any] = {}
        blocks: dict[int, Any] = {}
        try:
            self._submit_parts(list(parts_of.values()), placed, futures)
            # The scheduler may take in a small graph before a larger one that came first, and a release before both.
            self._cluster.wait_until_known(list(futures.values()))
            self._raise_refusal(list(futures.values()))
            self._submit_blocks(parts_of, futures, placed, blocks)
            self._cluster.wait_until_known(list(blocks.values()))
            spent = list(futures.values())
            futures.clear()
            self._cluster.let_go(spent)
        except BaseException:
            self._cluster.cancel([*blocks.values(), *futures.values()])
            raise
        return blocks

    def _raise_refusal(self, tasks: list[Any]) -> None:
        """Raise what tasks have raised so far: a graph that the scheduler cannot read fails so, and would be "lost"."""
        failed = [task for task in tasks if task.status == "error"]
        with contextlib.suppress(TasksLost):
            for error in self._cluster.wait(failed, "partitions"):
                if error is not None:
                    raise error

    def _submit_blocks(
        self, parts_of: dict[int, list[list[Part]]], futures: dict[Any, Any], placed: bool, blocks: dict[int, Any]
    ) -> None:
        """Submit the tasks that lay out blocks, and add their futures to `blocks`, one by one."""
        for index, parts in parts_of.items():
            owner, first, end = self._planned[index]
            ready = [[(part.partition, part.first_row, futures[part.rows.key]) for part in of] for of in parts]
            X, Y, weights = ready if len(ready) == 3 else (*ready, [])
            with self._cluster.connection() as client:
                blocks[index] = client.submit(
                    worker_tasks.lay_out, self._objective, first, end, X, Y, weights, self._targets, priority=1,
                    pure=False, **_on(owner if placed else "")
                )  # fmt: skip
            self.keys.add(blocks[index].key)

    def _parts(self, block: PlannedBlock) -> list[list[Part]]:
        """Return the rows of a block in each collection."""
        rows = rows_of_chunks(self._objective, block.first, block.end)
        return [collection.rows(*rows) for collection in self._collections]

    def _submit_parts(
        self, parts_of_blocks: list[list[list[Part]]], placed: bool, futures: dict[Any, Any]
    ) -> None:  # fmt: skip
        """Submit the tasks that make parts, each where its partition is; add their futures to `futures`, by key."""
        places = [self._places(collection) if placed else None for collection in self._collections]
        by_place: dict[str, list[Any]] = defaultdict(list)
        for parts_of_block in parts_of_blocks:
            for parts, place in zip(parts_of_block, places, strict=True):
                for part in parts:
                    by_place["" if place is None else place[part.partition]].append(part.rows)
        # Each partition's graph may have the whole collection: its layers, which all of them share, are read once.
        layers: dict[str, Any] = {}
        for tasks in by_place.values():
            for task in tasks:
                layers.update(task.__dask_graph__().layers)
        self.keys.update(key for layer in layers.values() for key in layer)
        for location, tasks in by_place.items():
            with self._cluster.connection() as client:
                futures.update({future.key: future for future in client.compute(tasks, **_on(location))})

    def _places(self, collection: Collection) -> list[str]:
        """Return for each partition the worker where rows are taken out of it: one that has it, or needs most of it."""
        needed: list[Counter[str]] = [Counter() for _ in collection.partitions]
        for owner, first, end in self._planned:
            for partition, length in collection.rows_in_partitions(*rows_of_chunks(self._objective, first, end)):
                needed[partition][owner] += length
        return [
            holders[0] if holders else max(sorted(counts), key=lambda worker: counts[worker], default="")
            for holders, counts in zip(holders_of(self._cluster, collection), needed, strict=True)
        ]  # fmt: skip


def _on(worker: str) -> dict[str, Any]:
    """Return the options of tasks that run on a worker, or, if that is gone, on another one; "" is any."""
    return {"workers": [worker], "allow_other_workers": True} if worker else {}
