"""The second peak: a block of a matrix product whose operands come from the first-level cache.

A loop of fma in registers alone is more than any product can reach, and is hardly slower where another thread of the
same core loads much. This loop is, as a product is: each step loads vectors and numbers, and multiplies all of them by
each other. So a share of this peak says more on a shared machine, and where the loop itself is slower than its best
(:func:`is_quiet`), so was all that ran beside it.
"""

import numpy as np
from numba import njit

from bench import machine
from bench.inside import (
    INLINE,
    VECTOR_BYTES,
    Processor,
    load_scalars,
    load_vectors,
    rank1_update,
    store,
    zero_accumulators,
)

STEPS = 64  # in each repeat; both operands of all steps fit into the first-level cache, also of 32 kB
REPEATS = 200_000
QUIET = 0.95  # of the best rate


@njit(**INLINE)
def product(memory, rows, vectors, step, repeats):
    """Sum the products of STEPS rows and columns, `repeats` times; write the sums of all accumulators to `memory`.

    Each step has `step` elements of `memory`. In these, its vectors begin at the offsets `vectors`, and its numbers are
    at the offsets `rows`.
    """
    sums = zero_accumulators(memory, rows, vectors)
    for _ in range(repeats):
        for k in range(STEPS):
            base = k * step
            sums = rank1_update(load_scalars(memory, base, rows), load_vectors(memory, base, vectors), sums)
    total = sums[0]
    for one in sums[1:]:
        total = total + one
    store(memory, STEPS * step, total)


@njit(**machine.OPTIONS)
def six_by_two(memory, lanes, repeats):
    """12 fma, 2 loads of vectors and 6 of numbers a step, in 16 registers of 32 bytes."""
    rows = (lanes, lanes + 1, lanes + 2, lanes + 3, lanes + 4, lanes + 5)
    product(memory, rows, (0,), 2 * lanes, repeats)


@njit(**machine.OPTIONS)
def five_by_four(memory, lanes, repeats):
    """20 fma, 4 loads of vectors and 5 of numbers a step, in 32 registers of 64 bytes."""
    rows = (4 * lanes, 4 * lanes + 1, 4 * lanes + 2, 4 * lanes + 3, 4 * lanes + 4)
    product(memory, rows, (0, lanes, 2 * lanes, 3 * lanes), 5 * lanes, repeats)


def loop():
    """Return the loop for the registers that are compiled for, its rows and its vectors of 64 bytes."""
    return (five_by_four, 5, 4) if "avx512f" in Processor.here().features else (six_by_two, 6, 1)


def arguments(dtype, repeats=REPEATS):
    """Return what the loop takes: memory, aligned to its vectors, the lanes of a vector, and the number of repeats."""
    _, _, vectors = loop()
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    count = STEPS * (vectors + 1) * lanes + lanes
    memory = np.full(count + lanes, 0.5, dtype)
    start = -memory.ctypes.data % VECTOR_BYTES // memory.itemsize
    return memory[start : start + count], lanes, repeats


def gflops(seconds, dtype, repeats=REPEATS):
    """Return 10^9 multiplications and additions a second for a call that took this long."""
    _, rows, vectors = loop()
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    return 2 * rows * vectors * lanes * STEPS * repeats / seconds / 1e9


def is_quiet(rate, best):
    """Return whether the machine was quiet while the loop reached `rate`.

    >>> is_quiet(96, best=100), is_quiet(94, best=100)
    (True, False)
    """
    return rate >= QUIET * best
