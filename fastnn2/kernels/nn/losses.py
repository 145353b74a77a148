"""The losses of the estimators, by number, each with its activation of the outputs.

With these pairs the gradient of each loss with respect to Z2 is ``y - Y``. The loss of a sample is defined as in
scikit-learn, with y clipped to [eps, 1 - eps] in the first two:

    LOG_LOSS        y = sigmoid(Z2)    -sum(Y log y + (1 - Y) log(1 - y)), with Y 0 or 1
    CROSS_ENTROPY   y = softmax(Z2)    -sum(Y log y), with Y one-hot
    SQUARED_ERROR   y = Z2             1/(2 o) sum((Y - y)^2); y - Y is o times its gradient, as in scikit-learn
    POISSON         y = exp(Z2)        sum(Y log(Y / y) - Y + y), where 0 log 0 is 0

Matrices over samples are laid out as in :mod:`layers`. Outputs y are written over Z2, so `z2_offset` is their offset,
too.
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
def activate_outputs(loss, o, Z2, z2_offset):
    """Write the outputs y over the o rows of one group that begin at ``Z2[z2_offset]``, in place.

    The softmax is ``y_r = e_r / sum(e)`` with ``e_r = exp(z_r - max(z))``; SUMMED_OUTPUTS terms are summed at a time.
    """
    lanes = group_lanes(Z2)
    end = z2_offset + o * lanes
    if loss == CROSS_ENTROPY:
        largest = load_group(Z2, z2_offset)
        for i in range(z2_offset + lanes, end, lanes):
            largest = maximum(largest, load_group(Z2, i))
        total = zero_group(Z2)
        for first in range(z2_offset, end, SUMMED_OUTPUTS * lanes):
            partial = zero_group(Z2)
            for i in range(first, smaller(end, first + SUMMED_OUTPUTS * lanes), lanes):
                e = exp_negative(load_group(Z2, i) - largest)
                partial = partial + e
                store(Z2, i, e)
            total = total + partial
        factor = 1.0 / total
        for i in range(z2_offset, end, lanes):
            store(Z2, i, load_group(Z2, i) * factor)
    elif loss == LOG_LOSS:
        for i in range(z2_offset, end, lanes):
            store(Z2, i, sigmoid(load_group(Z2, i)))
    elif loss == POISSON:
        for i in range(z2_offset, end, lanes):
            store(Z2, i, exp(load_group(Z2, i)))


@njit(**INLINE)
def clipped(y):
    """Return y clipped to [eps, 1 - eps] of its dtype."""
    if is_double(y):
        return minimum(1.0 - 2.220446049250313e-16, maximum(2.220446049250313e-16, y))
    return minimum(1.0 - 1.1920928955078125e-07, maximum(1.1920928955078125e-07, y))


@njit(**INLINE)
def loss_terms(loss, o, y, z2_offset, Y, y_offset):
    """Return the loss of each sample of one group; y (o, G) begins at ``y[z2_offset]``, Y (o, G) at ``Y[y_offset]``.

    The terms of SUMMED_OUTPUTS outputs are summed at a time. CROSS_ENTROPY has only one term that is not 0, that of the
    right class.
    """
    lanes = group_lanes(y)
    end, to_target = z2_offset + o * lanes, y_offset - z2_offset
    total = zero_group(y)
    if loss == CROSS_ENTROPY:  # total is the probability of the right class
        for i in range(z2_offset, end, lanes):
            total = fma(load_group(Y, i + to_target), load_group(y, i), total)
        return zero_group(y) - log(clipped(total))
    for first in range(z2_offset, end, SUMMED_OUTPUTS * lanes):
        last = smaller(end, first + SUMMED_OUTPUTS * lanes)
        total = total + terms_of_outputs(loss, o, y, first, last, Y, to_target)
    return total


@njit(**INLINE)
def terms_of_outputs(loss, o, y, first, last, Y, to_target):
    """Return the sum of the terms of the outputs in ``y[first:last]``, lane by lane, of a loss but CROSS_ENTROPY.

    The target of the output at ``y[i]`` is at ``Y[i + to_target]``.
    """
    lanes = group_lanes(y)
    terms = zero_group(y)
    if loss == LOG_LOSS:
        for i in range(first, last, lanes):
            output = clipped(load_group(y, i))
            terms = terms - log(select_equal(load_group(Y, i + to_target), 0.0, 1.0 - output, output))
        return terms
    if loss == POISSON:
        for i in range(first, last, lanes):
            output, target = load_group(y, i), load_group(Y, i + to_target)
            terms = terms + (select_equal(target, 0.0, 0.0, target * log(target / output)) - target + output)
        return terms
    factor = 0.5 / o
    for i in range(first, last, lanes):
        difference = load_group(Y, i + to_target) - load_group(y, i)
        terms = fma(factor * difference, difference, terms)
    return terms


@njit(**INLINE)
def output_loss(loss, o, groups, valid, Z2, Y, y_offset, weights, first_sample, has_weights, gradient, db2_offset):
    """Return the summed loss of a tile; write ``dZ2 = w (y - Y)`` over Z2 and add db2 to ``gradient[db2_offset:]``.

    The tile's Z2 begins at ``Z2[0]``, its targets at ``Y[y_offset]``, its weights at ``weights[first_sample]``. Samples
    from number `valid` on are padding.
    """
    lanes = group_lanes(Z2)
    total = zero_group(Z2)
    for g in range(groups):
        z2_offset, left = g * o * lanes, valid - g * lanes
        activate_outputs(loss, o, Z2, z2_offset)
        terms = loss_terms(loss, o, Z2, z2_offset, Y, y_offset + z2_offset)
        if has_weights:
            weight = load_group(weights, first_sample + g * lanes)
            terms = select_equal(weight, 0.0, 0.0, terms * weight)
        total = total + mask_tail(terms, left)
        for r in range(o):
            i = z2_offset + r * lanes
            dz = load_group(Z2, i) - load_group(Y, y_offset + i)
            if has_weights:
                dz = dz * load_group(weights, first_sample + g * lanes)
            dz = mask_tail(dz, left)
            store(Z2, i, dz)
            gradient[db2_offset + r] += sum_lanes(fold_group(dz))
    return sum_lanes(fold_group(total))
