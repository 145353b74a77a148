"""Epochs of small mini-batches for the estimators: the threads share the hidden units, not the samples.

In a mini-batch of 200 samples little is computed for each parameter, and exchanging parameters and gradients would take
half as long as computing them. So the hidden layer is cut into *parts* (see :mod:`parts`), whose number does not depend
on the number of threads. Each thread has some adjacent parts, as many as the others or one more, and only it reads and
writes their parameters. Z2, a few numbers per sample, is all that the threads exchange. A mini-batch takes

    each thread     gather all samples; for its parts: A1 = f(W1 X + b1), Z2 of the part
    barrier
    each thread     Z2 = sum of Z2 of all parts; loss and dZ2; for its parts: backward, update

**The order of sums.** The number of parts is even. Z2 is (sum of the first half of the parts) + (sum of the second
half), each in the order of the parts. With one thread or two, each half belongs to one thread, which sums it before
the barrier, so that the other thread reads one Z2 and not one per part; more threads sum the halves after the barrier.
The additions are the same in both cases, so the number of threads changes no bit.

**One barrier per mini-batch.** Z2 and the L2 penalties have two sets, used in turn, so that a thread that is ahead does
not overwrite what another one still reads.

Thread 0 goes on alone, and Ctrl-C is handled, as in :mod:`epochs`.
"""

from numba import njit

from fastnn2.kernels.loops.epochs import lay_out
from fastnn2.kernels.loops.team import LONG_SPINS, atomic_load, atomic_store, barrier, barrier_or_farewell, cycles
from fastnn2.kernels.nn.layers import backward_layers, forward_tile, lanes_used
from fastnn2.kernels.nn.losses import output_loss
from fastnn2.kernels.nn.optimizers import optimizer_step
from fastnn2.kernels.nn.parts import complete_gradient, first_unit, sum_of_parts
from fastnn2.kernels.nn.rows import gather
from fastnn2.kernels.nn.update import sum_l2_squares
from fastnn2.kernels.shared.control_words import (
    ABANDONED,
    BARRIERS,
    BATCHES_DONE,
    COMPLETED,
    ELAPSED,
    SERIAL_FROM,
    STOP,
    WAITED,
)
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.vector import INLINE, group_lanes, store


@njit(**INLINE)
def unit_epochs(job):
    """Run epochs as one thread of a team; write parameters, moments, losses and control words in place.

    The formulas are those of :mod:`epochs`; for the fields of `job`, with their shapes, see
    :class:`~fastnn2.kernels.shared.records.UnitEpochsRecord`.
    """
    control, thread, threads = job.control, job.thread, job.threads
    d, h, o = job.d, job.h, job.o
    n, batch, parts = job.n, job.batch, job.parts
    X, Y, weights = job.X, job.Y, job.weights
    order, has_order, has_weights = job.order, job.has_order, job.has_weights
    params, l2, activation = job.params, job.l2, job.activation
    gradients, stride, penalties = job.gradients, job.stride, job.penalties
    X_tile, Y_tile, weight_tile = job.X_tile, job.Y_tile, job.weight_tile
    Z2, Z2_stride, db2 = job.Z2, job.Z2_stride, job.db2
    A1, dZ2 = job.A1, job.dZ2
    lanes = group_lanes(X)
    half = parts // 2
    barriers = atomic_load(control, BARRIERS)
    yields = batches_done = 0
    waited, begin_time = atomic_load(control, WAITED), cycles() - atomic_load(control, ELAPSED)
    stopped = False
    for epoch in range(job.epochs):
        epoch_offset = epoch * n if has_order else 0
        loss_sum = 0.0
        for begin in range(0, n, batch):
            size = smaller(batch, n - begin)
            groups = (size + lanes - 1) // lanes
            used = lanes_used(size, groups, X)
            z2_part = batches_done % 2 * parts  # the first part in this mini-batch's set of Z2
            first_part, end_part = thread * parts // threads, (thread + 1) * parts // threads
            if atomic_load(control, STOP) != 0:
                atomic_store(control, ABANDONED, batches_done)
            first = epoch_offset + begin
            lay_out(X, job.columns, job.starts, job.is_sparse, d, order, has_order, first, size, X_tile, 0)
            gather(Y, o, order, has_order, first, size, Y_tile, 0)
            total_weight = float(size)
            if has_weights:
                gather(weights, 1, order, has_order, first, size, weight_tile, 0)
                total_weight = 0.0
                for i in range(size):
                    total_weight += weight_tile[i]
            for c in range(first_part, end_part):
                unit = first_unit(c, parts, h)
                units = first_unit(c + 1, parts, h) - unit
                forward_tile(
                    params, c * stride, d, units, o, groups, used, activation, X_tile, 0, A1, unit * groups * lanes,
                    Z2, (z2_part + c) * Z2_stride, False)  # fmt: skip
                # Before the barrier, as thread 0 adds those of all parts after it, when others may update already.
                penalties[z2_part + c] = sum_l2_squares(params, 0, l2, c * stride, (c + 1) * stride)
            terms_of_half = half
            if threads <= 2:
                terms_of_half = 1
                for c in range(z2_part + thread * half, z2_part + parts, threads * half):
                    for i in range(0, groups * o * lanes, lanes):
                        store(Z2, c * Z2_stride + i, sum_of_parts(Z2, c, half, Z2_stride, i))
            barriers += threads
            yields, waited = barrier_or_farewell(
                control, thread, barriers, yields, LONG_SPINS, threads > 1, batches_done, waited, begin_time
            )
            if atomic_load(control, ABANDONED) == batches_done:
                stopped = True
                break

            for i in range(0, groups * o * lanes, lanes):
                first_half = sum_of_parts(Z2, z2_part, terms_of_half, Z2_stride, i)
                store(dZ2, i, first_half + sum_of_parts(Z2, z2_part + half, terms_of_half, Z2_stride, i))
            for r in range(o):
                db2[r] = 0.0
            batch_loss = output_loss(job.loss, o, groups, size, dZ2, Y_tile, 0, weight_tile, 0, has_weights, db2, 0)
            for c in range(first_part, end_part):
                unit = first_unit(c, parts, h)
                units = first_unit(c + 1, parts, h) - unit
                part_offset = c * stride
                for i in range(part_offset, part_offset + stride):
                    gradients[i] = 0.0
                backward_layers(
                    params, part_offset, d, units, o, groups, used, X_tile, 0, A1, unit * groups * lanes, dZ2, 0,
                    job.scratch, activation, gradients, part_offset)  # fmt: skip
                last = complete_gradient(gradients, part_offset, c, d, units, o, db2)
                optimizer_step(
                    job.optimizer, params, part_offset, last, gradients, 0, 1, l2, 1.0 / total_weight,
                    job.rates[batches_done], job.first_moments, job.second_moments, job.beta_1, job.beta_2,
                    job.epsilon, job.nesterov)  # fmt: skip
            if atomic_load(control, SERIAL_FROM) == batches_done:
                # One more barrier, as thread 0 takes over the parts of the others.
                barriers += threads
                barrier(control, barriers, yields, LONG_SPINS)
                if thread != 0:
                    return
                threads = 1
            if thread == 0:
                penalty = 0.0
                for c in range(parts):
                    penalty += penalties[z2_part + c]
                loss_sum += (batch_loss + 0.5 * penalty) / total_weight * size
            batches_done += 1
        if stopped:
            break
        if thread == 0:
            job.losses[epoch] = loss_sum / n
            atomic_store(control, COMPLETED, epoch + 1)
    if thread == 0:
        atomic_store(control, BATCHES_DONE, batches_done)
        atomic_store(control, WAITED, waited)
        atomic_store(control, ELAPSED, cycles() - begin_time)
