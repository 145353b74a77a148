"""Epochs of mini-batches for the estimators, where the threads share the samples.

One call of :func:`epochs` on each thread of a team runs one epoch or more. It suits large mini-batches;
:mod:`unit_epochs` is for small ones. A mini-batch is cut into *chunks*, whose number does not depend on the number of
threads T; thread t has the chunks t, t + T, t + 2 T and so on. The parameters are cut into as many ranges, shared in
the same way. A mini-batch takes

    each thread     for its chunks, tile by tile: gather the samples, forward, loss, backward; a gradient per chunk
    barrier
    each thread     for its ranges of the parameters: sum the gradients of the chunks, update
    barrier

**The order of sums.** Within a chunk it is fixed (see :mod:`layers`); the gradients, losses and weights of the chunks
are added in the order of the chunks, and so are the L2 penalties of the ranges. So the number of threads changes no
bit. Without an update (GRADIENT) the gradients of the chunks are added in pairs, as in :mod:`train`, so that machines
that have a whole branch of that tree can sum it (see :mod:`loss_sums`).

**Going on alone.** Thread 0 adds up the time that it waits at the first barriers, in all calls of its team. When that
exceeds the rest, because other processes want the cores, it does all mini-batches after this one alone, which changes
only the time; and its caller makes all further calls alone.

**Why not one loop for fit and the classes?** :mod:`train` adds chunks in a tree and computes the cost of a tile from
one logarithm; here chunks are added in their order, and there is a loss for each activation of the outputs. One loop
for both would change the bits of one of them. The same holds for :mod:`unit_epochs` and :mod:`train_wide`, which add
Z2 of the parts in another order.

**Ctrl-C.** A thread that finds STOP marks the mini-batch as abandoned; all threads see the mark after the barrier and
leave before the update.
"""

from numba import njit

from fastnn2.kernels.loops.team import LONG_SPINS, atomic_load, atomic_store, barrier, barrier_or_farewell, cycles
from fastnn2.kernels.nn.layers import loss_tile
from fastnn2.kernels.nn.optimizers import optimizer_step
from fastnn2.kernels.nn.rows import gather, gather_sparse
from fastnn2.kernels.nn.update import sum_in_pairs
from fastnn2.kernels.shared.choices import DROP, GRADIENT, KEEP
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
from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.vector import INLINE, group_lanes


@njit(**INLINE)
def lay_out(X, columns, starts, is_sparse, d, order, has_order, first, count, tile, tile_offset):
    """Write `count` samples of dense or sparse rows to the tile at ``tile[tile_offset]``, in place, as :mod:`rows`."""
    if is_sparse:
        gather_sparse(X, columns, starts, d, order, has_order, first, count, tile, tile_offset)
    else:
        gather(X, d, order, has_order, first, count, tile, tile_offset)


@njit(**INLINE)
def epochs(job):
    """Run epochs as one thread of a team; write parameters, moments, losses and control words in place.

    For the formulas of the update see :mod:`optimizers`. The loss of an epoch is the mean over its mini-batches,
    weighted by their samples, of

        (sum(w * losses of samples) + 1/2 sum(l2 p^2)) / sum(w)

    For the fields of `job`, with their shapes, see :class:`~fastnn2.kernels.shared.records.EpochsRecord`. X_tile,
    Y_tile and weight_tile are laid out anew for each tile if `keep` is DROP. Otherwise every epoch takes the samples in
    the same order, and the tiles are laid out in the first epoch of this call (KEEP) or by an earlier call (KEPT).
    """
    control, thread, threads = job.control, job.thread, job.threads
    d, h, o = job.d, job.h, job.o
    n, batch, chunks = job.n, job.batch, job.chunks
    tile_groups, keep, loss = job.tile_groups, job.keep, job.loss
    X, Y, weights = job.X, job.Y, job.weights
    order, has_order, has_weights = job.order, job.has_order, job.has_weights
    params, l2, activation = job.params, job.l2, job.activation
    gradients, stride, penalties = job.gradients, job.stride, job.penalties
    X_tile, Y_tile, weight_tile = job.X_tile, job.Y_tile, job.weight_tile
    A1, dZ2, scratch = job.A1, job.dZ2, job.scratch
    lanes = group_lanes(X)
    loss_offset, weight_offset = stride - 1, stride - 2
    count_params = (d + 1) * h + (h + 1) * o
    vectors = (count_params + UPDATE_WIDTH - 1) // UPDATE_WIDTH
    batch_groups = (batch + lanes - 1) // lanes
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
            for c in range(thread, chunks, threads):
                gradient_offset = c * stride
                for i in range(gradient_offset, gradient_offset + stride):
                    gradients[i] = 0.0
                end = (c + 1) * groups // chunks
                for g in range(c * groups // chunks, end, tile_groups):
                    if atomic_load(control, STOP) != 0:
                        atomic_store(control, ABANDONED, batches_done)
                        break
                    tile_size = smaller(tile_groups, end - g)
                    valid = smaller(tile_size * lanes, size - g * lanes)
                    # The tile's first sample in X_tile, Y_tile and weight_tile.
                    tile_first = 0 if keep == DROP else (batch_groups * (begin // batch) + g) * lanes
                    if keep == DROP or (keep == KEEP and epoch == 0):
                        first = epoch_offset + begin + g * lanes
                        lay_out(
                            X, job.columns, job.starts, job.is_sparse, d, order, has_order, first, valid, X_tile,
                            tile_first * d)  # fmt: skip
                        gather(Y, o, order, has_order, first, valid, Y_tile, tile_first * o)
                        if has_weights:
                            gather(weights, 1, order, has_order, first, valid, weight_tile, tile_first)
                    if has_weights:
                        for i in range(tile_first, tile_first + valid):
                            gradients[gradient_offset + weight_offset] += weight_tile[i]
                    gradients[gradient_offset + loss_offset] += loss_tile(
                        params, 0, d, h, o, tile_size, valid, activation, loss, X_tile, tile_first * d, Y_tile,
                        tile_first * o, weight_tile, tile_first, has_weights, A1, dZ2, scratch, keep != DROP, gradients,
                        gradient_offset)  # fmt: skip
            barriers += threads
            yields, waited = barrier_or_farewell(
                control, thread, barriers, yields, LONG_SPINS, threads > 1, batches_done, waited, begin_time
            )
            if atomic_load(control, ABANDONED) == batches_done:
                stopped = True
                break

            total_weight = 0.0
            batch_loss = 0.0
            for c in range(chunks):
                total_weight += gradients[c * stride + weight_offset]
                batch_loss += gradients[c * stride + loss_offset]
            if not has_weights:
                total_weight = float(size)
            for c in range(thread, chunks, threads):
                first, last = c * vectors // chunks * UPDATE_WIDTH, (c + 1) * vectors // chunks * UPDATE_WIDTH
                terms = chunks
                if job.optimizer == GRADIENT:
                    sum_in_pairs(gradients, 0, stride, chunks, first, last, 0, stride)
                    terms = 1
                penalties[c] = optimizer_step(
                    job.optimizer, params, first, last, gradients, stride, terms, l2, 1.0 / total_weight,
                    job.rates[batches_done], job.first_moments, job.second_moments, job.beta_1, job.beta_2,
                    job.epsilon, job.nesterov)  # fmt: skip
            barriers += threads
            yields = barrier(control, barriers, yields, LONG_SPINS)
            if atomic_load(control, SERIAL_FROM) == batches_done:
                if thread != 0:
                    return
                threads = 1
            if thread == 0:
                penalty = 0.0
                for c in range(chunks):
                    penalty += penalties[c]
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
