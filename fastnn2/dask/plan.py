"""Who holds which chunks: each worker as many as its threads ask for, and, where it can, those whose rows it has."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

BLOCK_BYTES = 1 << 28  # of a block: while it is laid out, its rows take about as much again
BLOCKS_PER_THREAD = 4  # the threads of a worker take one block after the other


class PlannedBlock(NamedTuple):
    """The chunks [first, end), and the worker that is to hold them."""

    owner: str
    first: int
    end: int


def choose_owners(rows: Sequence[Mapping[str, int]], threads: Mapping[str, int]) -> list[str]:
    """Return the owner of each chunk.

    A chunk goes to the worker that has most of its rows, if that has not enough chunks yet. The rest go, in their
    order, to those that have too few.

    Parameters
    ----------
    rows : sequence of dict
        For each chunk, how many of its rows each worker has; empty if none does.
    threads : dict
        The threads of each worker.
    """
    workers, chunks = sorted(threads), len(rows)
    total = sum(threads.values())
    ends = [0]
    for worker in workers:
        ends.append(ends[-1] + threads[worker])
    room = {
        worker: end * chunks // total - begin * chunks // total
        for worker, begin, end in zip(workers, ends, ends[1:], strict=False)
    }  # fmt: skip
    owners: list[str | None] = []
    for of_chunk in rows:
        holders = {worker: count for worker, count in of_chunk.items() if worker in threads}
        best = max(sorted(holders), key=lambda worker: holders[worker], default=None)
        if best is not None and room[best] == 0:
            best = None
        if best is not None:
            room[best] -= 1
        owners.append(best)
    left = iter([worker for worker in workers for _ in range(room[worker])])
    return [next(left) if owner is None else owner for owner in owners]


def plan_blocks(owners: Sequence[str], threads: Mapping[str, int], chunk_bytes: int) -> list[PlannedBlock]:
    """Return blocks of neighbouring chunks of the same owner, small enough that its threads share them evenly."""
    blocks: list[PlannedBlock] = []
    counts = {worker: owners.count(worker) for worker in set(owners)}
    most = {
        worker: max(1, min(-(-count // (BLOCKS_PER_THREAD * threads[worker])), BLOCK_BYTES // max(1, chunk_bytes)))
        for worker, count in counts.items()
    }  # fmt: skip
    first = 0
    for chunk in range(1, len(owners) + 1):
        owner = owners[first]
        if chunk == len(owners) or owners[chunk] != owner or chunk - first == most[owner]:
            blocks.append(PlannedBlock(owner, first, chunk))
            first = chunk
    return blocks


def group_by_holder(holders: Sequence[Sequence[str]], sizes: Sequence[int], threads: Mapping[str, int]) -> list[str]:
    """Return for each block the worker that is to sum it, of those that hold it: the one with the least work so far."""
    load = dict.fromkeys(threads, 0.0)
    chosen = []
    for of_block, size in zip(holders, sizes, strict=True):
        worker = min(sorted(of_block), key=lambda name: load.get(name, 0.0))
        load[worker] = load.get(worker, 0.0) + size / threads.get(worker, 1)
        chosen.append(worker)
    return chosen
