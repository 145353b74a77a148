"""Blocks: several rows at once, held in registers, as tuples of vectors.

A matrix product is fast when each number that is loaded is used several times. A block is that: p rows of one operand
and q of the other, p * q accumulators, p + q loads for p * q products. The length of a tuple is the shape of the block,
so a kernel writes one loop whatever the shape, and LLVM keeps every vector of a tuple in a register of its own.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.plan import GROUP_VECTORS
from fastnn2.kernels.simd import Vector, broadcast, lane_type, llvm_function, load_as, spread, sum_four


def _each(function):
    """Codegen of a tuple: ``function(context, builder, args, i)`` gives its element number i."""

    def codegen(context, builder, signature, args):
        values = [function(context, builder, args, i) for i in range(signature.return_type.count)]
        return context.make_tuple(builder, signature.return_type, values)

    return codegen


def _load_each(array, start, offsets, element):
    position = types.intp

    def load(context, builder, args, i):
        first = context.cast(builder, args[1], start, position)
        offset = context.cast(builder, builder.extract_value(args[2], i), offsets.dtype, position)
        return load_as(context, builder, array, args[0], position, builder.add(first, offset), element)

    return types.UniTuple(element, offsets.count)(array, start, offsets), _each(load)


@intrinsic
def load_each(typingctx, array, start, offsets):
    """Return the vectors that begin at ``start + offset`` for each of a tuple of offsets."""
    return _load_each(array, start, offsets, lane_type(array.dtype, 1))


@intrinsic
def load_group_each(typingctx, array, start, offsets):
    """Return the groups that begin at ``start + offset`` for each of a tuple of offsets."""
    return _load_each(array, start, offsets, lane_type(array.dtype, GROUP_VECTORS))


@intrinsic
def numbers_each(typingctx, array, start, offsets):
    """Return the numbers at ``start + offset`` for each of a tuple of offsets."""
    return _load_each(array, start, offsets, array.dtype)


@intrinsic
def spread_each(typingctx, like, numbers):
    """Return for each of a tuple of numbers a vector with it in every lane; `like` is a vector of that kind."""

    def one(context, builder, args, i):
        return spread(context, builder, builder.extract_value(args[1], i), numbers.dtype, like)

    return types.UniTuple(like, numbers.count)(like, numbers), _each(one)


@intrinsic
def store_each(typingctx, array, start, offsets, values):
    """Write each of a tuple of vectors to where it belongs, ``start + offset``, in place."""

    def codegen(context, builder, signature, args):
        data = context.make_array(array)(context, builder, args[0]).data
        first = context.cast(builder, args[1], start, types.intp)
        for i in range(offsets.count):
            offset = context.cast(builder, builder.extract_value(args[2], i), offsets.dtype, types.intp)
            value = builder.extract_value(args[3], i)
            pointer = builder.bitcast(builder.gep(data, [builder.add(first, offset)]), value.type.as_pointer())
            builder.store(value, pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, start, offsets, values), codegen


@intrinsic
def fma_outer(typingctx, a, b, sums):
    """Return ``sums[i * q + j] + a[i] * b[j]`` for p elements of a (vectors or numbers) and q vectors of b."""
    vector = sums.dtype

    def one(context, builder, args, number):
        i, j = divmod(number, b.count)
        left = spread(context, builder, builder.extract_value(args[0], i), a.dtype, vector)
        operands = [left, builder.extract_value(args[1], j), builder.extract_value(args[2], number)]
        return llvm_function(context, builder, "fma", vector, operands)

    return sums(a, b, sums), _each(one)


@intrinsic
def zero_outer(typingctx, array, a_offsets, b_offsets):
    """Return the zeros with which the sums of :func:`fma_outer` begin: vectors of the dtype of `array`."""
    result = types.UniTuple(lane_type(array.dtype, 1), a_offsets.count * b_offsets.count)

    def codegen(context, builder, signature, args):
        return context.get_constant_null(result)

    return result(array, a_offsets, b_offsets), codegen


@intrinsic
def add_sums(typingctx, gradient, at, stride, sums, rows, columns):
    """Add the sums over lanes of a block of four columns to ``gradient[at + i * stride + j]`` in place (float64).

    Only the first `rows` rows and `columns` columns of the block count; all four places of a row are read and written.
    """
    four = Vector(types.float64, 4)

    def codegen(context, builder, signature, args):
        data = context.make_array(gradient)(context, builder, args[0]).data
        lanes = ir.Constant(ir.VectorType(ir.IntType(64), 4), [0, 1, 2, 3])
        nothing = context.get_constant_null(four)
        last = builder.sub(args[4], args[4].type(1))
        for i in range(sums.count // 4):
            number = args[4].type(i)
            inside = builder.icmp_signed("<=", number, last)
            kept = builder.select(inside, args[5], args[5].type(0))  # of a row that is not there, nothing
            limit = broadcast(builder, kept, 4)
            row = [builder.extract_value(args[3], 4 * i + k) for k in range(4)]
            total = builder.select(builder.icmp_signed("<", lanes, limit), sum_four(builder, sums.dtype, row), nothing)
            place = builder.add(args[1], builder.mul(builder.select(inside, number, last), args[2]))
            pointer = builder.bitcast(builder.gep(data, [place]), total.type.as_pointer())
            builder.store(builder.fadd(builder.load(pointer, align=8), total), pointer, align=8)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(gradient, integer, integer, sums, integer, integer), codegen


@intrinsic
def horner(typingctx, x, coefficients):
    """Return the polynomial in x whose coefficients, that of the highest power first, are a tuple of numbers."""

    def codegen(context, builder, signature, args):
        value = None
        for i in range(coefficients.count):
            term = spread(context, builder, builder.extract_value(args[1], i), coefficients.dtype, x)
            value = term if value is None else llvm_function(context, builder, "fma", x, [args[0], value, term])
        return value

    return x(x, coefficients), codegen


def _clamped(count):
    def typed(typingctx, first, last, step):
        def one(context, builder, args, i):
            row = builder.add(args[0], args[0].type(i))
            row = builder.select(builder.icmp_signed("<", row, args[1]), row, args[1])
            return builder.mul(row, args[2])

        return types.UniTuple(types.int64, count)(types.int64, types.int64, types.int64), _each(one)

    return typed


@intrinsic
def four_offsets(typingctx, first, last, step):
    """Return where the rows `first` to `first` + 3 begin, `step` apart; past `last` that row again."""
    return _clamped(4)(typingctx, first, last, step)


@intrinsic
def six_offsets(typingctx, first, last, step):
    """Return where the rows `first` to `first` + 5 begin, `step` apart; past `last` that row again."""
    return _clamped(6)(typingctx, first, last, step)


@intrinsic
def smaller(typingctx, a, b):
    """Return the smaller of two int64 (the built-in ``min`` takes longer to compile)."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.icmp_signed("<", args[0], args[1]), args[0], args[1])

    return types.int64(types.int64, types.int64), codegen
