"""What is done with a block's accumulators, a tuple of vectors: products are added to them, and they to each other.

For the rows of a block, their offsets and the shape of blocks see :mod:`blocks`.
"""

from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.simd.blocks import tuple_of
from fastnn2.kernels.simd.target import blocks
from fastnn2.kernels.simd.vector import broadcast, lane_type, llvm_function, load_as


@intrinsic
def zero_accumulators(typingctx, array, a_offsets, b_offsets):
    """Return zeros as the sums of :func:`rank1_update`: a vector in the dtype of `array` for each pair of offsets."""
    result = types.UniTuple(lane_type(array.dtype, 1), a_offsets.count * b_offsets.count)

    def codegen(context, builder, signature, args):
        return context.get_constant_null(result)

    return result(array, a_offsets, b_offsets), codegen


@intrinsic
def rank1_update(typingctx, a, b, sums):
    """Return ``sums[i * q + j] + a[i] * b[j]`` for p elements of a (vectors or numbers) and q vectors of b."""
    vector = sums.dtype

    def one(context, builder, args, k):
        i, j = divmod(k, b.count)
        left = broadcast(context, builder, builder.extract_value(args[0], i), a.dtype, vector)
        operands = [left, builder.extract_value(args[1], j), builder.extract_value(args[2], k)]
        return llvm_function(context, builder, "fma", vector, operands)

    return sums(a, b, sums), tuple_of(one)


def _updates(context, builder, signature, args, b_rows, stride, steps):
    """Build `steps` updates as :func:`rank1_update`; args: a, its index and rows, b, its index, ..., and the sums.

    The numbers of a follow each other, the vectors of b are `stride` apart; `b_rows` are offsets of b in a step.
    """
    a, a_index, a_rows, b, b_index, *_, sums = signature.args
    values = [builder.extract_value(args[-1], i) for i in range(sums.count)]
    first_a = context.cast(builder, args[1], a_index, types.intp)
    first_b = context.cast(builder, args[4], b_index, types.intp)
    begins = [builder.add(first_a, builder.extract_value(args[2], i)) for i in range(a_rows.count)]
    for step in range(steps):
        row = builder.add(first_b, builder.mul(stride, stride.type(step)))
        vectors = [
            load_as(context, builder, b, args[3], types.intp, builder.add(row, offset), sums.dtype) for offset in b_rows
        ]
        for i, begin in enumerate(begins):
            number = load_as(context, builder, a, args[0], types.intp, builder.add(begin, begin.type(step)), a.dtype)
            left = broadcast(context, builder, number, a.dtype, sums.dtype)
            for k, vector in enumerate(vectors, i * len(vectors)):
                values[k] = llvm_function(context, builder, "fma", sums.dtype, [left, vector, values[k]])
    return context.make_tuple(builder, signature.return_type, values)


@intrinsic
def rank1_updates(typingctx, a, a_index, a_rows, b, b_index, b_rows, stride, sums):
    """Return `sums` after four updates as :func:`rank1_update`, one after the other, s = 0 to 3.

    The numbers are at ``a[a_index + a_rows[i] + s]``, the vectors at ``b[b_index + b_rows[j] + s * stride]``.
    """

    def codegen(context, builder, signature, args):
        rows = [builder.extract_value(args[5], j) for j in range(b_rows.count)]
        return _updates(context, builder, signature, args, rows, args[6], 4)

    return sums(a, a_index, a_rows, b, b_index, b_rows, types.intp, sums), codegen


@intrinsic
def input_updates(typingctx, a, a_index, a_rows, b, b_index, stride, sums):
    """Do as :func:`rank1_updates` with one vector of b a step, for as many inputs as a turn of a layer's loop takes."""

    def codegen(context, builder, signature, args):
        return _updates(context, builder, signature, args, [args[5].type(0)], args[5], blocks().inputs)

    return sums(a, a_index, a_rows, b, b_index, types.intp, sums), codegen


@intrinsic
def input_update(typingctx, a, a_index, a_rows, b, b_index, sums):
    """Do as :func:`input_updates` for one input."""

    def codegen(context, builder, signature, args):
        zero = context.get_constant(types.intp, 0)
        return _updates(context, builder, signature, args, [zero], zero, 1)

    return sums(a, a_index, a_rows, b, b_index, sums), codegen


@intrinsic
def add_each(typingctx, first, second):
    """Return ``first[i] + second[i]`` for two tuples of vectors."""

    def one(context, builder, args, i):
        return builder.fadd(builder.extract_value(args[0], i), builder.extract_value(args[1], i))

    return first(first, second), tuple_of(one)


@intrinsic
def rectified(typingctx, values):
    """Return ``max(0, value)`` for a tuple of vectors; NaN is returned."""

    def one(context, builder, args, i):
        value = builder.extract_value(args[0], i)
        zero = context.get_constant_null(values.dtype)
        return builder.select(builder.fcmp_ordered(">", zero, value), zero, value)

    return values(values), tuple_of(one)
