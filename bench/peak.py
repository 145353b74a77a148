"""How close the engine is to the machine: its share of the FMA peak, and of a bound from counted operations.

**Matrix-bound cells.** The rate of the multiplications and additions in the matrix products (see :func:`flops`), as a
share of the rate of a loop of FMAs in registers on the same number of cores, and of one that loads its operands
(:mod:`bench.fed`). tanh and everything else count as nothing.

**The tutorial's job.** A bound for the time of an iteration, from the vector operations in the kernels (see
:data:`COUNTS`). A core is assumed to do two operations (fma, mul or add) a cycle, as Intel's do; a core with separate
adders could do more. The rate of fma is measured, as the fma units of some processors (Zen 4) are half as wide as a
vector of 64 bytes. Divisions run on a unit of their own. Measured are how often it can begin a division, and for how
many cycles each division occupies the fma units (on Zen 4 three in float64 and two in float32). As all units work at
the same time, an iteration takes at least the longest of three times: that of all operations, that of the fma units,
and that of the divider.
"""

import statistics
from functools import partial

from bench import cases, fed, machine, measure, peers
from bench.inside import VECTOR_BYTES, Processor, usable_cores

CELLS = ("50000x100x100", "20000x784x128")
QUICK_CELLS = ("20000x64x64",)
ITERATIONS = (10, 30)
# Beside fits, both loops take about 0.2 s: the system gives a process that has slept the next few milliseconds at once.
FMA_REPEATS, FED_REPEATS = 20 * machine.REPEATS["fma"], 10 * fed.REPEATS
# What is wanted; without AVX-512 the tutorial's job spills, as 16 registers do not hold its numbers.
SHARE, SHARE_OF_FED = 0.7, 0.78
TIMES_BOUND, TIMES_BOUND_OF_16 = 1.6, {"float64": 2.1, "float32": 2.4}

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


def in_turn(case, dtype, at_work, iterations=ITERATIONS, rounds=measure.ROUNDS):
    """Time fits and both loops in turn.

    Parameters
    ----------
    case, dtype
    at_work : dict
        Cores at work by the number of threads.
    iterations : (int, int)
        Of the fits.
    rounds : int

    Returns
    -------
    dict
        By the number of threads, with one figure for each round: ``slope``, seconds an iteration between the two
        numbers; ``whole``, seconds an iteration of a whole call; ``peak`` and ``fed``, GFLOP/s a core of the two loops.
    """
    fit = peers.load("fastnn2_fit")
    X, Y, params = cases.problem(case)
    runs = {}
    for threads, cores in at_work.items():
        for number in iterations:
            runs[threads, number] = fit.prepare(X, Y, params, case.learning_rate, number, dtype, threads)
        calls = {"peak": (machine.fma_loop()[0], machine.memory_for(dtype), FMA_REPEATS)}
        calls["fed"] = fed.loop()[0], *fed.arguments(dtype, FED_REPEATS)
        for name, call in calls.items():
            runs[threads, name] = partial(machine.at_once, *call, threads=cores)
    for job in runs.values():
        job()
    times = dict(zip(runs, measure.rounds([(job, None) for job in runs.values()], rounds), strict=True))
    few, many = iterations
    return {
        threads: {
            "slope": measure.slopes(times[threads, few], times[threads, many], few, many),
            "whole": [seconds / many for seconds in times[threads, many]],
            "peak": [machine.gflops_of_fma(seconds, dtype, FMA_REPEATS) for seconds in times[threads, "peak"]],
            "fed": [fed.gflops(seconds, dtype, FED_REPEATS) for seconds in times[threads, "fed"]],
        }
        for threads in at_work
    }


def run(quick=False, say=print):
    """Return the machine's rates and the shares of them."""
    cores = usable_cores()
    hertz = machine.clock()
    result = {"clock": hertz, "cores": cores, "peak": {}, "cells": [], "tutorial": []}
    for dtype in ("float64", "float32"):
        result["peak"][dtype] = rates_of_machine(dtype, hertz, cores, say)
    result |= {"loop": machine.inner_loop(machine.fma_loop()[0]), "fed_loop": machine.inner_loop(fed.loop()[0])}
    loop, fed_loop = result["loop"], result["fed_loop"]
    say(
        f"  clock {hertz / 1e9:.2f} GHz; of the loop's {loop['instructions']} instructions {loop['fma']} are fma, "
        f"on {loop['registers']}; of those of the loop fed from the first-level cache {fed_loop['fma']} of "
        f"{fed_loop['instructions']}"
    )
    for case in cases.GRID:
        if case.name in (QUICK_CELLS if quick else CELLS):
            for dtype in ("float64", "float32"):
                result["cells"] += shares(case, dtype, cores, say)
    for dtype in ("float64", "float32"):
        result["tutorial"].append(bound(dtype, hertz, result["peak"][dtype], say))
    mark_quiet(result, say)
    return result


def rates_of_machine(dtype, hertz, cores, say):
    """Return what a core can do at its best."""
    rates = {"one": machine.gflops(dtype), "all": machine.gflops(dtype, cores)}
    for name, threads in (("fed_one", 1), ("fed_all", cores)):
        rates[name] = fed.gflops(machine.best(fed.loop()[0], *fed.arguments(dtype), threads=threads), dtype)
    rates["cycles_of_division"] = machine.cycles_of_division(dtype, hertz)
    rates["fma_cycles_of_division"] = machine.fma_cycles_of_division(dtype, hertz)
    say(
        f"  {dtype}: {rates['one']:.0f} GFLOP/s a core ({rates['all']:.0f} with {cores} cores at work), fed from the "
        f"first-level cache {rates['fed_one']:.0f} ({rates['fed_all']:.0f}); a division of {VECTOR_BYTES} bytes every "
        f"{rates['cycles_of_division']:.1f} cycles, each of which occupies the fma units for "
        f"{rates['fma_cycles_of_division']:.1f}"
    )
    return rates


def shares(case, dtype, cores, say):
    """Return rows for one thread and for all: GFLOP/s a core, as shares of both peaks.

    The speed of a shared machine changes from minute to minute, so both loops take turns with the fits, and a share is
    the median over the rounds.
    """
    at_work = {1: 1, None: cores}
    rows = []
    for threads, found in in_turn(case, dtype, at_work).items():
        rates = [flops(case) / seconds / at_work[threads] / 1e9 for seconds in found["slope"]]
        row = {
            "name": case.name, "title": case.title, "dtype": dtype, "threads": threads,
            "gflops": statistics.median(rates),
            "gflops_of_call": flops(case) / statistics.median(found["whole"]) / at_work[threads] / 1e9,
            "peak": statistics.median(found["peak"]), "share": measure.ratio(rates, found["peak"]), "wanted": SHARE,
            "fed": statistics.median(found["fed"]), "fed_best": max(found["fed"]),
            "share_of_fed": measure.ratio(rates, found["fed"]), "wanted_of_fed": SHARE_OF_FED,
        }  # fmt: skip
        rows.append(row)
        say(
            f"  {case.title} {dtype}, {'1 thread' if threads == 1 else 'all cores'}: {row['gflops']:.0f} GFLOP/s a "
            f"core, {row['share']:.0%} of the peak of {row['peak']:.0f}, {row['share_of_fed']:.0%} of the "
            f"{row['fed']:.0f} fed from the first-level cache ({row['gflops_of_call']:.0f} over a call of "
            f"{ITERATIONS[1]} iterations)"
        )
    return rows


def mark_quiet(result, say=print):
    """Say for each row whether the machine was quiet, in place.

    It was where the loop that is fed from the first-level cache was about as fast as it ever was on as many threads.
    """
    rows = [*result["cells"], *result["tutorial"]]
    for row in rows:
        key = row["dtype"], row.get("threads", 1)
        others = [one["fed_best"] for one in rows if (one["dtype"], one.get("threads", 1)) == key]
        best = max(result["peak"][row["dtype"]]["fed_one" if key[1] == 1 else "fed_all"], *others)
        row["quiet"] = fed.is_quiet(row["fed"], best)
    result["quiet"] = all(row["quiet"] for row in rows)
    say(f"  quiet: {sum(row['quiet'] for row in rows)} of {len(rows)} rows")


def bound(dtype, hertz, peak, say):
    """Return the time of the tutorial's job on one thread, and the least time that its operations take."""
    multiplications, additions, divisions = count(cases.TUTORIAL, dtype)
    operations, lanes = multiplications + additions, VECTOR_BYTES * 8 // int(dtype[-2:])
    fmas = min(2.0, peak["one"] * 1e9 / (2 * lanes * hertz))  # a cycle
    cycles, of_divisions = max(operations / 2, multiplications / fmas), divisions * peak["cycles_of_division"]
    side_by_side = max(cycles, multiplications / fmas + divisions * peak["fma_cycles_of_division"], of_divisions)
    before = machine.clock()
    found = in_turn(cases.TUTORIAL, dtype, {1: 1}, (1000, 5000), rounds=measure.MORE_ROUNDS)[1]
    seconds = statistics.median(found["slope"])
    beside = (before + machine.clock()) / 2  # just before and after
    least, one_after_the_other = side_by_side / beside, (cycles + of_divisions) / beside
    say(
        f"  tutorial's job {dtype}, 1 thread: {seconds * 1e6:.2f} us an iteration, {seconds / least:.2f} times the "
        f"bound of {least * 1e6:.2f} us ({operations} operations, {multiplications} of them fma or mul, {fmas:.2f} a "
        f"cycle; {divisions} divisions; {one_after_the_other * 1e6:.2f} us one after the other)"
    )
    return {
        "dtype": dtype, "operations": operations, "multiplications": multiplications, "fmas_a_cycle": fmas,
        "divisions": divisions, "bound": least, "one_after_the_other": one_after_the_other, "seconds": seconds,
        "times": seconds / least, "wanted": times_bound(dtype), "fed": statistics.median(found["fed"]),
        "fed_best": max(found["fed"]),
    }  # fmt: skip


def times_bound(dtype):
    """Return how many times its bound the tutorial's job may take."""
    return TIMES_BOUND if "avx512f" in Processor.here().features else TIMES_BOUND_OF_16[dtype]
