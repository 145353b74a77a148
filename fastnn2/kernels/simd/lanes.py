"""Sums over the lanes of a vector, and parts of it.

Halves are added until what is wanted is left, always in this order. One sum alone is formed in float64; sums side by
side in the dtype of the lanes, and made float64 at the end, before they are added to those of other tiles.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.shared.tuning import GROUP_VECTORS
from fastnn2.kernels.simd.vector import Vector, converted, lane_numbers, lane_type


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


def sums_side_by_side(builder, vector, values):
    """Build one LLVM vector with the sums over the lanes of each of 2, 4, 8 or 16 vectors, as float64.

    Two vectors are added as [first halves of a and b] + [second halves of a and b], and so on until every lane is the
    sum of one: 3 instructions for each of m - 1 additions, where m sums one by one would take three times as many.
    """
    held, width = 1, vector.lanes  # so many values in a vector, each in so many lanes
    while width > lane_type(vector.dtype, 1).lanes:
        width //= 2
        values = [builder.fadd(part_of(builder, v, 0, width), part_of(builder, v, width, width)) for v in values]
    while width > 1:
        half = width // 2
        sources = 2 if len(values) > 1 else 1
        starts = [k * width for k in range(sources * held)]
        low = lane_numbers([start + i for start in starts for i in range(half)])
        high = lane_numbers([start + half + i for start in starts for i in range(half)])
        pairs = zip(values[::2], values[1::2], strict=True) if sources == 2 else [(values[0], values[0])]
        values = [builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)) for a, b in pairs]
        held, width = sources * held, half
    return converted(builder, values[0], ir.DoubleType())


@intrinsic
def four_sums(typingctx, a, b, c, d):
    """Return the sums over the lanes of four vectors, side by side, as a vector of four float64 lanes."""

    def codegen(context, builder, signature, args):
        return sums_side_by_side(builder, a, list(args))

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
