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
from fastnn2.kernels.nn.affine import affine, affine_piece, backward_group, in_blocks, inputs_of_piece
from fastnn2.kernels.nn.cost import output_cost
from fastnn2.kernels.nn.losses import output_loss
from fastnn2.kernels.nn.products import in_panels, products_over_samples
from fastnn2.kernels.shared.choices import RELU, TANH
from fastnn2.kernels.shared.tuning import GROUP_VECTORS
from fastnn2.kernels.simd.blocks import block_inputs, block_units, lanes_of, smaller
from fastnn2.kernels.simd.lanes import fold_group, four_sums, lane, sum_lanes
from fastnn2.kernels.simd.vector import (
    INLINE,
    fma,
    group_lanes,
    load_group,
    load_pair,
    load_scalar,
    mask_tail,
    store,
    vector_lanes,
    zero_pair,
)


@njit(**INLINE)
def hidden_layer(params, params_offset, d, h, groups, last_lanes, activation, X, x_offset, A1, a1_offset, prefetches):
    """Write ``A1 = f(W1 X + b1)`` of `groups` groups in place, from ``A1[a1_offset]`` on.

    All groups take one piece of the inputs (see tuning.PIECE_INPUTS), then the next, in the order of the inputs. The
    passes over a piece of a group prefetch what comes next, if `prefetches`: that piece of the next group, or the next
    piece, or the next tile. Inputs that were just laid out are in the cache. With relu, blocks write A1 at once, which
    saves a pass over it.
    """
    lanes = group_lanes(X)
    size = inputs_of_piece(d, h, X)
    passes = (h + block_units() - 1) // block_units() * lanes // lanes_of(block_inputs(X))
    lines = (size * GROUP_VECTORS + passes - 1) // passes if prefetches else 0
    in_store = activation == RELU and in_blocks(d, h)
    for begin in range(0, d, size):
        end = smaller(d, begin + size)
        for g in range(groups):
            z_offset, used = a1_offset + g * h * lanes, lanes if g < groups - 1 else last_lanes
            next_row = (g + 1) * d + begin
            if g == groups - 1:
                next_row = end if end < d else groups * d
            affine_piece(
                params, params_offset, params_offset + h * d, h, d, begin, end, X, x_offset + g * d * lanes, A1,
                z_offset, used, x_offset + next_row * lanes, lines, in_store and end == d)  # fmt: skip
            if end == d and not in_store:
                if used == lanes:  # a constant number of turns, see products.add_products
                    activate(activation, A1, z_offset, h, lanes)
                else:
                    activate(activation, A1, z_offset, h, used)


@njit(**INLINE)
def forward_tile(params, params_offset, d, h, o, groups, last_lanes, activation, X, x_offset, A1, a1_offset, Z2,
                 z2_offset, prefetches):  # fmt: skip
    """Write ``A1 = f(W1 X + b1)`` and ``Z2 = W2 A1 + b2`` of a tile in place; for `prefetches` see hidden_layer."""
    lanes = group_lanes(X)
    w2 = params_offset + (d + 1) * h
    hidden_layer(params, params_offset, d, h, groups, last_lanes, activation, X, x_offset, A1, a1_offset, prefetches)
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
    forward_tile(params, params_offset, d, h, o, groups, used, TANH, X, x_offset, A1, 0, dZ2, 0, True)
    b2 = gradient_offset + (d + 1 + o) * h
    cost = output_cost(o, groups, valid, Y, y_offset, weights, first_sample, has_weights, dZ2, scratch, gradient, b2)
    backward_layers(
        params, params_offset, d, h, o, groups, used, X, x_offset, A1, 0, dZ2, 0, scratch, TANH, gradient,
        gradient_offset)  # fmt: skip
    return cost


@njit(**INLINE)
def loss_tile(params, params_offset, d, h, o, groups, valid, activation, loss, X, x_offset, Y, y_offset, weights,
              first_sample, has_weights, A1, dZ2, scratch, prefetches, gradient, gradient_offset):  # fmt: skip
    """Return the summed loss of a tile and add its gradient, as :func:`layered_tile`, for the estimators.

    `activation` is that of the hidden layer; for `loss` see :mod:`losses`. `prefetches` is as in :func:`hidden_layer`.
    """
    used = lanes_used(valid, groups, X)
    forward_tile(params, params_offset, d, h, o, groups, used, activation, X, x_offset, A1, 0, dZ2, 0, prefetches)
    b2 = gradient_offset + (d + 1 + o) * h
    total = output_loss(loss, o, groups, valid, dZ2, Y, y_offset, weights, first_sample, has_weights, gradient, b2)
    backward_layers(
        params, params_offset, d, h, o, groups, used, X, x_offset, A1, 0, dZ2, 0, scratch, activation, gradient,
        gradient_offset)  # fmt: skip
    return total


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
