"""Sums over the lanes of a vector, and shorter vectors of some of its lanes.

The order of a sum over lanes is always the same: the second half is added to the first, lane by lane, until one lane is
left. A single sum is formed in float64. Several sums at once are formed in the dtype of the lanes and converted to
float64 at the end, before they are added to those of other tiles.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.shared.tuning import GROUP_VECTORS
from fastnn2.kernels.simd.vector import Vector, converted, lane_numbers, lane_type


def part_of(builder, value, first, count):
    """Build the LLVM vector of the lanes [first, first + count) of `value`."""
    return builder.shuffle_vector(value, value, lane_numbers(range(first, first + count)))


@intrinsic
def fold_group(typingctx, group):
    """Return the sum of the four vectors of a group as one vector, ``(v0 + v2) + (v1 + v3)``."""
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
    """Build one LLVM vector of float64 whose lanes are the sums over the lanes of 2, 4, 8 or 16 vectors.

    Two vectors a and b become [first halves of a and b] + [second halves of a and b], and so on until each lane is the
    sum of one vector. This takes m - 1 additions with two shuffles each; m separate sums take three times as many
    instructions.
    """
    lanes, in_quarter = lane_type(vector.dtype, 1).lanes, 128 // vector.dtype.bitwidth
    held, width = 1, vector.lanes  # a vector holds partial sums of `held` inputs, each in `width` lanes
    while width > lanes:
        width //= 2
        values = [builder.fadd(part_of(builder, v, 0, width), part_of(builder, v, width, width)) for v in values]
    order = _merged([[i] for i in range(len(values))], width, in_quarter)
    values = [values[order.index(i)] for i in range(len(values))]
    while width > 1:
        half = width // 2
        starts = [k * width for k in range(held)]
        sources = [starts, [held * width + start for start in starts]][: len(values)]
        starts = _merged(sources, width, in_quarter)
        low = lane_numbers([start + i for start in starts for i in range(half)])
        high = lane_numbers([start + half + i for start in starts for i in range(half)])
        pairs = zip(values[::2], values[1::2], strict=True) if len(sources) == 2 else [(values[0], values[0])]
        values = [builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)) for a, b in pairs]
        held, width = len(starts), half
    return converted(builder, values[0], ir.DoubleType())


def _merged(lists, width, in_quarter):
    """Return what follows each other in a vector into which 2, 4, 8 or 16 vectors were merged in pairs; or of one, its.

    Each list has what follows each other in one vector, `width` lanes each; a merge halves the lanes. Two vectors are
    merged one behind the other, until what a list has is within quarters of a vector (128 bits, `in_quarter` lanes).
    From there on each quarter of the first is before the same one of the second: shuffles within quarters are cheaper.
    """
    while len(lists) > 1:
        size = len(lists[0]) if width > in_quarter else in_quarter // width
        lists = [
            [entry for k in range(0, len(a), size) for part in (a, b) for entry in part[k : k + size]]
            for a, b in zip(lists[::2], lists[1::2], strict=True)
        ]
        width //= 2
    return lists[0]


@intrinsic
def four_sums(typingctx, a, b, c, d):
    """Return a vector of four float64 lanes, the sums over the lanes of four vectors."""

    def codegen(context, builder, signature, args):
        return sums_side_by_side(builder, a, list(args))

    return Vector(types.float64, 4)(a, b, c, d), codegen


@intrinsic
def lane(typingctx, vector, number):
    """Return lane `number` of `vector` as a scalar."""

    def codegen(context, builder, signature, args):
        return builder.extract_element(args[0], context.cast(builder, args[1], number, types.int32))

    return vector.dtype(vector, number), codegen


@intrinsic
def sum_lanes(typingctx, vector):
    """Return the sum of all lanes, formed in float64."""

    def codegen(context, builder, signature, args):
        value, count = args[0], vector.lanes
        if vector.dtype != types.float64:
            value = builder.fpext(value, ir.VectorType(ir.DoubleType(), count))
        while count > 1:
            count //= 2
            value = builder.fadd(part_of(builder, value, 0, count), part_of(builder, value, count, count))
        return builder.extract_element(value, ir.IntType(32)(0))

    return types.float64(vector), codegen
