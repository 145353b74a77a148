"""The fused kernel: the whole of gradient descent in one call on each thread of a team.

Samples are cut into *chunks*, a number of them that follows from the shapes and not from the threads, and chunks into
tiles. Chunk c belongs to thread c mod T. An iteration is

    each thread     for its chunks, tile by tile: forward, cost, backward; one gradient buffer a chunk
    barrier
    each thread     sum the chunks in their order; cost_j = sum / n + penalty; new parameters

so the same sums are formed in the same order by any number of threads. Small networks: every thread updates a set of
parameters of its own, and as gradient buffers come in two sets, used in turn, one barrier an iteration is enough.
Large networks (`shared`): each thread updates its own range of the one set, and a second barrier follows.
"""

from numba import njit

from fastnn2.kernels.layers import backward_layers, hidden_layer, output_layer
from fastnn2.kernels.plan import (
    ABANDONED,
    COMPLETED,
    COST_NOT_FINITE,
    DIVERGED,
    FINISHED,
    INTERRUPTED,
    OUTCOME,
    PARAMS_NOT_FINITE,
    RANGE,
    STOP,
)
from fastnn2.kernels.simd import INLINE, group_lanes
from fastnn2.kernels.team import (
    DEFAULT_MXCSR,
    atomic_load,
    atomic_store,
    barrier,
    float_mode,
    set_float_mode,
)
from fastnn2.kernels.update import sum_chunks, update

INFINITY = float("inf")


@njit(**INLINE)
def train(control, thread, threads, d, h, o, n, iterations, chunks, tile_groups, shared, X, Y, weights, has_weights,
          params, params_stride, gradients, gradients_stride, totals, scratch, scratch_stride, costs,
          learning_rate, alpha, total_weight):  # fmt: skip
    """Train as one thread of a team; write costs, parameters and the control words in place.

    Shapes, all flat: X (groups, d, G), Y (groups, o, G) and weights (groups, G), as in :mod:`layers`;
    params (2 T or 2, params_stride), the sets of iteration j at j mod 2, thread after thread unless `shared`;
    gradients (2, chunks, gradients_stride) float64, the summed cost of a chunk behind its gradient;
    totals (T or 1, gradients_stride) float64; scratch (T, scratch_stride) for A1 and dZ2 of a tile;
    costs (iterations,) float64. What belongs to one thread or chunk starts on a 128-byte boundary.

        cost_j = sum(costs of samples) / total_weight + alpha / (2 total_weight) (|W1|^2 + |W2|^2)
        p <- p - learning_rate / total_weight * (gradient + alpha p)
    """
    lanes = group_lanes(X)
    groups = (n + lanes - 1) // lanes
    count = h * d + h + o * h + o
    weight_ranges = (h * d, h * d + h, h * d + h + o * h)
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)

    a = thread * scratch_stride
    z = a + tile_groups * h * lanes
    first, last = 0, count  # the range of parameters that this thread updates, and where its sets stand
    own, total = 2 * thread * params_stride, thread * gradients_stride
    if shared:
        first, last = count * thread // threads // RANGE * RANGE, count * (thread + 1) // threads // RANGE * RANGE
        if thread == threads - 1:
            last = count
        own, total = 0, 0

    barriers = 0
    outcome = FINISHED
    j = 0
    while j < iterations:
        old, new = own + (j % 2) * params_stride, own + (1 - j % 2) * params_stride
        gradient_set = (j % 2) * chunks * gradients_stride
        for c in range(thread, chunks, threads):
            into = gradient_set + c * gradients_stride
            for i in range(count + 1):
                gradients[into + i] = 0.0
            end = (c + 1) * groups // chunks
            for g in range(c * groups // chunks, end, tile_groups):
                if atomic_load(control, STOP) != 0:
                    atomic_store(control, ABANDONED, j)
                    break
                size = min(tile_groups, end - g)
                hidden_layer(params, old, d, h, size, X, g * d * lanes, scratch, a)
                gradients[into + count] += output_layer(
                    params, old, d, h, o, size, n - g * lanes, scratch, a, Y, g * o * lanes, weights, g * lanes,
                    has_weights, scratch, z, gradients, into)  # fmt: skip
                backward_layers(
                    params, old, d, h, o, size, X, g * d * lanes, scratch, a, scratch, z, gradients, into)  # fmt: skip
        barriers += 1
        barrier(control, barriers * threads)
        if atomic_load(control, ABANDONED) == j:
            outcome = INTERRUPTED
            break

        cost = 0.0
        for c in range(chunks):
            cost += gradients[gradient_set + c * gradients_stride + count]
        if alpha != 0.0:
            cost += 0.5 * alpha * sum_of_squares(params, old, weight_ranges)
        cost /= total_weight
        if not abs(cost) < INFINITY:
            outcome = COST_NOT_FINITE
            break
        if thread == 0:
            costs[j] = cost

        sum_chunks(gradients, gradient_set, gradients_stride, chunks, first, last, totals, total)
        step = learning_rate / total_weight
        finite = update(params, old, params, new, totals, total, first, last, weight_ranges, step, alpha)
        if shared:
            if not finite:
                atomic_store(control, DIVERGED, j)
            barriers += 1
            barrier(control, barriers * threads)
            finite = atomic_load(control, DIVERGED) != j
        if not finite:
            outcome = PARAMS_NOT_FINITE
            break
        j += 1
        if thread == 0:
            atomic_store(control, COMPLETED, j)
    if thread == 0:
        atomic_store(control, OUTCOME, outcome)
    set_float_mode(mode)


@njit(**INLINE)
def sum_of_squares(params, start, weight_ranges):
    """Return |W1|^2 + |W2|^2 of the set of parameters that begins at `start`, in float64."""
    total = 0.0
    for i in range(weight_ranges[0]):
        total += float(params[start + i]) * float(params[start + i])
    for i in range(weight_ranges[1], weight_ranges[2]):
        total += float(params[start + i]) * float(params[start + i])
    return total
