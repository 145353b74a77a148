"""Forward, cost, backward and update as separate steps over all samples, for the public functions of these names.

Matrices over samples are laid out as in :mod:`layers`. The training loops compute the same formulas, but do not store
all that these functions return, and round some of it differently (see :func:`cost.output_cost` and :mod:`narrow`).
"""

from numba import njit

from fastnn2.kernels.nn import update as updating
from fastnn2.kernels.nn.affine import affine
from fastnn2.kernels.nn.layers import backward_layers
from fastnn2.kernels.shared.choices import TANH
from fastnn2.kernels.shared.tuning import SUMMED_OUTPUTS
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.elementary import log, log1p, sigmoid, tanh
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.lanes import fold_group, sum_lanes
from fastnn2.kernels.simd.vector import group_lanes, load_group, mask_tail, select_equal, store, zero_group


@njit(**NOT_INLINED)
def forward(job):
    """Write ``Z1 = W1 X + b1``, ``A1 = tanh(Z1)``, ``Z2 = W2 A1 + b2`` and ``y = sigmoid(Z2)`` in place.

    For the fields of `job`, with their shapes, see :class:`~fastnn2.kernels.shared.records.ForwardRecord`.
    """
    forbid_inlining()
    d, h, o = job.d, job.h, job.o
    params, X, Z1 = job.params, job.X, job.Z1
    A1, Z2, y = job.A1, job.Z2, job.y
    lanes = group_lanes(X)
    w2 = h * d + h
    for g in range(job.groups):
        a1_offset, z2_offset = g * h * lanes, g * o * lanes
        affine(params, 0, h * d, h, d, X, g * d * lanes, Z1, a1_offset)
        for i in range(a1_offset, a1_offset + h * lanes, lanes):
            store(A1, i, tanh(load_group(Z1, i)))
        affine(params, w2, w2 + o * h, o, h, A1, a1_offset, Z2, z2_offset)
        for i in range(z2_offset, z2_offset + o * lanes, lanes):
            store(y, i, sigmoid(load_group(Z2, i)))


@njit(**NOT_INLINED)
def cost(job):
    """Write ``-sum(w (Y log y + (1 - Y) log(1 - y)))`` over n samples and o outputs, where 0 log 0 is 0, to `total`.

    The terms of SUMMED_OUTPUTS outputs are summed in the dtype of y, and these sums in float64. For the fields of `job`
    see :class:`~fastnn2.kernels.shared.records.CostRecord`.
    """
    forbid_inlining()
    o, n, y = job.o, job.n, job.y
    Y, weights, has_weights = job.Y, job.weights, job.has_weights
    lanes = group_lanes(y)
    summed = 0.0
    for g in range((n + lanes - 1) // lanes):
        for first in range(0, o, SUMMED_OUTPUTS):
            terms = zero_group(y)
            for r in range(first, smaller(o, first + SUMMED_OUTPUTS)):
                output, target = load_group(y, (g * o + r) * lanes), load_group(Y, (g * o + r) * lanes)
                terms = terms - select_equal(target, 0.0, 0.0, target * log(output))
                terms = terms - select_equal(target, 1.0, 0.0, (1.0 - target) * log1p(-1.0 * output))
            if has_weights:
                weight = load_group(weights, g * lanes)
                terms = select_equal(weight, 0.0, 0.0, terms * weight)
            summed += sum_lanes(fold_group(mask_tail(terms, n - g * lanes)))
    job.total[0] = summed


@njit(**NOT_INLINED)
def backward(job):
    """Add dW1, db1, dW2 and db2, summed over n samples, to `gradient` in place, from A1 and y.

    The formulas are those of :func:`layers.backward_layers`. ``dZ2 = w (y - Y)`` is written over y; A1 and scratch are
    overwritten. For the fields of `job` see :class:`~fastnn2.kernels.shared.records.BackwardRecord`.
    """
    forbid_inlining()
    d, h, o = job.d, job.h, job.o
    n, tile_groups, X = job.n, job.tile_groups, job.X
    Y, weights, has_weights = job.Y, job.weights, job.has_weights
    A1, y, gradient = job.A1, job.y, job.gradient
    lanes = group_lanes(X)
    groups = (n + lanes - 1) // lanes
    b2 = h * d + h + o * h
    for g in range(groups):
        for r in range(o):
            i = (g * o + r) * lanes
            dz = load_group(y, i) - load_group(Y, i)
            if has_weights:
                dz = dz * load_group(weights, g * lanes)
            dz = mask_tail(dz, n - g * lanes)
            store(y, i, dz)
            gradient[b2 + r] += sum_lanes(fold_group(dz))
    for g in range(0, groups, tile_groups):
        size = smaller(tile_groups, groups - g)
        backward_layers(
            job.params, 0, d, h, o, size, lanes, X, g * d * lanes, A1, g * h * lanes, y, g * o * lanes, job.scratch,
            TANH, gradient, 0)  # fmt: skip


@njit(**NOT_INLINED)
def update(job):
    """Write ``new = params - learning_rate (gradient + l2 params)`` in place.

    For the fields of `job` see :class:`~fastnn2.kernels.shared.records.UpdateRecord`.
    """
    forbid_inlining()
    updating.update(job.params, 0, job.new, 0, job.gradient, 0, 0, job.count, job.l2, job.learning_rate)
