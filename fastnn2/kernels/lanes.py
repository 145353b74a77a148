"""Sums over the lanes of a vector, and parts of it.

Halves are added until what is wanted is left, always in this order. float32 lanes are made float64 before they become
one number, so that a sum over samples is carried in double.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.plan import GROUP_VECTORS
from fastnn2.kernels.simd import Vector, lane_numbers


def part_of(builder, value, start, count):
    """Build the `count` lanes of an LLVM vector from number `start` on."""
    return builder.shuffle_vector(value, value, lane_numbers(range(start, start + count)))


@intrinsic
def fold_group(typingctx, group):
    """Return the vector sum of the vectors side by side in `group`, as ``(v0 + v2) + (v1 + v3)``."""
    vector = Vector(group.dtype, group.lanes // GROUP_VECTORS)

    def codegen(context, builder, signature, args):
        value, count = args[0], group.lanes
        while count > vector.lanes:
            count //= 2
            value = builder.fadd(part_of(builder, value, 0, count), part_of(builder, value, count, count))
        return value

    return vector(group), codegen


def _half_of(whole, which):
    half = Vector(whole.dtype, whole.lanes // 2)

    def codegen(context, builder, signature, args):
        return part_of(builder, args[0], which * half.lanes, half.lanes)

    return half(whole), codegen


@intrinsic
def first_half(typingctx, whole):
    """Return the first half of the lanes as a shorter vector."""
    return _half_of(whole, 0)


@intrinsic
def second_half(typingctx, whole):
    """Return the second half of the lanes as a shorter vector."""
    return _half_of(whole, 1)


def sum_four(builder, vector, values):
    """Build the sums over the lanes of four vectors, side by side as four float64 lanes.

    Four sums at once take a third of the instructions of four single ones: every addition works on full vectors.
    """

    def folded(value):
        count = vector.lanes
        if vector.dtype != types.float64:
            value = builder.fpext(value, ir.VectorType(ir.DoubleType(), count))
        while count > 4:
            count //= 2
            value = builder.fadd(part_of(builder, value, 0, count), part_of(builder, value, count, count))
        return value

    def pairs(first, second, even, odd):
        shuffled = [builder.shuffle_vector(first, second, lane_numbers(lanes)) for lanes in (even, odd)]
        return builder.fadd(*shuffled)

    a, b, c, d = map(folded, values)
    ab = pairs(a, b, [0, 4, 2, 6], [1, 5, 3, 7])  # a0 + a1, b0 + b1, a2 + a3, b2 + b3
    cd = pairs(c, d, [0, 4, 2, 6], [1, 5, 3, 7])
    return pairs(ab, cd, [0, 1, 4, 5], [2, 3, 6, 7])


@intrinsic
def four_sums(typingctx, a, b, c, d):
    """Return the sums over the lanes of four vectors, side by side, as a vector of four float64 lanes."""

    def codegen(context, builder, signature, args):
        return sum_four(builder, a, args)

    return Vector(types.float64, 4)(a, b, c, d), codegen


@intrinsic
def lane(typingctx, vector, number):
    """Return one lane of `vector`."""

    def codegen(context, builder, signature, args):
        return builder.extract_element(args[0], context.cast(builder, args[1], number, types.int32))

    return vector.dtype(vector, number), codegen


@intrinsic
def sum_lanes(typingctx, vector):
    """Return the sum of all lanes as a float64."""

    def codegen(context, builder, signature, args):
        value, count = args[0], vector.lanes
        if vector.dtype != types.float64:
            value = builder.fpext(value, ir.VectorType(ir.DoubleType(), count))
        while count > 1:
            count //= 2
            value = builder.fadd(part_of(builder, value, 0, count), part_of(builder, value, count, count))
        return builder.extract_element(value, ir.IntType(32)(0))

    return types.float64(vector), codegen
