"""Sums over samples that stay in memory, as whole chunks: one machine's share of them.

Each thread takes the next block, alone, so that blocks may be in any number of arrays, and no thread waits for another
before the end.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine import chunk_sums
from fastnn2.engine.block_job import Samples, call_work
from fastnn2.engine.chunk_sums import ChunkSums
from fastnn2.engine.layout import aligned_empty, aligned_zeros, padded_length
from fastnn2.engine.objective import Objective
from fastnn2.engine.pieces import split_into_calls
from fastnn2.engine.samples import allocate_tiles
from fastnn2.kernels.shared import choices, control_words, tuning
from fastnn2.kernels.shared.records import BlockSumsRecord, LossSumsRecord, PiecesRecord
from fastnn2.threads.parallel_for import parallel_for

Array = np.ndarray[Any, Any]


@dataclasses.dataclass
class HeldBlock:
    """The samples of the chunks [first, end), in groups, on 128-byte boundaries; without weights those are empty."""

    first: int
    end: int
    samples: Samples

    def __reduce__(self) -> tuple[Any, ...]:
        return _held_block, (self.first, self.end, *self.samples)

    def __sizeof__(self) -> int:
        return sum(array.nbytes for array in self.samples)


def _held_block(first: int, end: int, *arrays: Array) -> HeldBlock:
    """Return a block that was pickled, with its arrays on 128-byte boundaries again."""
    aligned = [aligned_empty(array.size, array.dtype) for array in arrays]
    for copy, array in zip(aligned, arrays, strict=True):
        copy[:] = array
    return HeldBlock(first, end, Samples(*aligned))


class Stopped(Exception):
    """The sums are no longer wanted."""


def held_sums(
    objective: Objective,
    blocks: Sequence[HeldBlock],
    params: Array,
    threads: int,
    is_stopped: Callable[[], bool] = lambda: False,
) -> ChunkSums:
    """Return the sums over all chunks of some blocks.

    Parameters
    ----------
    objective : Objective
    blocks : sequence of HeldBlock
    params : ndarray (parameters,)
        Packed, in the dtype of the objective.
    threads : int
        The most threads; it does not change the result.
    is_stopped : callable
        Asked every some tens of milliseconds, by any thread; :class:`Stopped` is raised if it returns True.
    """
    padded = aligned_zeros(padded_length(len(params), params.dtype) + tuning.UPDATE_WIDTH, params.dtype)
    padded[: len(params)] = params
    threads = min(threads, len(blocks))
    workers = [_Worker(objective, padded, is_stopped) for _ in range(threads)]
    found: list[ChunkSums] = []
    parallel_for(lambda thread, block: found.append(workers[thread].sums(block)), blocks, threads)
    return chunk_sums.merged(found)


class _Worker:
    """The buffers and the record of a thread."""

    def __init__(self, objective: Objective, params: Array, is_stopped: Callable[[], bool]) -> None:
        self._objective, self._params, self._is_stopped = objective, params, is_stopped
        self._cut, self._stride = objective.cut, objective.stride
        self._kernel = provider.kernel(objective.kernel, objective.dtype)
        self._control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)
        d, h, o, dtype = objective.d, objective.h, objective.o, objective.dtype
        work = tuning.work_of_iteration(d, tuning.group_size(dtype), h, o)
        self._call_groups = max(1, call_work() // work)
        tile_groups = self._cut.tile_groups
        A1, dZ2 = allocate_tiles((h, o), tile_groups, dtype)
        (scratch,) = allocate_tiles((tuning.count_scratch_rows(h),), 1, dtype)
        nothing, gradients = aligned_zeros(1, dtype), np.zeros(1)
        fields: dict[str, Any] = {
            "d": d, "h": h, "o": o, "n": objective.n, "control": self._control, "thread": 0, "threads": 1,
            "has_weights": objective.has_weights, "chunks": self._cut.chunks, "first_chunk": 0,
            "tile_groups": tile_groups, "pieces": np.zeros(1, dtype=np.int64), "piece_count": 0,
            "X": nothing, "Y": nothing, "weights": nothing, "params": params, "gradients": gradients,
            "gradients_stride": self._stride, "A1": A1, "dZ2": dZ2, "scratch": scratch,
        }  # fmt: skip
        if objective.activation is None or objective.loss is None:
            rows: dict[str, Any] = dict.fromkeys(("X_rows", "Y_rows", "weight_rows"), nothing)
            self._record: PiecesRecord = BlockSumsRecord(**fields, **rows, keep=choices.KEPT)
        else:
            self._record = LossSumsRecord(**fields, activation=objective.activation, loss=objective.loss)

    def sums(self, block: HeldBlock) -> ChunkSums:
        """Return the sums over the chunks of a block."""
        gradients = aligned_zeros((block.end - block.first) * self._stride, np.float64)
        X, Y, weights = block.samples
        pieces = [self._cut.chunk(c) for c in range(block.first, block.end)]
        for part in split_into_calls(pieces, self._cut, self._call_groups):
            if self._is_stopped():
                raise Stopped
            self._record.point(
                X=X, Y=Y, weights=weights, gradients=gradients, first_chunk=block.first, pieces=part,
                piece_count=len(part))  # fmt: skip
            self._control[control_words.NEXT_BLOCK] = 0
            self._kernel(self._record)
        return chunk_sums.of_chunks(block.first, gradients.reshape(-1, self._stride))
