"""The fused kernel of the estimators for small mini-batches: the hidden units are shared among the threads.

In a mini-batch of 200 samples little is computed for each parameter, and to exchange parameters and gradients would
take half as long as to compute them. So the hidden layer is cut into parts (see :mod:`parts`); each thread has some
side by side, as many as others or one more, and alone reads and writes their parameters. All that the threads exchange
is Z2, a few numbers for each sample:

    each thread     lay out the samples; for its parts: A1 = f(W1 X + b1), Z2 of the part
    barrier
    each thread     Z2 = sum of the parts; loss and dZ2; for its parts: gradients, update

The number of parts is even. The parts of each half are summed in their order, and then the halves. One thread or two
sum their halves before they meet, so that each reads one Z2 of the other and not one of each part; more threads sum all
parts after it. What is exchanged comes in two sets, used in turn, so that one barrier a step is enough.
"""

from numba import njit

from fastnn2.kernels.loops.epochs import lay_out
from fastnn2.kernels.loops.team import LONG_SPINS, atomic_load, atomic_store, barrier, cycles, lost_too_much
from fastnn2.kernels.nn.layers import backward_layers, forward_tile, lanes_used
from fastnn2.kernels.nn.losses import output_loss
from fastnn2.kernels.nn.optimizers import optimizer_step
from fastnn2.kernels.nn.parts import complete_gradient, first_unit, sum_of_parts
from fastnn2.kernels.nn.rows import gather
from fastnn2.kernels.nn.update import sum_l2_squares
from fastnn2.kernels.shared.control_words import ABANDONED, BARRIERS, BATCHES_DONE, COMPLETED, SERIAL_FROM, STOP
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.vector import INLINE, group_lanes, store


@njit(**INLINE)
def unit_epochs(control, thread, threads, d, h, o, n, batch, epochs, parts, activation, loss, optimizer, X, columns,
                starts, is_sparse, Y, weights, has_weights, order, has_order, params, stride, l2, gradients,
                penalties, first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses, Z2,
                Z2_stride, X_tile, Y_tile, weight_tile, A1, dZ2, scratch, db2):  # fmt: skip
    """Run epochs as one thread of a team; write parameters, moments, losses and control words in place.

    As :func:`epochs.epochs`, but params, l2, gradients (float64) and moments are (parts, stride);
    penalties (2, parts); Z2 (2, parts, Z2_stride) holds that of each part, or behind the barrier that of each half in
    its first part, for all samples of a mini-batch. The tiles are this thread's own and hold a whole mini-batch, A1
    (groups, h, G) part after part; db2 (o,) is float64.
    """
    lanes = group_lanes(X)
    half = parts // 2
    barriers = atomic_load(control, BARRIERS)
    yields = number = waited = 0
    began = cycles()
    stopped = False
    for epoch in range(epochs):
        first_sample = epoch * n if has_order else 0
        summed = 0.0
        for begin in range(0, n, batch):
            size = smaller(batch, n - begin)
            groups = (size + lanes - 1) // lanes
            used = lanes_used(size, groups, X)
            at = number % 2 * parts
            own, end = thread * parts // threads, (thread + 1) * parts // threads
            if atomic_load(control, STOP) != 0:
                atomic_store(control, ABANDONED, number)
            lay_out(X, columns, starts, is_sparse, d, order, has_order, first_sample + begin, size, X_tile, 0)
            gather(Y, o, order, has_order, first_sample + begin, size, Y_tile, 0)
            total = float(size)
            if has_weights:
                gather(weights, 1, order, has_order, first_sample + begin, size, weight_tile, 0)
                total = 0.0
                for i in range(size):
                    total += weight_tile[i]
            for c in range(own, end):
                unit = first_unit(c, parts, h)
                units = first_unit(c + 1, parts, h) - unit
                forward_tile(
                    params, c * stride, d, units, o, groups, used, activation, X_tile, 0, A1, unit * groups * lanes,
                    Z2, (at + c) * Z2_stride)  # fmt: skip
                # Here, as thread 0 adds those of all parts after this step's one barrier.
                penalties[at + c] = sum_l2_squares(params, 0, l2, c * stride, (c + 1) * stride)
            left_to_sum = half
            if threads <= 2:
                left_to_sum = 1
                for first in range(at + thread * half, at + parts, threads * half):
                    for i in range(0, groups * o * lanes, lanes):
                        store(Z2, first * Z2_stride + i, sum_of_parts(Z2, first, half, Z2_stride, i))
            now = cycles()
            if thread == 0 and lost_too_much(waited, now - began):
                atomic_store(control, SERIAL_FROM, number)
            barriers += threads
            before, yields = yields, barrier(control, barriers, yields, LONG_SPINS)
            if yields != before:
                waited += cycles() - now
            if atomic_load(control, ABANDONED) == number:
                stopped = True
                break

            for i in range(0, groups * o * lanes, lanes):
                first_half = sum_of_parts(Z2, at, left_to_sum, Z2_stride, i)
                store(dZ2, i, first_half + sum_of_parts(Z2, at + half, left_to_sum, Z2_stride, i))
            for r in range(o):
                db2[r] = 0.0
            batch_loss = output_loss(loss, o, groups, size, dZ2, Y_tile, 0, weight_tile, 0, has_weights, db2, 0)
            for c in range(own, end):
                unit = first_unit(c, parts, h)
                units = first_unit(c + 1, parts, h) - unit
                part_offset = c * stride
                for i in range(part_offset, part_offset + stride):
                    gradients[i] = 0.0
                backward_layers(
                    params, part_offset, d, units, o, groups, used, X_tile, 0, A1, unit * groups * lanes, dZ2, 0,
                    scratch, activation, gradients, part_offset)  # fmt: skip
                last = complete_gradient(gradients, part_offset, c, d, units, o, db2)
                optimizer_step(
                    optimizer, params, part_offset, last, gradients, 0, 1, l2, 1.0 / total, rates[number],
                    first_moments, second_moments, beta_1, beta_2, epsilon, nesterov)  # fmt: skip
            if (
                atomic_load(control, SERIAL_FROM) == number
            ):  # and once more, as thread 0 takes over the parts of the others
                barriers += threads
                barrier(control, barriers, yields, LONG_SPINS)
                if thread != 0:
                    return
                threads, waited = 1, 0
            if thread == 0:
                shrinking = 0.0
                for c in range(parts):
                    shrinking += penalties[at + c]
                summed += (batch_loss + 0.5 * shrinking) / total * size
            number += 1
        if stopped:
            break
        if thread == 0:
            losses[epoch] = summed / n
            atomic_store(control, COMPLETED, epoch + 1)
    if thread == 0:
        atomic_store(control, BATCHES_DONE, number)
