"""Gradient descent for fit: one call of this kernel on each thread of a team runs all iterations.

The threads share the samples. These are cut into *chunks*, whose number follows from the shapes and not from the number
of threads, and chunks into tiles. Each thread has a range of the chunks. An iteration is

    each thread     for each chunk of its range: its cost and gradient (see :mod:`chunks`); a gradient buffer per chunk
                    sum the gradients of its own chunks, if they are a whole branch of the tree below
    barrier
    each thread     sum the rest of the tree; cost_j = sum of costs / n + L2 penalty; new parameters

**The order of sums.** Within a tile and a chunk it is fixed (see :mod:`layers`). Chunks are added in a binary tree:
(g0 + g1) + (g2 + g3), and so on (see :func:`update.sum_in_pairs`). If the number of threads is a power of two, the
chunks of a thread are a branch of that tree, which it sums before the barrier; otherwise the whole tree is summed after
it. The additions are the same in both cases, so the number of threads changes no bit.

**Small networks.** Every thread forms the whole sum and updates parameters of its own, so that no thread waits for the
update of another. There are two sets of gradient buffers, used in turn, so that a thread that is ahead does not
overwrite what another one still reads: one barrier per iteration is enough.

**Large networks** (`shared`). All threads share the parameters. Each thread sums and updates its own range of them, and
a second barrier follows before any thread reads the new parameters; so one set of gradient buffers is enough. The costs
of the chunks are added one after the other.

**Stealing.** Cores are seldom equally fast, as other processes use them too. If each thread has several chunks
(`stealing`), a thread that has finished its range goes on with chunks of the others' ranges (see
:func:`team.steal_chunk`). No thread has a whole branch of the tree then, so the tree is summed after the barrier.
(Without it, fits beside one busy process take 1.1 to 1.4 times as long.)

**Beginning.** Thread 0 begins alone, and releases the workers, all at once, at the first iteration that finds all of
them waiting: if something else is busy on a core, its thread may be late by milliseconds. Workers copy the parameters
of thread 0. (If parameters are `shared`, thread 0 waits for the workers before it begins.) Only the time depends on
when they join.

**Going on alone.** If an iteration takes microseconds and other processes want the cores, the team would wait for a
time slice again and again. So in such a job (`may_drop_workers`) thread 0 adds up the time that it waits at barriers;
when that exceeds the rest, it goes on alone, which again changes only the time. (Without it, the tutorial's job takes
3.4 times as long beside one process that wants little, and tens of times as long beside two busy ones.)

**Pauses.** Thread 0 may leave the kernel after an iteration and go on in a later call (see :mod:`pauses`). Which
threads are at work follows from ENTERED and SERIAL_FROM.

**Ctrl-C and divergence.** A thread that finds STOP marks the iteration as abandoned; all threads see the mark after the
barrier and leave before the update. There are two sets of parameters, used in turn, so those before an update that is
not finite are still there, too.
"""

from numba import njit

from fastnn2.kernels.loops.chunks import add_narrow_tiles, add_tiles
from fastnn2.kernels.loops.pauses import begin_pause, end_pause
from fastnn2.kernels.loops.team import (
    MAX_YIELDS,
    SPINS,
    atomic_load,
    atomic_store,
    back_off,
    barrier,
    barrier_or_farewell,
    cycles,
    next_chunk_word,
    release_workers,
    report,
    steal_chunk,
    wait_for_release,
)
from fastnn2.kernels.nn.update import sum_in_pairs, sum_l2_squares, update
from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.control_words import (
    ABANDONED,
    BARRIERS,
    COMPLETED,
    COST_NOT_FINITE,
    DIVERGED,
    ENTERED,
    FINISHED,
    INTERRUPTED,
    PARAMS_NOT_FINITE,
    READY,
    SERIAL_FROM,
    SHUT_DOWN,
    STOP,
)
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.vector import INLINE, group_lanes

INFINITY = float("inf")

count_shares = njit(**INLINE)(tuning.count_shares)


def training_loop(add_tiles):
    """Return gradient descent by one of the primitives of :mod:`chunks`."""

    @njit(**NOT_INLINED)
    def train(job):
        """Train as one thread of a team; write costs, parameters and the control words in place.

            cost_j = (sum(costs of samples) + 1/2 sum(l2 p^2)) / total_weight
            p <- p - learning_rate / total_weight * (gradient + l2 p)

        For the fields of `job`, with their shapes, see :class:`~fastnn2.kernels.shared.records.TrainRecord`; for
        `shared`, `stealing` and `may_drop_workers` also the module's docstring.
        """
        forbid_inlining()
        control, thread, threads = job.control, job.thread, job.threads
        d, h, o = job.d, job.h, job.o
        n, iterations, chunks = job.n, job.iterations, job.chunks
        tile_groups, params, params_stride = job.tile_groups, job.params, job.params_stride
        gradients, gradients_stride, l2 = job.gradients, job.gradients_stride, job.l2
        shared, stealing, may_drop_workers = job.shared, job.stealing, job.may_drop_workers
        total_weight, has_weights = job.total_weight, job.has_weights
        X, Y, weights = job.X, job.Y, job.weights
        lanes = group_lanes(X)
        groups = (n + lanes - 1) // lanes
        cost_offset = gradients_stride - 1
        scaled_rate = job.learning_rate / total_weight

        active = 1  # threads at work
        workers_waiting = thread == 0 and threads > 1
        if thread == 0:
            j = atomic_load(control, COMPLETED)  # the first of this call
            barriers, yields, waited, begin = end_pause(control, j)
            if atomic_load(control, SERIAL_FROM) >= 0:
                workers_waiting, may_drop_workers = False, 0
            elif atomic_load(control, ENTERED) > 0:
                workers_waiting, active = False, threads
        else:
            j = wait_for_release(control)
            if j < 0:
                return
            active, barriers = threads, atomic_load(control, BARRIERS)
            yields, waited, begin = 0, 0, cycles()
            if not shared:
                initial = job.params_of_thread_0
                for i in range(j % 2 * params_stride, (j % 2 + 1) * params_stride):
                    params[i] = initial[i]
        polls = 0
        while j < iterations:
            while (
                workers_waiting
                and shared
                and atomic_load(control, READY) < threads - 1
                and atomic_load(control, STOP) == 0
            ):
                polls = back_off(polls, MAX_YIELDS)
            if workers_waiting and atomic_load(control, READY) == threads - 1:
                release_workers(control, threads, chunks, j, barriers)
                active, workers_waiting = threads, False
            params_offset = (j % 2) * params_stride
            new_offset = params_stride - params_offset
            gradients_offset = 0 if shared else (j % 2) * chunks * gradients_stride
            shares = count_shares(chunks, active, shared or stealing)
            first_chunk = thread * chunks // active
            if stealing:
                atomic_store(control, next_chunk_word(thread, j + 1), first_chunk)
            c, victim, tried = first_chunk - 1, thread, 0
            while True:
                if stealing:
                    c, victim, tried = steal_chunk(control, j, chunks, active, victim, tried)
                else:
                    c = c + 1 if c + 1 < (thread + 1) * chunks // active else -1
                if c < 0:
                    break
                gradient_offset = gradients_offset + c * gradients_stride
                for i in range(gradient_offset, gradient_offset + gradients_stride):
                    gradients[i] = 0.0
                end = (c + 1) * groups // chunks
                add_tiles(
                    control, j, c * groups // chunks, end, 0, tile_groups, params, params_offset, d, h, o, n, X, Y,
                    weights, has_weights, job.A1, job.dZ2, job.scratch, gradients, gradient_offset,
                    cost_offset)  # fmt: skip
            if shares < chunks:
                branch_offset = gradients_offset + first_chunk * gradients_stride
                sum_in_pairs(
                    gradients, branch_offset, gradients_stride, chunks // shares, 0, gradients_stride, branch_offset,
                    gradients_stride)  # fmt: skip
            barriers += active
            yields, waited = barrier_or_farewell(
                control, thread, barriers, yields, SPINS, may_drop_workers, j, waited, begin
            )
            if atomic_load(control, ABANDONED) == j:
                report(control, thread, INTERRUPTED)
                break
            if atomic_load(control, SERIAL_FROM) == j:
                if thread != 0:
                    break
                active = 1
                may_drop_workers = 0

            cost = 0.0
            if shared:
                for c in range(chunks):
                    cost += gradients[gradients_offset + c * gradients_stride + cost_offset]
                total_offset = sum_in_pairs(
                    gradients, gradients_offset, gradients_stride, chunks, job.first, job.last, gradients_offset,
                    gradients_stride)  # fmt: skip
            else:
                total_offset = sum_in_pairs(
                    gradients, gradients_offset, chunks // shares * gradients_stride, shares, 0, gradients_stride,
                    job.sums_offset, gradients_stride)  # fmt: skip
                cost = gradients[total_offset + cost_offset]
            if job.has_l2:
                cost += 0.5 * sum_l2_squares(params, params_offset, l2, 0, params_stride)
            cost /= total_weight
            if not -INFINITY < cost < INFINITY:
                report(control, thread, COST_NOT_FINITE)
                break
            if thread == 0:
                job.costs[j] = cost

            finite = update(
                params, params_offset, params, new_offset, gradients, total_offset, job.first, job.last, l2, scaled_rate
            )
            if shared:
                if not finite:
                    atomic_store(control, DIVERGED, j)
                barriers += active
                yields = barrier(control, barriers, yields, SPINS)
                finite = atomic_load(control, DIVERGED) != j
            if not finite:
                report(control, thread, PARAMS_NOT_FINITE)
                break
            j += 1
            if thread == 0 and begin_pause(control, j, iterations, barriers, yields, waited, begin):
                return
        if j == iterations:
            report(control, thread, FINISHED)
        if workers_waiting:
            atomic_store(control, ENTERED, SHUT_DOWN)

    return train


train = training_loop(add_tiles)
train_narrow = training_loop(add_narrow_tiles)
