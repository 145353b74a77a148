"""Random numbers for dropout and for the order of samples, the same on every processor.

They are those of splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014): number i
of a stream follows from the seed and i alone.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn2.kernels.simd.vector import INLINE, load_eight, store

GOLDEN, MIX_1, MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S30, S27, S31, S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


@njit(**INLINE)
def random_bits(seed, i):
    """Return number i of the stream of a seed, both uint64: 64 random bits."""
    z = seed + (i + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> S30)) * MIX_1
    z = (z ^ (z >> S27)) * MIX_2
    return z ^ (z >> S31)


@intrinsic
def keep_bytes(typingctx, bits, threshold, vector, scale):
    """Return ``scale * vector`` where a byte of the 64 bits is at least `threshold`, 0 elsewhere; eight lanes."""

    def codegen(context, builder, signature, args):
        eight = ir.VectorType(ir.IntType(8), 8)
        drawn = builder.bitcast(args[0], eight)
        limit = builder.trunc(args[1], ir.IntType(8))
        undefined = ir.Constant(eight, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8)
        limits = builder.shuffle_vector(builder.insert_element(undefined, limit, ir.IntType(32)(0)), undefined, zeros)
        lane = args[2].type.element
        factor = args[3] if lane == args[3].type else builder.fptrunc(args[3], lane)
        empty = ir.Constant(args[2].type, ir.Undefined)
        factors = builder.shuffle_vector(builder.insert_element(empty, factor, ir.IntType(32)(0)), empty, zeros)
        kept = builder.icmp_unsigned(">=", drawn, limits)
        return builder.select(kept, builder.fmul(args[2], factors), context.get_constant_null(vector))

    return vector(bits, threshold, vector, types.float64), codegen


@njit(**INLINE)
def drop_units(seed, first, threshold, scale, A, numbers):
    """Drop each unit of A with probability threshold / 256 and multiply the others by `scale`, in place.

    Return the number of the next random number.
    """
    for i in range(0, numbers, 8):
        store(A, i, keep_bytes(random_bits(seed, np.uint64(first)), threshold, load_eight(A, i), scale))
        first += 1
    return first


@njit(**INLINE)
def shuffle_order(seed, first, order, n):
    """Shuffle the order of n samples, in place (Fisher and Yates); return the number of the next random number."""
    for i in range(n - 1, 0, -1):
        bits = random_bits(seed, np.uint64(first)) >> S32
        first += 1
        j = np.int64((bits * np.uint64(i + 1)) >> S32)
        order[i], order[j] = order[j], order[i]
    return first
