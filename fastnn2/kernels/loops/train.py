"""The fused kernel: the whole of gradient descent in one call on each thread of a team.

Samples are cut into *chunks*, a number of them that follows from the shapes and not from the threads, and chunks into
tiles. Each thread has a range of the chunks. An iteration is

    each thread     for its chunks, and others that it claims, tile by tile: forward, cost, backward; one gradient
                    buffer a chunk
                    sum its own chunks in pairs, if it has a whole branch of that tree (see tuning.count_shares)
    barrier
    each thread     sum what all hand over, in pairs (of `shared`, costs one after the other);
                    cost_j = sum / n + penalty; new parameters

so the same sums are formed in the same order by any number of threads. Small networks: every thread updates a set of
parameters of its own, and as gradient buffers come in two sets, used in turn, one barrier an iteration is enough.
Large networks (`shared`): each thread updates its own range of the one set, and a second barrier follows.

Cores are seldom equally fast, as other processes use them, too. So where each thread has several chunks (`stealing`),
one that is done with its range goes on with what is left of the others': a chunk is claimed by adding one to a control
word of the range that it belongs to (see team.claim). Then no thread has a branch of its own.

Thread 0 begins alone and lets the others in, all at once, at the first iteration that finds all of them waiting: a core
that something else is busy on keeps a thread waiting for milliseconds. (Where they share one set of parameters, it
waits for them.) They take its parameters, so nothing but the time depends on when they come.

Where an iteration takes microseconds and other processes want the cores, the team would wait for a time slice again and
again. So thread 0 of such a job (`may_drop_workers`) adds up how long it waited; when that is more than all else, it
goes on alone, which changes nothing but the time.
"""

from numba import njit

from fastnn2.kernels.loops.team import (
    SPINS,
    atomic_load,
    atomic_store,
    barrier,
    cycles,
    let_time_pass,
    lost_too_much,
    next_chunk_word,
    release_workers,
    report,
    steal_chunk,
    wait_to_be_let_in,
)
from fastnn2.kernels.nn.layers import layered_tile
from fastnn2.kernels.nn.narrow import narrow_tile
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
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.vector import INLINE, group_lanes

INFINITY = float("inf")

count_shares = njit(**INLINE)(tuning.count_shares)


def training_loop(tile):
    """Return gradient descent over tiles of one kind, ``layers.layered_tile`` or ``narrow.narrow_tile``."""

    @njit(**NOT_INLINED)
    def train(control, thread, threads, shared, d, h, o, n, iterations, chunks, tile_groups, stealing, may_drop_workers,
              X, Y, weights, has_weights, params, params_of_first, params_stride, first, last, l2, has_l2, gradients,
              gradients_stride, sums, A1, dZ2, scratch, costs, learning_rate, total_weight):  # fmt: skip
        """Train as one thread of a team; write costs, parameters and the control words in place.

        Shapes, all flat: X (groups, d, G), Y (groups, o, G) and weights (groups, G), as in :mod:`layers`; params
        (2, params_stride), the set of iteration j at j mod 2, and beside them thread 0's, which have the first set;
        l2 (params_stride,) float64, the L2 penalty of each parameter; gradients (2, chunks, gradients_stride)
        float64, one set if `shared`, the cost of a chunk at its end, and from ``gradients[sums]`` on place for half as
        many as the threads hand over, for this thread alone; costs (iterations,) float64. For this thread alone: its
        parameters, unless `shared`; the range [first, last) of the parameters that it updates; A1 (tile_groups, h, G),
        dZ2 (tile_groups, o, G) and scratch (S, G). What belongs to a thread or a chunk starts on a 128-byte boundary;
        sets of parameters and gradients are followed by zeros. For `shared`, `stealing` and `may_drop_workers` see
        this module's docstring.

            cost_j = (sum(costs of samples) + 1/2 sum(l2 p^2)) / total_weight
            p <- p - learning_rate / total_weight * (gradient + l2 p)
        """
        forbid_inlining()
        lanes = group_lanes(X)
        groups = (n + lanes - 1) // lanes
        cost_place = gradients_stride - 1
        scaled_rate = learning_rate / total_weight

        j = barriers = 0
        team = 1  # threads at work
        workers_waiting = thread == 0 and threads > 1  # the others have not been let in
        if thread != 0:
            j = wait_to_be_let_in(control)
            if j < 0:
                return
            team, barriers = threads, atomic_load(control, BARRIERS)
            if not shared:
                for i in range(j % 2 * params_stride, (j % 2 + 1) * params_stride):
                    params[i] = params_of_first[i]
        yields = waited = looks = 0
        begin = cycles()
        while j < iterations:
            while (
                workers_waiting
                and shared
                and atomic_load(control, READY) < threads - 1
                and atomic_load(control, STOP) == 0
            ):
                looks = let_time_pass(looks)
            if workers_waiting and atomic_load(control, READY) == threads - 1:
                release_workers(control, threads, chunks, j, barriers)
                team, workers_waiting = threads, False
            old = (j % 2) * params_stride
            new = params_stride - old
            gradient_set = 0 if shared else (j % 2) * chunks * gradients_stride
            shares = count_shares(chunks, team, shared or stealing)
            own = thread * chunks // team
            if stealing:
                atomic_store(control, next_chunk_word(thread, j + 1), own)
            c, victim, tried = own - 1, thread, 0
            while True:
                if stealing:
                    c, victim, tried = steal_chunk(control, j, chunks, team, victim, tried)
                else:
                    c = c + 1 if c + 1 < (thread + 1) * chunks // team else -1
                if c < 0:
                    break
                gradient_offset = gradient_set + c * gradients_stride
                for i in range(gradient_offset, gradient_offset + gradients_stride):
                    gradients[i] = 0.0
                end = (c + 1) * groups // chunks
                for g in range(c * groups // chunks, end, tile_groups):
                    if atomic_load(control, STOP) != 0:
                        atomic_store(control, ABANDONED, j)
                        break
                    size = smaller(tile_groups, end - g)
                    first_sample = g * lanes  # the first sample of the tile
                    gradients[gradient_offset + cost_place] += tile(
                        params, old, d, h, o, size, n - first_sample, X, first_sample * d, Y, first_sample * o, weights,
                        first_sample, has_weights, A1, dZ2, scratch, gradients, gradient_offset)  # fmt: skip
            if shares < chunks:
                sum_in_pairs(
                    gradients, gradient_set + own * gradients_stride, gradients_stride, chunks // shares, 0,
                    gradients_stride, gradient_set + own * gradients_stride, gradients_stride)  # fmt: skip
            now = cycles()
            if may_drop_workers and thread == 0 and lost_too_much(waited, now - begin):
                atomic_store(control, SERIAL_FROM, j)
            barriers += team
            before, yields = yields, barrier(control, barriers, yields, SPINS)
            if yields != before:
                waited += cycles() - now
            if atomic_load(control, ABANDONED) == j:
                report(control, thread, INTERRUPTED)
                break
            if atomic_load(control, SERIAL_FROM) == j:
                if thread != 0:
                    break
                team = 1
                may_drop_workers = 0

            cost = 0.0
            if shared:
                for c in range(chunks):
                    cost += gradients[gradient_set + c * gradients_stride + cost_place]
                total = sum_in_pairs(
                    gradients, gradient_set, gradients_stride, chunks, first, last, gradient_set, gradients_stride
                )
            else:
                total = sum_in_pairs(
                    gradients, gradient_set, chunks // shares * gradients_stride, shares, 0, gradients_stride, sums,
                    gradients_stride)  # fmt: skip
                cost = gradients[total + cost_place]
            if has_l2:
                cost += 0.5 * sum_l2_squares(params, old, l2, 0, params_stride)
            cost /= total_weight
            if not -INFINITY < cost < INFINITY:
                report(control, thread, COST_NOT_FINITE)
                break
            if thread == 0:
                costs[j] = cost

            finite = update(params, old, params, new, gradients, total, first, last, l2, scaled_rate)
            if shared:
                if not finite:
                    atomic_store(control, DIVERGED, j)
                barriers += team
                yields = barrier(control, barriers, yields, SPINS)
                finite = atomic_load(control, DIVERGED) != j
            if not finite:
                report(control, thread, PARAMS_NOT_FINITE)
                break
            j += 1
            if thread == 0:
                atomic_store(control, COMPLETED, j)
        if j == iterations:
            report(control, thread, FINISHED)
        if workers_waiting:
            atomic_store(control, ENTERED, SHUT_DOWN)

    return train


train = training_loop(layered_tile)
train_narrow = training_loop(narrow_tile)
