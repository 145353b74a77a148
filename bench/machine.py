"""What this processor can do: clock, vector FMAs and divisions a second, measured in loops without memory access."""

import re
import threading
import time

import numpy as np
from numba import njit

from bench.inside import INLINE, VECTOR_BYTES, Processor, fma, load, store

ROUNDS = 15
OPTIONS = {"nogil": True, "error_model": "numpy"}
REPEATS = {"fma": 4_000_000, "divide": 400_000, "both": 100_000, "clock": 10_000_000}


@njit(**INLINE)
def fma_each(vectors, a, b):
    """Return v a + b for each of twelve vectors: one link of twelve chains.

    Two fma a cycle with a latency of four cycles need at least eight chains. Twelve, and `a` and `b`, fit into 32
    registers of 64 bytes.
    """
    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11 = vectors
    v0, v1, v2, v3 = fma(v0, a, b), fma(v1, a, b), fma(v2, a, b), fma(v3, a, b)
    v4, v5, v6, v7 = fma(v4, a, b), fma(v5, a, b), fma(v6, a, b), fma(v7, a, b)
    v8, v9, v10, v11 = fma(v8, a, b), fma(v9, a, b), fma(v10, a, b), fma(v11, a, b)
    return v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11


@njit(**INLINE)
def twelve_starts(memory):
    """Return twelve different vectors: with equal ones, LLVM could compute one chain instead of twelve."""
    v0, v1, v2, v3 = load(memory, 0), load(memory, 1), load(memory, 2), load(memory, 3)
    v4, v5, v6, v7 = load(memory, 4), load(memory, 5), load(memory, 6), load(memory, 7)
    v8, v9, v10, v11 = load(memory, 8), load(memory, 9), load(memory, 10), load(memory, 11)
    return v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11


@njit(**INLINE)
def sum_of_twelve(vectors):
    """Return the sum, which uses every chain, so that LLVM drops none."""
    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11 = vectors
    return ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7)) + ((v8 + v9) + (v10 + v11))


@njit(**INLINE)
def twelve(memory, a, b, repeats):
    chains = twelve_starts(memory)
    for _ in range(repeats):
        chains = fma_each(chains, a, b)
    store(memory, 0, sum_of_twelve(chains))


@njit(**INLINE)
def six(memory, a, b, repeats):
    """Six chains of 64 bytes, which are twelve of 32 bytes: twice as many do not fit into the 16 registers of AVX2."""
    v0 = v1 = v2 = v3 = v4 = v5 = load(memory, 0)
    for _ in range(repeats):
        v0, v1, v2 = fma(v0, a, b), fma(v1, a, b), fma(v2, a, b)
        v3, v4, v5 = fma(v3, a, b), fma(v4, a, b), fma(v5, a, b)
    store(memory, 0, (v0 + v1) + (v2 + v3) + (v4 + v5))


@njit(**OPTIONS)
def fma_twelve(memory, repeats):
    lanes = len(memory) // 4
    twelve(memory, load(memory, lanes), load(memory, 2 * lanes), repeats)


@njit(**OPTIONS)
def fma_six(memory, repeats):
    lanes = len(memory) // 4
    six(memory, load(memory, lanes), load(memory, 2 * lanes), repeats)


@njit(**OPTIONS)
def divide(memory, repeats):
    """Eight independent chains of divisions."""
    a = load(memory, len(memory) // 4) + 0.2310585  # no round number, as some dividers end early on these
    v0 = load(memory, 0)
    v1, v2, v3, v4, v5, v6, v7 = v0 + 0.1, v0 + 0.2, v0 + 0.3, v0 + 0.4, v0 + 0.5, v0 + 0.6, v0 + 0.7
    for _ in range(repeats):
        v0, v1, v2, v3 = a / v0, a / v1, a / v2, a / v3
        v4, v5, v6, v7 = a / v4, a / v5, a / v6, a / v7
    store(memory, 0, ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7)))


@njit(**OPTIONS)
def divide_among_fmas(memory, repeats, dividing):
    """In each repeat, 96 fma in twelve chains and, where `dividing`, two divisions in two chains.

    The fma take longer than the divisions, so the time that divisions add is what they take from the fma units.
    """
    lanes = len(memory) // 4
    v = v_next = load(memory, 0)
    a, b = load(memory, lanes), load(memory, 2 * lanes)
    dividend = a + 0.2310585
    chains = twelve_starts(memory)
    for _ in range(repeats):
        for _ in range(2):
            for _ in range(4):
                chains = fma_each(chains, a, b)
            if dividing:
                v, v_next = v_next, dividend / v
    store(memory, 3 * lanes, sum_of_twelve(chains) + v + v_next)


@njit(**OPTIONS)
def dependent(x, c, repeats):
    """Take four cycles a repeat on nearly every processor: a shift and a multiplication, each needs the one before.

    Additions would not do, as LLVM combines those of several repeats.
    """
    for _ in range(repeats):
        x = (x >> 1) * c
    return x


def memory_for(dtype):
    """Return a vector each of start values, a = 0.5 and b = 1, and one for results: x = a x + b stays near 2."""
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    return np.concatenate([np.full(lanes, value, dtype) for value in (1.5, 0.5, 1.0, 0.0)])


def best(function, *arguments, threads=1):
    """Return the shortest of ROUNDS times in seconds, with the same call on all threads at once."""
    function(*arguments)
    shortest = np.inf
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        at_once(function, *arguments, threads=threads)
        shortest = min(shortest, time.perf_counter() - begin)
    return shortest


def at_once(function, *arguments, threads=1):
    """Make the same call on this number of threads at once."""
    workers = [threading.Thread(target=function, args=arguments) for _ in range(threads - 1)]
    for worker in workers:
        worker.start()
    function(*arguments)
    for worker in workers:
        worker.join()


def clock():
    """Return cycles a second."""
    return 4 * REPEATS["clock"] / best(dependent, 1, 0x5DEECE66D, REPEATS["clock"])


def fma_loop():
    """Return the loop of fma for the registers that are compiled for, and its chains of 64 bytes."""
    return (fma_twelve, 12) if "avx512f" in Processor.here().features else (fma_six, 6)


def gflops(dtype, threads=1):
    """Return 10^9 multiplications and additions a second and core, with this number of threads at work."""
    return gflops_of_fma(best(fma_loop()[0], memory_for(dtype), REPEATS["fma"], threads=threads), dtype)


def gflops_of_fma(seconds, dtype, repeats=REPEATS["fma"]):
    """Return 10^9 multiplications and additions a second for a call of the loop that took this long."""
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    return 2 * lanes * fma_loop()[1] * repeats / seconds / 1e9


def cycles_of_division(dtype, hertz):
    """Return how many cycles after a division of 64 bytes the next one can begin."""
    return best(divide, memory_for(dtype), REPEATS["divide"]) * hertz / (8 * REPEATS["divide"])


def fma_cycles_of_division(dtype, hertz):
    """Return for how many cycles a division of 64 bytes occupies the fma units.

    0 without AVX-512, where it is not measured: the loop needs 32 registers of 64 bytes.
    """
    if "avx512f" not in Processor.here().features:
        return 0.0
    memory, repeats = memory_for(dtype), REPEATS["both"]
    pairs = [[best(divide_among_fmas, memory, repeats, dividing) for dividing in (0, 1)] for _ in range(4)]
    without, with_them = map(min, zip(*pairs, strict=True))
    return max(0.0, (with_them - without) * hertz / (2 * repeats))


def inner_loop(function):
    """Return how many fma and instructions the innermost loop of a compiled function has, and on which registers.

    It shows that the peak was measured by a loop of fma alone.
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
