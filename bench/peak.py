"""How close the engine is to the machine: its share of the FMA peak, and of a bound from counted operations.

**Matrix-bound cells.** The rate of the multiplications and additions in the matrix products (see :func:`flops`), as a
share of the rate of a loop of FMAs in registers on the same number of cores. tanh and everything else count as nothing.

**The tutorial's job.** A bound for the time of an iteration, from the vector operations in the kernels (see
:data:`COUNTS`). A core is assumed to do two operations (fma, mul or add) a cycle, as Intel's do; a core with separate
adders could do more. The rate of fma is measured, as the fma units of some processors (Zen 4) are half as wide as a
vector of 64 bytes. Divisions run on a unit of their own. Measured are how often it can begin a division, and for how
many cycles each division occupies the fma units (on Zen 4 three in float64 and two in float32). As all units work at
the same time, an iteration takes at least the longest of three times: that of all operations, that of the fma units,
and that of the divider.
"""

import statistics

from bench import cases, machine, measure, peers
from bench.inside import VECTOR_BYTES, usable_cores

CELLS = ("50000x100x100", "20000x784x128")
QUICK_CELLS = ("20000x64x64",)
ITERATIONS = (10, 30)
SHARE, TIMES_BOUND = 0.7, 1.6  # what is wanted

# Operations on one vector of samples: (fma and mul, add). Left out are operations on other units (minimum, absolute,
# select, shifts and additions of bits, loads and stores), sums over lanes, and the update. So nothing that works this
# way can be faster than the bound.
COUNTS = {
    # kernels/nn/narrow.py, hidden and outputs: an fma an input
    "affine, an input": {"float64": (1, 0), "float32": (1, 0)},
    # kernels/simd/elementary.py, tanh2: k and t = |x| - k: 0, 3; f: 0, 1; u = t t: 1, 0; p and t q: 4, 1 or 2, 0;
    # p + t q: 0, 1; numerator and denominator: 2, 0
    "tanh2": {"float64": (1 + 4 + 2, 3 + 1 + 1 + 1), "float32": (1 + 2 + 2, 3 + 1 + 1)},
    # backward: q = dZ2 A1, dZ2 - q A1: 2, 0; the sums of both: 0, 2; and an fma an input
    "backward, a unit": {"float64": (2, 2), "float32": (2, 2)},
    "backward, an input": {"float64": (1, 0), "float32": (1, 0)},
    # exp_quotient: k and t: 3, 1; p and t q as above: 5, 1 or 3, 0; p + t q and p - t q: 0, 2; times 2^(k + 64) and
    # 2^-64: 2, 0
    "exp": {"float64": (3 + 5 + 2, 1 + 1 + 2), "float32": (3 + 3 + 2, 1 + 2)},
    # output_terms: a + b, y - Y: 0, 2; max(z, 0) - Y z: 1, 0; sums of dZ2 and of the terms: 0, 2; the products: 3, 0
    "output": {"float64": (4, 4), "float32": (4, 4)},
}
DIVISIONS = {"a unit": 1, "an output": 1}  # tanh2; y


def flops(case):
    """Return the multiplications and additions of an iteration.

    forward   2 (d h + h o) n      W1 X, W2 A1
    backward  2 (h o) n  twice     W2' dZ2, dZ2 A1'
              2 (d h) n            dZ1 X'
    """
    d, h, o, n = case.d, case.h, case.o, case.n
    return 2 * (d * h + h * o) * n + 2 * (2 * h * o * n) + 2 * d * h * n


def count(case, dtype):
    """Return (fma and mul, add, divisions) on vectors of 64 bytes, an iteration, for one output."""
    lanes = VECTOR_BYTES * 8 // int(dtype[-2:])
    vectors = -(-case.n // lanes)

    def operations(kind):
        c = {name: by_dtype[dtype][kind] for name, by_dtype in COUNTS.items()}
        unit = case.d * c["affine, an input"] + c["tanh2"] + c["backward, a unit"] + case.d * c["backward, an input"]
        return vectors * (case.h * (unit + c["affine, an input"]) + c["exp"] + c["output"])

    return operations(0), operations(1), vectors * (case.h * DIVISIONS["a unit"] + DIVISIONS["an output"])


def seconds_of_iteration(case, dtype, choices, iterations=ITERATIONS, rounds=measure.ROUNDS):
    """Return {threads: (slope, whole)}: seconds an iteration between two numbers of them, and of a whole call.

    Both are medians over `rounds`.
    """
    fit = peers.load("fastnn2_fit")
    X, Y, params = cases.problem(case)
    keys = [(threads, number) for threads in choices for number in iterations]
    runs = [(fit.prepare(X, Y, params, case.learning_rate, number, dtype, threads), None) for threads, number in keys]
    for job, _ in runs:
        job()
    times = dict(zip(keys, measure.rounds(runs, rounds), strict=True))
    few, many = iterations
    found = {}
    for threads in choices:
        slope = statistics.median(measure.slopes(times[threads, few], times[threads, many], few, many))
        found[threads] = slope, statistics.median(times[threads, many]) / many
    return found


def run(quick=False, say=print):
    """Return the machine's rates and the shares of them."""
    cores = usable_cores()
    hertz = machine.clock()
    result = {"clock": hertz, "cores": cores, "peak": {}, "cells": [], "tutorial": []}
    for dtype in ("float64", "float32"):
        peak = {"one": machine.gflops(dtype), "all": machine.gflops(dtype, cores)}
        peak["cycles_of_division"] = machine.cycles_of_division(dtype, hertz)
        peak["fma_cycles_of_division"] = machine.fma_cycles_of_division(dtype, hertz)
        result["peak"][dtype] = peak
        say(
            f"  {dtype}: {peak['one']:.0f} GFLOP/s a core ({peak['all']:.0f} with {cores} cores at work), "
            f"a division of {VECTOR_BYTES} bytes every {peak['cycles_of_division']:.1f} cycles, each of which "
            f"occupies the fma units for {peak['fma_cycles_of_division']:.1f}"
        )
    result["loop"] = machine.inner_loop(machine.fma_twelve)
    loop = result["loop"]
    say(
        f"  clock {hertz / 1e9:.2f} GHz; of the loop's {loop['instructions']} instructions {loop['fma']} are fma, "
        f"on {loop['registers']}"
    )
    for case in cases.GRID:
        if case.name in (QUICK_CELLS if quick else CELLS):
            for dtype in ("float64", "float32"):
                result["cells"] += shares(case, dtype, cores, say)
    for dtype in ("float64", "float32"):
        result["tutorial"].append(bound(dtype, hertz, result["peak"][dtype], say))
    return result


def shares(case, dtype, cores, say):
    """Return rows for one thread and for all: GFLOP/s a core, as a share of the peak.

    The speed of a shared machine changes from minute to minute, so this peak is the mean of one measured just before
    the cell and one just after it.
    """
    at_work = {1: 1, None: cores}
    before = {threads: machine.gflops(dtype, count) for threads, count in at_work.items()}
    found = seconds_of_iteration(case, dtype, tuple(at_work))
    rows = []
    for threads, (slope, whole) in found.items():
        rate, rate_of_call = (flops(case) / seconds / at_work[threads] / 1e9 for seconds in (slope, whole))
        peak = (before[threads] + machine.gflops(dtype, at_work[threads])) / 2
        share = rate / peak
        rows.append({
            "name": case.name, "title": case.title, "dtype": dtype, "threads": threads, "gflops": rate,
            "gflops_of_call": rate_of_call, "peak": peak, "share": share, "wanted": SHARE,
        })  # fmt: skip
        say(
            f"  {case.title} {dtype}, {'1 thread' if threads == 1 else 'all cores'}: {rate:.0f} GFLOP/s a core, "
            f"{share:.0%} of the peak of {peak:.0f} ({rate_of_call:.0f} over a call of {ITERATIONS[1]} iterations)"
        )
    return rows


def bound(dtype, hertz, peak, say):
    """Return the time of the tutorial's job on one thread, and the least time that its operations take."""
    multiplications, additions, divisions = count(cases.TUTORIAL, dtype)
    operations, lanes = multiplications + additions, VECTOR_BYTES * 8 // int(dtype[-2:])
    fmas = min(2.0, peak["one"] * 1e9 / (2 * lanes * hertz))  # a cycle
    cycles, of_divisions = max(operations / 2, multiplications / fmas), divisions * peak["cycles_of_division"]
    side_by_side = max(cycles, multiplications / fmas + divisions * peak["fma_cycles_of_division"], of_divisions)
    before = machine.clock()
    seconds = seconds_of_iteration(cases.TUTORIAL, dtype, (1,), (1000, 5000), rounds=measure.MORE_ROUNDS)[1][0]
    beside = (before + machine.clock()) / 2  # just before and after, as in shares()
    least, one_after_the_other = side_by_side / beside, (cycles + of_divisions) / beside
    say(
        f"  tutorial's job {dtype}, 1 thread: {seconds * 1e6:.2f} us an iteration, {seconds / least:.2f} times the "
        f"bound of {least * 1e6:.2f} us ({operations} operations, {multiplications} of them fma or mul, {fmas:.2f} a "
        f"cycle; {divisions} divisions; {one_after_the_other * 1e6:.2f} us one after the other)"
    )
    return {
        "dtype": dtype, "operations": operations, "multiplications": multiplications, "fmas_a_cycle": fmas,
        "divisions": divisions, "bound": least, "one_after_the_other": one_after_the_other, "seconds": seconds,
        "times": seconds / least, "wanted": TIMES_BOUND,
    }  # fmt: skip
