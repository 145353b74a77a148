"""Training of one network of the tabular estimators, as one thread: epochs of mini-batches, and the best one kept.

A member of an ensemble is a job of its own, which one thread trains, so the order of its sums follows from its record
alone. In each epoch the samples are shuffled, and each mini-batch takes a step of Adam (Kingma and Ba, 2015),

    g = (sum of gradients) / (sum of weights)
    m <- b1 m + (1 - b1) g;   v <- b2 v + (1 - b2) g^2;   p <- p - r m / (sqrt(v) + epsilon)

with the learning rate r of the step, which has the bias corrections. Dropout multiplies a hidden unit of a sample by 0
or by 1 / (1 - rate). The gradient of a mini-batch whose weights are all 0 is 0. After each epoch the mean loss of the
held-out samples is computed, and the parameters of the epoch with the lowest are kept; where none are held out, those
of the last epoch are. An epoch with a mean loss or parameters that are not finite ends the training, and is not kept.

Random numbers are those of :mod:`~fastnn2.kernels.nn.random_numbers`, in one stream for each member.
"""

import numpy as np
from numba import njit

from fastnn2.kernels.loops.team import atomic_load, atomic_store
from fastnn2.kernels.nn.lookups import (
    adam_range,
    category_gradient,
    cumulate,
    lookup_outputs,
    lookup_step,
    output_gradient,
)
from fastnn2.kernels.nn.losses import output_loss
from fastnn2.kernels.nn.random_numbers import drop_units, shuffle_order
from fastnn2.kernels.nn.tabular_batch import hidden_units, lay_out_rows
from fastnn2.kernels.shared.control_words import (
    COMPLETED,
    COST_NOT_FINITE,
    FINISHED,
    INTERRUPTED,
    OUTCOME,
    PARAMS_NOT_FINITE,
    STOP,
)
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.lanes import fold_group, sum_lanes
from fastnn2.kernels.simd.vector import INLINE, group_lanes, load_group, load_scalar, store, zero_group

INFINITY = float("inf")


@njit(**INLINE)
def lay_out_targets(job, order, first, m):
    """Write targets and weights of the samples ``order[first : first + m]`` to the batch of a job, in place."""
    o, Y, weights, has_weights, lanes = job.o, job.Y, job.weights, job.has_weights, group_lanes(job.Y)
    batch_Y, batch_weights = job.batch_Y, job.batch_weights
    for s in range(m):
        sample = order[first + s]
        for r in range(o):
            batch_Y[(s // lanes * o + r) * lanes + s % lanes] = load_scalar(Y, sample * o + r)
        if has_weights:
            batch_weights[s] = load_scalar(weights, sample)


@njit(**INLINE)
def held_out_loss(job):
    """Return the mean loss of the held-out samples."""
    params, o, units, lanes, Z2 = job.params, job.o, job.units, group_lanes(job.X), job.Z2
    total = weight_sum = 0.0
    for first in range(0, job.n_held, job.batch):
        m = smaller(job.batch, job.n_held - first)
        lay_out_rows(job, job.held, 1, first, m)
        lay_out_targets(job, job.held, first, m)
        hidden_units(job, params, 0, 0, m)
        lookup_outputs(params, 0, job.w2_offset, job.b2_offset, o, units, job.A, m, Z2)
        groups = (m + lanes - 1) // lanes
        total += output_loss(
            job.loss, o, groups, m, Z2, job.batch_Y, 0, job.batch_weights, 0, job.has_weights, job.db2, 0
        )
        if job.has_weights:
            for s in range(m):
                weight_sum += job.batch_weights[s]
    return total / (weight_sum if job.has_weights else float(job.n_held))


@njit(**INLINE)
def are_finite(params, count):
    """Return whether all parameters are finite; `count` is a multiple of the lanes of a group."""
    zero_or_nan = zero_group(params)
    for i in range(0, count, group_lanes(params)):
        p = load_group(params, i)
        zero_or_nan = zero_or_nan + (p - p)  # NaN if p is infinite or NaN
    return sum_lanes(fold_group(zero_or_nan)) == 0.0


@njit(**INLINE)
def keep(params, best, count):
    """Copy the parameters to the best ones, in place."""
    for i in range(0, count, group_lanes(params)):
        store(best, i, load_group(params, i))


@njit(**NOT_INLINED)
def tabular(job):
    """Train one network; write parameters, losses and control words in place.

    For the fields of `job` see :class:`~fastnn2.kernels.shared.records.TabularRecord`. It stops before its next
    mini-batch if it finds STOP. COMPLETED counts the epochs, and OUTCOME is FINISHED, INTERRUPTED, COST_NOT_FINITE or
    PARAMS_NOT_FINITE.
    """
    forbid_inlining()
    control, params, gradient = job.control, job.params, job.gradient
    d, p, q, o, units = job.d, job.p, job.q, job.o, job.units
    v_offset, c_offset, b_offset = job.v_offset, job.c_offset, job.b_offset
    w2_offset, b2_offset, count = job.w2_offset, job.b2_offset, job.count
    A, dZ, Z2, E, db2 = job.A, job.dZ, job.Z2, job.E, job.db2
    n, batch, bins = job.n, job.batch, job.bins
    lanes = group_lanes(params)
    seed, draws = np.uint64(job.seed), 0
    step = 0
    best = INFINITY
    first_moments, second_moments = job.first_moments, job.second_moments
    beta_1, beta_2, epsilon = job.beta_1, job.beta_2, job.epsilon
    keep(params, job.best, count)
    cumulate(params, v_offset, p, bins, units, E)
    for epoch in range(job.epochs):
        draws = shuffle_order(seed, draws, job.order, n)
        loss_sum = weights_of_epoch = 0.0
        for first in range(0, n, batch):
            if atomic_load(control, STOP) != 0:
                atomic_store(control, OUTCOME, INTERRUPTED)
                return
            m = smaller(batch, n - first)
            groups = (m + lanes - 1) // lanes
            lay_out_rows(job, job.order, 1, first, m)
            lay_out_targets(job, job.order, first, m)
            hidden_units(job, params, 0, 0, m)
            scale = 1.0
            if job.drop > 0:
                scale = 256.0 / (256.0 - job.drop)
                draws = drop_units(seed, draws, job.drop, scale, A, m * units)
            lookup_outputs(params, 0, w2_offset, b2_offset, o, units, A, m, Z2)
            for r in range(o):
                db2[r] = 0.0
            loss_sum += output_loss(
                job.loss, o, groups, m, Z2, job.batch_Y, 0, job.batch_weights, 0, job.has_weights, db2, 0
            )
            total_weight = float(m)
            if job.has_weights:
                total_weight = 0.0
                for s in range(m):
                    total_weight += job.batch_weights[s]
            weights_of_epoch += total_weight
            for i in range(c_offset, b_offset):
                gradient[i] = 0.0
            for i in range(w2_offset, count):
                gradient[i] = 0.0
            for r in range(o):
                gradient[b2_offset + r] = db2[r]
            output_gradient(params, w2_offset, o, units, scale, Z2, A, m, dZ, gradient)
            category_gradient(dZ, c_offset, q, units, job.batch_categories, m, gradient)
            scale = 1.0 / total_weight if total_weight > 0.0 else 0.0
            rate = job.rates[step]
            lookup_step(
                dZ, v_offset, b_offset, d, p, bins, units, job.batch_X, job.batch_rows, job.batch_fractions, m,
                job.bin_counts, job.bin_totals, E, params, first_moments, second_moments, scale, rate, beta_1, beta_2,
                epsilon)  # fmt: skip
            for begin, end in ((c_offset, b_offset), (w2_offset, count)):
                adam_range(
                    params, first_moments, second_moments, gradient, begin, end, scale, rate, beta_1, beta_2, epsilon
                )
            step += 1
        loss = loss_sum / weights_of_epoch
        job.losses[epoch] = loss
        if loss - loss != 0.0:  # infinite or NaN
            atomic_store(control, OUTCOME, COST_NOT_FINITE)
            return
        if not are_finite(params, count):
            atomic_store(control, OUTCOME, PARAMS_NOT_FINITE)
            return
        if job.n_held > 0:
            loss = held_out_loss(job)
            job.held_losses[epoch] = loss
        if loss < best or job.n_held == 0:
            best = loss
            keep(params, job.best, count)
        atomic_store(control, COMPLETED, epoch + 1)
    atomic_store(control, OUTCOME, FINISHED)
