"""Blocks of sums, added to a gradient: over the lanes of their vectors, or lane by lane."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastnn2.kernels.lanes import lanes_of_vector, part_of, sums_side_by_side
from fastnn2.kernels.plan import STEP
from fastnn2.kernels.simd import address, broadcast, converted
from fastnn2.kernels.target import blocks


@intrinsic
def add_sums(typingctx, gradient, at, stride, sums, rows, columns):
    """Add the sums over lanes of a block to ``gradient[at + i * stride + j]`` in place (float64).

    Only the first `rows` rows and `columns` columns of the block count; all places of a row are read and written.
    """
    width = blocks().columns

    def codegen(context, builder, signature, args):
        data = address(context, builder, gradient, args[0])
        values = [builder.extract_value(args[3], i) for i in range(sums.count)]
        many = min(sums.count, lanes_of_vector(sums.dtype))
        totals = [sums_side_by_side(builder, sums.dtype, values[i : i + many]) for i in range(0, sums.count, many)]
        numbers = ir.Constant(ir.VectorType(ir.IntType(64), width), list(range(width)))
        last = builder.sub(args[4], args[4].type(1))
        for i in range(sums.count // width):
            place = i * width
            total = part_of(builder, totals[place // many], place % many, width)
            inside = builder.icmp_signed("<=", last.type(i), last)
            kept = builder.select(inside, args[5], last.type(0))  # of a row that is not there, nothing
            total = builder.select(
                builder.icmp_signed("<", numbers, broadcast(builder, kept, width)), total, total.type(None)
            )
            row = builder.mul(builder.select(inside, last.type(i), last), args[2])
            pointer = builder.gep(data, [builder.add(args[1], row)])
            pointer = builder.bitcast(pointer, total.type.as_pointer())
            builder.store(builder.fadd(builder.load(pointer, align=8), total), pointer, align=8)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(gradient, integer, integer, sums, integer, integer), codegen


@intrinsic
def add_sums_in_lanes(typingctx, gradient, at, stride, sums, rows, columns):
    """Add a block of sums to ``gradient[at + i * stride + j]`` in place (float64).

    `sums` are rows of a few vectors side by side, whose lanes are the columns. Only the first `rows` rows and `columns`
    columns count; nothing else is read or written.
    """
    vectors = blocks().panel_vectors
    lanes = sums.dtype.lanes

    def codegen(context, builder, signature, args):
        data = address(context, builder, gradient, args[0])
        load, store = _masked_memory(builder.module)
        integer = args[1].type
        for i in range(sums.count // vectors):
            inside = builder.icmp_signed("<", integer(i), args[4])
            kept = builder.select(inside, args[5], integer(0))  # of a row that is not there, nothing
            row = builder.add(args[1], builder.mul(args[2], integer(i)))
            for first in range(0, vectors * lanes, STEP):
                value = builder.extract_value(args[3], i * vectors + first // lanes)
                total = converted(builder, part_of(builder, value, first % lanes, STEP), ir.DoubleType())
                numbers = ir.Constant(ir.VectorType(integer, STEP), list(range(first, first + STEP)))
                mask = builder.icmp_signed("<", numbers, broadcast(builder, kept, STEP))
                place = builder.gep(data, [builder.add(row, integer(first))])
                place = builder.bitcast(place, total.type.as_pointer())
                old = builder.call(load, [place, _NUMBER_BYTES, mask, total.type(None)])
                builder.call(store, [builder.fadd(old, total), place, _NUMBER_BYTES, mask])
        return context.get_dummy_value()

    integer = types.int64
    return types.void(gradient, integer, integer, sums, integer, integer), codegen


_NUMBER_BYTES = ir.IntType(32)(8)  # the alignment of a float64


def _masked_memory(module):
    """Return LLVM's load and store of only those of STEP float64 whose bit of a mask is set."""
    vector = ir.VectorType(ir.DoubleType(), STEP)
    operands = [vector.as_pointer(), ir.IntType(32), ir.VectorType(ir.IntType(1), STEP)]
    load = ir.FunctionType(vector, [*operands, vector])
    store = ir.FunctionType(ir.VoidType(), [vector, *operands])
    suffix = f"v{STEP}f64.p0v{STEP}f64"
    return tuple(
        cgutils.get_or_insert_function(module, function_type, f"llvm.masked.{name}.{suffix}")
        for name, function_type in (("load", load), ("store", store))
    )
