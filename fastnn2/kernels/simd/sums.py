"""Blocks of sums, added to a gradient: over the lanes of their vectors, or lane by lane."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.lanes import part_of, sums_side_by_side
from fastnn2.kernels.simd.target import blocks
from fastnn2.kernels.simd.vector import address, broadcast_scalar, converted, lane_type


@intrinsic
def add_sums(typingctx, gradient, at, stride, sums, rows, columns):
    """Add the sums over lanes of a block to ``gradient[at + i * stride + j]`` in place (float64).

    Only the first `rows` rows and `columns` columns of the block count; all places of a row are read and written.
    """
    width = blocks().columns

    def codegen(context, builder, signature, args):
        data = address(context, builder, gradient, args[0])
        values = [builder.extract_value(args[3], i) for i in range(sums.count)]
        many = min(sums.count, lane_type(sums.dtype.dtype, 1).lanes)
        totals = [sums_side_by_side(builder, sums.dtype, values[i : i + many]) for i in range(0, sums.count, many)]
        numbers = ir.Constant(ir.VectorType(ir.IntType(64), width), list(range(width)))
        last = builder.sub(args[4], args[4].type(1))
        for i in range(sums.count // width):
            place = i * width
            total = part_of(builder, totals[place // many], place % many, width)
            inside = builder.icmp_signed("<=", last.type(i), last)
            kept = builder.select(inside, args[5], last.type(0))  # of a row that is not there, nothing
            total = builder.select(
                builder.icmp_signed("<", numbers, broadcast_scalar(builder, kept, width)), total, total.type(None)
            )
            row = builder.mul(builder.select(inside, last.type(i), last), args[2])
            pointer = builder.gep(data, [builder.add(args[1], row)])
            pointer = builder.bitcast(pointer, total.type.as_pointer())
            builder.store(builder.fadd(builder.load(pointer, align=8), total), pointer, align=8)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(gradient, integer, integer, sums, integer, integer), codegen


@intrinsic
def add_sums_in_lanes(typingctx, gradient, at, offsets, sums):
    """Add a block of sums to ``gradient[at + offset]`` and what follows, for each of a tuple of offsets, in place.

    `sums` are rows of a few vectors side by side, whose lanes are the columns, one row for each offset. An offset may
    come again, with the same sums, which count once: of some columns, all is read before anything is written.
    """
    rows = offsets.count
    vectors, lanes = sums.count // rows, sums.dtype.lanes

    def codegen(context, builder, signature, args):
        data = address(context, builder, gradient, args[0])
        places = [builder.gep(data, [builder.add(args[1], builder.extract_value(args[2], i))]) for i in range(rows)]
        for first in range(0, vectors * lanes, UPDATE_WIDTH):
            pointers, totals = [], []
            for i in range(rows):
                value = builder.extract_value(args[3], i * vectors + first // lanes)
                total = converted(builder, part_of(builder, value, first % lanes, UPDATE_WIDTH), ir.DoubleType())
                pointer = builder.gep(places[i], [args[1].type(first)])
                pointers.append(builder.bitcast(pointer, total.type.as_pointer()))
                totals.append(builder.fadd(builder.load(pointers[i], align=8), total))
            for pointer, total in zip(pointers, totals, strict=True):
                builder.store(total, pointer, align=8)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(gradient, integer, offsets, sums), codegen
