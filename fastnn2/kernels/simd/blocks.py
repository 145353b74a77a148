"""Blocks: several rows at once, held in registers, as tuples of vectors.

A matrix product is fast when each number that is loaded is used several times. A block is that: p rows of one operand
and q of the other, p * q accumulators, p + q loads for p * q products. The length of a tuple is the shape of the block,
so a kernel writes one loop whatever the shape, and LLVM keeps every vector of a tuple in a register of its own.
"""

from numba import njit, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn2.kernels.shared import tuning
from fastnn2.kernels.simd.target import blocks
from fastnn2.kernels.simd.vector import (
    INLINE,
    Vector,
    address,
    broadcast,
    lane_numbers,
    lane_type,
    llvm_function,
    load_as,
    zeros,
)


def _each(function):
    """Codegen of a tuple: ``function(context, builder, args, i)`` gives its element number i."""

    def codegen(context, builder, signature, args):
        values = [function(context, builder, args, i) for i in range(signature.return_type.count)]
        return context.make_tuple(builder, signature.return_type, values)

    return codegen


def _load_vectors(array, start, offsets, element):
    position = types.intp

    def load(context, builder, args, i):
        first = context.cast(builder, args[1], start, position)
        offset = context.cast(builder, builder.extract_value(args[2], i), offsets.dtype, position)
        return load_as(context, builder, array, args[0], position, builder.add(first, offset), element)

    return types.UniTuple(element, offsets.count)(array, start, offsets), _each(load)


@intrinsic
def load_vectors(typingctx, array, start, offsets):
    """Return the vectors that begin at ``start + offset`` for each of a tuple of offsets."""
    return _load_vectors(array, start, offsets, lane_type(array.dtype, 1))


@intrinsic
def load_vectors_like(typingctx, array, start, offsets, like):
    """Return the vectors like `like` that begin at ``start + offset`` for each of a tuple of offsets."""
    result, codegen = _load_vectors(array, start, offsets, like)
    return result.return_type(array, start, offsets, like), codegen


@intrinsic
def load_scalars(typingctx, array, start, offsets):
    """Return the numbers at ``start + offset`` for each of a tuple of offsets."""
    return _load_vectors(array, start, offsets, array.dtype)


@intrinsic
def block_inputs(typingctx, array):
    """Return zeros as wide as the inputs of a layer's block: so many vectors side by side."""
    return zeros(array, blocks().vectors)


@intrinsic
def half_block_inputs(typingctx, array):
    """Return zeros half as wide as :func:`block_inputs`, but at least one vector."""
    return zeros(array, max(1, blocks().vectors // 2))


@intrinsic
def lanes_of(typingctx, vector):
    """Return how many lanes `vector` has (a constant)."""
    return types.intp(vector), lambda context, builder, signature, args: context.get_constant(types.intp, vector.lanes)


@intrinsic
def load_inputs(typingctx, array, index, like):
    """Return, as a tuple of one, ``array[index : index + lanes]``, as many lanes as `like` has."""

    def load(context, builder, args, i):
        return load_as(context, builder, array, args[0], index, args[1], like)

    return types.UniTuple(like, 1)(array, index, like), _each(load)


@intrinsic
def broadcast_each(typingctx, like, numbers):
    """Return for each of a tuple of numbers a vector like `like` with it in every lane."""

    def one(context, builder, args, i):
        return broadcast(context, builder, builder.extract_value(args[1], i), numbers.dtype, like)

    return types.UniTuple(like, numbers.count)(like, numbers), _each(one)


@intrinsic
def zero_each(typingctx, like, offsets):
    """Return for each of a tuple of offsets zeros as wide as `like`."""
    result = types.UniTuple(like, offsets.count)
    return result(like, offsets), lambda context, builder, signature, args: context.get_constant_null(result)


def _transpose_squares(builder, values):
    """Transpose squares, in place: k vectors, one above the other, are squares of k lanes side by side.

    In steps, pairs of vectors exchange half of their lanes: single ones, then twos, and so on.
    """
    lanes, width = values[0].type.count, 1
    while width < len(values):
        low = lane_numbers([lanes + i - width if i & width else i for i in range(lanes)])
        high = lane_numbers([lanes + i if i & width else i + width for i in range(lanes)])
        for i in range(len(values)):
            if not i & width:
                pair = values[i], values[i + width]
                values[i], values[i + width] = (builder.shuffle_vector(*pair, half) for half in (low, high))
        width *= 2
    return values


@intrinsic
def transposed(typingctx, rows):
    """Return the columns of eight vectors of eight lanes, as vectors."""

    def codegen(context, builder, signature, args):
        values = _transpose_squares(builder, [builder.extract_value(args[0], i) for i in range(8)])
        return context.make_tuple(builder, signature.return_type, values)

    return rows(rows), codegen


@intrinsic
def load_transposed(typingctx, array, start, offsets):
    """Return columns of the rows that begin at ``start + offset`` for each of a tuple of offsets, as vectors.

    As many offsets as a vector has lanes, and half as many columns. Half a register is loaded at a time, which costs
    less than to load quarters, or to turn what whole registers hold.
    """
    lanes, half = offsets.count, offsets.count // 2
    load_type, load = _load_vectors(array, start, offsets, Vector(array.dtype, half))
    result = types.UniTuple(Vector(array.dtype, lanes), half)

    def codegen(context, builder, signature, args):
        loaded = load(context, builder, load_type, args)
        rows = [builder.extract_value(loaded, i) for i in range(lanes)]
        both = lane_numbers(range(lanes))
        pairs = [builder.shuffle_vector(rows[i], rows[half + i], both) for i in range(half)]
        return context.make_tuple(builder, result, _transpose_squares(builder, pairs))

    return result(array, start, offsets), codegen


@intrinsic
def store_each(typingctx, array, start, offsets, values):
    """Write each of a tuple of vectors to where it belongs, ``start + offset``, in place."""

    def codegen(context, builder, signature, args):
        data = address(context, builder, array, args[0])
        first = context.cast(builder, args[1], start, types.intp)
        for i in range(offsets.count):
            offset = context.cast(builder, builder.extract_value(args[2], i), offsets.dtype, types.intp)
            value = builder.extract_value(args[3], i)
            pointer = builder.bitcast(builder.gep(data, [builder.add(first, offset)]), value.type.as_pointer())
            builder.store(value, pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, start, offsets, values), codegen


@intrinsic
def rank1_update(typingctx, a, b, sums):
    """Return ``sums[i * q + j] + a[i] * b[j]`` for p elements of a (vectors or numbers) and q vectors of b."""
    vector = sums.dtype

    def one(context, builder, args, number):
        i, j = divmod(number, b.count)
        left = broadcast(context, builder, builder.extract_value(args[0], i), a.dtype, vector)
        operands = [left, builder.extract_value(args[1], j), builder.extract_value(args[2], number)]
        return llvm_function(context, builder, "fma", vector, operands)

    return sums(a, b, sums), _each(one)


@intrinsic
def add_each(typingctx, first, second):
    """Return the sums of the vectors of two tuples, one by one."""

    def one(context, builder, args, i):
        return builder.fadd(builder.extract_value(args[0], i), builder.extract_value(args[1], i))

    return first(first, second), _each(one)


@intrinsic
def zero_accumulators(typingctx, array, a_offsets, b_offsets):
    """Return the zeros with which the sums of :func:`rank1_update` begin: vectors of the dtype of `array`."""
    result = types.UniTuple(lane_type(array.dtype, 1), a_offsets.count * b_offsets.count)

    def codegen(context, builder, signature, args):
        return context.get_constant_null(result)

    return result(array, a_offsets, b_offsets), codegen


@intrinsic
def for_each(typingctx, function, mapped, shared):
    """Return the results of `function`, a kernel function, for each element of some tuples, as a tuple.

    `mapped` is a tuple of those tuples, all of one length; the function is called with an element of each, and then all
    that the tuple `shared` holds.
    """
    if len({t.count for t in mapped.types}) != 1:
        raise TypingError(f"for_each takes tuples of one length, not {mapped}")
    arguments = (*(t.dtype for t in mapped.types), *shared.types)
    call, count = typingctx.resolve_function_type(function, arguments, {}), mapped.types[0].count
    result = types.none if call.return_type == types.none else types.UniTuple(call.return_type, count)

    def codegen(context, builder, signature, args):
        # Asked for again, as Numba remembers the line above when it has forgotten the compiled function.
        compiled = context.get_function(function, context.typing_context.resolve_function_type(function, arguments, {}))
        context.add_linking_libs(getattr(compiled, "libs", ()))
        rest = [builder.extract_value(args[2], k) for k in range(shared.count)]
        results = [
            compiled(builder, [builder.extract_value(args[1], [k, i]) for k in range(mapped.count)] + rest)
            for i in range(count)
        ]
        if result == types.none:
            return context.get_dummy_value()
        return context.make_tuple(builder, result, results)

    return result(function, mapped, shared), codegen


@intrinsic
def horner(typingctx, x, coefficients):
    """Return the polynomial in x whose coefficients, that of the highest power first, are a tuple of numbers."""

    def codegen(context, builder, signature, args):
        value = None
        for i in range(coefficients.count):
            term = broadcast(context, builder, builder.extract_value(args[1], i), coefficients.dtype, x)
            value = term if value is None else llvm_function(context, builder, "fma", x, [args[0], value, term])
        return value

    return x(x, coefficients), codegen


@intrinsic
def load_eights(typingctx, array, start, offsets):
    """Return the eight numbers from ``start + offset`` on, for each of a tuple of offsets, in the dtype of `array`."""
    return _load_vectors(array, start, offsets, Vector(array.dtype, 8))


def _offsets(count):
    def one(context, builder, args, i):
        row = builder.add(args[0], args[0].type(i))
        row = builder.select(builder.icmp_signed("<", row, args[1]), row, args[1])
        return builder.mul(row, args[2])

    return types.UniTuple(types.int64, count)(types.int64, types.int64, types.int64), _each(one)


def _multiples(values, step, count):
    def one(context, builder, args, i):
        return builder.mul(args[1], args[1].type(i))

    return types.UniTuple(types.int64, count)(values, step), _each(one)


@intrinsic
def lane_offsets(typingctx, array, step):
    """Return where rows begin that are `step` apart, one for each lane of a vector."""
    return _multiples(array, step, lane_type(array.dtype, 1).lanes)


@intrinsic
def offsets_of_each(typingctx, values, step):
    """Return where rows begin that are `step` apart, one for each of a tuple of values."""
    return _multiples(values, step, values.count)


@intrinsic
def unit_offsets(typingctx, first, last, step):
    """Return where the units of a block begin, `step` apart, from `first` on; past `last` that one again."""
    return _offsets(blocks().units)


@intrinsic
def fewer_unit_offsets(typingctx, first, last, step):
    """Do as :func:`unit_offsets` for a block of one unit less."""
    return _offsets(blocks().units - 1)


@intrinsic
def row_offsets(typingctx, first, last, step):
    """Return where the rows of a block of sums begin, `step` apart, from `first` on; past `last` that one again."""
    return _offsets(blocks().rows)


@intrinsic
def fewer_row_offsets(typingctx, first, last, step):
    """Do as :func:`row_offsets` for a block of one row less."""
    return _offsets(blocks().rows - 1)


@intrinsic
def column_offsets(typingctx, first, last, step):
    """Return where the columns of a block of sums begin, `step` apart, from `first` on; past `last` that one again."""
    return _offsets(blocks().columns)


@intrinsic
def panel_row_offsets(typingctx, first, last, step):
    """Return where the rows of a block of sums in lanes begin, from `first` on; past `last` that one again."""
    return _offsets(blocks().panel_rows)


@intrinsic
def panel_offsets(typingctx, array):
    """Return where the vectors of a block of sums in lanes begin in a row of a panel in the dtype of `array`."""
    lanes = lane_type(array.dtype, 1).lanes

    def one(context, builder, args, i):
        return context.get_constant(types.int64, i * lanes)

    return types.UniTuple(types.int64, blocks().panel_vectors)(array), _each(one)


def _constant(choose):
    return types.int64(), lambda context, builder, signature, args: context.get_constant(types.int64, choose(blocks()))


@intrinsic
def narrow_units(typingctx):
    """Return how many units of a narrow layer are taken at once (a constant)."""
    return _constant(lambda shape: shape.narrow_units)


@intrinsic
def units_from(typingctx, first):
    """Return a tuple of the units of a block of a narrow layer, from number `first` on."""

    def one(context, builder, args, i):
        return builder.add(args[0], args[0].type(i))

    return types.UniTuple(types.int64, blocks().narrow_units)(types.int64), _each(one)


@intrinsic
def block_units(typingctx):
    """Return how many units a block of a layer has (a constant)."""
    return _constant(lambda shape: shape.units)


@intrinsic
def block_rows(typingctx):
    """Return how many rows a block of sums has (a constant)."""
    return _constant(lambda shape: shape.rows)


@intrinsic
def block_columns(typingctx):
    """Return how many columns a block of sums has (a constant)."""
    return _constant(lambda shape: shape.columns)


@intrinsic
def panel_block_rows(typingctx):
    """Return how many rows a block of sums in lanes has (a constant)."""
    return _constant(lambda shape: shape.panel_rows)


@intrinsic
def panel_block_lanes(typingctx, array):
    """Return how many columns a block of sums in lanes has in the dtype of `array` (a constant)."""
    lanes = lane_type(array.dtype, blocks().panel_vectors).lanes
    return types.int64(array), lambda context, builder, signature, args: context.get_constant(types.int64, lanes)


end_of_full_blocks, blocks_before = njit(**INLINE)(tuning.end_of_full_blocks), njit(**INLINE)(tuning.blocks_before)


@intrinsic
def smaller(typingctx, a, b):
    """Return the smaller of two int64 (the built-in ``min`` takes longer to compile)."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.icmp_signed("<", args[0], args[1]), args[0], args[1])

    return types.int64(types.int64, types.int64), codegen
