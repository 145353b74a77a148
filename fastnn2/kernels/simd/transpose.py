"""Blocks of numbers that are transposed in registers, by exchanging lanes."""

from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.simd.blocks import vectors_at
from fastnn2.kernels.simd.vector import Vector, lane_numbers


def _transpose_squares(builder, values):
    """Transpose the k x k squares that k vectors hold side by side, in place: exchange 1 lane, then 2, 4 ... lanes."""
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
    """Return the columns of eight rows of eight lanes, as vectors."""

    def codegen(context, builder, signature, args):
        values = _transpose_squares(builder, [builder.extract_value(args[0], i) for i in range(8)])
        return context.make_tuple(builder, signature.return_type, values)

    return rows(rows), codegen


@intrinsic
def load_transposed(typingctx, array, base, offsets):
    """Return columns of the rows that begin at ``array[base + offset]`` for each of a tuple of offsets, as vectors.

    There are as many offsets as a vector has lanes, and half as many columns. Half a vector is loaded at a time, which
    takes less time than to load quarters, or to transpose whole vectors.
    """
    lanes, half = offsets.count, offsets.count // 2
    load_type, load = vectors_at(array, base, offsets, Vector(array.dtype, half))
    result = types.UniTuple(Vector(array.dtype, lanes), half)

    def codegen(context, builder, signature, args):
        loaded = load(context, builder, load_type, args)
        rows = [builder.extract_value(loaded, i) for i in range(lanes)]
        both = lane_numbers(range(lanes))
        pairs = [builder.shuffle_vector(rows[i], rows[half + i], both) for i in range(half)]
        return context.make_tuple(builder, result, _transpose_squares(builder, pairs))

    return result(array, base, offsets), codegen


@intrinsic
def load_eights(typingctx, array, base, offsets):
    """Do as :func:`load_vectors`, with vectors of eight lanes in the dtype of `array`."""
    return vectors_at(array, base, offsets, Vector(array.dtype, 8))
