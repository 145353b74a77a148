"""The samples of a training as the blocks that workers hold, laid out once for the kernels.

Each block is the result of a task, which Dask computes again from the graph of the collections if its worker is lost.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import dask
import numpy as np
from dask.utils import format_bytes

from fastnn2.dask.block_tasks import BlockTasks, holders_of, rows_of_chunks
from fastnn2.dask.collections import Collection
from fastnn2.dask.ctrl_c import CtrlC
from fastnn2.dask.errors import ClusterError
from fastnn2.dask.plan import PlannedBlock, choose_owners, group_by_holder, plan_blocks
from fastnn2.dask.requests import Cluster, TasksLost
from fastnn2.engine.objective import Objective
from fastnn2.kernels.shared import tuning

Result = TypeVar("Result")

ATTEMPTS = 8  # in a row, of what needs all blocks, and is lost with their workers
ROUNDS = 100  # of a recovery: looks at whether all blocks are held again
MOST_FAILURES = 5  # of a recovery: a partition that kills its workers would kill all of them
STALL_SECONDS = 2.0  # without a block that is laid out
ROUND_SECONDS = 0.1  # between two rounds, while the news of a loss comes to the client


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
    ctrl_c : CtrlC
        Until :meth:`release`.
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
        self.groups: dict[str, list[Any]] = {}
        collections = [X, Y] if weights is None else [X, Y, weights]
        self._tasks = BlockTasks(cluster, objective, self._planned, collections, targets)
        self._blocks: list[Any] = [None] * len(self._planned)
        self.ctrl_c = CtrlC()
        try:
            self._submit(range(len(self._planned)), placed=True)
            self.recover()
        except BaseException:
            self.release()
            raise

    def _plan(self, threads: dict[str, int]) -> list[PlannedBlock]:
        holders = holders_of(self._cluster, self._X)
        rows = []
        for chunk in range(self._objective.cut.chunks):
            count: Counter[str] = Counter()
            for partition, length in self._X.rows_in_partitions(*rows_of_chunks(self._objective, chunk, chunk + 1)):
                for address in holders[partition]:
                    count[address] += length
            rows.append(count)
        return plan_blocks(choose_owners(rows, threads), threads, self._bytes(0, 1))

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
                        f"less {format_bytes(own)} that it uses for itself); start more workers, or give them more "
                        "memory" + self._smaller_dtype()
                    )

    def _smaller_dtype(self) -> str:
        """Return what to do in float64, for messages; L-BFGS has no other dtype."""
        is_double = self._objective.dtype == np.float64
        return "; in float32 the samples take half, with gradient descent" if is_double else ""

    def _submit(self, indexes: Iterable[int], *, placed: bool) -> None:
        for index, future in self._tasks.submit(indexes, placed=placed).items():
            self._blocks[index] = future

    def recover(self) -> None:
        """Wait until workers hold all blocks, also those that Dask computes again, and share the blocks among them."""
        failures, look = 0, self._stall_check()
        for _ in range(ROUNDS):
            try:
                raised = self._cluster.wait(self._blocks, "laying out the samples", look)
            except TasksLost as error:
                failures += any(future.status == "error" for future in self._blocks)
                if failures > MOST_FAILURES:
                    raise ClusterError(f"the samples cannot be laid out, {failures} times in a row: {error}") from error
                self._submit_again()
                continue
            for error_of_block in raised:
                if error_of_block is not None:
                    raise error_of_block
            found = self._cluster.ask("who_has", keys=[future.key for future in self._blocks])
            if all(found.values()):
                self._share(found)
                return
            time.sleep(ROUND_SECONDS)
        raise ClusterError("the samples cannot be laid out: workers die again and again; look at their logs")

    def _stall_check(self) -> Callable[[], None]:
        """Return what raises TasksLost if no block is laid out for some time, and a task finds no worker.

        A task that had a place, and found no worker at all, is left where it is by the scheduler, even if other workers
        are allowed and come.
        """
        done, since, patience = -1, 0.0, STALL_SECONDS

        def look() -> None:
            nonlocal done, since, patience
            self.ctrl_c.check()
            before, done = done, sum(future.done() for future in self._blocks)
            if done > before:
                since, patience = time.monotonic(), STALL_SECONDS
            elif time.monotonic() > since + patience:
                since, patience = time.monotonic(), 2 * patience
                states = self._cluster.ask("get_task_status", keys=list(self._tasks.keys))
                if "no-worker" in states.values() and self._cluster.ask("ncores_running"):
                    raise TasksLost("no worker is at work on them")

        return look

    def _submit_again(self) -> None:
        """Submit the tasks of the blocks that are not there as new ones, which have no place."""
        missing = [index for index, future in enumerate(self._blocks) if future.status != "finished"]
        for index in missing:
            if self._blocks[index].status == "cancelled":
                raise self._lost(self._planned[index])
        old = [self._blocks[index] for index in missing]
        self._cluster.forget_errors(old)
        self._cluster.cancel(old)
        if missing:
            self._submit(missing, placed=False)

    def _lost(self, block: PlannedBlock) -> ClusterError:
        self._cluster.check_alive()
        first, last = rows_of_chunks(self._objective, block.first, block.end)
        partitions = [partition for partition, _ in self._X.rows_in_partitions(first, last)]
        return ClusterError(
            f"the samples {first} to {last - 1}, of the partitions {partitions[0]} to {partitions[-1]} of X, are lost, "
            f"which worker {block.owner} was to hold, and the cluster does not know how to make them again: they were "
            "scattered to a worker that is gone, their tasks were cancelled, or the cluster was restarted. Make the "
            "collection from files or from a graph, and fit again"
        )

    def repeat(self, action: Callable[[], Result], what: str) -> Result:
        """Return ``action()``, which is repeated, a few times, where tasks are lost with their workers.

        What Ctrl-C has raised in vain before is raised first.
        """
        self.ctrl_c.check()
        for _ in range(ATTEMPTS):
            try:
                return action()
            except TasksLost as error:
                lost = error
            self.recover()
        raise ClusterError(f"{what} has failed {ATTEMPTS} times in a row; the last time: {lost}") from lost

    def check_workers(self) -> None:
        """Raise TasksLost if one of the workers that are to sum is gone, and what Ctrl-C has raised in vain."""
        self.ctrl_c.check()
        gone = self.groups.keys() - self._cluster.ask("ncores", workers=list(self.groups)).keys()
        if gone:
            raise TasksLost(f"worker {min(gone)} is gone")

    def _share(self, found: dict[Any, list[str]]) -> None:
        """Share the blocks evenly among those that hold them."""
        holders = [found[future.key] for future in self._blocks]
        threads = self._cluster.ask("ncores")
        chosen = group_by_holder(holders, [block.end - block.first for block in self._planned], threads)
        groups: dict[str, list[Any]] = {}
        for address, future in zip(chosen, self._blocks, strict=True):
            groups.setdefault(address, []).append(future)
        self.groups = groups

    def release(self) -> None:
        """Let the workers forget the blocks."""
        self.ctrl_c.end()
        self._cluster.cancel([future for future in self._blocks if future is not None])
        self.groups = {}
        self._cluster.let_go(self._blocks)
        self._blocks = []
