"""One tile of samples through the network: forward, cost and backward.

Samples stand side by side in groups of G numbers, 256 bytes of the dtype. A matrix with r rows over samples is laid
out as (groups, r, G), flat: row i of group g is ``M[(g * r + i) * G :][:G]``. A *tile* is a few groups one after the
other, so few that all that is computed for it stays in the cache; the tile's matrices are given by their arrays and
the place where they start.

Each thread has scratch for one group, `spare` (S, G); S is plan.count_spare_rows(h).

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
    end_of_full_blocks,
    fewer_unit_offsets,
    fma_outer,
    half_block_inputs,
    lanes_of,
    load_each_like,
    load_inputs,
    numbers_each,
    smaller,
    spread_each,
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
    keep_first,
    load,
    load_group,
    load_pair,
    maximum,
    number,
    prefetch,
    select_less,
    store,
    vector_lanes,
    zero_group,
    zero_pair,
)


@njit(**INLINE)
def affine(params, w, b, units, count, inputs, start, out, out_start):
    """Write ``Z = W inputs + b`` of one group to `out` in place; W (units, count) and b start at `w` and `b`.

    z_u = b_u + sum_k w_uk input_k, the terms added in the order of k, one rounding each, on both ways.
    """
    affine_piece(params, w, b, units, count, 0, count, inputs, start, out, out_start, group_lanes(inputs), 0, 0)


@njit(**INLINE)
def affine_piece(params, w, b, units, count, begin, end, inputs, start, out, out_start, used, ahead, lines):
    """Do as :func:`affine` for the inputs [begin, end), adding to what is in `out` where `begin` is not 0.

    The first `used` lanes of the group hold samples; of half a group or less, no other lanes are computed in blocks,
    which then have one size: some units are computed again, but there is less to compile. A layer that is not computed
    in blocks has one piece, all inputs. For `ahead` and `lines` see :func:`affine_block`.
    """
    lanes = group_lanes(inputs)
    if not in_blocks(count, units):
        for u in range(units):
            z = zero_group(inputs) + number(params, b + u)
            for k in range(count):
                z = fma(number(params, w + u * count + k), load_group(inputs, start + k * lanes), z)
            store(out, out_start + u * lanes, z)
    elif used > 2 * vector_lanes(inputs):
        full = end_of_full_blocks(units, block_units())
        for u in range(0, full, block_units()):
            affine_block(
                unit_offsets, params, w, b, u, units, count, begin, end, inputs, start, out, out_start,
                block_inputs(inputs), lanes, ahead, lines)  # fmt: skip
        for u in range(full, units, block_units() - 1):
            affine_block(
                fewer_unit_offsets, params, w, b, u, units, count, begin, end, inputs, start, out, out_start,
                block_inputs(inputs), lanes, ahead, lines)  # fmt: skip
    else:
        for u in range(0, units, block_units()):
            affine_block(
                unit_offsets, params, w, b, u, units, count, begin, end, inputs, start, out, out_start,
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
def affine_block(offsets, params, w, b, first, units, count, begin, end, inputs, start, out, out_start, like, used,
                 ahead, lines):  # fmt: skip
    """Do as :func:`affine_piece` for a block of units from `first` on; past the last unit, that one is computed again.

    `offsets` gives where its units begin. The lanes [0, used) are computed as many at once as `like` has. The
    accumulators stay in registers, and what is loaded of the inputs is used for all units. Each pass over the inputs
    asks for up to `lines` lines, one an input, of what comes next, which begins at ``inputs[ahead]``: from memory it
    would come slower than it is used.
    """
    lanes, vector = group_lanes(inputs), vector_lanes(inputs)
    rows, places = offsets(first, units - 1, count), offsets(first, units - 1, lanes)
    biases = numbers_each(params, b, offsets(first, units - 1, 1))
    for v in range(0, used, lanes_of(like)):
        before = (blocks_before(first, block_units()) * used + v) // lanes_of(like)  # passes
        line = ahead + (before * lines - begin) * vector
        asking = smaller(begin + lines, end)
        z = spread_each(like, biases) if begin == 0 else load_each_like(out, out_start + v, places, like)
        for k in range(begin, asking):
            prefetch(inputs, line + k * vector)
            z = fma_outer(numbers_each(params, w + k, rows), load_inputs(inputs, start + k * lanes + v, like), z)
        for k in range(asking, end):
            z = fma_outer(numbers_each(params, w + k, rows), load_inputs(inputs, start + k * lanes + v, like), z)
        store_each(out, out_start + v, places, z)


@njit(**INLINE)
def backward_group(params, w, units, count, dZ2, start, out):
    """Write ``W' dZ2`` of one group to the beginning of `out` in place; W (count, units) starts at `w`."""
    lanes, like = group_lanes(dZ2), block_inputs(dZ2)
    for u in range(0, units, block_units()):
        columns, places = unit_offsets(u, units - 1, 1), unit_offsets(u, units - 1, lanes)
        for v in range(0, lanes, lanes_of(like)):
            back = zero_each(like, columns)
            for r in range(count):
                inputs = load_inputs(dZ2, start + r * lanes + v, like)
                back = fma_outer(numbers_each(params, w + r * units, columns), inputs, back)
            store_each(out, v, places, back)


@njit(**INLINE)
def hidden_layer(params, p, d, h, groups, last_lanes, activation, X, x, A1, a):
    """Write ``A1 = f(W1 X + b1)`` of `groups` groups in place, from ``A1[a]`` on; of the last one, `last_lanes` lanes.

    The sums of all groups take one piece of the inputs after the other (see plan.PIECE_INPUTS), in the order of the
    inputs. The passes over a piece of a group ask for the one that comes next, in this tile or the next one.
    """
    lanes = group_lanes(X)
    size = inputs_of_piece(d, h, X)
    passes = (h + block_units() - 1) // block_units() * lanes // lanes_of(block_inputs(X))
    lines = (size * GROUP_VECTORS + passes - 1) // passes
    for begin in range(0, d, size):
        end = smaller(d, begin + size)
        for g in range(groups):
            out, used = a + g * h * lanes, lanes if g < groups - 1 else last_lanes
            ahead = (g + 1) * d + begin
            if g == groups - 1:
                ahead = end if end < d else groups * d
            affine_piece(
                params, p, p + h * d, h, d, begin, end, X, x + g * d * lanes, A1, out, used,
                x + ahead * lanes, lines)  # fmt: skip
            if end == d:
                activate(activation, A1, out, h, used)


@njit(**INLINE)
def forward_tile(params, p, d, h, o, groups, last_lanes, activation, X, x, A1, a, Z2, z):
    """Write ``A1 = f(W1 X + b1)`` and ``Z2 = W2 A1 + b2`` of a tile in place.

    Parameters, X, A1 and Z2 begin at `p`, `x`, `a` and `z`. Only the first `last_lanes` lanes of the last group hold
    samples.
    """
    lanes = group_lanes(X)
    w2 = p + (d + 1) * h
    hidden_layer(params, p, d, h, groups, last_lanes, activation, X, x, A1, a)
    for g in range(groups):
        affine(params, w2, w2 + o * h, o, h, A1, a + g * h * lanes, Z2, z + g * o * lanes)


@njit(**INLINE)
def output_cost(o, groups, valid, Y, y, weights, s, has_weights, dZ2, db2, b2):
    """Return the summed cost of a tile; write ``dZ2 = w (y - Y)`` over Z2 and add db2 to ``db2[b2:]``, in place.

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
                dz, term, a, b = output_terms(dZ2, at, Y, y + at, weights, s + sample, has_weights, valid - sample)
                total = total + dz
                terms = terms + term
                excess, base = fma(excess, a + b, base * a), base * b
        cost += cost_of_tile(terms, excess, base)
        db2[b2 + r] += sum_lanes(total)
    return cost


@njit(**INLINE)
def output_terms(dZ2, at, Y, y, weights, s, has_weights, left):
    """Return, of two vectors of Z2, ``dz = w (sigmoid(z) - Y)``, the cost but for its log(1 + e), and e as a / b.

    The two vectors stand at ``dZ2[at]``, and dz is written over them in place. With weights that log is in the cost,
    and a is 0. Lanes from number `left` on count for nothing: there z becomes 0, and so are Y and the weights.
    """
    lanes = 2 * vector_lanes(Y)
    z, target = load_pair(dZ2, at), load_pair(Y, y)
    if left < lanes:
        z = keep_first(z, left)
    a, b = exp_quotient(copysign(z, -1.0))
    dz = select_less(z, 0.0, a, b) / (a + b) - target
    term = fma(-1.0 * target, z, maximum(0.0, z))
    if has_weights:
        weight = load_pair(weights, s)
        store(dZ2, at, a / b)
        for v in range(at, at + lanes, vector_lanes(Y)):  # one kind of vector: log1p is compiled once
            store(dZ2, v, log1p(load(dZ2, v)))
        dz, term, a = dz * weight, (term + load_pair(dZ2, at)) * weight, a * 0.0
    if left < lanes:
        dz, a = keep_first(dz, left), keep_first(a, left)
    store(dZ2, at, dz)
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
def layered_tile(params, p, d, h, o, groups, valid, X, x, Y, y, weights, s, has_weights, A1, dZ2, spare, gradient,
                 into):  # fmt: skip
    """Return the summed cost of a tile of `groups` groups and add its gradient to `gradient` in place.

    The tile's X begins at ``X[x]``, its Y at ``Y[y]``, its weights at ``weights[s]``; the parameters at ``params[p]``,
    the gradient at ``gradient[into]``. Samples from number `valid` on are padding. A1 (groups, h, G), dZ2
    (groups, o, G) and spare (S, G) are overwritten.
    """
    used = lanes_used(smaller(valid, groups * group_lanes(X)), groups, X)
    forward_tile(params, p, d, h, o, groups, used, TANH, X, x, A1, 0, dZ2, 0)
    cost = output_cost(o, groups, valid, Y, y, weights, s, has_weights, dZ2, gradient, into + (d + 1 + o) * h)
    backward_layers(params, p, d, h, o, groups, used, X, x, A1, 0, dZ2, 0, spare, TANH, gradient, into)
    return cost


@njit(**INLINE)
def backward_layers(params, p, d, h, o, groups, last_lanes, X, x, A1, a, dZ2, z, spare, activation, gradient,
                    into):  # fmt: skip
    """Add the tile's dW1, db1 and dW2 to `gradient` in place, from A1 and dZ2.

        dW2 = dZ2 A1',   dZ1 = (W2' dZ2) * f'(Z1),   db1 = sum(dZ1),   dW1 = dZ1 X'

    The slope f'(Z1) of the activation follows from A1: 1 - A1^2 for tanh (see :func:`slope`). Only `last_lanes` lanes
    of the last group count, in pairs of vectors: those that hold samples, and zeros of dZ2 behind. With many outputs
    W2' dZ2 is done in blocks, a group at a time, in `spare`, which products over samples use, too; then, and where
    d > 2, A1 is overwritten. (A loop over the layers, as what is called is inlined once for each place from which it is
    called, and takes a tenth of a second to compile.)
    """
    w2 = (d + 1) * h
    many = in_blocks(o, h)
    all_columns = many or in_panels(h, d, X) > 0
    for layer in range(2, 0, -1):
        if layer == 2:
            A, a_start, rows, first_row = dZ2, z, o, 0 if many else 1
            B, b_start, columns, first_column = A1, a, h, 0
            place = into + w2
        else:
            if many:
                backward_blocks(
                    params, p, d, h, o, groups, last_lanes, A1, a, dZ2, z, spare, activation, gradient, into
                )
            else:
                backward_units(
                    params, p, d, h, o, groups, last_lanes, X, x, A1, a, dZ2, z, activation, not all_columns, gradient,
                    into)  # fmt: skip
            A, a_start, rows, first_row = A1, a, h, 0
            B, b_start, columns, first_column = X, x, d, 0 if all_columns else 2
            place = into
        if first_row < rows and first_column < columns:
            products_over_samples(
                first_row, rows, first_column, columns, groups, last_lanes, A, a_start, B, b_start, spare, gradient,
                place)  # fmt: skip


@njit(**INLINE)
def backward_units(params, p, d, h, o, groups, last_lanes, X, x, A1, a, dZ2, z, activation, with_columns, gradient,
                   into):  # fmt: skip
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
            xg, ag, zg = x + g * d * lanes, a + (g * h + u) * lanes, z + g * o * lanes
            for v in range(0, lanes if g < groups - 1 else last_lanes, step):
                a1, dz2 = load_pair(A1, ag + v), load_pair(dZ2, zg + v)
                back = number(params, p + w2 + u) * dz2
                for r in range(1, o):
                    back = fma(number(params, p + w2 + r * h + u), load_pair(dZ2, zg + r * lanes + v), back)
                dz1 = back * slope(activation, a1)
                sum_dz1 = sum_dz1 + dz1
                sum_w2 = fma(dz2, a1, sum_w2)
                if with_columns:
                    sum_w1 = fma(dz1, load_pair(X, xg + v), sum_w1)
                    sum_w1b = fma(dz1, load_pair(X, xg + second + v), sum_w1b)
                if d > 2:
                    store(A1, ag + v, dz1)
        sums = four_sums(sum_dz1, sum_w2, sum_w1, sum_w1b)
        gradient[into + b1 + u] += lane(sums, 0)
        gradient[into + w2 + u] += lane(sums, 1)
        if with_columns:
            gradient[into + u * d] += lane(sums, 2)
            if d > 1:
                gradient[into + u * d + 1] += lane(sums, 3)


@njit(**INLINE)
def backward_blocks(params, p, d, h, o, groups, last_lanes, A1, a, dZ2, z, spare, activation, gradient, into):
    """Write dZ1 over A1 in place and add db1 to `gradient` in place, with W2' dZ2 in blocks of hidden units."""
    lanes = group_lanes(A1)
    b1 = h * d
    for g in range(groups):
        backward_group(params, p + b1 + h, h, o, dZ2, z + g * o * lanes, spare)
        for u in range(h):
            at = a + (g * h + u) * lanes
            dz1 = load_group(spare, u * lanes) * slope(activation, load_group(A1, at))
            if g == groups - 1:
                dz1 = keep_first(dz1, last_lanes)
            store(A1, at, dz1)
            gradient[into + b1 + u] += sum_lanes(fold_group(dz1))
