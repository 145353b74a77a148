"""How the memory that samples may take is used: which of them stay, and how large blocks and reads are."""

import dataclasses
from typing import Any

import numpy as np

from fastnn2.blocks import plan
from fastnn2.blocks.sources import OrderedSource, RandomAccessSource, Source
from fastnn2.engine.block_job import bytes_needed, call_work
from fastnn2.engine.pieces import Cut, Piece, count_groups_of
from fastnn2.kernels.shared import tuning

BUFFERS = 3  # blocks in memory at a time, besides those that stay there: one in use, one ready, one in the making
READ_BYTES = 1 << 20  # of a read: it is still in the cache when it is checked or laid out
STREAMS_PER_THREAD = 4  # pieces of a block for each thread, so that one that is slowed down does fewer


@dataclasses.dataclass
class Budget:
    """How samples are to be brought into memory.

    Attributes
    ----------
    fits : bool
        Whether all samples stay in memory, as fit has them; then `call_groups`, `blocks` and `kept` have no use.
    read_rows : int
        The rows of a read, a multiple of the lanes of a group.
    cut : Cut
        How the samples are cut for the sums.
    call_groups : int
        The groups of samples of a call of the kernel.
    blocks : list of list of Piece
        The blocks of an iteration.
    kept : set of int
        The numbers of the blocks that stay in memory once they are there.
    """

    fits: bool
    read_rows: int
    cut: Cut
    call_groups: int = 0
    blocks: list[list[Piece]] = dataclasses.field(default_factory=list)
    kept: set[int] = dataclasses.field(default_factory=set)


def make_budget(source: Source, shape: tuple[int, int, int, int], dtype: Any, threads: int, limit: int) -> Budget:
    """Return how samples are brought into memory; raise ValueError if the limit is too small for them."""
    d, h, o, n = shape
    lanes = tuning.group_size(dtype)
    group_bytes = (d + o + source.has_weights) * tuning.GROUP_VECTORS * tuning.VECTOR_BYTES
    cut = Cut(tuning.count_groups(n, dtype), tuning.count_chunks(n, d, h, o, dtype), tuning.count_tile_groups(d, h, o))
    is_ordered = isinstance(source, OrderedSource)
    fixed = bytes_needed(shape, dtype, threads)
    read = _Reads(source, shape, dtype, limit)
    in_memory = cut.groups * group_bytes + 2 * fixed + read.least_bytes
    if in_memory <= limit:
        return Budget(True, read.rows(limit - in_memory), cut)
    if tuning.train_kernel(d, h, o) == "train_wide":
        raise ValueError(
            f"memory_limit is {limit:,} bytes, but all samples take {in_memory:,}; with hidden_size {h} and {d} "
            "features, threads share hidden units, which needs all samples in memory. Pass a memory_limit of "
            f"{in_memory} or more, fewer hidden units, or train an MLPClassifier with partial_fit_blocks"
        )
    smallest = BUFFERS * min(cut.tile_groups, cut.groups) * group_bytes + fixed + read.least_bytes
    if limit < smallest:
        raise ValueError(
            f"memory_limit is {limit:,} bytes, too small for {BUFFERS} blocks of the smallest size, "
            f"{'the largest block that is read, ' if is_ordered else ''}and the buffers of training; pass "
            f"{min(smallest, in_memory)} or more"
        )
    read_rows = read.rows(limit - smallest)
    left = limit - fixed - read.bytes_of(read_rows)
    call_groups = max(call_work() // (h * (d + o + tuning.WORK_OF_UNIT)) // lanes, 2 * threads * cut.tile_groups)
    most = left // (BUFFERS * group_bytes)
    streams = min(cut.chunks, STREAMS_PER_THREAD * threads)
    if is_ordered:
        block_groups = min(most, max(call_groups, -(-cut.groups // cut.chunks) * streams))
        blocks = list(plan.blocks_in_order(cut, block_groups))
    else:
        block_groups = min(most, call_groups)
        streams = max(1, min(streams, block_groups // cut.tile_groups))
        blocks = list(plan.blocks_of_streams(cut, streams, block_groups))
    block_bytes = max(map(count_groups_of, blocks)) * group_bytes
    count = min(len(blocks), max(0, left - BUFFERS * block_bytes) // block_bytes)
    # Those that stay are spread over the others, so that the reader is never idle for long.
    kept = {k for k in range(len(blocks)) if (k + 1) * count // len(blocks) > k * count // len(blocks)}
    return Budget(False, read_rows, cut, call_groups, blocks, kept)


class _Reads:
    """How many rows are read at a time, and what memory they take in addition to blocks."""

    def __init__(self, source: Source, shape: tuple[int, int, int, int], dtype: Any, limit: int) -> None:
        d, _, o, _ = shape
        self._lanes = tuning.group_size(dtype)
        row_bytes = int((d + o + source.has_weights) * np.dtype(dtype).itemsize)
        stored_bytes: int = source.row_bytes if isinstance(source, RandomAccessSource) else 0
        self._both_bytes = row_bytes + stored_bytes
        self._most: int = min(READ_BYTES, limit // 16) // max(row_bytes, stored_bytes)
        self._block_bytes = source.largest_bytes if isinstance(source, OrderedSource) else 0
        self.least_bytes = self.bytes_of(self._lanes)

    def rows(self, spare: int) -> int:
        """Return the rows of a read, given the bytes that are left if a read has those of one group."""
        most = min(self._most, self._lanes + spare // self._both_bytes)
        return max(1, most // self._lanes) * self._lanes

    def bytes_of(self, rows: int) -> int:
        """Return the bytes that reads of some rows take."""
        return self._block_bytes + rows * self._both_bytes
