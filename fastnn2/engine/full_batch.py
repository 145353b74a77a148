"""A training run of fit: its buffers, the team that works on them, and what is handed back or raised at its end.

There are two kinds, as the threads share samples or hidden units; see :mod:`fastnn2.kernels.loops.train` and
:mod:`fastnn2.kernels.loops.train_wide`.
"""

import abc
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.codegen import store
from fastnn2.engine.layout import address, aligned_zeros, padded, unpack_params, views_of_parts
from fastnn2.exceptions import Params, TrainingDiverged, TrainingInterrupted
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.native import KernelCall
from fastnn2.threads.team import Team, is_short_job, run_team

Array = np.ndarray[Any, Any]

# With fewer multiplications in the whole job, starting threads costs more than the job.
WORK_OF_JOB = 10_000_000
# Iterations of fewer suffer where other processes want the cores: they wait for whoever lost its core.
WORK_OF_SHORT_ITERATION = 1_000_000
# Threads that are done early take what is left of the others', with so many chunks or more for each thread. Where then
# each sums all of them, an iteration has to have so many multiplications for each number that all threads add.
CHUNKS_TO_STEAL, WORK_OF_SUM = 4, 200


def threads_for(d: int, n: int, h: int, o: int, iterations: int, dtype: Any, n_threads: int | None) -> int:
    """Return the size of the team: no more than asked for, than can share, and by default than cores and work."""
    is_wide = tuning.train_kernel(d, h, o) == "train_wide"
    most = tuning.count_wide_parts(h) if is_wide else tuning.count_chunks(n, d, h, o, dtype)
    if n_threads is not None:
        return min(n_threads, most)
    work = tuning.work_of_iteration(d, n, h, o)
    if work * iterations < WORK_OF_JOB or most == 1:
        return 1
    return int(max(1, min(most, work // tuning.WORK_PER_THREAD, usable_cores())))


class Job(abc.ABC):
    """A training run of X, Y and weights in groups (see :func:`layout.to_groups`), `shape` d, h, o, n."""

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
    ) -> None:
        d, h, o, n = shape
        self.shape, self.iterations = shape, iterations
        self.X, self.Y, self.weights = X, Y, weights
        self.work = tuning.work_of_iteration(d, n, h, o)
        self.threads = threads_for(d, n, h, o, iterations, X.dtype, n_threads)
        self.costs = np.zeros(iterations)
        self.control = aligned_zeros(control_words.NEXT_CHUNKS + 2 * self.threads * control_words.WORD, np.int64)
        for word in (control_words.ABANDONED, control_words.DIVERGED, control_words.SERIAL_FROM, control_words.OUTCOME):
            self.control[word] = -1
        self.has_l2 = alpha != 0
        self._make_buffers(params, alpha)

    @abc.abstractmethod
    def _make_buffers(self, params: Array, alpha: float) -> None:
        """Make what the kernel works on, with the initial parameters (flat) in it."""

    @abc.abstractmethod
    def _share(self, learning_rate: float, total_weight: float) -> KernelCall:
        """Return what each thread has to do."""

    @abc.abstractmethod
    def _params_after(self, iterations: int) -> Array:
        """Return the parameters, flat, after so many iterations: the last ones that were finished."""

    def run(self, learning_rate: float, total_weight: float, progress: bool | None) -> tuple[Params, Array]:
        """Train; return or raise what was reached."""
        work = self._share(learning_rate, total_weight)
        d, h, o, _ = self.shape
        short = is_short_job(self.iterations * self.work, self.iterations, tuning.count_params(d, h, o))
        interrupted = run_team(Team(self.control), self.threads, work, short, self.iterations, progress)
        params = None
        while params is None:
            try:
                params = unpack_params(self._params_after(int(self.control[control_words.COMPLETED])), d, h, o)
            except KeyboardInterrupt:  # while millions of parameters were copied
                interrupted = True
        return self._result(params, interrupted)

    def _result(self, params: Params, interrupted: bool) -> tuple[Params, Array]:
        """Return parameters and costs, or raise them where training stopped early or a signal came at its very end."""
        done, outcome = int(self.control[control_words.COMPLETED]), self.control[control_words.OUTCOME]
        if outcome == control_words.FINISHED and not interrupted:
            return params, self.costs
        if interrupted or outcome == control_words.INTERRUPTED:
            message = (
                f"stopped after {done} of {self.iterations} iterations; the error's .params and .cost_ have what was "
                "reached, and fit(..., init=error.params) goes on from there"
            )
            raise TrainingInterrupted(message, params, self.costs[:done])
        costs = self.costs[: done + (outcome == control_words.PARAMS_NOT_FINITE)]
        what = "cost is" if outcome == control_words.COST_NOT_FINITE else "parameters after the update are"
        # Nothing was learned yet where the very first cost is not finite, so the learning rate is not why.
        remedy = (
            "smaller initial parameters, alpha or weights, or scale the inputs (for example to mean 0 and variance 1)"
        )
        if done or outcome != control_words.COST_NOT_FINITE:
            remedy = "a smaller learning rate or scale the inputs (for example to mean 0 and variance 1)"
        last = f"the last finite cost was {costs[-1]:.6g}" if len(costs) else "there was no finite cost before"
        raise TrainingDiverged(
            f"training diverged: at iteration {done} the {what} not finite; {last}. "
            f"Try {remedy}. "
            "The error's .params and .cost_ have the last finite values",
            params,
            costs,
        )


class ChunkedJob(Job):
    """One whose threads share the samples, in chunks."""

    def _make_buffers(self, params: Array, alpha: float) -> None:
        d, h, o, n = self.shape
        dtype, threads = self.X.dtype, self.threads
        self.chunks = tuning.count_chunks(n, d, h, o, dtype)
        self.shared = len(params) >= tuning.SHARED_PARAMS
        self.tile_groups = tuning.count_tile_groups(d, h, o)
        self.stealing = 1 < threads <= self.chunks // CHUNKS_TO_STEAL and (
            self.shared or threads * self.chunks * len(params) * WORK_OF_SUM <= self.work
        )
        self.may_drop_workers = self.work < WORK_OF_SHORT_ITERATION and not self.shared

        lanes = tuning.group_size(dtype)
        sets = 1 if self.shared else threads
        # Few arrays, each for all threads: to make one and ask where it begins takes as long as ten iterations of a
        # small job.
        stride = padded(len(params), dtype)
        self.params = aligned_zeros(sets * 2 * stride, dtype).reshape(sets, 2, stride)
        self.params[0, 0, : len(params)] = params
        # Sums are added in fours and parameters updated in eights; behind both, at the end, stands the cost. One set is
        # enough where a second barrier follows.
        self.updated = -(-len(params) // tuning.UPDATE_WIDTH) * tuning.UPDATE_WIDTH
        self.gradients_stride = padded(max(len(params) + 4, self.updated) + 1, np.float64)
        gradient_sets = 1 if self.shared else 2
        self.sums = gradient_sets * self.chunks * self.gradients_stride
        # The system may refuse some of the threads, and three may hand over more than four.
        mixed = self.shared or self.stealing
        shares = max(tuning.count_shares(self.chunks, team, mixed) for team in range(1, threads + 1))
        self.sums_size = 0 if self.shared else shares // 2 * self.gradients_stride
        self.gradients = aligned_zeros(self.sums + threads * self.sums_size, np.float64)
        self.l2 = aligned_zeros(stride, np.float64)
        for part in tuning.weights_of(d, h, o):
            self.l2[part] = alpha
        rows = (self.tile_groups * h, self.tile_groups * o, tuning.count_scratch_rows(h))  # of A1, dZ2 and scratch
        *self.scratch_places, self.scratch_size = itertools.accumulate((count * lanes for count in rows), initial=0)
        self.scratch = aligned_zeros(threads * self.scratch_size, dtype)

    def _share(self, learning_rate: float, total_weight: float) -> KernelCall:
        d, h, o, n = self.shape
        weights = self.X if self.weights is None else self.weights  # not read without weights
        train = store.kernel(tuning.train_kernel(d, h, o), self.X.dtype)
        # Once for all threads: a short job begins the sooner, the less there is to do in Python.
        X, Y, weights_at = map(address, (self.X, self.Y, weights))
        control, params, l2, gradients = map(address, (self.control, self.params, self.l2, self.gradients))
        scratch, costs, itemsize = address(self.scratch), address(self.costs), self.X.itemsize

        def arguments(thread: int, threads: int) -> tuple[Any, ...]:
            own_params = params if self.shared else params + thread * self.params.strides[0]
            own_scratch = scratch + thread * self.scratch_size * itemsize
            return (
                *(control, thread, threads, int(self.shared)),
                *(d, h, o, n, self.iterations, self.chunks, self.tile_groups),
                *(int(self.stealing), int(self.may_drop_workers)),
                *(X, Y, weights_at, int(self.weights is not None)),
                *(own_params, params, self.params.shape[2]),
                *self.range_of(thread, threads),
                *(l2, int(self.has_l2), gradients, self.gradients_stride, self.sums + thread * self.sums_size),
                *(own_scratch + place * itemsize for place in self.scratch_places),
                *(costs, learning_rate, total_weight),
            )

        return KernelCall(train, arguments)

    def range_of(self, thread: int, threads: int) -> tuple[int, int]:
        """Return the range of parameters that a thread updates: all of its own, or its share of the one set."""
        count = self.updated  # with the zeros behind, so that whole vectors can be written
        if not self.shared:
            return 0, count
        ends = [count * part // threads // tuning.RANGE * tuning.RANGE for part in range(threads)] + [count]
        return ends[thread], ends[thread + 1]

    def _params_after(self, iterations: int) -> Array:
        d, h, o, _ = self.shape
        flat: Array = self.params[0, iterations % 2, : tuning.count_params(d, h, o)]
        return flat


class WideJob(Job):
    """One whose threads share the hidden units, in parts."""

    def _make_buffers(self, params: Array, alpha: float) -> None:
        d, h, o, n = self.shape
        dtype, threads, lanes = self.X.dtype, self.threads, tuning.group_size(self.X.dtype)
        self.parts, self.batches = tuning.count_wide_parts(h), tuning.count_batches(n, h, o, dtype)
        groups = -(-tuning.count_groups(n, dtype) // self.batches)
        units = tuning.most_units(self.parts, h)
        # Sums are added in fours, those behind the last one, too, and parameters updated in eights.
        self.stride = padded(tuning.count_params(d, units, o) + tuning.UPDATE_WIDTH, dtype)
        self.params = aligned_zeros(2 * self.parts * self.stride, dtype).reshape(2, -1)
        for of_flat, of_cut in self._views(params, self.params[0]):
            of_cut[...] = of_flat
        self.l2, self.gradients = (aligned_zeros(self.parts * self.stride, np.float64) for _ in range(2))
        if self.has_l2:
            penalised = np.zeros(len(params))
            for part in tuning.weights_of(d, h, o):
                penalised[part] = alpha
            for of_flat, of_cut in self._views(penalised, self.l2):
                of_cut[...] = of_flat
        self.penalties = np.zeros(2 * self.parts)
        self.Z2_stride = groups * o * lanes
        self.Z2 = aligned_zeros(2 * self.parts * self.Z2_stride, dtype)
        self.A1 = aligned_zeros(groups * h * lanes, dtype)
        self.dZ2 = aligned_zeros(threads * self.Z2_stride, dtype).reshape(threads, -1)
        self.scratch = aligned_zeros(threads * tuning.count_scratch_rows(units) * lanes, dtype).reshape(threads, -1)
        self.db2 = aligned_zeros(threads * padded(o, np.float64), np.float64).reshape(threads, -1)

    def _share(self, learning_rate: float, total_weight: float) -> KernelCall:
        weights = self.X if self.weights is None else self.weights  # not read without weights
        train = store.kernel("train_wide", self.X.dtype)

        def arguments(thread: int, threads: int) -> tuple[Any, ...]:
            return (
                *(address(self.control), thread, threads, *self.shape, self.iterations, self.parts, self.batches),
                *(address(self.X), address(self.Y), address(weights), int(self.weights is not None)),
                *(address(self.params), self.stride, address(self.l2), int(self.has_l2)),
                *(address(self.gradients), address(self.penalties), address(self.Z2), self.Z2_stride),
                *(address(self.A1), address(self.dZ2[thread]), address(self.scratch[thread])),
                *(address(self.db2[thread]), address(self.costs), learning_rate, total_weight),
            )

        return KernelCall(train, arguments)

    def _params_after(self, iterations: int) -> Array:
        d, h, o, _ = self.shape
        flat = np.empty(tuning.count_params(d, h, o), dtype=self.X.dtype)
        for of_flat, of_cut in self._views(flat, self.params[iterations % 2]):
            of_flat[...] = of_cut
        return flat

    def _views(self, flat: Array, cut: Array) -> Iterator[tuple[Array, Array]]:
        """Yield views of the same parameters in a flat set and in one cut into the parts."""
        d, h, o, _ = self.shape
        return views_of_parts(flat, cut, d, h, o, self.parts, self.stride)
