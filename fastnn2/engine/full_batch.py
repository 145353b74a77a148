"""A training run of fit, here called a job.

A job allocates the buffers, makes a record for each thread of a team, runs the team, and returns the parameters and
costs, or raises them in an error where training was interrupted or diverged. There are two kinds:

- :class:`SampleParallelJob`: the samples are divided among the threads (:mod:`fastnn2.kernels.loops.train`).
- :class:`UnitParallelJob`: the hidden units are divided, for very wide layers
  (:mod:`fastnn2.kernels.loops.train_wide`).
"""

import abc
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.layout import aligned_zeros, padded_length, views_by_part
from fastnn2.engine.sample_layout import sample_layout
from fastnn2.engine.training_run import TrainingRun
from fastnn2.exceptions import Params
from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.records import FitRecord, TrainRecord, TrainWideRecord
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.pauses import Observer, run_with_pauses
from fastnn2.threads.team import Team, is_short_job, run_team

Array = np.ndarray[Any, Any]

# Work is counted in multiplications.
# A job with less work than this is faster on one thread: starting others takes longer than the job.
MIN_WORK_FOR_TEAM = 10_000_000
# In iterations with less work than this, waiting for a thread that has lost its core to another process takes longer
# than its share of the work, so thread 0 may continue without the others.
SHORT_ITERATION_WORK = 1_000_000
# Threads steal chunks from each other if there are at least this many per thread. If every thread then sums the
# gradients of all chunks, an iteration also needs this much work for each number that is added.
MIN_CHUNKS_TO_STEAL, MIN_WORK_PER_SUMMED_NUMBER = 4, 200


def count_threads(d: int, n: int, h: int, o: int, iterations: int, dtype: Any, n_threads: int | None) -> int:
    """Return the number of threads of a job: at most one for each chunk or part, and at most `n_threads`.

    Without `n_threads` it is at most the number of usable cores, and small enough that every thread pays off.
    """
    is_wide = tuning.train_kernel(d, h, o) == "train_wide"
    maximum = tuning.count_wide_parts(h) if is_wide else tuning.count_chunks(n, d, h, o, dtype)
    if n_threads is not None:
        return min(n_threads, maximum)
    work = tuning.work_of_iteration(d, n, h, o)
    if work * iterations < MIN_WORK_FOR_TEAM or maximum == 1:
        return 1
    return int(max(1, min(maximum, work // tuning.WORK_PER_THREAD, usable_cores())))


class Job(TrainingRun):
    """A training run on samples in memory; X, Y and weights are in groups (see :func:`layout.to_groups`).

    `params` are those after the iterations of `costs_so_far`.
    """

    l2: Array
    gradients: Array
    learning_rate: float
    total_weight: float

    def __init__(
        self,
        X: Array,
        Y: Array,
        weights: Array | None,
        params: Array,
        shape: tuple[int, int, int, int],
        alpha: float,
        iterations: int,
        n_threads: int | None,
        costs_so_far: Array | None = None,
    ) -> None:
        d, h, o, n = shape
        super().__init__(shape, iterations, count_threads(d, n, h, o, iterations, X.dtype, n_threads), costs_so_far)
        self.X, self.Y, self.weights = X, Y, weights
        self.has_l2 = alpha != 0
        self._make_buffers(params, alpha)

    @abc.abstractmethod
    def _make_buffers(self, params: Array, alpha: float) -> None:
        """Allocate the kernel's buffers and copy the initial parameters (packed) into them."""

    @abc.abstractmethod
    def _record(self, thread: int, threads: int) -> FitRecord:
        """Return the record of one of `threads` threads."""

    def _fields(self, thread: int, threads: int) -> dict[str, Any]:
        """Return the fields that both kinds of jobs fill in alike."""
        d, h, o, n = self.shape
        return {
            "d": d, "h": h, "o": o, "n": n, "control": self.control, "thread": thread, "threads": threads,
            "iterations": self.iterations, "learning_rate": self.learning_rate, "total_weight": self.total_weight,
            "X": self.X, "Y": self.Y, "weights": self.X if self.weights is None else self.weights,
            "has_weights": self.weights is not None, "l2": self.l2, "has_l2": self.has_l2, "gradients": self.gradients,
            "costs": self.costs,
        }  # fmt: skip

    def run(
        self, learning_rate: float, total_weight: float, progress: bool | None, observer: Observer | None = None
    ) -> tuple[Params, Array]:
        """Train, as :meth:`TrainingRun.run`."""
        d, h, o, _ = self.shape
        self.learning_rate, self.total_weight = learning_rate, total_weight
        kernel = provider.kernel(tuning.train_kernel(d, h, o), self.X.dtype)
        team = Team(kernel, self._record, self.control, self.threads)
        run = None
        if observer is not None:
            run = functools.partial(
                run_with_pauses, observer=observer, is_short=self._is_short, iterations=self.iterations,
                progress=progress)  # fmt: skip
        is_short = self._is_short(self.iterations - self.first_iteration)
        try:
            interrupted = run_team(team, is_short, self.iterations, progress, run)
        finally:  # (the job does not keep the team, which keeps the job)
            self.is_intact = team.failure is None and not team.is_forked()
        return self._finished(interrupted, observer is not None)

    def _is_short(self, iterations: int) -> bool:
        d, h, o, _ = self.shape
        return is_short_job(iterations * self.work, iterations, tuning.count_params(d, h, o))


class SampleParallelJob(Job):
    """A job whose samples are divided among the threads, in chunks."""

    def _make_buffers(self, params: Array, alpha: float) -> None:
        d, h, o, n = self.shape
        dtype, threads = self.X.dtype, self.threads
        self.layout = layout = sample_layout(d, h, o, n, dtype)
        self.stealing = 1 < threads <= layout.chunks // MIN_CHUNKS_TO_STEAL and (
            layout.shared or threads * layout.chunks * len(params) * MIN_WORK_PER_SUMMED_NUMBER <= self.work
        )
        self.may_drop_workers = self.work < SHORT_ITERATION_WORK and not layout.shared

        sets = 1 if layout.shared else threads
        # One array serves all threads: to allocate an array and find its address takes as long as ten iterations of a
        # small job.
        stride = layout.params_stride
        self.params = aligned_zeros(sets * 2 * stride, dtype).reshape(sets, 2, stride)
        self.params[0, self.first_iteration % 2, : len(params)] = params
        self.sums_size = layout.sums_size(threads, layout.shared or self.stealing)
        self.gradients = aligned_zeros(layout.sums + threads * self.sums_size, np.float64)
        self.l2 = aligned_zeros(stride, np.float64)
        for weights in tuning.weights_of(d, h, o):
            self.l2[weights] = alpha
        self.scratch = aligned_zeros(threads * layout.scratch_ends[-1], dtype).reshape(threads, -1)

    def _record(self, thread: int, threads: int) -> TrainRecord:
        layout = self.layout
        A1, dZ2, scratch = (self.scratch[thread, first:last] for first, last in itertools.pairwise(layout.scratch_ends))
        first, last = self.update_range(thread, threads)
        return TrainRecord(
            **self._fields(thread, threads), A1=A1, dZ2=dZ2, scratch=scratch, shared=layout.shared,
            chunks=layout.chunks, tile_groups=layout.tile_groups, stealing=self.stealing,
            may_drop_workers=self.may_drop_workers, params=self.params[0 if layout.shared else thread],
            params_of_thread_0=self.params, params_stride=layout.params_stride, first=first, last=last,
            gradients_stride=layout.gradients_stride, sums_offset=layout.sums + thread * self.sums_size,
        )  # fmt: skip

    def update_range(self, thread: int, threads: int) -> tuple[int, int]:
        """Return the range of parameters that a thread updates: its own whole set, or its share of the shared set."""
        count = self.layout.updated
        if not self.layout.shared:
            return 0, count
        ends = [count * part // threads // tuning.RANGE * tuning.RANGE for part in range(threads)] + [count]
        return ends[thread], ends[thread + 1]

    def _params_after(self, iterations: int) -> Array:
        d, h, o, _ = self.shape
        flat: Array = self.params[0, iterations % 2, : tuning.count_params(d, h, o)]
        return flat


class UnitParallelJob(Job):
    """A job whose hidden units are divided among the threads, in parts."""

    def _make_buffers(self, params: Array, alpha: float) -> None:
        d, h, o, n = self.shape
        dtype, threads, lanes = self.X.dtype, self.threads, tuning.group_size(self.X.dtype)
        self.parts, self.batches = tuning.count_wide_parts(h), tuning.count_batches(n, h, o, dtype)
        groups = -(-tuning.count_groups(n, dtype) // self.batches)
        units = tuning.most_units(self.parts, h)
        # The kernel adds 4 gradients and updates UPDATE_WIDTH parameters at a time, also past the last ones of a part.
        self.stride = padded_length(tuning.count_params(d, units, o) + tuning.UPDATE_WIDTH, dtype)
        self.params = aligned_zeros(2 * self.parts * self.stride, dtype).reshape(2, -1)
        for flat_view, part_view in self._views(params, self.params[self.first_iteration % 2]):
            part_view[...] = flat_view
        self.l2, self.gradients = (aligned_zeros(self.parts * self.stride, np.float64) for _ in range(2))
        if self.has_l2:
            penalties = np.zeros(len(params))
            for weights in tuning.weights_of(d, h, o):
                penalties[weights] = alpha
            for flat_view, part_view in self._views(penalties, self.l2):
                part_view[...] = flat_view
        self.penalties = np.zeros(2 * self.parts)
        self.Z2_stride = groups * o * lanes
        self.Z2 = aligned_zeros(2 * self.parts * self.Z2_stride, dtype)
        self.A1 = aligned_zeros(groups * h * lanes, dtype)
        self.dZ2 = aligned_zeros(threads * self.Z2_stride, dtype).reshape(threads, -1)
        self.scratch = aligned_zeros(threads * tuning.count_scratch_rows(units) * lanes, dtype).reshape(threads, -1)
        self.db2 = aligned_zeros(threads * padded_length(o, np.float64), np.float64).reshape(threads, -1)

    def _record(self, thread: int, threads: int) -> TrainWideRecord:
        return TrainWideRecord(
            **self._fields(thread, threads), params=self.params, stride=self.stride, parts=self.parts,
            batches=self.batches, penalties=self.penalties, Z2=self.Z2, Z2_stride=self.Z2_stride, A1=self.A1,
            dZ2=self.dZ2[thread], scratch=self.scratch[thread], db2=self.db2[thread],
        )  # fmt: skip

    def _params_after(self, iterations: int) -> Array:
        d, h, o, _ = self.shape
        flat = np.empty(tuning.count_params(d, h, o), dtype=self.X.dtype)
        for flat_view, part_view in self._views(flat, self.params[iterations % 2]):
            flat_view[...] = part_view
        return flat

    def _views(self, flat: Array, parted: Array) -> Iterator[tuple[Array, Array]]:
        """Yield pairs of views of the same parameters: packed, and stored by part."""
        d, h, o, _ = self.shape
        return views_by_part(flat, parted, d, h, o, self.parts, self.stride)


def job_class(d: int, h: int, o: int) -> type[Job]:
    """Return the kind of job that trains a network."""
    return UnitParallelJob if tuning.train_kernel(d, h, o) == "train_wide" else SampleParallelJob
