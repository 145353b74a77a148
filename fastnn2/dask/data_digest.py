"""The digest by which a checkpoint knows its samples, of the blocks that workers hold: no partition is read again."""

from typing import Any

from fastnn2.dask.held_data import HeldData
from fastnn2.dask.requests import Cluster
from fastnn2.engine.held_sums import HeldBlock
from fastnn2.engine.objective import Objective
from fastnn2.kernels.shared import tuning
from fastnn2.storage.digest import digest, join_digests, sampled_rows


def data_digest(cluster: Cluster, objective: Objective, data: HeldData) -> str:
    """Return the digest of some of the samples; neither workers nor partitions nor blocks change it."""
    found = data.repeat(lambda: _digests(cluster, objective, data), "the digest of the samples")
    return join_digests((text for _, digests in sorted(found) for text in digests), objective.n, objective.dtype)


def _digests(cluster: Cluster, objective: Objective, data: HeldData) -> list[tuple[int, list[str]]]:
    blocks = [block for group in data.groups.values() for block in group]
    with cluster.connection() as client:
        futures = [client.submit(digests_of, objective, block, pure=False) for block in blocks]
    try:
        return cluster.gather(futures, "the digest of the samples")
    finally:
        cluster.cancel(futures)
        cluster.let_go(futures)


def digests_of(objective: Objective, block: HeldBlock) -> tuple[int, list[str]]:
    """Return the first chunk of a block, and the digests of those of its rows that are sampled, in their order."""
    cut, lanes = objective.cut, tuning.group_size(objective.dtype)
    first, end = cut.chunk(block.first).first * lanes, min(cut.chunk(block.end - 1).last * lanes, objective.n)
    columns = objective.d, objective.o, 1
    matrices = [
        flat.reshape(-1, count, lanes) if flat.size else None
        for flat, count in zip(block.samples, columns, strict=True)
    ]  # fmt: skip

    def numbers_of(row: int) -> list[Any]:
        group, lane = divmod(row - first, lanes)
        return [None if matrix is None else matrix[group, :, lane] for matrix in matrices]

    rows = sampled_rows(objective.n)
    step = rows.step
    return block.first, [digest(*numbers_of(row)) for row in range(-(-first // step) * step, end, step)]
