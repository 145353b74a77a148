"""What :mod:`bench.many` measures, part by part."""

import contextlib
import dataclasses
import functools
import importlib.util
import statistics
import time

import numpy as np

from bench import measure
from bench.cases import Case
from bench.crowds import Crowd
from bench.inside import usable_cores
from bench.jax_crowd import FORMULAS, WAYS, JaxCrowds
from bench.kernel_calls import KernelCalls
from bench.memory import Memory
from bench.together import Processes

SMALL, NARROW = Case(200, 24, 8, iterations=100), Case(500, 2, 5, iterations=1000, learning_rate=0.3)
TINY = Case(50, 2, 5, iterations=10)
ALONE, QUICK_ALONE = 10_000, 30
PEERS, QUICK_PEERS = {SMALL: 1024, NARROW: 64}, {SMALL: 16, NARROW: 16}
BATCHES, QUICK_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256), (1, 8)
TINY_NETWORKS, QUICK_TINY_NETWORKS = 100_000, 2_000
ROUNDS, PEER_ROUNDS, QUICK_ROUNDS = 11, 21, 2
TRIALS = 3  # runs of each of JAX's batches, of which the fastest counts; the best batches then take turns with fit_many
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}  # of costs, relative; JAX adds up numbers of float32 in float32


def alone(quick, say):
    """Time fit_many beside the same kernel calls in two processes that never meet."""
    networks = QUICK_ALONE if quick else ALONE
    crowds = [Crowd(SMALL, networks), Crowd(SMALL, networks, is_own=True)]
    return [beside_processes(crowd, QUICK_ROUNDS if quick else ROUNDS, say) for crowd in crowds]


def beside_processes(crowd, rounds, say):
    """Return the row of a crowd: seconds of fit_many and of the slower process, in turn."""
    half, samples = crowd.networks // 2, crowd.samples()
    halves = [(crowd, 0, half), (crowd, half, crowd.networks)]
    with Processes(KernelCalls, halves, pinned=True) as processes:
        expected = [network for _, part in processes.do(True) for network in part]
        check_bits(crowd.fit(samples, len(halves)), expected)
        del expected
        own, theirs = in_turn([lambda: seconds_of_fit(crowd, samples, len(halves)), processes.seconds], rounds)
    row = {
        **described(crowd), "own": crowd.is_own, "fastnn2": measure.summary(own), "processes": measure.summary(theirs),
        "ratio": measure.ratio(own, theirs), "ratios": measure.quartiles(measure.ratios_by_round(own, theirs)),
        "fastest": min(own) / min(theirs),  # the rounds that other work on the machine disturbed least
    }  # fmt: skip
    say(
        f"  {line_of(crowd)}: fit_many {statistics.median(own):.3f} s, the kernel calls in two processes "
        f"{statistics.median(theirs):.3f} s; ratio {row['ratio']:.3f} (median of {rounds}), of the fastest rounds "
        f"{row['fastest']:.3f}; costs and parameters are equal, bit for bit"
    )
    return row


def check_bits(results, expected):
    """Raise AssertionError unless the results of fit_many are the packed parameters and costs that are expected."""
    for network, ((params, costs), (packed, expected_costs)) in enumerate(zip(results, expected, strict=True)):
        if not np.array_equal(costs, expected_costs):
            raise AssertionError(f"network {network}: fit_many has the costs {costs!r}, the kernel {expected_costs!r}")
        if not np.array_equal(np.concatenate([array.ravel() for array in params.values()]), packed):
            raise AssertionError(f"network {network}: the parameters of fit_many have other bits than the kernel's")


def seconds_of_fit(crowd, samples, n_threads):
    """Return the seconds of a whole call; to free its results is not part of it."""
    begin = time.perf_counter()
    results = crowd.fit(samples, n_threads)
    seconds = time.perf_counter() - begin
    del results
    return seconds


def in_turn(timings, rounds):
    """Call functions that return seconds in turn; return a list for each."""
    found = [[] for _ in timings]
    for _ in range(rounds):
        for seconds, timing in zip(found, timings, strict=True):
            time.sleep(measure.PAUSE)
            seconds.append(timing())
    return found


def described(crowd):
    case = crowd.case
    return {
        "name": case.name, "title": case.title, "networks": crowd.networks, "iterations": case.iterations,
        "dtype": crowd.dtype,
    }  # fmt: skip


def line_of(crowd):
    whose = "each with samples of its own" if crowd.is_own else "of one set of samples"
    return f"{crowd.networks:,} networks {crowd.case.title}, {crowd.dtype}, {whose}"


# JAX


def jax(quick, say):
    """Time fit_many beside JAX, each on all cores; return a row for each crowd, or why there is none."""
    if importlib.util.find_spec("jax") is None:
        say("  JAX is skipped: jax is not installed")
        return {"rows": [], "skipped": "jax is not installed"}
    crowds = [
        Crowd(case, networks, dtype)
        for case, networks in (QUICK_PEERS if quick else PEERS).items()
        for dtype in measure.TOLERANCE
    ]
    batches, rounds = (QUICK_BATCHES, QUICK_ROUNDS) if quick else (BATCHES, PEER_ROUNDS)
    return {"rows": [beside_jax(crowd, batches, rounds, say) for crowd in crowds]}


def beside_jax(crowd, batches, rounds, say):
    """Return the row of a crowd: the time of a network and iteration in fit_many and in each of JAX's ways, in turn."""
    samples, case, n_threads = crowd.samples(), crowd.case, usable_cores()
    costs = [cost_ for _, cost_ in crowd.fit(samples, n_threads)]
    found, timings = {}, [lambda: seconds_of_fit(crowd, samples, n_threads) / crowd.networks / case.iterations]
    with contextlib.ExitStack() as stack:
        for way, (environment, count) in WAYS.items():
            processes = stack.enter_context(
                Processes(JaxCrowds, [(number,) for number in range(count)], environment, pinned=count > 1)
            )
            found[way] = best_batch(crowd, way, processes, batches, costs)
            timings.append(functools.partial(seconds_of_jax, crowd, processes, found[way]))
        own, *others = in_turn(timings, rounds)
    for one, seconds in zip(found.values(), others, strict=True):
        one |= measure.summary(seconds)
        one |= {"times": measure.ratio(seconds, own), "fastest": min(seconds) / min(own)}
    row = {**described(crowd), "fastnn2": measure.summary(own), "ways": found}
    ways = ", ".join(
        f"{one['median'] * 1e6:.3f} in {way}, {one['batch']} a batch ({one['times']:.2f} times; fastest rounds "
        f"{one['fastest']:.2f})"
        for way, one in found.items()
    )
    say(f"  {line_of(crowd)}: {statistics.median(own) * 1e6:.3f} us a network and iteration, JAX {ways}")
    return row


def best_batch(crowd, way, processes, batches, costs):
    """Return JAX's fastest formula and batch; each has to reach the costs of fit_many first."""
    trials = {}
    for batch in batches:
        at_once = batch * WAYS[way][1]
        if at_once > crowd.networks or (way == "two devices" and batch % 2):
            continue
        for formula in FORMULAS:
            parts = [part for _, part in processes.do(crowd, formula, batch, True)]
            check_costs([cost_ for part in parts for cost_ in part], costs[:at_once], crowd.dtype)
            fastest = min(processes.seconds(crowd, formula, batch) for _ in range(TRIALS))
            trials[formula, batch] = fastest / at_once
    formula, batch = min(trials, key=trials.get)
    return {"formula": formula, "batch": batch, "at_once": batch * WAYS[way][1]}


def check_costs(found, expected, dtype):
    """Raise AssertionError unless JAX's costs are those of fit_many, but for rounding."""
    for network, (costs, own) in enumerate(zip(found, expected, strict=True)):
        if not np.allclose(costs, own, rtol=TOLERANCE[dtype], atol=0):
            worst = np.max(np.abs(costs / own - 1))
            raise AssertionError(
                f"network {network}, {dtype}: JAX's costs differ from those of fit_many by {worst:.3g}"
            )


def seconds_of_jax(crowd, processes, best):
    """Return the time of a network and iteration; batches are repeated until all have had their turn."""
    repeats = max(1, crowd.networks // best["at_once"])
    seconds = [processes.seconds(crowd, best["formula"], best["batch"]) for _ in range(repeats)]
    return sum(seconds) / repeats / best["at_once"] / crowd.case.iterations


# Memory


def memory(quick, say):
    """Train a hundred thousand networks of 5 units in a process of its own; return the memory beside the results."""
    crowd = Crowd(TINY, QUICK_TINY_NETWORKS if quick else TINY_NETWORKS)
    with Processes(MemoryOfFit, [(crowd,)]) as process:
        ((_, row),) = process.do()
    if row["peak"] is None:
        say("  the system does not tell the memory of a process")
    else:
        say(
            f"  {line_of(crowd)}, last costs only: {row['seconds']:.2f} s, at most {row['peak'] / 1e6:.1f} MB beside "
            f"results of {row['kept'] / 1e6:.1f} MB"
        )
    return described(crowd) | row


class MemoryOfFit:
    """A crowd that is trained in this process."""

    def __init__(self, crowd):
        self._crowd, self._samples = crowd, crowd.samples()
        few = dataclasses.replace(crowd, networks=10)
        few.fit(self._samples, None, costs="last")  # loads the kernel

    def __call__(self):
        """Return the seconds of the fit, the bytes that stay in use with its results, and the most beside these."""
        with Memory() as memory:
            begin = time.perf_counter()
            results = self._crowd.fit(self._samples, None, costs="last")
            seconds = time.perf_counter() - begin
        kept = memory.kept()
        del results
        return {"seconds": seconds, "kept": kept, "peak": None if kept is None else memory.peak - kept}
