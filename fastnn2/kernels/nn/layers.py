"""One tile of samples through a network: forward, cost and backward.

Samples are in the lanes of vectors: a *group* is G of them, 256 bytes of the dtype. A matrix of r rows over samples is
laid out as (groups, r, G), flat: row i of group g is ``M[(g * r + i) * G :][:G]``. A *tile* is a few groups, few enough
that all that is computed for them stays in the cache. A tile's matrix is passed as an array and the offset at which it
begins, such as ``X`` and ``x_offset``. The last group of a tile may have fewer than G samples: its first ``last_lanes``
lanes (whole pairs of vectors) hold them, and lanes behind the last sample are padding, which adds nothing to any sum.

Parameters are flat: W1 (h, d), b1 (h), W2 (o, h), b2 (o). A gradient has the same layout, in float64, and is a sum over
samples; the update divides it by n. The order of each sum follows from the shapes alone.

Each thread has `scratch` for S rows of one group; S is tuning.count_scratch_rows(h).
"""

from numba import njit

from fastnn2.kernels.nn.activations import activate, slope
from fastnn2.kernels.nn.cost import output_cost
from fastnn2.kernels.nn.products import in_panels, products_over_samples
from fastnn2.kernels.shared.choices import TANH
from fastnn2.kernels.shared.tuning import BLOCK_INPUTS, BLOCK_UNITS, GROUP_VECTORS, PIECE_INPUTS, PIECE_VECTORS
from fastnn2.kernels.simd.blocks import (
    block_inputs,
    block_units,
    blocks_before,
    broadcast_each,
    end_of_full_blocks,
    fewer_unit_offsets,
    half_block_inputs,
    lanes_of,
    load_inputs,
    load_scalars,
    load_vectors_like,
    rank1_update,
    smaller,
    store_each,
    unit_offsets,
    zero_each,
)
from fastnn2.kernels.simd.lanes import fold_group, four_sums, lane, sum_lanes
from fastnn2.kernels.simd.vector import (
    INLINE,
    fma,
    group_lanes,
    load_group,
    load_pair,
    load_scalar,
    mask_tail,
    prefetch,
    store,
    vector_lanes,
    zero_group,
    zero_pair,
)


@njit(**INLINE)
def affine(params, w_offset, b_offset, units, count, A, a_offset, Z, z_offset):
    """Write ``Z = W A + b`` of one group in place, for W (units, count), b (units), A (count, G) and Z (units, G).

    W and b begin at ``params[w_offset]`` and ``params[b_offset]``, A and Z at ``A[a_offset]`` and ``Z[z_offset]``.

        z_u = b_u + sum_k w_uk a_k

    The terms are added in the order of k, each with one rounding, with and without blocks.
    """
    affine_piece(params, w_offset, b_offset, units, count, 0, count, A, a_offset, Z, z_offset, group_lanes(A), 0, 0)


@njit(**INLINE)
def affine_piece(
    params, w_offset, b_offset, units, count, begin, end, A, a_offset, Z, z_offset, used, next_offset, lines
):
    """Do as :func:`affine` for the inputs k in [begin, end); if `begin` is not 0, their terms are added to Z.

    The first `used` lanes of the group hold samples. If these are at most half a group, blocks compute no other lanes;
    these blocks have one size, which computes some units twice, but takes less time to compile. A layer without blocks
    has one piece. For `next_offset` and `lines` see :func:`affine_block`.
    """
    lanes = group_lanes(A)
    if not in_blocks(count, units):
        for u in range(units):
            z = zero_group(A) + load_scalar(params, b_offset + u)
            for k in range(count):
                z = fma(load_scalar(params, w_offset + u * count + k), load_group(A, a_offset + k * lanes), z)
            store(Z, z_offset + u * lanes, z)
    elif used > 2 * vector_lanes(A):
        full = end_of_full_blocks(units, block_units())
        for u in range(0, full, block_units()):
            affine_block(
                unit_offsets, params, w_offset, b_offset, u, units, count, begin, end, A, a_offset, Z, z_offset,
                block_inputs(A), lanes, next_offset, lines)  # fmt: skip
        for u in range(full, units, block_units() - 1):
            affine_block(
                fewer_unit_offsets, params, w_offset, b_offset, u, units, count, begin, end, A, a_offset, Z, z_offset,
                block_inputs(A), lanes, next_offset, lines)  # fmt: skip
    else:
        for u in range(0, units, block_units()):
            affine_block(
                unit_offsets, params, w_offset, b_offset, u, units, count, begin, end, A, a_offset, Z, z_offset,
                half_block_inputs(A), used, next_offset, lines)  # fmt: skip


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
                 used, next_offset, lines):  # fmt: skip
    """Do as :func:`affine_piece` for a block of units from `first` on, ``z_u += sum_k w_uk a_k`` in registers.

    `offsets` is the function that gives the offsets of the block's units. The lanes [0, used) are computed in passes of
    as many lanes as `like` has; a vector of inputs is loaded once for all units of the block. Each pass prefetches up
    to `lines` cache lines, one per input, of the inputs that are computed next, which begin at ``A[next_offset]``:
    memory delivers them more slowly than the block uses them.
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
            z = rank1_update(
                load_scalars(params, w_offset + k, w_rows), load_inputs(A, a_offset + k * lanes + v, like), z
            )
        for k in range(prefetch_end, end):
            z = rank1_update(
                load_scalars(params, w_offset + k, w_rows), load_inputs(A, a_offset + k * lanes + v, like), z
            )
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
                dz = load_inputs(dZ2, z2_offset + r * lanes + v, like)
                back = rank1_update(load_scalars(params, w2_offset + r * h, columns), dz, back)
            store_each(out, v, out_rows, back)


@njit(**INLINE)
def hidden_layer(params, params_offset, d, h, groups, last_lanes, activation, X, x_offset, A1, a1_offset):
    """Write ``A1 = f(W1 X + b1)`` of `groups` groups in place, from ``A1[a1_offset]`` on.

    All groups take one piece of the inputs (see tuning.PIECE_INPUTS), then the next, in the order of the inputs. The
    passes over a piece of a group prefetch what comes next: that piece of the next group, or the next piece, or the
    next tile.
    """
    lanes = group_lanes(X)
    size = inputs_of_piece(d, h, X)
    passes = (h + block_units() - 1) // block_units() * lanes // lanes_of(block_inputs(X))
    lines = (size * GROUP_VECTORS + passes - 1) // passes
    for begin in range(0, d, size):
        end = smaller(d, begin + size)
        for g in range(groups):
            z_offset, used = a1_offset + g * h * lanes, lanes if g < groups - 1 else last_lanes
            next_row = (g + 1) * d + begin
            if g == groups - 1:
                next_row = end if end < d else groups * d
            affine_piece(
                params, params_offset, params_offset + h * d, h, d, begin, end, X, x_offset + g * d * lanes, A1,
                z_offset, used, x_offset + next_row * lanes, lines)  # fmt: skip
            if end == d:
                activate(activation, A1, z_offset, h, used)


@njit(**INLINE)
def forward_tile(
    params, params_offset, d, h, o, groups, last_lanes, activation, X, x_offset, A1, a1_offset, Z2, z2_offset
):
    """Write ``A1 = f(W1 X + b1)`` and ``Z2 = W2 A1 + b2`` of a tile in place."""
    lanes = group_lanes(X)
    w2 = params_offset + (d + 1) * h
    hidden_layer(params, params_offset, d, h, groups, last_lanes, activation, X, x_offset, A1, a1_offset)
    for g in range(groups):
        affine(params, w2, w2 + o * h, o, h, A1, a1_offset + g * h * lanes, Z2, z2_offset + g * o * lanes)


@njit(**INLINE)
def lanes_used(valid, groups, like):
    """Return last_lanes of a tile with `valid` samples: those of its last group that hold samples, in whole pairs."""
    width = 2 * vector_lanes(like)
    left = valid - (groups - 1) * group_lanes(like)
    return (left + width - 1) // width * width


@njit(**INLINE)
def layered_tile(params, params_offset, d, h, o, groups, valid, X, x_offset, Y, y_offset, weights, first_sample,
                 has_weights, A1, dZ2, scratch, gradient, gradient_offset):  # fmt: skip
    """Return the summed cost of a tile of `groups` groups and add its gradient to ``gradient[gradient_offset:]``.

    The tile's weights begin at ``weights[first_sample]``; samples from number `valid` on are padding. A1
    (groups, h, G), dZ2 (groups, o, G) and scratch (S, G) are overwritten.
    """
    used = lanes_used(smaller(valid, groups * group_lanes(X)), groups, X)
    forward_tile(params, params_offset, d, h, o, groups, used, TANH, X, x_offset, A1, 0, dZ2, 0)
    b2 = gradient_offset + (d + 1 + o) * h
    cost = output_cost(o, groups, valid, Y, y_offset, weights, first_sample, has_weights, dZ2, scratch, gradient, b2)
    backward_layers(
        params, params_offset, d, h, o, groups, used, X, x_offset, A1, 0, dZ2, 0, scratch, TANH, gradient,
        gradient_offset)  # fmt: skip
    return cost


@njit(**INLINE)
def backward_layers(params, params_offset, d, h, o, groups, last_lanes, X, x_offset, A1, a1_offset, dZ2, z2_offset,
                    scratch, activation, gradient, gradient_offset):  # fmt: skip
    """Add a tile's dW1, db1 and dW2 to ``gradient[gradient_offset:]`` in place, from A1 and dZ2.

        dW2 = dZ2 A1',   dZ1 = (W2' dZ2) * f'(Z1),   db1 = sum(dZ1),   dW1 = dZ1 X'

    f'(Z1) follows from A1 (see :func:`activations.slope`). With many outputs, W2' dZ2 is computed in blocks, a group at
    a time, in `scratch`, which the products over samples overwrite too. With many outputs or d > 2, dZ1 is written over
    A1. (One call in a loop forms both products, as each call is inlined and takes a tenth of a second to compile.)
    """
    w2 = (d + 1) * h
    blocked = in_blocks(o, h)
    all_columns = blocked or in_panels(h, d, X) > 0
    for layer in range(2, 0, -1):
        if layer == 2:
            A, a_offset, rows, first_row = dZ2, z2_offset, o, 0 if blocked else 1
            B, b_offset, columns, first_column = A1, a1_offset, h, 0
            out_offset = gradient_offset + w2
        else:
            if blocked:
                backward_blocks(
                    params, params_offset, d, h, o, groups, last_lanes, A1, a1_offset, dZ2, z2_offset, scratch,
                    activation, gradient, gradient_offset)  # fmt: skip
            else:
                backward_units(
                    params, params_offset, d, h, o, groups, last_lanes, X, x_offset, A1, a1_offset, dZ2, z2_offset,
                    activation, not all_columns, gradient, gradient_offset)  # fmt: skip
            A, a_offset, rows, first_row = A1, a1_offset, h, 0
            B, b_offset, columns, first_column = X, x_offset, d, 0 if all_columns else 2
            out_offset = gradient_offset
        if first_row < rows and first_column < columns:
            products_over_samples(
                first_row, rows, first_column, columns, groups, last_lanes, A, a_offset, B, b_offset, scratch, gradient,
                out_offset)  # fmt: skip


@njit(**INLINE)
def backward_units(params, params_offset, d, h, o, groups, last_lanes, X, x_offset, A1, a1_offset, dZ2, z2_offset,
                   activation, with_columns, gradient, gradient_offset):  # fmt: skip
    """Add db1, the row of dW2 of output 0 and, `with_columns`, dW1 of inputs 0 and 1 to `gradient`, unit by unit.

        dz1 = (sum_r w2_ru dz2_r) * f'(z1),   db1_u = sum(dz1),   dW2_0u = sum(dz2_0 a1),   dW1_uk = sum(dz1 x_k)

    For a small network this is the whole backward pass. If d > 2, dZ1 is written over A1 in place.
    """
    lanes, width = group_lanes(X), 2 * vector_lanes(X)
    b1 = h * d
    w2 = b1 + h
    x1_row = smaller(1, d - 1) * lanes
    for u in range(h):
        sum_b1 = sum_w2 = sum_x0 = sum_x1 = zero_pair(X)
        for g in range(groups):
            xg, ag, zg = x_offset + g * d * lanes, a1_offset + (g * h + u) * lanes, z2_offset + g * o * lanes
            for v in range(0, lanes if g < groups - 1 else last_lanes, width):
                a1, dz2 = load_pair(A1, ag + v), load_pair(dZ2, zg + v)
                back = load_scalar(params, params_offset + w2 + u) * dz2
                for r in range(1, o):
                    weight = load_scalar(params, params_offset + w2 + r * h + u)
                    back = fma(weight, load_pair(dZ2, zg + r * lanes + v), back)
                dz1 = back * slope(activation, a1)
                sum_b1 = sum_b1 + dz1
                sum_w2 = fma(dz2, a1, sum_w2)
                if with_columns:
                    sum_x0 = fma(dz1, load_pair(X, xg + v), sum_x0)
                    sum_x1 = fma(dz1, load_pair(X, xg + x1_row + v), sum_x1)
                if d > 2:
                    store(A1, ag + v, dz1)
        sums = four_sums(sum_b1, sum_w2, sum_x0, sum_x1)
        gradient[gradient_offset + b1 + u] += lane(sums, 0)
        gradient[gradient_offset + w2 + u] += lane(sums, 1)
        if with_columns:
            gradient[gradient_offset + u * d] += lane(sums, 2)
            if d > 1:
                gradient[gradient_offset + u * d + 1] += lane(sums, 3)


@njit(**INLINE)
def backward_blocks(params, params_offset, d, h, o, groups, last_lanes, A1, a1_offset, dZ2, z2_offset, scratch,
                    activation, gradient, gradient_offset):  # fmt: skip
    """Write ``dZ1 = (W2' dZ2) * f'(Z1)`` over A1 and add db1 to `gradient`, in place; W2' dZ2 is formed in blocks."""
    lanes = group_lanes(A1)
    b1 = h * d
    for g in range(groups):
        backward_group(params, params_offset + b1 + h, h, o, dZ2, z2_offset + g * o * lanes, scratch)
        for u in range(h):
            i = a1_offset + (g * h + u) * lanes
            dz1 = load_group(scratch, u * lanes) * slope(activation, load_group(A1, i))
            if g == groups - 1:
                dz1 = mask_tail(dz1, last_lanes)
            store(A1, i, dz1)
            gradient[gradient_offset + b1 + u] += sum_lanes(fold_group(dz1))
