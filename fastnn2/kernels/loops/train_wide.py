"""Gradient descent for fit with very wide hidden layers: the threads share the hidden units, not the samples.

With hundreds of thousands of parameters there is memory for few gradients only. :mod:`train`, with a gradient per chunk
of samples, would have few chunks: their gradients would have to be cleared and summed in each iteration, and a slower
core would keep all others waiting. Here the hidden layer is cut into *parts* (see :mod:`parts`), and there is one
gradient of each parameter. The samples pass in *batches* of a few groups, so that A1 and Z2 of a batch stay in the
cache. Z2 of a batch is all that the threads exchange. A round of the loop, from one barrier to the next, is

    each thread     Z2 = sum of Z2 of all parts; cost and dZ2 of the batch
                    for each part of its range, and parts that it steals (see :func:`team.steal_chunk`):
                        backward pass of the batch, added to the gradient of the part
                        after the last batch of an iteration: new parameters of the part
                        A1 = tanh(W1 X + b1) and Z2 of the part, for the next batch
    barrier

**The order of sums.** Z2 is summed over the parts, and a part's gradient over the batches, in their order; every thread
forms Z2, the cost and dZ2 of the whole batch for itself. It does not matter which thread computes a part, so the number
of threads changes no bit.

**One barrier per round.** Z2 of the parts has two sets, used in turn, so that a thread that is ahead does not overwrite
what another one still reads; so have the L2 penalties. A part's A1, parameters and gradient are used only by the thread
that has the part in this round.

**Pauses.** Thread 0 may leave the kernel after the last round of an iteration and go on in a later call (see
:mod:`pauses`).

**Ctrl-C and divergence.** The parameters have two sets, used in turn: those before an iteration that is not finished,
or whose new parameters are not finite, are still there. In the first round there is only the forward pass.
"""

from numba import njit

from fastnn2.kernels.loops.pauses import begin_pause, end_pause
from fastnn2.kernels.loops.team import (
    MAX_YIELDS,
    SPINS,
    atomic_load,
    atomic_store,
    back_off,
    barrier,
    next_chunk_word,
    release_workers,
    report,
    steal_chunk,
    wait_for_release,
)
from fastnn2.kernels.nn.cost import output_cost
from fastnn2.kernels.nn.layers import backward_layers, forward_tile, lanes_used
from fastnn2.kernels.nn.parts import complete_gradient, first_unit, sum_of_parts
from fastnn2.kernels.nn.update import sum_l2_squares, update
from fastnn2.kernels.shared.choices import TANH
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
    SHUT_DOWN,
    STOP,
)
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.vector import INLINE, group_lanes, store

INFINITY = float("inf")


@njit(**INLINE)
def start_team(control, thread, threads, parts):
    """Wait until all threads are there, which then begin at once; return whether they do.

    Thread 0, which releases the others, gives up if it finds STOP: a thread may have failed before it came here. After
    a pause they are released already.
    """
    if thread != 0:
        return wait_for_release(control) >= 0
    if atomic_load(control, ENTERED) > 0:
        return True
    polls = 0
    while atomic_load(control, READY) < threads - 1:
        if atomic_load(control, STOP) != 0:
            atomic_store(control, ENTERED, SHUT_DOWN)
            return False
        polls = back_off(polls, MAX_YIELDS)
    release_workers(control, threads, parts, 0, 0)
    return True


@njit(**NOT_INLINED)
def train_wide(job):
    """Train as one thread of a team; write costs, parameters and the control words in place.

    The formulas are those of :mod:`train`; for the fields of `job`, with their shapes, see
    :class:`~fastnn2.kernels.shared.records.TrainWideRecord`.
    """
    forbid_inlining()
    control, thread, threads = job.control, job.thread, job.threads
    d, h, o = job.d, job.h, job.o
    n, iterations, parts = job.n, job.iterations, job.parts
    batches, params, stride = job.batches, job.params, job.stride
    gradients, penalties, l2 = job.gradients, job.penalties, job.l2
    X, Y, weights = job.X, job.Y, job.weights
    A1, dZ2, scratch = job.A1, job.dZ2, job.scratch
    Z2, Z2_stride, db2 = job.Z2, job.Z2_stride, job.db2
    has_weights, has_l2, total_weight = job.has_weights, job.has_l2, job.total_weight
    lanes = group_lanes(X)
    groups = (n + lanes - 1) // lanes
    max_groups = (groups + batches - 1) // batches
    scaled_rate = job.learning_rate / total_weight
    if not start_team(control, thread, threads, parts):
        return
    cost = 0.0
    yields = rounds_done = 0
    first_iteration = atomic_load(control, COMPLETED)  # of this call
    # The iteration and batch whose backward pass this round computes. There is none before the first iteration.
    j, batch = first_iteration - 1, batches - 1
    if thread == 0:
        rounds_done = atomic_load(control, BARRIERS) // threads
        _, yields, _, _ = end_pause(control, rounds_done)
        if rounds_done > 0:
            j, batch = first_iteration, 0
    while True:
        old_offset = (j + 2) % 2 * parts * stride
        new_offset = parts * stride - old_offset
        z2_part, next_z2_part = (rounds_done + 1) % 2 * parts, rounds_done % 2 * parts
        is_last = batch == batches - 1
        next_batch = 0 if is_last else batch + 1
        g, next_g = batch * groups // batches, next_batch * groups // batches
        size, next_size = (batch + 1) * groups // batches - g, (next_batch + 1) * groups // batches - next_g
        first_sample, next_sample = g * lanes, next_g * lanes
        used = lanes_used(smaller(n - first_sample, size * lanes), size, X)
        next_used = lanes_used(smaller(n - next_sample, next_size * lanes), next_size, X)

        if j >= first_iteration:
            for i in range(0, size * o * lanes, lanes):
                store(dZ2, i, sum_of_parts(Z2, z2_part, parts, Z2_stride, i))
            if batch == 0:
                cost = 0.0
                for r in range(o):
                    db2[r] = 0.0
            cost += output_cost(
                o, size, n - first_sample, Y, first_sample * o, weights, first_sample, has_weights, dZ2, scratch, db2,
                0)  # fmt: skip
            if is_last:
                if has_l2:
                    penalty = 0.0
                    for c in range(parts):
                        penalty += penalties[j % 2 * parts + c]
                    cost += 0.5 * penalty
                cost /= total_weight
                if not -INFINITY < cost < INFINITY:
                    report(control, thread, COST_NOT_FINITE)
                    break
                if thread == 0:
                    job.costs[j] = cost

        atomic_store(control, next_chunk_word(thread, rounds_done + 1), thread * parts // threads)
        victim, tried = thread, 0
        while True:
            c, victim, tried = steal_chunk(control, rounds_done, parts, threads, victim, tried)
            if c < 0:
                break
            if atomic_load(control, STOP) != 0:
                atomic_store(control, ABANDONED, rounds_done)
                break
            unit = first_unit(c, parts, h)
            units = first_unit(c + 1, parts, h) - unit
            part_offset, a1_offset = c * stride, unit * max_groups * lanes
            params_offset = new_offset + part_offset
            if j >= first_iteration:
                params_offset = old_offset + part_offset
                if batch == 0:
                    for i in range(part_offset, part_offset + stride):
                        gradients[i] = 0.0
                backward_layers(
                    params, params_offset, d, units, o, size, used, X, first_sample * d, A1, a1_offset, dZ2, 0, scratch,
                    TANH, gradients, part_offset)  # fmt: skip
                if is_last:
                    last = complete_gradient(gradients, part_offset, c, d, units, o, db2)
                    if not update(
                        params, old_offset, params, new_offset, gradients, 0, part_offset, last, l2, scaled_rate
                    ):
                        atomic_store(control, DIVERGED, j)
                    params_offset = new_offset + part_offset
            if not is_last or j + 1 < iterations:
                forward_tile(
                    params, params_offset, d, units, o, next_size, next_used, TANH, X, next_sample * d, A1, a1_offset,
                    Z2, (next_z2_part + c) * Z2_stride, True)  # fmt: skip
                if is_last and has_l2:
                    penalties[(j + 1) % 2 * parts + c] = sum_l2_squares(
                        params, new_offset, l2, part_offset, part_offset + stride
                    )

        yields = barrier(control, (rounds_done + 1) * threads, yields, SPINS)
        if atomic_load(control, ABANDONED) == rounds_done:
            report(control, thread, INTERRUPTED)
            break
        if is_last:
            if j >= first_iteration:
                if atomic_load(control, DIVERGED) == j:
                    report(control, thread, PARAMS_NOT_FINITE)
                    break
                if thread == 0 and begin_pause(control, j + 1, iterations, (rounds_done + 1) * threads, yields, 0, 0):
                    return
            j += 1
            if j == iterations:
                report(control, thread, FINISHED)
                break
        batch = next_batch
        rounds_done += 1
