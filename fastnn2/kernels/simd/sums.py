"""Adding a block of accumulators to a gradient (float64): the sum over the lanes of each, or lane by lane."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.lanes import part_of, sums_side_by_side
from fastnn2.kernels.simd.target import blocks
from fastnn2.kernels.simd.vector import address, broadcast_scalar, converted, lane_type


@intrinsic
def add_sums(typingctx, gradient, offset, stride, sums, rows, columns):
    """Add the sum over the lanes of ``sums[i, j]`` to ``gradient[offset + i * stride + j]`` in place.

    `sums` is a tuple of vectors, row by row. Rows from number `rows` on have the sums of the last one before, which are
    added once, as the gradient is read for all rows before it is written for any. Of the columns, the first `columns`
    are added; the others of these rows are read and written back unchanged. (They may be the first columns of the next
    row, which is written after them.)
    """
    width = blocks().columns

    def codegen(context, builder, signature, args):
        data = address(context, builder, gradient, args[0])
        values = [builder.extract_value(args[3], i) for i in range(sums.count)]
        # The largest power of two that the block and a vector hold: the first four of six sums, then two.
        at_once = 1 << (min(sums.count, lane_type(sums.dtype.dtype, 1).lanes).bit_length() - 1)
        totals = [
            sums_side_by_side(builder, sums.dtype, values[i : i + at_once]) for i in range(0, sums.count, at_once)
        ]
        for i, total in enumerate(totals):
            count = total.type.count
            column_numbers = ir.Constant(ir.VectorType(ir.IntType(64), count), list(range(width)) * (count // width))
            exists = builder.icmp_signed("<", column_numbers, broadcast_scalar(builder, args[5], count))
            totals[i] = builder.select(exists, total, total.type(None))
        last_row = builder.sub(args[4], args[4].type(1))
        pointers, sums_of_rows = [], []
        for i in range(sums.count // width):
            first = i * width
            total = part_of(builder, totals[first // at_once], first % at_once, width)
            row = last_row.type(i)
            row = builder.select(builder.icmp_signed("<", row, last_row), row, last_row)
            pointer = builder.gep(data, [builder.add(args[1], builder.mul(row, args[2]))])
            pointers.append(builder.bitcast(pointer, total.type.as_pointer()))
            sums_of_rows.append(builder.fadd(builder.load(pointers[i], align=8), total))
        for pointer, total in zip(pointers, sums_of_rows, strict=True):
            builder.store(total, pointer, align=8)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(gradient, integer, integer, sums, integer, integer), codegen


@intrinsic
def add_sums_in_lanes(typingctx, gradient, base, offsets, sums):
    """Add row i of a block of sums to ``gradient[base + offsets[i] :]`` in place.

    A row of `sums` is a few vectors whose lanes are the columns. An offset may occur several times, with the same sums;
    they are added once, as the gradient is read for all rows before it is written for any (eight columns at a time).
    """
    rows = offsets.count
    vectors, lanes = sums.count // rows, sums.dtype.lanes

    def codegen(context, builder, signature, args):
        data = address(context, builder, gradient, args[0])
        begins = [builder.gep(data, [builder.add(args[1], builder.extract_value(args[2], i))]) for i in range(rows)]
        for first in range(0, vectors * lanes, UPDATE_WIDTH):
            pointers, totals = [], []
            for i in range(rows):
                value = builder.extract_value(args[3], i * vectors + first // lanes)
                total = converted(builder, part_of(builder, value, first % lanes, UPDATE_WIDTH), ir.DoubleType())
                pointer = builder.gep(begins[i], [args[1].type(first)])
                pointers.append(builder.bitcast(pointer, total.type.as_pointer()))
                totals.append(builder.fadd(builder.load(pointers[i], align=8), total))
            for pointer, total in zip(pointers, totals, strict=True):
                builder.store(total, pointer, align=8)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(gradient, integer, offsets, sums), codegen
