"""The samples of a training as the blocks that workers hold, laid out once for the kernels.

Each block is the result of a task, which Dask computes again from the graph of the collections if its worker is lost.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import dask
import distributed
from dask.utils import format_bytes
from distributed import KilledWorker

from fastnn2.dask import worker_tasks
from fastnn2.dask.collections import Collection
from fastnn2.dask.errors import ClusterError
from fastnn2.dask.plan import PlannedBlock, choose_owners, group_by_holder, plan_blocks
from fastnn2.dask.requests import LOST, Cluster
from fastnn2.engine.objective import Objective
from fastnn2.kernels.shared import tuning


class HeldData:
    """Blocks of samples on workers.

    Parameters
    ----------
    cluster : Cluster
    objective : Objective
    X, Y : Collection
    weights : Collection or None
    targets : callable
        One of :mod:`targets`: what becomes of Y.

    Raises
    ------
    ValueError
        A number is not valid; the message has its partition and row.
    ClusterError
        The blocks do not fit in the memory of the workers, or the cluster is gone.

    Attributes
    ----------
    groups : dict
        The blocks that each worker sums, as futures, by its address.
    """

    def __init__(
        self, cluster: Cluster, objective: Objective, X: Collection, Y: Collection, weights: Collection | None,
        targets: Any
    ) -> None:  # fmt: skip
        self._cluster, self._objective, self._X = cluster, objective, X
        workers = cluster.workers()
        threads = {address: int(worker["nthreads"]) for address, worker in workers.items()}
        self._planned = self._plan(threads)
        self._check_memory(workers)
        self._blocks: list[Any] = []
        try:
            self._submit([X, Y] if weights is None else [X, Y, weights], targets)
            self._wait()
        except BaseException:
            self.release()
            raise
        self.groups: dict[str, list[Any]] = {}
        self.regroup()

    def _ranges(self, first: int, end: int) -> tuple[int, int]:
        """Return the rows of the chunks [first, end)."""
        lanes, cut = tuning.group_size(self._objective.dtype), self._objective.cut
        return cut.chunk(first).first * lanes, min(cut.chunk(end - 1).last * lanes, self._objective.n)

    def _plan(self, threads: dict[str, int]) -> list[PlannedBlock]:
        holders = self._holders(self._X)
        rows = []
        for chunk in range(self._objective.cut.chunks):
            count: Counter[str] = Counter()
            for partition, length in self._X.rows_in_partitions(*self._ranges(chunk, chunk + 1)):
                for address in holders[partition]:
                    count[address] += length
            rows.append(count)
        return plan_blocks(choose_owners(rows, threads), threads, self._bytes(0, 1))

    def _holders(self, collection: Collection) -> list[Sequence[str]]:
        """Return the workers that have each partition; none have one that is not computed yet."""
        futures = {future.key for future in distributed.futures_of(collection.collection)}
        keys = [part.key for part in collection.partitions]
        held = [key for key in keys if key in futures]
        found = self._cluster.ask(self._cluster.client.scheduler.who_has, keys=held) if held else {}
        return [found.get(key, ()) for key in keys]

    def _places(self, collection: Collection) -> list[str]:
        """Return for each partition the worker where rows are taken out of it: one that has it, or needs most of it."""
        needed: list[Counter[str]] = [Counter() for _ in collection.partitions]
        for owner, first, end in self._planned:
            for partition, length in collection.rows_in_partitions(*self._ranges(first, end)):
                needed[partition][owner] += length
        return [
            holders[0] if holders else max(sorted(counts), key=lambda worker: counts[worker], default="")
            for holders, counts in zip(self._holders(collection), needed, strict=True)
        ]  # fmt: skip

    def _submit(self, collections: list[Collection], targets: Any) -> None:
        """Submit the tasks of all blocks.

        Those that take rows out of a partition run where it is, so that only these rows travel. The tasks that lay them
        out go before further partitions, which then need not all be in memory at once.
        """
        client, loosely = self._cluster.client, {"allow_other_workers": True}
        places = [self._places(collection) for collection in collections]
        by_place: dict[str, list[Any]] = defaultdict(list)
        parts_of_blocks = []
        for _, first, end in self._planned:
            parts = [collection.rows(*self._ranges(first, end)) for collection in collections]
            parts_of_blocks.append(parts)
            for of_collection, place in zip(parts, places, strict=True):
                for part in of_collection:
                    by_place[place[part.partition]].append(part.rows)
        futures: dict[str, Any] = {}
        for location, tasks in by_place.items():
            futures.update((future.key, future) for future in client.compute(tasks, workers=[location], **loosely))
        for (owner, first, end), parts in zip(self._planned, parts_of_blocks, strict=True):
            ready = [[(part.partition, part.first_row, futures[part.rows.key]) for part in some] for some in parts]
            X, Y, weights = ready if len(ready) == 3 else (*ready, [])
            self._blocks.append(
                client.submit(
                    worker_tasks.lay_out, self._objective, first, end, X, Y, weights, targets, workers=[owner],
                    priority=1, pure=False, **loosely)
            )  # fmt: skip

    def _bytes(self, first: int, end: int) -> int:
        """Return the bytes of the chunks [first, end) in groups."""
        objective, cut = self._objective, self._objective.cut
        groups = cut.chunk(end - 1).last - cut.chunk(first).first
        columns = objective.d + objective.o + objective.has_weights
        return groups * columns * tuning.GROUP_VECTORS * tuning.VECTOR_BYTES

    def _check_memory(self, workers: dict[str, Any]) -> None:
        """Raise ClusterError if a worker would have to write blocks to its disk, from where each evaluation reads."""
        target = dask.config.get("distributed.worker.memory.target", 0.6) or dask.config.get(
            "distributed.worker.memory.spill", 0.7
        )
        needed: Counter[str] = Counter()
        for owner, first, end in self._planned:
            needed[owner] += self._bytes(first, end) + (end - first) * self._objective.stride * 8
        for address, size in needed.items():
            limit = workers[address]["memory_limit"]
            if limit and target:
                metrics = workers[address].get("metrics", {})
                own = max(0, metrics.get("memory", 0) - metrics.get("managed_bytes", 0))
                room = int(limit * target) - own
                if size > room:
                    raise ClusterError(
                        f"the samples take {format_bytes(size)} on worker {address}, which has room for "
                        f"{format_bytes(max(0, room))} ({target:.0%} of its memory_limit of {format_bytes(limit)}, "
                        f"less {format_bytes(own)} that it uses for itself); start more workers, give them more "
                        "memory, or pass dtype='float32'"
                    )

    def _wait(self) -> None:
        """Wait until all blocks are laid out; raise what is wrong with them."""
        self._cluster.wait(self._blocks, "the samples are laid out")
        self.recover()

    def recover(self) -> None:
        """Let lost blocks be computed again; raise the error of one that cannot be."""
        again = []
        for block, future in zip(self._planned, self._blocks, strict=True):
            if future.status == "error":
                error = future.exception()
                if not isinstance(error, (KilledWorker, OSError)):
                    if isinstance(error, LOST):
                        raise self._lost(block) from error
                    raise error
                again.append(future)
            elif future.status in ("cancelled", "lost"):
                self._cluster.check_alive()
                raise self._lost(block)
        if again:
            self._cluster.client.retry(again)

    def _lost(self, block: PlannedBlock) -> ClusterError:
        partitions = [partition for partition, _ in self._X.rows_in_partitions(*self._ranges(block.first, block.end))]
        first, last = self._ranges(block.first, block.end)
        return ClusterError(
            f"the samples {first} to {last - 1}, of the partitions {partitions[0]} to {partitions[-1]}, are lost with "
            f"worker {block.owner}, and nothing says how to make them again: they were scattered, or the cluster was "
            "restarted. Make the collection from files or from a graph, and fit again"
        )

    def regroup(self) -> None:
        """Find who holds each block now, and share the blocks evenly among their holders."""
        workers = self._cluster.workers()
        threads = {address: int(worker["nthreads"]) for address, worker in workers.items()}
        keys = [future.key for future in self._blocks]
        found = self._cluster.ask(self._cluster.client.scheduler.who_has, keys=keys)
        holders: list[Sequence[str]] = [
            found.get(key) or [block.owner] for key, block in zip(keys, self._planned, strict=True)
        ]
        chosen = group_by_holder(holders, [block.end - block.first for block in self._planned], threads)
        self.groups = {}
        for address, future in zip(chosen, self._blocks, strict=True):
            self.groups.setdefault(address, []).append(future)

    def release(self) -> None:
        """Let the workers forget the blocks."""
        self._cluster.cancel([future for future in self._blocks if future is not None])
        self._blocks = []
