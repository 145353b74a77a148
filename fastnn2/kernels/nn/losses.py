"""The losses of the estimators, by number, each with the activation of the outputs that belongs to it.

With that pairing the gradient of every loss with respect to Z2 is ``y - Y``. The losses of a sample, as scikit-learn
defines them, y clipped to [eps, 1 - eps] in the first two:

    LOG_LOSS        y = sigmoid(Z2)    -sum(Y log y + (1 - Y) log(1 - y)), Y of 0 and 1
    CROSS_ENTROPY   y = softmax(Z2)    -sum(Y log y), Y one-hot
    SQUARED_ERROR   y = Z2             1/(2 o) sum((Y - y)^2); its gradient is o times what it would be, as theirs is
    POISSON         y = exp(Z2)        sum(Y log(Y / y) - Y + y), where 0 log 0 is 0
"""

from numba import njit

from fastnn2.kernels.shared.choices import CROSS_ENTROPY, LOG_LOSS, POISSON
from fastnn2.kernels.shared.tuning import SUMMED_OUTPUTS
from fastnn2.kernels.simd.bits import is_double
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.elementary import exp, exp_negative, log, sigmoid
from fastnn2.kernels.simd.lanes import fold_group, sum_lanes
from fastnn2.kernels.simd.vector import (
    INLINE,
    fma,
    group_lanes,
    load_group,
    mask_tail,
    maximum,
    minimum,
    select_equal,
    store,
    zero_group,
)


@njit(**INLINE)
def activate_outputs(loss, o, Z2, start):
    """Turn the o rows of one group that begin at ``Z2[start]`` into the outputs y, in place."""
    lanes = group_lanes(Z2)
    end = start + o * lanes
    if loss == CROSS_ENTROPY:
        largest = load_group(Z2, start)
        for at in range(start + lanes, end, lanes):
            largest = maximum(largest, load_group(Z2, at))
        total = zero_group(Z2)
        for first in range(start, end, SUMMED_OUTPUTS * lanes):
            of_some = zero_group(Z2)
            for at in range(first, smaller(end, first + SUMMED_OUTPUTS * lanes), lanes):
                e = exp_negative(load_group(Z2, at) - largest)
                of_some = of_some + e
                store(Z2, at, e)
            total = total + of_some
        share = 1.0 / total
        for at in range(start, end, lanes):
            store(Z2, at, load_group(Z2, at) * share)
    elif loss == LOG_LOSS:
        for at in range(start, end, lanes):
            store(Z2, at, sigmoid(load_group(Z2, at)))
    elif loss == POISSON:
        for at in range(start, end, lanes):
            store(Z2, at, exp(load_group(Z2, at)))


@njit(**INLINE)
def inside(y):
    """Return y, no less than eps and no more than 1 - eps of its dtype."""
    if is_double(y):
        return minimum(1.0 - 2.220446049250313e-16, maximum(2.220446049250313e-16, y))
    return minimum(1.0 - 1.1920928955078125e-07, maximum(1.1920928955078125e-07, y))


@njit(**INLINE)
def loss_terms(loss, o, y, start, Y, target):
    """Return the losses of a group's samples, lane by lane; outputs begin at ``y[start]``, targets at ``Y[target]``.

    SUMMED_OUTPUTS are summed at a time, but for CROSS_ENTROPY, where one term counts.
    """
    lanes = group_lanes(y)
    end, apart = start + o * lanes, target - start
    total = zero_group(y)
    if loss == CROSS_ENTROPY:  # total is the probability of the right class
        for at in range(start, end, lanes):
            total = fma(load_group(Y, at + apart), load_group(y, at), total)
        return zero_group(y) - log(inside(total))
    for first in range(start, end, SUMMED_OUTPUTS * lanes):
        last = smaller(end, first + SUMMED_OUTPUTS * lanes)
        total = total + terms_of_outputs(loss, o, y, first, last, Y, apart)
    return total


@njit(**INLINE)
def terms_of_outputs(loss, o, y, start, end, Y, apart):
    """Return the sum over the outputs in ``y[start:end]`` of a loss that has a term for each, lane by lane.

    Each target stands `apart` behind its output, in Y.
    """
    lanes = group_lanes(y)
    terms = zero_group(y)
    if loss == LOG_LOSS:
        for at in range(start, end, lanes):
            p = inside(load_group(y, at))
            terms = terms - log(select_equal(load_group(Y, at + apart), 0.0, 1.0 - p, p))
        return terms
    if loss == POISSON:
        for at in range(start, end, lanes):
            p, wanted = load_group(y, at), load_group(Y, at + apart)
            terms = terms + (select_equal(wanted, 0.0, 0.0, wanted * log(wanted / p)) - wanted + p)
        return terms
    share = 0.5 / o
    for at in range(start, end, lanes):
        difference = load_group(Y, at + apart) - load_group(y, at)
        terms = fma(share * difference, difference, terms)
    return terms


@njit(**INLINE)
def output_loss(loss, o, groups, valid, Z2, Y, y_offset, weights, first_sample, has_weights, gradient, db2_offset):
    """Return the summed loss of a tile; turn Z2 into ``dZ2 = w (y - Y)`` and add db2 to `gradient`, in place.

    The targets of the tile begin at ``Y[y_offset]``, its weights at ``weights[first_sample]``. Samples from number
    `valid` of the tile on are the padding behind the last sample: they count for nothing.
    """
    lanes = group_lanes(Z2)
    total = zero_group(Z2)
    for g in range(groups):
        start, left = g * o * lanes, valid - g * lanes
        activate_outputs(loss, o, Z2, start)
        terms = loss_terms(loss, o, Z2, start, Y, y_offset + start)
        if has_weights:
            weight = load_group(weights, first_sample + g * lanes)
            terms = select_equal(weight, 0.0, 0.0, terms * weight)
        total = total + mask_tail(terms, left)
        for r in range(o):
            at = start + r * lanes
            dz = load_group(Z2, at) - load_group(Y, y_offset + at)
            if has_weights:
                dz = dz * load_group(weights, first_sample + g * lanes)
            dz = mask_tail(dz, left)
            store(Z2, at, dz)
            gradient[db2_offset + r] += sum_lanes(fold_group(dz))
    return sum_lanes(fold_group(total))
