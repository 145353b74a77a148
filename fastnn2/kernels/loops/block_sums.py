"""Cost and gradient of samples that come in blocks, and the step that follows the last block.

A block of samples (not of registers) has *pieces*: ranges of groups, each of another chunk. In a call the threads of a
team take one piece after the other and add its cost and gradient to those of its chunk (see :mod:`chunks`). The pieces
of a chunk come in their order, in one call after the other, so all sums are those of :mod:`train`, where the chunk is
in memory at once. No thread waits for another before the end of the call.

Samples come as rows. A thread lays out a tile just before it works on it, while it is in the cache; that of a block
that stays in memory is laid out once, in room of the block. (If the thread that reads lays out whole blocks, they are
written to memory and read again: 30 features and 100 units in float32 then take 1.2 times as long.)
"""

from numba import njit

from fastnn2.kernels.loops.calls import calls_of
from fastnn2.kernels.loops.chunks import add_narrow_tiles, add_tiles
from fastnn2.kernels.loops.team import atomic_add
from fastnn2.kernels.nn.rows import gather_in_order
from fastnn2.kernels.nn.update import sum_in_pairs, sum_l2_squares, update
from fastnn2.kernels.shared.choices import CHUNK, DROP, FIRST, KEPT, LAST, PIECE_WORDS, PLACE
from fastnn2.kernels.shared.control_words import NEXT_BLOCK
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.vector import INLINE, group_lanes


def pieces_of(add_tiles):
    """Return the sums over the pieces of a block by one of the primitives of :mod:`chunks`."""

    @njit(**INLINE)
    def add_pieces(job):
        """Add cost and gradient of pieces that no other thread takes to those of their chunks, in place.

        A chunk's gradient is cleared before its first piece. For the fields of `job`, with their shapes, see
        :class:`~fastnn2.kernels.shared.records.BlockSumsRecord`. Unless `keep` is KEPT, each tile is first laid out in
        X, Y and weights, in place.
        """
        control, count, pieces = job.control, job.piece_count, job.pieces
        d, h, o, n = job.d, job.h, job.o, job.n
        chunks, tile_groups, keep = job.chunks, job.tile_groups, job.keep
        gradients, stride, has_weights = job.gradients, job.gradients_stride, job.has_weights
        X, Y, weights = job.X, job.Y, job.weights
        lanes = group_lanes(X)
        groups = (n + lanes - 1) // lanes
        piece = atomic_add(control, NEXT_BLOCK, 1)
        while piece < count:
            i = piece * PIECE_WORDS
            chunk, first, last = pieces[i + CHUNK], pieces[i + FIRST], pieces[i + LAST]
            behind = first - pieces[i + PLACE]  # group g of all samples is group g - behind of the block
            gradient_offset = (chunk - job.first_chunk) * stride
            if first == chunk * groups // chunks:
                for k in range(gradient_offset, gradient_offset + stride):
                    gradients[k] = 0.0
            for g in range(first, last, tile_groups):
                end = smaller(g + tile_groups, last)
                held = g if keep == DROP else behind
                if keep != KEPT:
                    row, place = (g - behind) * lanes, (g - held) * lanes
                    valid = smaller((end - g) * lanes, n - g * lanes)
                    gather_in_order(job.X_rows, d, pieces, row, valid, X, place * d)
                    gather_in_order(job.Y_rows, o, pieces, row, valid, Y, place * o)
                    if has_weights:
                        gather_in_order(job.weight_rows, 1, pieces, row, valid, weights, place)
                add_tiles(
                    control, 0, g, end, held, tile_groups, job.params, 0, d, h, o, n, X, Y, weights, has_weights,
                    job.A1, job.dZ2, job.scratch, gradients, gradient_offset, stride - 1)  # fmt: skip
            piece = atomic_add(control, NEXT_BLOCK, 1)

    return add_pieces


add_pieces = pieces_of(add_tiles)
add_narrow_pieces = pieces_of(add_narrow_tiles)
# A thread that waits sleeps soon: the thread that reads needs a core, too, and the system gives it one that is free.
block_sums = calls_of(add_pieces, 0)
narrow_sums = calls_of(add_narrow_pieces, 0)


@njit(**NOT_INLINED)
def descend(job):
    """Write the cost and the new parameters that follow from the cost and gradient of all chunks, in place.

        cost = (sum(costs) + 1/2 sum(l2 p^2)) / total_weight
        new = p - learning_rate / total_weight * (sum(gradients) + l2 p)

    The sums have the order of :mod:`train`; those of the gradients are written over them. For the fields of `job` see
    :class:`~fastnn2.kernels.shared.records.DescendRecord`.
    """
    forbid_inlining()
    chunks, gradients, stride = job.chunks, job.gradients, job.gradients_stride
    params, l2, total_weight = job.params, job.l2, job.total_weight
    cost = 0.0
    for c in range(chunks):
        cost += gradients[(c + 1) * stride - 1]
    sum_in_pairs(gradients, 0, stride, chunks, 0, stride, 0, stride)
    if not job.shared:
        cost = gradients[stride - 1]
    if job.has_l2:
        cost += 0.5 * sum_l2_squares(params, 0, l2, 0, job.params_stride)
    job.results[0] = cost / total_weight
    is_finite = update(params, 0, job.new, 0, gradients, 0, 0, job.count, l2, job.learning_rate / total_weight)
    job.results[1] = 1.0 if is_finite else 0.0


@njit(**NOT_INLINED)
def lay_out(job):
    """Write `count` rows of `matrix` (m, columns), from row `first` on, to groups from number `group` on, in place.

    Lanes behind the last row are zeros. For the fields of `job` see
    :class:`~fastnn2.kernels.shared.records.LayOutRecord`.
    """
    forbid_inlining()
    groups = job.groups
    offset = job.group * job.columns * group_lanes(groups)
    gather_in_order(job.matrix, job.columns, job.no_order, job.first, job.count, groups, offset)
