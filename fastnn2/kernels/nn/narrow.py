"""One tile of samples through a network of one or two inputs and one output, such as the tutorial's.

The formulas are those of :mod:`layers`, A1 = tanh(W1 X + b1) and Z2 = W2 A1 + b2. With so few weights, three things are
done differently:

- The weights of a hidden unit stay in registers while all samples of the tile pass, and nothing is stored between the
  sum over the inputs and its tanh.
- The weights are multiplied by 2/ln(2), for :func:`elementary.tanh2`. This takes two multiplications out of each tanh,
  of nine (float64) or seven (float32). Weights that overflow by it, beyond 6e307 or in float32 1.1e38, may count as
  diverged, as infinity times an input of 0, such as padding, is NaN.
- The backward pass multiplies by the weight of the one output once per tile, as it is the same for all samples. It
  takes blocks of units if there are enough registers (see :class:`target.Blocks`): each vector of X or dZ2 that it
  loads serves the whole block, which saves a third of the time.
"""

from numba import njit

from fastnn2.kernels.nn.cost import output_cost
from fastnn2.kernels.shared.tuning import PREFETCH_SAMPLES
from fastnn2.kernels.simd.blocks import for_each, lanes_of, narrow_samples, narrow_units, smaller, units_from
from fastnn2.kernels.simd.elementary import LOG2_E, tanh2_quotient, tanh2_reduced
from fastnn2.kernels.simd.lanes import four_sums, lane
from fastnn2.kernels.simd.vector import (
    INLINE,
    fma,
    group_lanes,
    load,
    load_group,
    load_like,
    load_scalar,
    prefetch_group,
    store,
    vector_lanes,
    zero_group,
    zero_vector,
)

TANH2_SCALE = 2.0 * LOG2_E  # 2/ln(2): tanh(z) = tanh2(TANH2_SCALE * z)


@njit(**INLINE)
def narrow_tile(params, params_offset, d, h, o, groups, valid, X, x_offset, Y, y_offset, weights, first_sample,
                has_weights, A1, dZ2, scratch, gradient, gradient_offset):  # fmt: skip
    """Return the summed cost of a tile and add its gradient to `gradient` in place, as :func:`layers.layered_tile`."""
    hidden(params, params_offset, d, h, groups, valid, X, x_offset, A1)
    outputs(params, params_offset, d, h, groups, valid, Y, y_offset, A1, dZ2)
    b2 = gradient_offset + (d + 2) * h
    cost = output_cost(1, groups, valid, Y, y_offset, weights, first_sample, has_weights, dZ2, scratch, gradient, b2)
    backward(params, params_offset, d, h, groups, X, x_offset, A1, dZ2, gradient, gradient_offset)
    return cost


@njit(**INLINE)
def hidden(params, params_offset, d, h, groups, valid, X, x_offset, A1):
    """Write ``A1 = tanh(W1 X + b1) = tanh2(2/ln(2) (W1 X + b1))`` in place.

    The loop over samples is a pipeline, which runs on from one unit to the next. A turn takes as many samples as the
    registers hold (see :class:`target.Blocks`) through each of four stages: the sum, its reduction to f and t, the
    numerator a and denominator b of tanh, and their quotient, the samples of each stage just behind those of the stage
    before it. Each operation of a tanh waits for the last one, and the next tanh is often too far behind for a core to
    fill these waits with it; the pipeline takes a tenth less time. (On 16 registers, three stages of twice as many
    samples take 4 % longer.)

    If many samples are left, X of the next tile is prefetched, one row per unit, as memory would deliver it more slowly
    than it is used. (If all rows are requested at once, a million samples take 5 to 9 % longer.)
    """
    row1 = smaller(1, d - 1)  # with one input, x1 is x0, and w1 is 0
    lanes, like = group_lanes(X), narrow_samples(X)
    next_tile = x_offset + groups * d * lanes
    # The pipeline begins with dummy samples, whose results are overwritten.
    z = z_next = f = t = a = like
    b = like + 1.0
    offset = next_offset = last_offset = 0
    for u in range(h):
        bias = like + TANH2_SCALE * load_scalar(params, params_offset + h * d + u)
        w0 = like + TANH2_SCALE * load_scalar(params, params_offset + u * d)
        w1 = like + TANH2_SCALE * load_scalar(params, params_offset + u * d + row1) * row1
        prefetches = u < d and valid > PREFETCH_SAMPLES
        for g in range(groups):
            if prefetches:
                prefetch_group(X, next_tile + (g * d + u) * lanes)
            x0, x1, out = x_offset + g * d * lanes, x_offset + (g * d + row1) * lanes, (g * h + u) * lanes
            for v in range(0, lanes, lanes_of(like)):
                store(A1, offset, a / b)
                a, b = tanh2_quotient(z, f, t)
                z = z_next
                f, t = tanh2_reduced(z)
                z_next = fma(w1, load_like(X, x1 + v, like), fma(w0, load_like(X, x0 + v, like), bias))
                offset, next_offset, last_offset = next_offset, last_offset, out + v
    store(A1, offset, a / b)
    a, b = tanh2_quotient(z, f, t)
    f, t = tanh2_reduced(z_next)
    store(A1, next_offset, a / b)
    a, b = tanh2_quotient(z_next, f, t)
    store(A1, last_offset, a / b)


@njit(**INLINE)
def outputs(params, params_offset, d, h, groups, valid, Y, y_offset, A1, Z2):
    """Write ``Z2 = W2 A1 + b2`` in place; if many samples are left, prefetch Y of the next tile."""
    lanes = group_lanes(A1)
    w2 = params_offset + (d + 1) * h
    for g in range(groups):
        if valid > PREFETCH_SAMPLES:
            prefetch_group(Y, y_offset + (groups + g) * lanes)
        z = zero_group(A1) + load_scalar(params, w2 + h)
        for u in range(h):
            z = fma(load_scalar(params, w2 + u), load_group(A1, (g * h + u) * lanes), z)
        store(Z2, g * lanes, z)


@njit(**INLINE)
def backward(params, params_offset, d, h, groups, X, x_offset, A1, dZ2, gradient, gradient_offset):
    """Add dW1, db1 and dW2 to `gradient` in place: blocks of units, then single units.

    With q = dZ2 A1:  dW2 = sum(q),  db1 = w2 sum(dZ2 - q A1),  dW1 = w2 sum((dZ2 - q A1) X).
    """
    u = 0
    while u + narrow_units() <= h:
        backward_units(
            units_from(u), params, params_offset, d, h, groups, X, x_offset, A1, dZ2, gradient, gradient_offset
        )
        u += narrow_units()
    while u < h:
        backward_units((u,), params, params_offset, d, h, groups, X, x_offset, A1, dZ2, gradient, gradient_offset)
        u += 1


@njit(**INLINE)
def backward_units(units, params, params_offset, d, h, groups, X, x_offset, A1, dZ2, gradient, gradient_offset):
    """Do as :func:`backward` for a tuple of units; a vector of X or dZ2 is loaded once for all of them."""
    lanes, x1_row = group_lanes(A1), smaller(1, d - 1) * group_lanes(A1)
    sums = for_each(zero_sums, (units,), (zero_vector(A1),))
    for g in range(groups):
        xg = x_offset + g * d * lanes
        for v in range(0, lanes, vector_lanes(A1)):
            dz2, x0, x1 = load(dZ2, g * lanes + v), load(X, xg + v), load(X, xg + x1_row + v)
            sums = for_each(add_samples, (units, sums), (A1, g * h * lanes + v, dz2, x0, x1))
    for_each(add_to_gradient, (units, sums), (params, params_offset, d, h, gradient, gradient_offset))


@njit(**INLINE)
def zero_sums(unit, zero):
    """Return the four sums of a unit over no samples."""
    return zero, zero, zero, zero


@njit(**INLINE)
def add_samples(unit, sums, A1, a1_offset, dz2, x0, x1):
    """Return the sums of a unit of q, s = dz2 - q a1, s x0 and s x1, with one vector of samples added."""
    a1 = load(A1, a1_offset + unit * group_lanes(A1))
    q = dz2 * a1
    s = fma(-1.0 * q, a1, dz2)
    sum_q, sum_s, sum_x0, sum_x1 = sums
    return sum_q + q, sum_s + s, fma(s, x0, sum_x0), fma(s, x1, sum_x1)


@njit(**INLINE)
def add_to_gradient(unit, sums, params, params_offset, d, h, gradient, gradient_offset):
    """Add a unit's dW2, db1 and dW1 to `gradient` in place."""
    b1 = h * d
    w2 = b1 + h
    weight, totals = load_scalar(params, params_offset + w2 + unit), four_sums(sums[0], sums[1], sums[2], sums[3])
    gradient[gradient_offset + w2 + unit] += lane(totals, 0)
    gradient[gradient_offset + b1 + unit] += weight * lane(totals, 1)
    gradient[gradient_offset + unit * d] += weight * lane(totals, 2)
    if d > 1:
        gradient[gradient_offset + unit * d + 1] += weight * lane(totals, 3)
