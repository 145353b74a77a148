"""One tile of samples through the network: forward, cost and backward.

Samples stand side by side in groups of G numbers, 256 bytes of the dtype. A matrix with r rows over samples is laid
out as (groups, r, G), flat: row i of group g is ``M[(g * r + i) * G :][:G]``. A *tile* is a few groups one after the
other, so few that all that is computed for it stays in the cache; the tile's matrices are given by their arrays and
the place where they start.

Each thread has `scratch` for one group, (S, G); S is tuning.count_spare_rows(h).

Parameters are one flat set: W1 (h, d), b1 (h), W2 (o, h), b2 (o). A gradient is laid out the same, in float64, as a
sum over samples: nobody divides by n before the update. The order of every sum follows from the shapes alone.
"""

from numba import njit

from fastnn2.kernels.nn.activations import activate, slope
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
from fastnn2.kernels.simd.elementary import exp_quotient, log1p
from fastnn2.kernels.simd.lanes import first_half, fold_group, four_sums, lane, second_half, sum_lanes
from fastnn2.kernels.simd.vector import (
    INLINE,
    copysign,
    fma,
    group_lanes,
    load,
    load_group,
    load_pair,
    load_scalar,
    mask_tail,
    maximum,
    prefetch,
    select_less,
    store,
    vector_lanes,
    zero_group,
    zero_pair,
)


@njit(**INLINE)
def affine(params, w_offset, b_offset, units, count, inputs, start, out, out_start):
    """Write ``Z = W inputs + b`` of one group to `out` in place.

    W (units, count) begins at ``params[w_offset]``, b at ``params[b_offset]``.

    z_u = b_u + sum_k w_uk input_k, the terms added in the order of k, one rounding each, on both ways.
    """
    affine_piece(
        params, w_offset, b_offset, units, count, 0, count, inputs, start, out, out_start, group_lanes(inputs), 0, 0
    )


@njit(**INLINE)
def affine_piece(
    params, w_offset, b_offset, units, count, begin, end, inputs, start, out, out_start, used, ahead, lines
):
    """Do as :func:`affine` for the inputs [begin, end), adding to what is in `out` where `begin` is not 0.

    The first `used` lanes of the group hold samples; of half a group or less, no other lanes are computed in blocks,
    which then have one size: some units are computed again, but there is less to compile. A layer that is not computed
    in blocks has one piece, all inputs. For `ahead` and `lines` see :func:`affine_block`.
    """
    lanes = group_lanes(inputs)
    if not in_blocks(count, units):
        for u in range(units):
            z = zero_group(inputs) + load_scalar(params, b_offset + u)
            for k in range(count):
                z = fma(load_scalar(params, w_offset + u * count + k), load_group(inputs, start + k * lanes), z)
            store(out, out_start + u * lanes, z)
    elif used > 2 * vector_lanes(inputs):
        full = end_of_full_blocks(units, block_units())
        for u in range(0, full, block_units()):
            affine_block(
                unit_offsets, params, w_offset, b_offset, u, units, count, begin, end, inputs, start, out, out_start,
                block_inputs(inputs), lanes, ahead, lines)  # fmt: skip
        for u in range(full, units, block_units() - 1):
            affine_block(
                fewer_unit_offsets, params, w_offset, b_offset, u, units, count, begin, end, inputs, start, out,
                out_start, block_inputs(inputs), lanes, ahead, lines)  # fmt: skip
    else:
        for u in range(0, units, block_units()):
            affine_block(
                unit_offsets, params, w_offset, b_offset, u, units, count, begin, end, inputs, start, out, out_start,
                half_block_inputs(inputs), used, ahead, lines)  # fmt: skip


@njit(**INLINE)
def in_blocks(count, units):
    """Return whether a layer is computed for several units at once."""
    return count >= BLOCK_INPUTS and units >= BLOCK_UNITS


@njit(**INLINE)
def inputs_of_piece(count, units, array):
    """Return how many inputs of a layer make a piece; the last may be smaller, by less than the number of pieces."""
    if not in_blocks(count, units) or units * PIECE_INPUTS > PIECE_VECTORS * vector_lanes(array):
        return count
    pieces = (count + PIECE_INPUTS // 2) // PIECE_INPUTS
    return count if pieces < 2 else (count + pieces - 1) // pieces


@njit(**INLINE)
def affine_block(offsets, params, w_offset, b_offset, first, units, count, begin, end, inputs, start, out, out_start,
                 like, used, ahead, lines):  # fmt: skip
    """Do as :func:`affine_piece` for a block of units from `first` on; past the last unit, that one is computed again.

    `offsets` gives where its units begin. The lanes [0, used) are computed as many at once as `like` has. The
    accumulators stay in registers, and what is loaded of the inputs is used for all units. Each pass over the inputs
    asks for up to `lines` lines, one an input, of what comes next, which begins at ``inputs[ahead]``: from memory it
    would come slower than it is used.
    """
    lanes, vector = group_lanes(inputs), vector_lanes(inputs)
    rows, places = offsets(first, units - 1, count), offsets(first, units - 1, lanes)
    biases = load_scalars(params, b_offset, offsets(first, units - 1, 1))
    for v in range(0, used, lanes_of(like)):
        before = (blocks_before(first, block_units()) * used + v) // lanes_of(like)  # passes
        line = ahead + (before * lines - begin) * vector
        asking = smaller(begin + lines, end)
        z = broadcast_each(like, biases) if begin == 0 else load_vectors_like(out, out_start + v, places, like)
        for k in range(begin, asking):
            prefetch(inputs, line + k * vector)
            z = rank1_update(
                load_scalars(params, w_offset + k, rows), load_inputs(inputs, start + k * lanes + v, like), z
            )
        for k in range(asking, end):
            z = rank1_update(
                load_scalars(params, w_offset + k, rows), load_inputs(inputs, start + k * lanes + v, like), z
            )
        store_each(out, out_start + v, places, z)


@njit(**INLINE)
def backward_group(params, w_offset, units, count, dZ2, start, out):
    """Write ``W' dZ2`` of one group to the beginning of `out` in place; W (count, units) starts at `w_offset`."""
    lanes, like = group_lanes(dZ2), block_inputs(dZ2)
    for u in range(0, units, block_units()):
        columns, places = unit_offsets(u, units - 1, 1), unit_offsets(u, units - 1, lanes)
        for v in range(0, lanes, lanes_of(like)):
            back = zero_each(like, columns)
            for r in range(count):
                inputs = load_inputs(dZ2, start + r * lanes + v, like)
                back = rank1_update(load_scalars(params, w_offset + r * units, columns), inputs, back)
            store_each(out, v, places, back)


@njit(**INLINE)
def hidden_layer(params, params_offset, d, h, groups, last_lanes, activation, X, x_offset, A1, a1_offset):
    """Write ``A1 = f(W1 X + b1)`` of `groups` groups in place, from ``A1[a1_offset]`` on.

    Of the last group, only the first `last_lanes` lanes.

    The sums of all groups take one piece of the inputs after the other (see tuning.PIECE_INPUTS), in the order of the
    inputs. The passes over a piece of a group ask for the one that comes next, in this tile or the next one.
    """
    lanes = group_lanes(X)
    size = inputs_of_piece(d, h, X)
    passes = (h + block_units() - 1) // block_units() * lanes // lanes_of(block_inputs(X))
    lines = (size * GROUP_VECTORS + passes - 1) // passes
    for begin in range(0, d, size):
        end = smaller(d, begin + size)
        for g in range(groups):
            out, used = a1_offset + g * h * lanes, lanes if g < groups - 1 else last_lanes
            ahead = (g + 1) * d + begin
            if g == groups - 1:
                ahead = end if end < d else groups * d
            affine_piece(
                params, params_offset, params_offset + h * d, h, d, begin, end, X, x_offset + g * d * lanes, A1, out,
                used, x_offset + ahead * lanes, lines)  # fmt: skip
            if end == d:
                activate(activation, A1, out, h, used)


@njit(**INLINE)
def forward_tile(
    params, params_offset, d, h, o, groups, last_lanes, activation, X, x_offset, A1, a1_offset, Z2, z2_offset
):
    """Write ``A1 = f(W1 X + b1)`` and ``Z2 = W2 A1 + b2`` of a tile in place.

    Parameters, X, A1 and Z2 begin at `params_offset`, `x_offset`, `a1_offset` and `z2_offset`. Only the first
    `last_lanes` lanes of the last group hold samples.
    """
    lanes = group_lanes(X)
    w2 = params_offset + (d + 1) * h
    hidden_layer(params, params_offset, d, h, groups, last_lanes, activation, X, x_offset, A1, a1_offset)
    for g in range(groups):
        affine(params, w2, w2 + o * h, o, h, A1, a1_offset + g * h * lanes, Z2, z2_offset + g * o * lanes)


@njit(**INLINE)
def output_cost(o, groups, valid, Y, y_offset, weights, first_sample, has_weights, dZ2, db2, db2_offset):
    """Return the summed cost of a tile; write ``dZ2 = w (y - Y)`` over Z2 and add db2 to ``db2[db2_offset:]``.

    With y = 1 / (1 + e^-z) and e = e^-|z|, the cost of a sample, -Y log y - (1 - Y) log(1 - y), is

        max(z, 0) - Y z + log(1 + e),

    which is finite and exact for every z. Without weights the sum of the logs is the log of a product. Samples from
    number `valid` of the tile on are the padding behind the last sample: they count for nothing. (Pair by pair, as what
    is computed of a group needs more registers than there are.)
    """
    lanes, step = group_lanes(Y), 2 * vector_lanes(Y)
    cost = 0.0
    for r in range(o):
        total = terms = excess = zero_pair(Y)
        base = excess + 1.0
        for g in range(groups):
            for v in range(0, lanes, step):
                at, sample = (g * o + r) * lanes + v, g * lanes + v
                dz, term, a, b = output_terms(
                    dZ2, at, Y, y_offset + at, weights, first_sample + sample, has_weights, valid - sample
                )
                total = total + dz
                terms = terms + term
                excess, base = fma(excess, a + b, base * a), base * b
        cost += cost_of_tile(terms, excess, base)
        db2[db2_offset + r] += sum_lanes(total)
    return cost


@njit(**INLINE)
def output_terms(dZ2, z2_offset, Y, y_offset, weights, first_sample, has_weights, left):
    """Return, of two vectors of Z2, ``dz = w (sigmoid(z) - Y)``, the cost but for its log(1 + e), and e as a / b.

    The two vectors stand at ``dZ2[z2_offset]``, and dz is written over them in place. With weights that log is in the
    cost, and a is 0. Lanes from number `left` on count for nothing: there z becomes 0, and so are Y and the weights.
    """
    lanes = 2 * vector_lanes(Y)
    z, target = load_pair(dZ2, z2_offset), load_pair(Y, y_offset)
    if left < lanes:
        z = mask_tail(z, left)
    a, b = exp_quotient(copysign(z, -1.0))
    dz = select_less(z, 0.0, a, b) / (a + b) - target
    term = fma(-1.0 * target, z, maximum(0.0, z))
    if has_weights:
        weight = load_pair(weights, first_sample)
        store(dZ2, z2_offset, a / b)
        for v in range(z2_offset, z2_offset + lanes, vector_lanes(Y)):  # one kind of vector: log1p is compiled once
            store(dZ2, v, log1p(load(dZ2, v)))
        dz, term, a = dz * weight, (term + load_pair(dZ2, z2_offset)) * weight, a * 0.0
    if left < lanes:
        dz, a = mask_tail(dz, left), mask_tail(a, left)
    store(dZ2, z2_offset, dz)
    return dz, term, a, b


@njit(**INLINE)
def cost_of_tile(terms, excess, base):
    """Return the summed cost from the sums of its terms and prod(1 + e) = 1 + excess / base, lane by lane.

    With e = a / b, base = prod(b) and excess = prod(a + b) - prod(b), a sum of products that are not negative: where
    all e are small it loses nothing. One vector takes in the other's with (1 + x) (1 + v) = 1 + (x v + x + v).
    """
    ratio = excess / base
    x, v = first_half(ratio), second_half(ratio)
    return sum_lanes(terms) + sum_lanes(log1p(fma(x, v, x) + v))


@njit(**INLINE)
def lanes_used(valid, groups, like):
    """Return how many lanes of the last group of a tile hold its `valid` samples, in pairs of vectors of `like`."""
    step = 2 * vector_lanes(like)
    left = valid - (groups - 1) * group_lanes(like)
    return (left + step - 1) // step * step


@njit(**INLINE)
def layered_tile(params, params_offset, d, h, o, groups, valid, X, x_offset, Y, y_offset, weights, first_sample,
                 has_weights, A1, dZ2, scratch, gradient, gradient_offset):  # fmt: skip
    """Return the summed cost of a tile of `groups` groups and add its gradient to `gradient` in place.

    The tile's X begins at ``X[x_offset]``, its Y at ``Y[y_offset]``, its weights at ``weights[first_sample]``; the
    parameters at ``params[params_offset]``, the gradient at ``gradient[gradient_offset]``. Samples from number `valid`
    on are padding. A1 (groups, h, G), dZ2 (groups, o, G) and scratch (S, G) are overwritten.
    """
    used = lanes_used(smaller(valid, groups * group_lanes(X)), groups, X)
    forward_tile(params, params_offset, d, h, o, groups, used, TANH, X, x_offset, A1, 0, dZ2, 0)
    cost = output_cost(
        o, groups, valid, Y, y_offset, weights, first_sample, has_weights, dZ2, gradient, gradient_offset + (d + 1 + o)
        * h)  # fmt: skip
    backward_layers(
        params, params_offset, d, h, o, groups, used, X, x_offset, A1, 0, dZ2, 0, scratch, TANH, gradient,
        gradient_offset)  # fmt: skip
    return cost


@njit(**INLINE)
def backward_layers(params, params_offset, d, h, o, groups, last_lanes, X, x_offset, A1, a1_offset, dZ2, z2_offset,
                    scratch, activation, gradient, gradient_offset):  # fmt: skip
    """Add the tile's dW1, db1 and dW2 to `gradient` in place, from A1 and dZ2.

        dW2 = dZ2 A1',   dZ1 = (W2' dZ2) * f'(Z1),   db1 = sum(dZ1),   dW1 = dZ1 X'

    The slope f'(Z1) of the activation follows from A1: 1 - A1^2 for tanh (see :func:`slope`). Only `last_lanes` lanes
    of the last group count, in pairs of vectors: those that hold samples, and zeros of dZ2 behind. With many outputs
    W2' dZ2 is done in blocks, a group at a time, in `scratch`, which products over samples use, too; then, and where
    d > 2, A1 is overwritten. (A loop over the layers, as what is called is inlined once for each place from which it is
    called, and takes a tenth of a second to compile.)
    """
    w2 = (d + 1) * h
    many = in_blocks(o, h)
    all_columns = many or in_panels(h, d, X) > 0
    for layer in range(2, 0, -1):
        if layer == 2:
            A, a_start, rows, first_row = dZ2, z2_offset, o, 0 if many else 1
            B, b_start, columns, first_column = A1, a1_offset, h, 0
            place = gradient_offset + w2
        else:
            if many:
                backward_blocks(
                    params, params_offset, d, h, o, groups, last_lanes, A1, a1_offset, dZ2, z2_offset, scratch,
                    activation, gradient, gradient_offset)  # fmt: skip
            else:
                backward_units(
                    params, params_offset, d, h, o, groups, last_lanes, X, x_offset, A1, a1_offset, dZ2, z2_offset,
                    activation, not all_columns, gradient, gradient_offset)  # fmt: skip
            A, a_start, rows, first_row = A1, a1_offset, h, 0
            B, b_start, columns, first_column = X, x_offset, d, 0 if all_columns else 2
            place = gradient_offset
        if first_row < rows and first_column < columns:
            products_over_samples(
                first_row, rows, first_column, columns, groups, last_lanes, A, a_start, B, b_start, scratch, gradient,
                place)  # fmt: skip


@njit(**INLINE)
def backward_units(params, params_offset, d, h, o, groups, last_lanes, X, x_offset, A1, a1_offset, dZ2, z2_offset,
                   activation, with_columns, gradient, gradient_offset):  # fmt: skip
    """Do one pass for each hidden unit, which is all of a small network: dZ1, and beside it what needs no blocks.

    That is db1, the row of dW2 of the first output and, `with_columns`, the columns of dW1 of the first two inputs.
    """
    lanes, step = group_lanes(X), 2 * vector_lanes(X)
    b1 = h * d
    w2 = b1 + h
    second = smaller(1, d - 1) * lanes
    for u in range(h):
        sum_dz1 = sum_w2 = sum_w1 = sum_w1b = zero_pair(X)
        for g in range(groups):
            xg, ag, zg = x_offset + g * d * lanes, a1_offset + (g * h + u) * lanes, z2_offset + g * o * lanes
            for v in range(0, lanes if g < groups - 1 else last_lanes, step):
                a1, dz2 = load_pair(A1, ag + v), load_pair(dZ2, zg + v)
                back = load_scalar(params, params_offset + w2 + u) * dz2
                for r in range(1, o):
                    back = fma(
                        load_scalar(params, params_offset + w2 + r * h + u), load_pair(dZ2, zg + r * lanes + v), back
                    )
                dz1 = back * slope(activation, a1)
                sum_dz1 = sum_dz1 + dz1
                sum_w2 = fma(dz2, a1, sum_w2)
                if with_columns:
                    sum_w1 = fma(dz1, load_pair(X, xg + v), sum_w1)
                    sum_w1b = fma(dz1, load_pair(X, xg + second + v), sum_w1b)
                if d > 2:
                    store(A1, ag + v, dz1)
        sums = four_sums(sum_dz1, sum_w2, sum_w1, sum_w1b)
        gradient[gradient_offset + b1 + u] += lane(sums, 0)
        gradient[gradient_offset + w2 + u] += lane(sums, 1)
        if with_columns:
            gradient[gradient_offset + u * d] += lane(sums, 2)
            if d > 1:
                gradient[gradient_offset + u * d + 1] += lane(sums, 3)


@njit(**INLINE)
def backward_blocks(params, params_offset, d, h, o, groups, last_lanes, A1, a1_offset, dZ2, z2_offset, scratch,
                    activation, gradient, gradient_offset):  # fmt: skip
    """Write dZ1 over A1 in place and add db1 to `gradient` in place, with W2' dZ2 in blocks of hidden units."""
    lanes = group_lanes(A1)
    b1 = h * d
    for g in range(groups):
        backward_group(params, params_offset + b1 + h, h, o, dZ2, z2_offset + g * o * lanes, scratch)
        for u in range(h):
            at = a1_offset + (g * h + u) * lanes
            dz1 = load_group(scratch, u * lanes) * slope(activation, load_group(A1, at))
            if g == groups - 1:
                dz1 = mask_tail(dz1, last_lanes)
            store(A1, at, dz1)
            gradient[gradient_offset + b1 + u] += sum_lanes(fold_group(dz1))
