"""Time per sample and iteration against the number of samples, and what a second thread gives.

The time is the slope between two numbers of iterations, which leaves out layout and the start of the threads. All
sizes take turns in every round and are compared round by round, as the speed of a shared machine changes from minute to
minute.

What a second thread can give depends on the machine: its cores may share units, caches or power. So at FLAT_FROM
samples, the smallest size that counts, the time of a team is compared with that of independent fits: one for each core,
on one thread, with a share of the samples, without any synchronisation.
"""

import itertools
import statistics

from bench import cases, measure, peers
from bench.inside import parallel_for, usable_cores

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
LARGEST = 100_000_000  # on request: data in both dtypes and their layout take 7 GB
FLAT_FROM, SPREAD, SPEED_UP = 10_000, 1.2, 1.85  # from FLAT_FROM samples on, these figures are wanted
# The longer of two runs processes SAMPLES samples in all, in at least FEWEST iterations; the shorter one a quarter.
SAMPLES, FEWEST = 40_000_000, 16
ROUNDS = 7
THREADS = (1, None)
INDEPENDENT = "independent"  # in place of a number of threads: a fit for each core


def iterations_for(n):
    """Return the two numbers of iterations whose times are compared."""
    most = max(FEWEST, SAMPLES // n)
    return most // 4, most


def run(quick=False, say=print, largest=False, dtypes=("float64", "float32")):
    """Measure every size on one thread and on all.

    Returns
    -------
    dict
        ``rows``: n, dtype, threads (1 or None), ``ns`` a sample and iteration and its quartiles, ``times`` that all
        threads are as fast as one; ``cores``; and for each dtype ``spread``, how many times as long a sample takes at
        the slowest size from 10,000 on as at the fastest, ``speed_up``, the smallest ``times`` from there on, and
        ``independent``, the ``times`` of independent fits.
    """
    sizes = SIZES[:-1] if quick else SIZES + (LARGEST,) * largest
    slopes = slopes_of_rounds(sizes, dtypes, measure.QUICK_ROUNDS if quick else ROUNDS)
    rows = []
    for n, dtype in itertools.product(sizes, dtypes):
        one, several = (slopes[n, dtype, threads] for threads in THREADS)
        times = measure.ratio(one, several)
        for threads in THREADS:
            by_round = slopes[n, dtype, threads]
            rows.append({
                "n": n, "dtype": dtype, "threads": threads, "ns": statistics.median(by_round),
                "quartiles": measure.quartiles(by_round), "times": times,
            })  # fmt: skip
        say(
            f"  {n:>11,} x 2 x 5 {dtype}: {rows[-2]['ns']:.3f} ns a sample and iteration on one thread, "
            f"{rows[-1]['ns']:.3f} on all, {times:.2f} times"
        )
    return {"rows": rows, "cores": usable_cores(), **{dtype: summary(rows, slopes, dtype) for dtype in dtypes}}


def slopes_of_rounds(sizes, dtypes, rounds):
    """Return {(n, dtype, threads): nanoseconds a sample and iteration, one figure a round}.

    In each round, the first run of a size and dtype is not counted: it gets its memory from the system, which on a
    virtual machine may fetch it from the host, and takes 0.2 s longer at ten million samples.
    """
    fit = peers.load("fastnn2_fit")
    keys, runs = [], []
    for n in sizes:
        X, Y = cases.moons(n)
        params = cases.reference.init_params(X, Y, 5)
        choices = (*THREADS, INDEPENDENT) if n == FLAT_FROM else THREADS
        for dtype in dtypes:
            x, y = X.astype(dtype, copy=False), Y.astype(dtype, copy=False)  # shared by all runs
            few, many = iterations_for(n)
            for threads, iterations in ((None, few), *itertools.product(choices, (few, many))):
                keys.append(
                    (n, dtype, threads, iterations)
                )  # the first key comes twice; the dict keeps its second time
                arguments = params, 0.3, iterations, dtype
                if threads == INDEPENDENT:
                    runs.append((independent_fits(x, y, arguments), None))
                else:
                    runs.append((fit.prepare(x, y, *arguments, threads), None))
    for job, _ in runs:
        job()
    times = dict(zip(keys, measure.rounds(runs, rounds), strict=True))
    slopes = {}
    for n, dtype, threads in dict.fromkeys(key[:3] for key in keys):
        few, many = iterations_for(n)
        shorter, longer = (times[n, dtype, threads, iterations] for iterations in (few, many))
        slopes[n, dtype, threads] = [seconds / n * 1e9 for seconds in measure.slopes(shorter, longer, few, many)]
    return slopes


def independent_fits(X, Y, arguments):
    """Return a run of fits side by side, on one thread each, with a share of the samples each."""
    cores = usable_cores()
    parts = [slice(part * Y.shape[-1] // cores, (part + 1) * Y.shape[-1] // cores) for part in range(cores)]
    fit = peers.load("fastnn2_fit")
    jobs = [fit.prepare(X[:, part], Y[..., part], *arguments, 1) for part in parts]

    return lambda: parallel_for(lambda _, job: job(), jobs, cores)


def summary(rows, slopes, dtype):
    """Return how much the figures of a dtype differ between sizes, and the least speed-up of all threads.

    Each size is compared with the mean of all sizes in the same round; then the median over the rounds is taken.
    """
    times = {row["n"]: row["times"] for row in rows if row["dtype"] == dtype and row["n"] >= FLAT_FROM}
    spread = {}
    for threads in THREADS:
        by_round = zip(*(slopes[n, dtype, threads] for n in times), strict=True)
        relative = [[ns / statistics.fmean(all_ns) for ns in all_ns] for all_ns in by_round]
        medians = [statistics.median(of_size) for of_size in zip(*relative, strict=True)]
        spread[str(threads or "all")] = max(medians) / min(medians)
    return {
        "spread": spread, "speed_up": min(times.values()), "wanted": {"spread": SPREAD, "speed_up": SPEED_UP},
        "independent": measure.ratio(slopes[FLAT_FROM, dtype, 1], slopes[FLAT_FROM, dtype, INDEPENDENT]),
    }  # fmt: skip
