"""The cost of a tile for fit: cross-entropy of sigmoid outputs, with its gradient, from one logarithm for all samples.

Matrices over samples are laid out as in :mod:`layers`. The losses of the estimators are in :mod:`losses`.
"""

from numba import njit

from fastnn2.kernels.simd.blocks import lanes_of, narrow_samples
from fastnn2.kernels.simd.elementary import exp_quotient, log1p
from fastnn2.kernels.simd.lanes import first_half, second_half, sum_lanes
from fastnn2.kernels.simd.vector import (
    INLINE,
    copysign,
    fma,
    group_lanes,
    load,
    load_like,
    load_pair,
    mask_tail,
    maximum,
    select_less,
    store,
    vector_lanes,
)


@njit(**INLINE)
def output_cost(o, groups, valid, Y, y_offset, weights, first_sample, has_weights, dZ2, scratch, db2, db2_offset):
    """Return the summed cost of a tile; write ``dZ2 = w (y - Y)`` over Z2 and add db2 to ``db2[db2_offset:]``.

    With y = 1 / (1 + e^-z) and e = e^-|z|, the cost of a sample, -Y log y - (1 - Y) log(1 - y), is

        max(z, 0) - Y z + log(1 + e),

    which is finite and accurate for every z. Without weights the sum of the logs is the log of a product. The tile's
    sample s has the weight ``weights[first_sample + s]``; samples from number `valid` on are padding. Each lane of a
    pair of vectors has its sums; where the registers do not hold a pair (see :class:`target.Blocks`), they are formed
    for one vector and then for the other. `scratch` is overwritten.
    """
    lanes, pair, like = group_lanes(Y), 2 * vector_lanes(Y), narrow_samples(Y)
    cost = 0.0
    for r in range(o):
        for part in range(0, pair, lanes_of(like)):
            total = terms = excess = like
            base = like + 1.0
            for g in range(groups):
                for v in range(part, lanes, pair):
                    i, s = (g * o + r) * lanes + v, g * lanes + v
                    dz, term, a, b = output_terms(
                        dZ2, i, Y, y_offset + i, weights, first_sample + s, has_weights, valid - s, like
                    )
                    total = total + dz
                    terms = terms + term
                    excess, base = fma(excess, a + b, base * a), base * b
            store(scratch, part, total)
            store(scratch, pair + part, terms)
            store(scratch, 2 * pair + part, excess)
            store(scratch, 3 * pair + part, base)
        cost += cost_of_tile(load_pair(scratch, pair), load_pair(scratch, 2 * pair), load_pair(scratch, 3 * pair))
        db2[db2_offset + r] += sum_lanes(load_pair(scratch, 0))
    return cost


@njit(**INLINE)
def output_terms(dZ2, z2_offset, Y, y_offset, weights, first_sample, has_weights, left, like):
    """Return (dz, term, a, b) for the lanes of `like`, one vector or two, of Z2, from ``dZ2[z2_offset]`` on.

    ``dz = w (sigmoid(z) - Y)`` is also written over Z2, in place. `term` is the cost without log(1 + e), and e = a / b.
    With weights, `term` is the whole weighted cost, and a is 0. In lanes from number `left` on, the padding, z is set
    to 0, and Y and the weights are 0, so that dz, term and a are 0.
    """
    lanes = lanes_of(like)
    z, target = load_like(dZ2, z2_offset, like), load_like(Y, y_offset, like)
    if left < lanes:
        z = mask_tail(z, left)
    a, b = exp_quotient(copysign(z, -1.0))
    dz = select_less(z, 0.0, a, b) / (a + b) - target
    term = fma(-1.0 * target, z, maximum(0.0, z))
    if has_weights:
        weight = load_like(weights, first_sample, like)
        store(dZ2, z2_offset, a / b)
        for v in range(z2_offset, z2_offset + lanes, vector_lanes(Y)):  # vector by vector: log1p is compiled once
            store(dZ2, v, log1p(load(dZ2, v)))
        dz, term, a = dz * weight, (term + load_like(dZ2, z2_offset, like)) * weight, a * 0.0
    if left < lanes:
        dz, a = mask_tail(dz, left), mask_tail(a, left)
    store(dZ2, z2_offset, dz)
    return dz, term, a, b


@njit(**INLINE)
def cost_of_tile(terms, excess, base):
    """Return ``sum(terms) + sum(log(1 + excess / base))`` over the lanes; prod(1 + e) = 1 + excess / base in each lane.

    With e = a / b, base = prod(b) and excess = prod(a + b) - prod(b), formed as a sum of products that are not
    negative: no digits are lost if all e are small. The two vectors of the pair are multiplied before the log, as
    (1 + x) (1 + v) = 1 + (x v + x + v).
    """
    ratio = excess / base
    x, v = first_half(ratio), second_half(ratio)
    return sum_lanes(terms) + sum_lanes(log1p(fma(x, v, x) + v))
