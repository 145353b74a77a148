"""Blocks of accumulators: tuples of vectors that stay in registers.

A matrix product is fast if each number that is loaded is used several times. A block of p rows of one operand and q of
the other has p * q accumulators, and takes p + q loads for p * q products. The length of a tuple is a compile-time
constant, so one loop serves all shapes (see :mod:`target`), and LLVM keeps each vector of a tuple in a register.

Rows begin at `offsets`, a tuple of int64, behind an index `base` of a flat array. A block that goes past the last row
repeats that row: it is computed again, with the same result.
"""

from numba import TypingError, njit, types
from numba.extending import intrinsic

from fastnn2.kernels.shared import tuning
from fastnn2.kernels.simd.target import blocks
from fastnn2.kernels.simd.vector import (
    INLINE,
    address,
    broadcast,
    lane_type,
    llvm_function,
    load_as,
    zeros,
)


def tuple_of(function):
    """Return the codegen of a tuple whose element i is ``function(context, builder, args, i)``."""

    def codegen(context, builder, signature, args):
        values = [function(context, builder, args, i) for i in range(signature.return_type.count)]
        return context.make_tuple(builder, signature.return_type, values)

    return codegen


def vectors_at(array, base, offsets, element):
    """Return signature and code that load a tuple: ``array[base + offset]`` of the type `element`, for each offset."""
    index = types.intp

    def load(context, builder, args, i):
        first = context.cast(builder, args[1], base, index)
        offset = context.cast(builder, builder.extract_value(args[2], i), offsets.dtype, index)
        return load_as(context, builder, array, args[0], index, builder.add(first, offset), element)

    return types.UniTuple(element, offsets.count)(array, base, offsets), tuple_of(load)


@intrinsic
def load_vectors(typingctx, array, base, offsets):
    """Return the vectors at ``array[base + offset]``, one for each of a tuple of offsets."""
    return vectors_at(array, base, offsets, lane_type(array.dtype, 1))


@intrinsic
def load_vectors_like(typingctx, array, base, offsets, like):
    """Do as :func:`load_vectors`, with vectors of the type of `like`."""
    result, codegen = vectors_at(array, base, offsets, like)
    return result.return_type(array, base, offsets, like), codegen


@intrinsic
def load_scalars(typingctx, array, base, offsets):
    """Return the numbers ``array[base + offset]``, one for each of a tuple of offsets."""
    return vectors_at(array, base, offsets, array.dtype)


@intrinsic
def block_inputs(typingctx, array):
    """Return zeros of the type that a layer's block takes of each input: ``blocks().vectors`` vectors."""
    return zeros(array, blocks().vectors)


@intrinsic
def narrow_samples(typingctx, array):
    """Return zeros of the type in which nn/narrow.py takes samples: ``blocks().narrow_vectors`` vectors."""
    return zeros(array, blocks().narrow_vectors)


@intrinsic
def half_block_inputs(typingctx, array):
    """Return zeros of half the lanes of :func:`block_inputs`, but at least one vector."""
    return zeros(array, max(1, blocks().vectors // 2))


@intrinsic
def lanes_of(typingctx, vector):
    """Return the number of lanes of `vector` (a compile-time constant)."""
    return types.intp(vector), lambda context, builder, signature, args: context.get_constant(types.intp, vector.lanes)


@intrinsic
def broadcast_each(typingctx, like, numbers):
    """Return a vector of the type of `like` for each of a tuple of numbers, which is in all its lanes."""

    def one(context, builder, args, i):
        return broadcast(context, builder, builder.extract_value(args[1], i), numbers.dtype, like)

    return types.UniTuple(like, numbers.count)(like, numbers), tuple_of(one)


@intrinsic
def zero_each(typingctx, like, offsets):
    """Return zeros of the type of `like`, one vector for each of a tuple of offsets."""
    result = types.UniTuple(like, offsets.count)
    return result(like, offsets), lambda context, builder, signature, args: context.get_constant_null(result)


@intrinsic
def store_each(typingctx, array, base, offsets, values):
    """Write ``values[i]`` to ``array[base + offsets[i] :]`` in place, for a tuple of vectors."""

    def codegen(context, builder, signature, args):
        data = address(context, builder, array, args[0])
        first = context.cast(builder, args[1], base, types.intp)
        for i in range(offsets.count):
            offset = context.cast(builder, builder.extract_value(args[2], i), offsets.dtype, types.intp)
            value = builder.extract_value(args[3], i)
            pointer = builder.bitcast(builder.gep(data, [builder.add(first, offset)]), value.type.as_pointer())
            builder.store(value, pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, base, offsets, values), codegen


@intrinsic
def for_each(typingctx, function, mapped, shared):
    """Return the tuple of ``function(mapped[0][i], mapped[1][i], ..., *shared)`` for all i; `mapped` holds tuples."""
    if len({t.count for t in mapped.types}) != 1:
        raise TypingError(f"for_each takes tuples of one length, not {mapped}")
    arguments = (*(t.dtype for t in mapped.types), *shared.types)
    call, count = typingctx.resolve_function_type(function, arguments, {}), mapped.types[0].count
    result = types.none if call.return_type == types.none else types.UniTuple(call.return_type, count)

    def codegen(context, builder, signature, args):
        # Resolved again: Numba may have kept the type from above and dropped the compiled function.
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
    """Return a polynomial of x by Horner's rule; `coefficients` is a tuple of numbers, the highest power first."""

    def codegen(context, builder, signature, args):
        value = None
        for i in range(coefficients.count):
            term = broadcast(context, builder, builder.extract_value(args[1], i), coefficients.dtype, x)
            value = term if value is None else llvm_function(context, builder, "fma", x, [args[0], value, term])
        return value

    return x(x, coefficients), codegen


def _offsets(count):  # min(first + i, last) * stride, for i in range(count)
    def one(context, builder, args, i):
        row = builder.add(args[0], args[0].type(i))
        row = builder.select(builder.icmp_signed("<", row, args[1]), row, args[1])
        return builder.mul(row, args[2])

    return types.UniTuple(types.int64, count)(types.int64, types.int64, types.int64), tuple_of(one)


def _multiples(values, stride, count):  # i * stride, for i in range(count)
    def one(context, builder, args, i):
        return builder.mul(args[1], args[1].type(i))

    return types.UniTuple(types.int64, count)(values, stride), tuple_of(one)


@intrinsic
def lane_offsets(typingctx, array, stride):
    """Return ``i * stride`` for each lane i of a vector in the dtype of `array`."""
    return _multiples(array, stride, lane_type(array.dtype, 1).lanes)


@intrinsic
def offsets_of_each(typingctx, values, stride):
    """Return ``i * stride`` for each index i of a tuple."""
    return _multiples(values, stride, values.count)


@intrinsic
def unit_offsets(typingctx, first, last, stride):
    """Return the offsets of the units of a layer's block: ``min(first + i, last) * stride`` for unit i."""
    return _offsets(blocks().units)


@intrinsic
def fewer_unit_offsets(typingctx, first, last, stride):
    """Do as :func:`unit_offsets`, for a block of one unit less."""
    return _offsets(blocks().units - 1)


@intrinsic
def row_offsets(typingctx, first, last, stride):
    """Do as :func:`unit_offsets`, for the rows of a block of sums over lanes."""
    return _offsets(blocks().rows)


@intrinsic
def fewer_row_offsets(typingctx, first, last, stride):
    """Do as :func:`row_offsets`, for a block of one row less."""
    return _offsets(blocks().rows - 1)


@intrinsic
def column_offsets(typingctx, first, last, stride):
    """Do as :func:`unit_offsets`, for the columns of a block of sums over lanes."""
    return _offsets(blocks().columns)


@intrinsic
def panel_row_offsets(typingctx, first, last, stride):
    """Do as :func:`unit_offsets`, for the rows of a block of sums in lanes."""
    return _offsets(blocks().panel_rows)


@intrinsic
def panel_offsets(typingctx, array):
    """Return the offsets of the vectors of a block of sums in lanes, in a sample's row of a panel."""
    lanes = lane_type(array.dtype, 1).lanes

    def one(context, builder, args, i):
        return context.get_constant(types.int64, i * lanes)

    return types.UniTuple(types.int64, blocks().panel_vectors)(array), tuple_of(one)


def _constant(choose):
    return types.int64(), lambda context, builder, signature, args: context.get_constant(types.int64, choose(blocks()))


@intrinsic
def narrow_units(typingctx):
    """Return the number of units of a block in nn/narrow.py (a compile-time constant, as are those below)."""
    return _constant(lambda shape: shape.narrow_units)


@intrinsic
def units_from(typingctx, first):
    """Return the tuple of units of a block in nn/narrow.py, from `first` on."""

    def one(context, builder, args, i):
        return builder.add(args[0], args[0].type(i))

    return types.UniTuple(types.int64, blocks().narrow_units)(types.int64), tuple_of(one)


@intrinsic
def block_units(typingctx):
    """Return the number of units of a layer's block."""
    return _constant(lambda shape: shape.units)


@intrinsic
def turn_inputs(typingctx):
    """Return how many inputs a layer's loop takes a turn: a power of two."""
    return _constant(lambda shape: shape.inputs)


@intrinsic
def block_rows(typingctx):
    """Return the number of rows of a block of sums over lanes."""
    return _constant(lambda shape: shape.rows)


@intrinsic
def block_columns(typingctx):
    """Return the number of columns of a block of sums over lanes."""
    return _constant(lambda shape: shape.columns)


@intrinsic
def panel_block_rows(typingctx):
    """Return the number of rows of a block of sums in lanes."""
    return _constant(lambda shape: shape.panel_rows)


@intrinsic
def panel_block_lanes(typingctx, array):
    """Return the number of columns of a block of sums in lanes, in the dtype of `array`."""
    lanes = lane_type(array.dtype, blocks().panel_vectors).lanes
    return types.int64(array), lambda context, builder, signature, args: context.get_constant(types.int64, lanes)


end_of_full_blocks, blocks_before = njit(**INLINE)(tuning.end_of_full_blocks), njit(**INLINE)(tuning.blocks_before)


@intrinsic
def smaller(typingctx, a, b):
    """Return the smaller of two int64; the built-in ``min`` takes longer to compile."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.icmp_signed("<", args[0], args[1]), args[0], args[1])

    return types.int64(types.int64, types.int64), codegen
