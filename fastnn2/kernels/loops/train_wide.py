"""The fused kernel for very wide hidden layers: the hidden units are shared among the threads, not the samples.

Where there are hundreds of thousands of parameters, a gradient for each chunk of samples, as in :mod:`train`, leaves
room for a few chunks only. They have to be cleared and summed again, and with so few a slower core keeps all others
waiting. Here the hidden layer is cut into parts (see :mod:`parts`), each with the one gradient of its parameters, and
samples go by in *batches* of a few groups, so that what is computed for them stays in the cache. All that the threads
exchange is Z2 of a batch. So a round of the loop, between two barriers, is

    each thread     Z2 = sum of the parts; cost and dZ2 of the batch
                    for parts that it claims (see team.claim):
                        gradients; behind the last batch of an iteration, new parameters of the part
                        A1 = tanh(W1 X + b1) and Z2 of the part, for the next batch

and the same sums are formed in the same order by any number of threads, whichever of them has a part. In the first
round nothing has been computed yet. What is exchanged comes in two sets, used in turn, so that one barrier a round is
enough; parameters too, so that an iteration that is not finished can be thrown away.
"""

from numba import njit

from fastnn2.kernels.loops.team import (
    SPINS,
    atomic_load,
    atomic_store,
    barrier,
    let_time_pass,
    next_chunk_word,
    release_workers,
    report,
    steal_chunk,
    wait_to_be_let_in,
)
from fastnn2.kernels.nn.layers import backward_layers, forward_tile, lanes_used, output_cost
from fastnn2.kernels.nn.parts import complete_gradient, first_unit, sum_of_parts
from fastnn2.kernels.nn.update import sum_l2_squares, update
from fastnn2.kernels.shared.choices import TANH
from fastnn2.kernels.shared.control_words import (
    ABANDONED,
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
def meet(control, thread, threads, parts):
    """Return whether the team works: wait until all threads are there, which then begin at once.

    Thread 0, which lets the others in, does not wait on when the team is to stop: one may have failed on its way here.
    """
    if thread != 0:
        return wait_to_be_let_in(control) >= 0
    looks = 0
    while atomic_load(control, READY) < threads - 1:
        if atomic_load(control, STOP) != 0:
            atomic_store(control, ENTERED, SHUT_DOWN)
            return False
        looks = let_time_pass(looks)
    release_workers(control, threads, parts, 0, 0)
    return True


@njit(**NOT_INLINED)
def train_wide(control, thread, threads, d, h, o, n, iterations, parts, batches, X, Y, weights, has_weights, params,
               stride, l2, has_l2, gradients, penalties, Z2, Z2_stride, A1, dZ2, scratch, db2, costs, learning_rate,
               total_weight):  # fmt: skip
    """Train as one thread of a team; write costs, parameters and the control words in place.

    As :func:`train.train`, with its formulas, but params are (2, parts, stride), the set of iteration j
    at j mod 2; l2 and gradients (parts, stride), float64; penalties (2, parts), float64, those of iteration j at
    j mod 2. Z2 (2, parts, Z2_stride) is that of each part for a batch, of B groups or fewer, and A1 (B, h, G) stands
    part after part. For this thread alone: dZ2 (B, o, G), scratch (S, G), and db2 (o,), float64. What belongs to a part
    or a thread, but for penalties, starts on a 128-byte boundary; behind parameters and gradients of a part there are
    zeros.
    """
    forbid_inlining()
    lanes = group_lanes(X)
    groups = (n + lanes - 1) // lanes
    most = (groups + batches - 1) // batches
    scaled_rate = learning_rate / total_weight
    if not meet(control, thread, threads, parts):
        return
    cost = 0.0
    yields = number = 0
    j, batch = -1, batches - 1  # what goes back in this round; there is nothing yet
    while True:
        old = (j + 2) % 2 * parts * stride
        new = parts * stride - old
        at, at_next = (number + 1) % 2 * parts, number % 2 * parts
        is_last = batch == batches - 1
        next_batch = 0 if is_last else batch + 1
        g, g_next = batch * groups // batches, next_batch * groups // batches
        size, size_next = (batch + 1) * groups // batches - g, (next_batch + 1) * groups // batches - g_next
        first_sample, next_sample = g * lanes, g_next * lanes
        used = lanes_used(smaller(n - first_sample, size * lanes), size, X)
        used_next = lanes_used(smaller(n - next_sample, size_next * lanes), size_next, X)

        if j >= 0:
            for i in range(0, size * o * lanes, lanes):
                store(dZ2, i, sum_of_parts(Z2, at, parts, Z2_stride, i))
            if batch == 0:
                cost = 0.0
                for r in range(o):
                    db2[r] = 0.0
            cost += output_cost(
                o, size, n - first_sample, Y, first_sample * o, weights, first_sample, has_weights, dZ2, db2, 0
            )
            if is_last:
                if has_l2:
                    shrinking = 0.0
                    for c in range(parts):
                        shrinking += penalties[j % 2 * parts + c]
                    cost += 0.5 * shrinking
                cost /= total_weight
                if not -INFINITY < cost < INFINITY:
                    report(control, thread, COST_NOT_FINITE)
                    break
                if thread == 0:
                    costs[j] = cost

        atomic_store(control, next_chunk_word(thread, number + 1), thread * parts // threads)
        victim, tried = thread, 0
        while True:
            c, victim, tried = steal_chunk(control, number, parts, threads, victim, tried)
            if c < 0:
                break
            if atomic_load(control, STOP) != 0:
                atomic_store(control, ABANDONED, number)
                break
            unit = first_unit(c, parts, h)
            units = first_unit(c + 1, parts, h) - unit
            part_offset, a1_offset = c * stride, unit * most * lanes
            params_offset = new + part_offset
            if j >= 0:
                params_offset = old + part_offset
                if batch == 0:
                    for i in range(part_offset, part_offset + stride):
                        gradients[i] = 0.0
                backward_layers(
                    params, params_offset, d, units, o, size, used, X, first_sample * d, A1, a1_offset, dZ2, 0, scratch,
                    TANH, gradients, part_offset)  # fmt: skip
                if is_last:
                    last = complete_gradient(gradients, part_offset, c, d, units, o, db2)
                    if not update(params, old, params, new, gradients, 0, part_offset, last, l2, scaled_rate):
                        atomic_store(control, DIVERGED, j)
                    params_offset = new + part_offset
            if not is_last or j + 1 < iterations:
                forward_tile(
                    params, params_offset, d, units, o, size_next, used_next, TANH, X, next_sample * d, A1, a1_offset,
                    Z2, (at_next + c) * Z2_stride)  # fmt: skip
                if is_last and has_l2:
                    penalties[(j + 1) % 2 * parts + c] = sum_l2_squares(
                        params, new, l2, part_offset, part_offset + stride
                    )

        yields = barrier(control, (number + 1) * threads, yields, SPINS)
        if atomic_load(control, ABANDONED) == number:
            report(control, thread, INTERRUPTED)
            break
        if is_last:
            if j >= 0:
                if atomic_load(control, DIVERGED) == j:
                    report(control, thread, PARAMS_NOT_FINITE)
                    break
                if thread == 0:
                    atomic_store(control, COMPLETED, j + 1)
            j += 1
            if j == iterations:
                report(control, thread, FINISHED)
                break
        batch = next_batch
        number += 1
