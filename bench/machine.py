"""What this processor can do: clock, vector FMAs and divisions a second, measured in loops that touch no memory."""

import re
import threading
import time

import numpy as np
from numba import njit

from bench.inside import INLINE, VECTOR_BYTES, Processor, fma, load, store

ROUNDS = 15
OPTIONS = {"nogil": True, "error_model": "numpy"}
STEPS = {"fma": 4_000_000, "divide": 400_000, "both": 100_000, "clock": 10_000_000}


@njit(**INLINE)
def fma_each(vectors, a, b):
    """Return v a + b for each of twelve vectors: one step of twelve chains.

    Two fma a cycle with a latency of four cycles keep eight chains busy. The chains fill no more than 32 registers of
    64 bytes.
    """
    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11 = vectors
    v0, v1, v2, v3 = fma(v0, a, b), fma(v1, a, b), fma(v2, a, b), fma(v3, a, b)
    v4, v5, v6, v7 = fma(v4, a, b), fma(v5, a, b), fma(v6, a, b), fma(v7, a, b)
    v8, v9, v10, v11 = fma(v8, a, b), fma(v9, a, b), fma(v10, a, b), fma(v11, a, b)
    return v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11


@njit(**INLINE)
def twelve_starts(memory):
    """Return twelve vectors that differ, or LLVM might compute one chain for all."""
    v0, v1, v2, v3 = load(memory, 0), load(memory, 1), load(memory, 2), load(memory, 3)
    v4, v5, v6, v7 = load(memory, 4), load(memory, 5), load(memory, 6), load(memory, 7)
    v8, v9, v10, v11 = load(memory, 8), load(memory, 9), load(memory, 10), load(memory, 11)
    return v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11


@njit(**INLINE)
def sum_of_twelve(vectors):
    """Return the sum, so that LLVM keeps all chains."""
    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11 = vectors
    return ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7)) + ((v8 + v9) + (v10 + v11))


@njit(**INLINE)
def twelve(memory, a, b, steps):
    chains = twelve_starts(memory)
    for _ in range(steps):
        chains = fma_each(chains, a, b)
    store(memory, 0, sum_of_twelve(chains))


@njit(**INLINE)
def six(memory, a, b, steps):
    """Six chains of 64 bytes, twelve where a register has 32: of AVX2's sixteen registers twice as many would spill."""
    v0 = v1 = v2 = v3 = v4 = v5 = load(memory, 0)
    for _ in range(steps):
        v0, v1, v2 = fma(v0, a, b), fma(v1, a, b), fma(v2, a, b)
        v3, v4, v5 = fma(v3, a, b), fma(v4, a, b), fma(v5, a, b)
    store(memory, 0, (v0 + v1) + (v2 + v3) + (v4 + v5))


@njit(**OPTIONS)
def fma_twelve(memory, steps):
    lanes = len(memory) // 4
    twelve(memory, load(memory, lanes), load(memory, 2 * lanes), steps)


@njit(**OPTIONS)
def fma_six(memory, steps):
    lanes = len(memory) // 4
    six(memory, load(memory, lanes), load(memory, 2 * lanes), steps)


@njit(**OPTIONS)
def divide(memory, steps):
    """Eight divisions a step, each waiting for its own last one alone."""
    a = load(memory, len(memory) // 4) + 0.2310585  # digits that no short way through the divider fits
    v0 = load(memory, 0)
    v1, v2, v3, v4, v5, v6, v7 = v0 + 0.1, v0 + 0.2, v0 + 0.3, v0 + 0.4, v0 + 0.5, v0 + 0.6, v0 + 0.7
    for _ in range(steps):
        v0, v1, v2, v3 = a / v0, a / v1, a / v2, a / v3
        v4, v5, v6, v7 = a / v4, a / v5, a / v6, a / v7
    store(memory, 0, ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7)))


@njit(**OPTIONS)
def divide_among_fmas(memory, steps, dividing):
    """Ninety-six fma a step, in twelve chains, and two divisions where `dividing`, each waiting for its own last one.

    So many fma that the divider waits for them and not they for it: what divisions add is what they take from the units
    for fma.
    """
    lanes = len(memory) // 4
    v = v_next = load(memory, 0)
    a, b = load(memory, lanes), load(memory, 2 * lanes)
    dividend = a + 0.2310585
    chains = twelve_starts(memory)
    for _ in range(steps):
        for _ in range(2):
            for _ in range(4):
                chains = fma_each(chains, a, b)
            if dividing:
                v, v_next = v_next, dividend / v
    store(memory, 3 * lanes, sum_of_twelve(chains) + v + v_next)


@njit(**OPTIONS)
def dependent(x, c, steps):
    """Four cycles a step on nearly every processor: a shift and a multiplication, each waiting for the one before.

    (Sums would not do: LLVM puts those of several steps together in an order of its own.)
    """
    for _ in range(steps):
        x = (x >> 1) * c
    return x


def memory_for(dtype):
    """Return start values, a = 0.5 and b = 1 (a vector each, and one spare): x = a x + b stays near 2."""
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    return np.concatenate([np.full(lanes, value, dtype) for value in (1.5, 0.5, 1.0, 0.0)])


def best(function, *arguments, threads=1):
    """Return the shortest of several times in seconds, the same call on so many threads at once."""
    function(*arguments)
    shortest = np.inf
    for _ in range(ROUNDS):
        workers = [threading.Thread(target=function, args=arguments) for _ in range(threads - 1)]
        begin = time.perf_counter()
        for worker in workers:
            worker.start()
        function(*arguments)
        for worker in workers:
            worker.join()
        shortest = min(shortest, time.perf_counter() - begin)
    return shortest


def clock():
    """Return cycles a second."""
    return 4 * STEPS["clock"] / best(dependent, 1, 0x5DEECE66D, STEPS["clock"])


def gflops(dtype, threads=1):
    """Return 10^9 multiplications and additions a second and core, with so many cores at work."""
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    rates = []
    for function, chains in ((fma_twelve, 12), (fma_six, 6)):
        seconds = best(function, memory_for(dtype), STEPS["fma"], threads=threads)
        rates.append(2 * lanes * chains * STEPS["fma"] / seconds / 1e9)
    return max(rates)


def cycles_of_division(dtype, hertz):
    """Return the cycles from one division of 64 bytes to the next."""
    return best(divide, memory_for(dtype), STEPS["divide"]) * hertz / (8 * STEPS["divide"])


def fma_cycles_of_division(dtype, hertz):
    """Return for how many cycles a division of 64 bytes keeps the units for fma from their work.

    0 where it is not measured: the loop needs 32 registers of 64 bytes.
    """
    if "avx512f" not in Processor.here().features:
        return 0.0
    memory, steps = memory_for(dtype), STEPS["both"]
    pairs = [[best(divide_among_fmas, memory, steps, dividing) for dividing in (0, 1)] for _ in range(4)]
    without, with_them = map(min, zip(*pairs, strict=True))
    return max(0.0, (with_them - without) * hertz / (2 * steps))


def inner_loop(function):
    """Return what the innermost loop of a compiled function consists of: fmas, all instructions, their registers.

    So anyone can see that the peak was measured by a loop of fmas alone.
    """
    assembly = next(iter(function.inspect_asm().values()))
    found = {"fma": 0, "instructions": 0, "registers": ""}
    block, label = [], None
    for line in assembly.splitlines():
        text = line.split("#")[0].strip()
        if re.match(r"^[.\w$]+:", text):
            label, block = text.split(":")[0], []
        elif text and not text.startswith("."):
            block.append(text)
            if label and re.match(rf"^j\w+\s+{re.escape(label)}$", text):
                fmas = [one for one in block if one.startswith("vfmadd")]
                if len(fmas) > found["fma"]:
                    registers = "/".join(sorted({name for one in fmas for name in re.findall(r"[xyz]mm", one)}))
                    found = {"fma": len(fmas), "instructions": len(block), "registers": registers}
    return found
