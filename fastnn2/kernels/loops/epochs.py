"""The fused kernel of the estimators: epochs of mini-batches in one call on each thread of a team.

This one shares the samples of a mini-batch among the threads, which suits large ones; see :mod:`unit_epochs` for
small ones. A mini-batch is cut into a fixed number of chunks, whatever the threads; chunk c belongs to thread c mod T.
So are the parameters cut into as many parts for the update. A step is

    each thread     for its chunks, tile by tile: gather the samples, forward, loss, backward
    barrier
    each thread     for its parts of the parameters: sum the chunks in their order, update
    barrier

and the same sums are formed in the same order by any number of threads.
"""

from numba import njit

from fastnn2.kernels.loops.team import LONG_SPINS, atomic_load, atomic_store, barrier, cycles, lost_too_much
from fastnn2.kernels.nn.layers import backward_layers, forward_tile, lanes_used
from fastnn2.kernels.nn.losses import activate_outputs, output_loss
from fastnn2.kernels.nn.optimizers import optimizer_step
from fastnn2.kernels.nn.rows import gather, gather_sparse, scatter
from fastnn2.kernels.shared.choices import DROP, KEEP
from fastnn2.kernels.shared.control_words import ABANDONED, BARRIERS, BATCHES_DONE, COMPLETED, SERIAL_FROM, STOP
from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.lanes import fold_group, sum_lanes
from fastnn2.kernels.simd.vector import INLINE, fma, group_lanes, load_group, zero_group


@njit(**INLINE)
def lay_out(X, columns, starts, is_sparse, d, order, has_order, first, count, tile, start):
    """Lay out `count` samples in the tile that begins at ``tile[start]``, in place, from dense or sparse rows."""
    if is_sparse:
        gather_sparse(X, columns, starts, d, order, has_order, first, count, tile, start)
    else:
        gather(X, d, order, has_order, first, count, tile, start)


@njit(**INLINE)
def epochs(control, thread, threads, d, h, o, n, batch, epochs, chunks, tile_groups, keep, activation, loss, optimizer,
           X, columns, starts, is_sparse, Y, weights, has_weights, order, has_order, params, l2, gradients, stride,
           penalties, first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses, X_tile, Y_tile,
           weight_tile, A1, dZ2, scratch):  # fmt: skip
    """Run epochs as one thread of a team; write parameters, moments, losses and control words in place.

    All flat: X (n, d) or the values of sparse rows with `columns` and `starts`; Y (n, o); weights (n,); order
    (epochs, n), the samples in the order in which each epoch takes them, read if `has_order`; params, l2, moments
    (parameters,); gradients (chunks, stride), float64, behind the parameters of each the sum of weights and the loss of
    the chunk; penalties (chunks,); rates, the learning rate of each step; losses (epochs,), the mean loss of an epoch's
    samples with the L2 penalty. A1, dZ2 and scratch (S, G) are this thread's own. So are the other tiles, for one tile
    each; but where no order changes from epoch to epoch, they are kept, one set for all samples and all threads: laid
    out in the first epoch (`keep` is KEEP; of the first call, where threads stay) or before (KEPT).
    """
    lanes = group_lanes(X)
    loss_place, weight_place = stride - 1, stride - 2
    count_params = (d + 1) * h + (h + 1) * o
    vectors = (count_params + UPDATE_WIDTH - 1) // UPDATE_WIDTH
    b2 = count_params - o
    batch_groups = (batch + lanes - 1) // lanes
    barriers = atomic_load(control, BARRIERS)
    lays_out_once = keep == KEEP and barriers == 0  # no barrier yet: this is the first call
    yields = number = waited = 0
    began = cycles()
    stopped = False
    for epoch in range(epochs):
        first_sample = epoch * n if has_order else 0
        summed = 0.0
        for begin in range(0, n, batch):
            size = smaller(batch, n - begin)
            groups = (size + lanes - 1) // lanes
            for c in range(thread, chunks, threads):
                gradient_offset = c * stride
                for i in range(gradient_offset, gradient_offset + stride):
                    gradients[i] = 0.0
                end = (c + 1) * groups // chunks
                for g in range(c * groups // chunks, end, tile_groups):
                    if atomic_load(control, STOP) != 0:
                        atomic_store(control, ABANDONED, number)
                        break
                    in_tile = smaller(tile_groups, end - g)
                    valid = smaller(in_tile * lanes, size - g * lanes)
                    place = 0 if keep == DROP else (batch_groups * (begin // batch) + g) * lanes
                    if keep == DROP or (lays_out_once and epoch == 0):
                        sample = first_sample + begin + g * lanes
                        lay_out(X, columns, starts, is_sparse, d, order, has_order, sample, valid, X_tile, place * d)
                        gather(Y, o, order, has_order, sample, valid, Y_tile, place * o)
                        if has_weights:
                            gather(weights, 1, order, has_order, sample, valid, weight_tile, place)
                    if has_weights:
                        for i in range(place, place + valid):
                            gradients[gradient_offset + weight_place] += weight_tile[i]
                    used = lanes_used(valid, in_tile, X)
                    forward_tile(params, 0, d, h, o, in_tile, used, activation, X_tile, place * d, A1, 0, dZ2, 0)
                    gradients[gradient_offset + loss_place] += output_loss(
                        loss, o, in_tile, valid, dZ2, Y_tile, place * o, weight_tile, place, has_weights, gradients,
                        gradient_offset + b2)  # fmt: skip
                    backward_layers(
                        params, 0, d, h, o, in_tile, used, X_tile, place * d, A1, 0, dZ2, 0, scratch, activation,
                        gradients, gradient_offset)  # fmt: skip
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

            total = 0.0
            batch_loss = 0.0
            for c in range(chunks):
                total += gradients[c * stride + weight_place]
                batch_loss += gradients[c * stride + loss_place]
            if not has_weights:
                total = float(size)
            for c in range(thread, chunks, threads):
                penalties[c] = optimizer_step(
                    optimizer, params, c * vectors // chunks * UPDATE_WIDTH, (c + 1) * vectors // chunks * UPDATE_WIDTH,
                    gradients, stride, chunks, l2, 1.0 / total, rates[number], first_moments, second_moments, beta_1,
                    beta_2, epsilon, nesterov)  # fmt: skip
            barriers += threads
            yields = barrier(control, barriers, yields, LONG_SPINS)
            if atomic_load(control, SERIAL_FROM) == number:
                if thread != 0:
                    return
                threads, waited = 1, 0
            if thread == 0:
                penalty = 0.0
                for c in range(chunks):
                    penalty += penalties[c]
                summed += (batch_loss + 0.5 * penalty) / total * size
            number += 1
        if stopped:
            break
        if thread == 0:
            losses[epoch] = summed / n
            atomic_store(control, COMPLETED, epoch + 1)
    if thread == 0:
        atomic_store(control, BATCHES_DONE, number)


@njit(**NOT_INLINED)
def infer(params, d, h, o, first, last, tile_groups, activation, loss, X, columns, starts, is_sparse, out,
          X_tile, A1, y, not_finite):  # fmt: skip
    """Write the outputs of the samples [first, last) to `out` (n, o) in place; no sample depends on another one.

    ``not_finite[0]`` becomes 1 if one of the samples has a number that is not: times 0, it is not 0.
    """
    forbid_inlining()
    lanes = group_lanes(X)
    products = zero_group(X)
    for sample in range(first, last, tile_groups * lanes):
        valid = smaller(tile_groups * lanes, last - sample)
        groups = (valid + lanes - 1) // lanes
        lay_out(X, columns, starts, is_sparse, d, starts, 0, sample, valid, X_tile, 0)
        for i in range(0, groups * d * lanes, lanes):
            products = fma(load_group(X_tile, i), 0.0, products)
        used = lanes_used(valid, groups, X)
        forward_tile(params, 0, d, h, o, groups, used, activation, X_tile, 0, A1, 0, y, 0)
        for g in range(groups):
            activate_outputs(loss, o, y, g * o * lanes)
        scatter(y, o, sample, valid, out)
    if sum_lanes(fold_group(products)) != 0.0:
        not_finite[0] = 1
