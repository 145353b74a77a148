"""One tile of samples through a network of one or two inputs and one output, such as the tutorial's.

The formulas are those of :mod:`layers`. With so few weights, those of a hidden unit stay in registers while all samples
of the tile go by, and nothing is stored between the sum over the inputs and its tanh. To multiply those weights by
2/ln(2) first costs next to nothing and takes two multiplications out of each tanh, of nine or seven (see
:func:`elementary.tanh2`). Weights that overflow then, beyond 6e307 or in float32 1.1e38, count as diverged. The weight
of the one output is the same for all samples, so the way back multiplies by it once a tile.
"""

from numba import njit

from fastnn2.kernels.blocks import smaller
from fastnn2.kernels.elementary import LOG2_E, tanh2
from fastnn2.kernels.lanes import fold_group, four_sums, lane, sum_lanes
from fastnn2.kernels.layers import cost_of_tile, output_terms
from fastnn2.kernels.plan import FAR_SAMPLES
from fastnn2.kernels.simd import (
    INLINE,
    fma,
    group_lanes,
    load,
    load_group,
    number,
    prefetch_group,
    store,
    vector_lanes,
    zero_group,
    zero_vector,
)

HALVES = 2.0 * LOG2_E  # how often ln(2)/2, the unit of tanh2, is in 1


@njit(**INLINE)
def narrow_tile(params, p, d, h, o, groups, valid, X, x, Y, y, weights, s, has_weights, A1, dZ2, spare, gradient,
                into):  # fmt: skip
    """Return the summed cost of a tile and add its gradient to `gradient` in place, as :func:`layers.layered_tile`."""
    hidden(params, p, d, h, groups, X, x, A1)
    cost = output(params, p, d, h, groups, valid, X, x, A1, Y, y, weights, s, has_weights, dZ2, gradient, into)
    backward(params, p, d, h, groups, X, x, A1, dZ2, gradient, into)
    return cost


@njit(**INLINE)
def hidden(params, p, d, h, groups, X, x, A1):
    """Write ``A1 = tanh(W1 X + b1)``, which is tanh2(2/ln(2) (W1 X + b1)), in place."""
    lanes = group_lanes(X)
    second = smaller(1, d - 1)  # with one input, that one again, with a weight of 0
    for u in range(h):
        bias = zero_group(X) + HALVES * number(params, p + h * d + u)
        w = zero_group(X) + HALVES * number(params, p + u * d)
        w_second = zero_group(X) + HALVES * number(params, p + u * d + second) * second
        for g in range(groups):
            at = x + g * d * lanes
            z = fma(w_second, load_group(X, at + second * lanes), fma(w, load_group(X, at), bias))
            store(A1, (g * h + u) * lanes, tanh2(z))


@njit(**INLINE)
def output(params, p, d, h, groups, valid, X, x, A1, Y, y, weights, s, has_weights, dZ2, gradient, into):
    """Return the summed cost; write ``dZ2 = w (y - Y)`` and add db2 to `gradient`, in place.

    Where many samples are left, it asks for X and Y of the next tile: from memory they would come slower than they are
    used.
    """
    lanes, second = group_lanes(A1), smaller(1, d - 1)
    w2 = (d + 1) * h
    b2 = w2 + h
    total = terms = excess = zero_group(A1)
    base = excess + 1.0
    for g in range(groups):
        if valid > FAR_SAMPLES:
            ahead = groups + g
            prefetch_group(X, x + ahead * d * lanes)
            prefetch_group(X, x + (ahead * d + second) * lanes)
            prefetch_group(Y, y + ahead * lanes)
        z = zero_group(A1) + number(params, p + b2)
        for u in range(h):
            z = fma(number(params, p + w2 + u), load_group(A1, (g * h + u) * lanes), z)
        at = g * lanes
        dz, term, a, b = output_terms(z, Y, y + at, weights, s + at, has_weights, valid - at, dZ2, at)
        total = total + dz
        terms = terms + term
        excess, base = fma(excess, a + b, base * a), base * b
    gradient[into + b2] += sum_lanes(fold_group(total))
    return cost_of_tile(terms, excess, base)


@njit(**INLINE)
def backward(params, p, d, h, groups, X, x, A1, dZ2, gradient, into):
    """Add dW1, db1 and dW2 to `gradient` in place.

    With q = dZ2 A1:  dW2 = sum(q),  db1 = w2 sum(dZ2 - q A1),  dW1 = w2 sum((dZ2 - q A1) X).
    """
    lanes, step = group_lanes(A1), vector_lanes(A1)
    b1 = h * d
    w2 = b1 + h
    second = smaller(1, d - 1) * lanes
    for u in range(h):
        sum_slopes = sum_q = sum_x = sum_second = zero_vector(A1)
        for g in range(groups):
            at = x + g * d * lanes
            for v in range(0, lanes, step):
                a1, dz2 = load(A1, (g * h + u) * lanes + v), load(dZ2, g * lanes + v)
                q = dz2 * a1
                slopes = fma(-1.0 * q, a1, dz2)
                sum_slopes = sum_slopes + slopes
                sum_q = sum_q + q
                sum_x = fma(slopes, load(X, at + v), sum_x)
                sum_second = fma(slopes, load(X, at + second + v), sum_second)
        sums = four_sums(sum_slopes, sum_q, sum_x, sum_second)
        weight = number(params, p + w2 + u)
        gradient[into + b1 + u] += weight * lane(sums, 0)
        gradient[into + w2 + u] += lane(sums, 1)
        gradient[into + u * d] += weight * lane(sums, 2)
        if d > 1:
            gradient[into + u * d + 1] += weight * lane(sums, 3)
