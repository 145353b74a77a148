"""Loss and gradient for the estimators over samples that machines share, and their mean.

The sums are those of :mod:`epochs` with GRADIENT, whose mini-batch is all samples: the same chunks and tiles, the same
order. A machine has some chunks and sums the gradients of whole branches of the tree; any machine adds up the branches.
"""

from numba import njit

from fastnn2.kernels.loops.calls import calls_of
from fastnn2.kernels.loops.team import atomic_add
from fastnn2.kernels.nn.layers import loss_tile
from fastnn2.kernels.nn.optimizers import optimizer_step
from fastnn2.kernels.shared.choices import CHUNK, FIRST, GRADIENT, LAST, PIECE_WORDS, PLACE
from fastnn2.kernels.shared.control_words import NEXT_BLOCK
from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.vector import INLINE, group_lanes


@njit(**INLINE)
def add_losses(job):
    """Add loss, weights and gradient of pieces that no other thread takes to those of their chunks, in place.

    It is :func:`block_sums.add_pieces` for samples that are laid out. For the fields of `job` see
    :class:`~fastnn2.kernels.shared.records.LossSumsRecord`.
    """
    control, count, pieces = job.control, job.piece_count, job.pieces
    d, h, o, n = job.d, job.h, job.o, job.n
    chunks, tile_groups = job.chunks, job.tile_groups
    gradients, stride, has_weights = job.gradients, job.gradients_stride, job.has_weights
    X, Y, weights = job.X, job.Y, job.weights
    lanes = group_lanes(X)
    groups = (n + lanes - 1) // lanes
    piece = atomic_add(control, NEXT_BLOCK, 1)
    while piece < count:
        i = piece * PIECE_WORDS
        chunk, first, last = pieces[i + CHUNK], pieces[i + FIRST], pieces[i + LAST]
        gradient_offset = (chunk - job.first_chunk) * stride
        if first == chunk * groups // chunks:
            for k in range(gradient_offset, gradient_offset + stride):
                gradients[k] = 0.0
        for g in range(first, last, tile_groups):
            size = smaller(tile_groups, last - g)
            valid = smaller(size * lanes, n - g * lanes)
            row = (g - first + pieces[i + PLACE]) * lanes
            if has_weights:
                for k in range(row, row + valid):
                    gradients[gradient_offset + stride - 2] += weights[k]
            gradients[gradient_offset + stride - 1] += loss_tile(
                job.params, 0, d, h, o, size, valid, job.activation, job.loss, X, row * d, Y, row * o, weights, row,
                has_weights, job.A1, job.dZ2, job.scratch, True, gradients, gradient_offset)  # fmt: skip
        piece = atomic_add(control, NEXT_BLOCK, 1)


loss_sums = calls_of(add_losses, 0)


@njit(**NOT_INLINED)
def mean_gradient(job):
    """Write the mean loss and its gradient, with the L2 penalty, in place.

        loss = (sum(losses) + 1/2 sum(l2 p^2)) / total_weight
        gradient = (sum(gradients) + l2 p) / total_weight

    The penalty has the order of :mod:`epochs`: by as many ranges of parameters as there are chunks. For the fields of
    `job` see :class:`~fastnn2.kernels.shared.records.MeanGradientRecord`.
    """
    forbid_inlining()
    chunks, sums, total_weight = job.chunks, job.sums, job.total_weight
    vectors = (job.count + UPDATE_WIDTH - 1) // UPDATE_WIDTH
    penalty = 0.0
    for c in range(chunks):
        penalty += optimizer_step(
            GRADIENT, job.params, c * vectors // chunks * UPDATE_WIDTH, (c + 1) * vectors // chunks * UPDATE_WIDTH,
            sums, 0, 1, job.l2, 1.0 / total_weight, 0.0, job.gradient, job.gradient, 0.0, 0.0, 0.0, 0)  # fmt: skip
    job.result[0] = (sums[job.stride - 1] + 0.5 * penalty) / total_weight
