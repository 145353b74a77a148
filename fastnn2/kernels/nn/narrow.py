"""One tile of samples through a network of one or two inputs and one output, such as the tutorial's.

The formulas are those of :mod:`layers`. With so few weights, those of a hidden unit stay in registers while all samples
of the tile go by, and nothing is stored between the sum over the inputs and its tanh. To multiply those weights by
2/ln(2) first costs next to nothing and takes two multiplications out of each tanh, of nine or seven (see
:func:`elementary.tanh2`). Weights that overflow then, beyond 6e307 or in float32 1.1e38, may count as diverged:
infinity times an input of 0, as in the padding, is not a number. The weight of the one output is the same for all
samples, so the way back multiplies by it once a tile. Where there are registers enough (see :class:`target.Blocks`) it
goes by blocks of units, which takes a third less time than unit after unit: what it loads of X and dZ2 serves all.
"""

from numba import njit

from fastnn2.kernels.nn.layers import output_cost
from fastnn2.kernels.shared.tuning import FAR_SAMPLES, GROUP_VECTORS
from fastnn2.kernels.simd.blocks import for_each, narrow_units, smaller, units_from
from fastnn2.kernels.simd.elementary import LOG2_E, tanh2_quotient, tanh2_reduced
from fastnn2.kernels.simd.lanes import four_sums, lane
from fastnn2.kernels.simd.vector import (
    INLINE,
    fma,
    group_lanes,
    load,
    load_group,
    load_pair,
    load_scalar,
    prefetch_group,
    prefetch_pair,
    store,
    vector_lanes,
    zero_group,
    zero_pair,
    zero_vector,
)

HALVES = 2.0 * LOG2_E  # how often ln(2)/2, the unit of tanh2, is in 1


@njit(**INLINE)
def narrow_tile(params, params_offset, d, h, o, groups, valid, X, x_offset, Y, y_offset, weights, first_sample,
                has_weights, A1, dZ2, scratch, gradient, gradient_offset):  # fmt: skip
    """Return the summed cost of a tile and add its gradient to `gradient` in place, as :func:`layers.layered_tile`."""
    hidden(params, params_offset, d, h, groups, valid, X, x_offset, A1)
    outputs(params, params_offset, d, h, groups, valid, Y, y_offset, A1, dZ2)
    cost = output_cost(
        1, groups, valid, Y, y_offset, weights, first_sample, has_weights, dZ2, gradient, gradient_offset + (d + 2) * h
    )
    backward(params, params_offset, d, h, groups, X, x_offset, A1, dZ2, gradient, gradient_offset)
    return cost


@njit(**INLINE)
def hidden(params, params_offset, d, h, groups, valid, X, x_offset, A1):
    """Write ``A1 = tanh(W1 X + b1)``, which is tanh2(2/ln(2) (W1 X + b1)), in place.

    By pairs of vectors, of which three are under way, from one unit into the next: the sums of one, the reduction of
    the one before, the quotient of the one before that. Each step of a tanh waits for the last one, and the next tanh
    is often too far behind for a core to find work there meanwhile. So in turn they take a tenth less time.

    Where many samples are left, it asks for X of the next tile, one row of each group in the pass for a unit: from
    memory that would come slower than it is used. (All rows at once, and they wait for each other: a million samples
    take 5 to 9 % longer.)
    """
    second = smaller(1, d - 1)  # with one input, that one again, with a weight of 0
    next_tile = x_offset + groups * d * group_lanes(X)
    z = z_next = f = t = zero_pair(X)  # of two pairs before the first, whose tanh, 0, goes where that of the first will
    place = place_next = 0
    for u in range(h):
        bias = zero_pair(X) + HALVES * load_scalar(params, params_offset + h * d + u)
        w = zero_pair(X) + HALVES * load_scalar(params, params_offset + u * d)
        w_second = zero_pair(X) + HALVES * load_scalar(params, params_offset + u * d + second) * second
        asks = u < d and valid > FAR_SAMPLES
        for pair in range(groups * GROUP_VECTORS // 2):
            if asks:
                prefetch_pair(X, next_tile + place_of_pair(pair, d, u, X))
            z_after = affine_pair(pair, w, w_second, bias, d, second, X, x_offset)
            store(A1, place, tanh2_quotient(z, f, t))
            place, place_next = place_next, place_of_pair(pair, h, u, X)
            z, z_next = z_next, z_after
            f, t = tanh2_reduced(z)
    store(A1, place, tanh2_quotient(z, f, t))
    f, t = tanh2_reduced(z_next)
    store(A1, place_next, tanh2_quotient(z_next, f, t))


@njit(**INLINE)
def affine_pair(pair, w, w_second, bias, d, second, X, x_offset):
    """Return ``w X_0 + w_second X_second + bias`` of a pair of vectors."""
    first, other = place_of_pair(pair, d, 0, X), place_of_pair(pair, d, second, X)
    return fma(w_second, load_pair(X, x_offset + other), fma(w, load_pair(X, x_offset + first), bias))


@njit(**INLINE)
def place_of_pair(pair, rows, row, array):
    """Return where a pair of vectors of a row stands in groups of so many rows, counted from the first group on."""
    of_group = GROUP_VECTORS // 2
    return (pair // of_group * rows + row) * group_lanes(array) + pair % of_group * 2 * vector_lanes(array)


@njit(**INLINE)
def outputs(params, params_offset, d, h, groups, valid, Y, y_offset, A1, Z2):
    """Write ``Z2 = W2 A1 + b2`` in place, and where many samples are left, ask for Y of the next tile."""
    lanes = group_lanes(A1)
    w2 = params_offset + (d + 1) * h
    for g in range(groups):
        if valid > FAR_SAMPLES:
            prefetch_group(Y, y_offset + (groups + g) * lanes)
        z = zero_group(A1) + load_scalar(params, w2 + h)
        for u in range(h):
            z = fma(load_scalar(params, w2 + u), load_group(A1, (g * h + u) * lanes), z)
        store(Z2, g * lanes, z)


@njit(**INLINE)
def backward(params, params_offset, d, h, groups, X, x_offset, A1, dZ2, gradient, gradient_offset):
    """Add dW1, db1 and dW2 to `gradient` in place, by blocks of units, then one by one what is left.

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
    """Do as :func:`backward` for a tuple of units; what is loaded of X and dZ2 is used for all."""
    lanes, second = group_lanes(A1), smaller(1, d - 1) * group_lanes(A1)
    sums = for_each(no_sums, (units,), (zero_vector(A1),))
    for g in range(groups):
        at = x_offset + g * d * lanes
        for v in range(0, lanes, vector_lanes(A1)):
            dz2, inputs, seconds = load(dZ2, g * lanes + v), load(X, at + v), load(X, at + second + v)
            sums = for_each(add_samples, (units, sums), (A1, g * h * lanes + v, dz2, inputs, seconds))
    for_each(add_to_gradient, (units, sums), (params, params_offset, d, h, gradient, gradient_offset))


@njit(**INLINE)
def no_sums(unit, zero):
    """Return the sums of a unit over no samples."""
    return zero, zero, zero, zero


@njit(**INLINE)
def add_samples(unit, sums, A1, start, dz2, inputs, seconds):
    """Return the sums of a unit of q, of dZ2 - q A1 and of that times each input, with one vector of samples more."""
    a1 = load(A1, start + unit * group_lanes(A1))
    q = dz2 * a1
    slope = fma(-1.0 * q, a1, dz2)
    sum_q, sum_slope, sum_first, sum_second = sums
    return sum_q + q, sum_slope + slope, fma(slope, inputs, sum_first), fma(slope, seconds, sum_second)


@njit(**INLINE)
def add_to_gradient(unit, sums, params, params_offset, d, h, gradient, gradient_offset):
    """Add a unit's part of dW2, db1 and dW1 to `gradient` in place."""
    b1 = h * d
    w2 = b1 + h
    weight, totals = load_scalar(params, params_offset + w2 + unit), four_sums(sums[0], sums[1], sums[2], sums[3])
    gradient[gradient_offset + w2 + unit] += lane(totals, 0)
    gradient[gradient_offset + b1 + unit] += weight * lane(totals, 1)
    gradient[gradient_offset + unit * d] += weight * lane(totals, 2)
    if d > 1:
        gradient[gradient_offset + unit * d + 1] += weight * lane(totals, 3)
