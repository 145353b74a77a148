"""A training run of fit_blocks on samples that are not in memory all at once.

Another thread brings blocks of samples, as rows, again and again in the same order. For each of them the team makes a
call of :mod:`fastnn2.kernels.loops.block_sums`, or several; after the last block of an iteration follows the step. The
caller is thread 0 of the team. A call is short (see CALL_WORK), so a signal takes effect at its end; the progress bar
has its turn between two blocks, callbacks and checkpoints between two iterations.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.descent import Descent
from fastnn2.engine.layout import aligned_zeros, gradient_length
from fastnn2.engine.samples import allocate_tiles
from fastnn2.exceptions import Params
from fastnn2.kernels.shared import choices, control_words, tuning
from fastnn2.kernels.shared.features import has_fma
from fastnn2.kernels.shared.records import BlockSumsRecord
from fastnn2.threads.pauses import Observer
from fastnn2.threads.progress import RowsProgress
from fastnn2.threads.team import Team

Array = np.ndarray[Any, Any]

# Multiplications of a call, some tens of milliseconds; without FMA instructions there are fewer by this factor.
CALL_WORK, WITHOUT_FMA = 1 << 30, 64


def call_work() -> int:
    """Return the multiplications of a call; a signal takes effect at its end."""
    return CALL_WORK if has_fma() else CALL_WORK // WITHOUT_FMA


class Samples(NamedTuple):
    """X, Y and weights of some samples, flat, as rows or in groups; weights may be any array if there are none."""

    X: Array
    Y: Array
    weights: Array


@dataclasses.dataclass
class Block:
    """Samples that are in memory for a while.

    Attributes
    ----------
    rows : Samples or None
        As rows; None if they are laid out.
    groups : Samples or None
        Room for them in groups, or all of them if there are no rows; None if they do not stay in memory.
    calls : list of ndarray (pieces, PIECE_WORDS) of int64
        The pieces of each call of the team (see :mod:`fastnn2.kernels.loops.block_sums`).
    count : int
        The number of samples.
    """

    rows: Samples | None
    groups: Samples | None
    calls: list[Array]
    count: int


class BlockJob(Descent):
    """Gradient descent over blocks; `params` are those after the iterations of `costs_so_far`.

    Parameters
    ----------
    blocks : iterator of Block
        All blocks of an iteration, again and again. It may raise what goes wrong with them.
    block_count : int
        The number of blocks of an iteration.
    waited : callable
        Returns the seconds for which `blocks` has let the caller wait so far.
    has_weights : bool
    threads : int
        See :func:`full_batch.count_threads`.
    """

    function = "fit_blocks"

    def __init__(
        self,
        blocks: Iterator[Block],
        block_count: int,
        waited: Callable[[], float],
        params: Array,
        shape: tuple[int, int, int, int],
        has_weights: bool,
        alpha: float,
        iterations: int,
        threads: int,
        costs_so_far: Array | None = None,
    ) -> None:
        super().__init__(params, shape, alpha, iterations, threads, costs_so_far)
        d, h, o, n = shape
        self._blocks, self._block_count, self._waited = blocks, block_count, waited
        self._has_weights = has_weights
        dtype = params.dtype
        self.chunks = tuning.count_chunks(n, d, h, o, dtype)
        self.tile_groups = tuning.count_tile_groups(d, h, o)
        self.gradients = aligned_zeros(self.chunks * self.gradients_stride, np.float64)
        self._tiles = [Samples(*allocate_tiles((d, o, 1), self.tile_groups, dtype)) for _ in range(threads)]

    def run(
        self, learning_rate: float, total_weight: float, progress: bool | None, observer: Observer | None = None
    ) -> tuple[Params, Array]:
        """Train, as :meth:`TrainingRun.run`; what `blocks` raises gets the result so far in its attribute training."""
        is_narrow = tuning.train_kernel(*self.shape[:3]) == "train_narrow"
        kernel = provider.kernel("narrow_sums" if is_narrow else "block_sums", self.params.dtype)
        team = Team(kernel, self._record, self.control, self.threads)
        interrupt = pending = None
        try:
            try:
                team.start()
                with RowsProgress(self.control, self.iterations, progress, self.shape[3], self._waited) as bar:
                    self.iterate(
                        lambda: self._take_step(team, bar, learning_rate, total_weight),
                        lambda: self._end_iteration(team, bar), observer)  # fmt: skip
            finally:
                pending = team.stop()
        except KeyboardInterrupt as error:
            interrupt = error
        except Exception as error:
            with contextlib.suppress(Exception):  # an error that takes no attribute
                params, costs = self.snapshot()
                error.training = params, costs.copy()  # type: ignore[attr-defined]
            raise
        finally:  # once more, as a second signal may have come just before stop() was called above
            pending = team.stop() or pending
            self.is_intact = team.failure is None and not team.is_forked()
        if pending is not None and not isinstance(pending, KeyboardInterrupt):
            raise pending
        return self._finished((interrupt or pending) is not None, observer is not None)

    def _take_step(self, team: Team, bar: RowsProgress, learning_rate: float, total_weight: float) -> bool:
        for _ in range(self._block_count):
            block = next(self._blocks)
            for pieces in block.calls:
                self._add(team, block, pieces)
            bar.add_rows(block.count)
        return self.step(self.gradients, self.chunks, learning_rate, total_weight)

    def _end_iteration(self, team: Team, bar: RowsProgress) -> None:
        bar.end_iteration()
        team.check_not_forked()

    def _add(self, team: Team, block: Block, pieces: Array) -> None:
        """Add cost and gradient of some pieces of a block to those of their chunks, as a team."""
        keep = choices.DROP if block.groups is None else choices.KEEP if block.rows is not None else choices.KEPT
        params = self.current()
        for job, tile in zip(team.jobs, self._tiles, strict=False):
            X, Y, weights = block.groups or tile
            X_rows, Y_rows, weight_rows = block.rows or tile
            job.point(
                X=X, Y=Y, weights=weights, X_rows=X_rows, Y_rows=Y_rows, weight_rows=weight_rows, params=params,
                keep=keep, pieces=pieces, piece_count=len(pieces))  # fmt: skip
        self.control[control_words.NEXT_BLOCK] = 0
        team.call()

    def _record(self, thread: int, threads: int) -> BlockSumsRecord:
        """Return the record of one of `threads` threads, before the first block."""
        d, h, o, n = self.shape
        dtype = self.params.dtype
        tile = self._tiles[thread]
        A1, dZ2 = allocate_tiles((h, o), self.tile_groups, dtype)
        (scratch,) = allocate_tiles((tuning.count_scratch_rows(h),), 1, dtype)
        return BlockSumsRecord(
            d=d, h=h, o=o, n=n, control=self.control, thread=thread, threads=threads,
            has_weights=self._has_weights,
            chunks=self.chunks, first_chunk=0, tile_groups=self.tile_groups, pieces=np.zeros(1, dtype=np.int64),
            piece_count=0, keep=choices.DROP, X_rows=tile.X, Y_rows=tile.Y, weight_rows=tile.weights, X=tile.X,
            Y=tile.Y, weights=tile.weights, params=self.params, gradients=self.gradients,
            gradients_stride=self.gradients_stride, A1=A1, dZ2=dZ2, scratch=scratch)  # fmt: skip


def bytes_needed(shape: tuple[int, int, int, int], dtype: Any, threads: int) -> int:
    """Return about how many bytes a run takes in addition to its blocks and costs."""
    d, h, o, n = shape
    params = tuning.count_params(d, h, o)
    gradients = tuning.count_chunks(n, d, h, o, dtype) * gradient_length(params) * 8
    rows = tuning.count_tile_groups(d, h, o) * (d + o + 1 + h + o) + tuning.count_scratch_rows(h)
    group_bytes = tuning.GROUP_VECTORS * tuning.VECTOR_BYTES
    return int(gradients + threads * rows * group_bytes + params * (8 + 2 * np.dtype(dtype).itemsize))
