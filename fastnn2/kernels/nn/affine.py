"""A layer's sums ``Z = W A + b`` for one group of samples, in blocks of units, and ``W2' dZ2`` in the same blocks.

A block of units and vectors of samples has its sums in registers, while the inputs are taken one after the other. The
layout of groups is that of :mod:`layers`.
"""

from numba import njit

from fastnn2.kernels.shared.tuning import BLOCK_INPUTS, BLOCK_UNITS, PIECE_INPUTS, PIECE_VECTORS
from fastnn2.kernels.simd.accumulators import input_update, input_updates, rank1_update, rectified
from fastnn2.kernels.simd.blocks import (
    block_inputs,
    block_units,
    blocks_before,
    broadcast_each,
    end_of_full_blocks,
    fewer_unit_offsets,
    half_block_inputs,
    lanes_of,
    load_scalars,
    load_vectors_like,
    smaller,
    store_each,
    turn_inputs,
    unit_offsets,
    zero_each,
)
from fastnn2.kernels.simd.vector import (
    INLINE,
    fma,
    group_lanes,
    load_group,
    load_like,
    load_scalar,
    prefetch,
    store,
    vector_lanes,
    zero_group,
)


@njit(**INLINE)
def affine(params, w_offset, b_offset, units, count, A, a_offset, Z, z_offset):
    """Write ``Z = W A + b`` of one group in place, for W (units, count), b (units), A (count, G) and Z (units, G).

    W and b begin at ``params[w_offset]`` and ``params[b_offset]``, A and Z at ``A[a_offset]`` and ``Z[z_offset]``.

        z_u = b_u + sum_k w_uk a_k

    The terms are added in the order of k, each with one rounding, with and without blocks.
    """
    affine_piece(
        params, w_offset, b_offset, units, count, 0, count, A, a_offset, Z, z_offset, group_lanes(A), 0, 0, False
    )


@njit(**INLINE)
def affine_piece(
    params, w_offset, b_offset, units, count, begin, end, A, a_offset, Z, z_offset, used, next_offset, lines, rectify
):
    """Do as :func:`affine` for the inputs k in [begin, end); if `begin` is not 0, their terms are added to Z.

    The first `used` lanes of the group hold samples, all or half. Blocks compute no other lanes; if their passes are
    longer than half a group, blocks of one size compute the half, which computes some units twice, but takes less time
    to compile. A layer without blocks has one piece. For `next_offset`, `lines` and `rectify` see :func:`affine_block`;
    without blocks, `rectify` does nothing.
    """
    lanes = group_lanes(A)
    if not in_blocks(count, units):
        for u in range(units):
            z = zero_group(A) + load_scalar(params, b_offset + u)
            for k in range(count):
                z = fma(load_scalar(params, w_offset + u * count + k), load_group(A, a_offset + k * lanes), z)
            store(Z, z_offset + u * lanes, z)
    elif lanes_of(block_inputs(A)) <= 2 * vector_lanes(A) or used == lanes:
        full = end_of_full_blocks(units, block_units())
        for u in range(0, full, block_units()):
            affine_block(
                unit_offsets, params, w_offset, b_offset, u, units, count, begin, end, A, a_offset, Z, z_offset,
                block_inputs(A), used, next_offset, lines, rectify)  # fmt: skip
        for u in range(full, units, block_units() - 1):
            affine_block(
                fewer_unit_offsets, params, w_offset, b_offset, u, units, count, begin, end, A, a_offset, Z, z_offset,
                block_inputs(A), used, next_offset, lines, rectify)  # fmt: skip
    else:
        for u in range(0, units, block_units()):
            affine_block(
                unit_offsets, params, w_offset, b_offset, u, units, count, begin, end, A, a_offset, Z, z_offset,
                half_block_inputs(A), used, next_offset, lines, rectify)  # fmt: skip


@njit(**INLINE)
def in_blocks(count, units):
    """Return whether a layer is computed in blocks of several units."""
    return count >= BLOCK_INPUTS and units >= BLOCK_UNITS


@njit(**INLINE)
def inputs_of_piece(count, units, array):
    """Return how many of a layer's `count` inputs a piece has (see tuning.PIECE_INPUTS): all, if there is one piece.

    The last piece may be smaller, by less than the number of pieces.
    """
    if not in_blocks(count, units) or units * PIECE_INPUTS > PIECE_VECTORS * vector_lanes(array):
        return count
    pieces = (count + PIECE_INPUTS // 2) // PIECE_INPUTS
    return count if pieces < 2 else (count + pieces - 1) // pieces


@njit(**INLINE)
def affine_block(offsets, params, w_offset, b_offset, first, units, count, begin, end, A, a_offset, Z, z_offset, like,
                 used, next_offset, lines, rectify):  # fmt: skip
    """Do as :func:`affine_piece` for a block of units from `first` on, ``z_u += sum_k w_uk a_k`` in registers.

    `offsets` is the function that gives the offsets of the block's units. The lanes [0, used) are computed in passes of
    as many lanes as `like` has; a vector of inputs is loaded once for all units of the block. Each pass prefetches up
    to `lines` cache lines, one per input, of the inputs that are computed next, which begin at ``A[next_offset]``:
    memory delivers them more slowly than the block uses them. (Where a turn of the loop takes one input, it prefetches
    one line. On 16 registers a turn takes more, and all lines are prefetched before the first.) With `rectify`,
    ``max(0, z)`` is written.
    """
    lanes, width = group_lanes(A), vector_lanes(A)
    w_rows, z_rows = offsets(first, units - 1, count), offsets(first, units - 1, lanes)
    biases = load_scalars(params, b_offset, offsets(first, units - 1, 1))
    for v in range(0, used, lanes_of(like)):
        passes_before = (blocks_before(first, block_units()) * used + v) // lanes_of(like)
        line = next_offset + (passes_before * lines - begin) * width
        prefetch_end = smaller(begin + lines, end)
        z = broadcast_each(like, biases) if begin == 0 else load_vectors_like(Z, z_offset + v, z_rows, like)
        for k in range(begin, prefetch_end):
            prefetch(A, line + k * width)
            if turn_inputs() == 1:
                z = input_update(params, w_offset + k, w_rows, A, a_offset + k * lanes + v, z)
        first_left = prefetch_end if turn_inputs() == 1 else begin
        end_of_turns = end - (end - first_left & turn_inputs() - 1)
        for k in range(first_left, end_of_turns, turn_inputs()):
            z = input_updates(params, w_offset + k, w_rows, A, a_offset + k * lanes + v, lanes, z)
        for k in range(end_of_turns, end):
            z = input_update(params, w_offset + k, w_rows, A, a_offset + k * lanes + v, z)
        if rectify:
            z = rectified(z)
        store_each(Z, z_offset + v, z_rows, z)


@njit(**INLINE)
def backward_group(params, w2_offset, h, o, dZ2, z2_offset, out):
    """Write ``W2' dZ2`` (h, G) of one group to the beginning of `out` in place: ``out_u = sum_r w_ru dz_r``.

    W2 (o, h) begins at ``params[w2_offset]``, dZ2 (o, G) at ``dZ2[z2_offset]``.
    """
    lanes, like = group_lanes(dZ2), block_inputs(dZ2)
    for u in range(0, h, block_units()):
        columns, out_rows = unit_offsets(u, h - 1, 1), unit_offsets(u, h - 1, lanes)
        for v in range(0, lanes, lanes_of(like)):
            back = zero_each(like, columns)
            for r in range(o):
                dz = (load_like(dZ2, z2_offset + r * lanes + v, like),)
                back = rank1_update(load_scalars(params, w2_offset + r * h, columns), dz, back)
            store_each(out, v, out_rows, back)
