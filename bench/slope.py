"""Time per sample and iteration against the number of samples, and what a second thread gives.

The time is the slope between two numbers of iterations, so that layout and start of the threads, which are paid once,
drop out.
"""

import statistics

from bench import cases, measure, peers
from fastnn2.cores import usable_cores

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
LARGEST = 100_000_000  # on request: data in both dtypes and their layout take 6 GB
FLAT_FROM, SPREAD, SPEED_UP = 10_000, 1.2, 1.85  # from this size on, what is wanted
SAMPLES = 40_000_000  # the longer of two runs has so many samples times iterations, the shorter a quarter
FEWEST = 20


def iterations_for(n, samples=SAMPLES):
    """Return the two numbers of iterations whose times are compared."""
    most = max(FEWEST, samples // n)
    return most // 4, most


def run(quick=False, say=print, largest=False, dtypes=("float64", "float32")):
    """Measure every size on one thread and on all.

    Returns
    -------
    dict
        ``rows``: n, dtype, threads (1 or None), ns a sample and iteration; and for each dtype ``spread`` (the largest
        through the smallest of them from 10,000 samples on) and ``speed_up`` (the smallest from there on).
    """
    sizes = SIZES[:-1] if quick else SIZES + (LARGEST,) * largest
    fit = peers.load("fastnn2_fit")
    rows = []
    for n in sizes:
        X, Y = cases.moons(n)
        params = cases.reference.init_params(X, Y, 5)
        few, many = iterations_for(n)
        for dtype in dtypes:
            choices = [(threads, count) for threads in (1, None) for count in (few, many)]
            x, y = X.astype(dtype, copy=False), Y.astype(dtype, copy=False)  # once, for all runs
            runs = [(fit.prepare(x, y, params, 0.3, count, dtype, threads), None) for threads, count in choices]
            for job, _ in runs:
                job()
            times = dict(zip(choices, measure.rounds(runs, measure.count_rounds(quick)), strict=True))
            for threads in (1, None):
                pairs = zip(times[threads, few], times[threads, many], strict=True)
                slope = statistics.median((longer - shorter) / (many - few) / n for shorter, longer in pairs) * 1e9
                rows.append({"n": n, "dtype": dtype, "threads": threads, "ns": slope})
            one, several = rows[-2]["ns"], rows[-1]["ns"]
            say(
                f"  {n:>11,} x 2 x 5 {dtype}: {one:.3f} ns a sample and iteration on one thread, "
                f"{several:.3f} on all, {one / several:.2f} times"
            )
    return {"rows": rows, "cores": usable_cores(), **{dtype: summary(rows, dtype) for dtype in dtypes}}


def summary(rows, dtype):
    """Return how much the figures of a dtype differ from size to size, and what more threads give at the least."""
    by_threads = {
        threads: [
            row["ns"] for row in rows if (row["dtype"], row["threads"]) == (dtype, threads) and row["n"] >= FLAT_FROM
        ]
        for threads in (1, None)
    }
    spread = {str(threads or "all"): max(ns) / min(ns) for threads, ns in by_threads.items()}
    speed_up = min(one / several for one, several in zip(by_threads[1], by_threads[None], strict=True))
    return {"spread": spread, "speed_up": speed_up, "wanted": {"spread": SPREAD, "speed_up": SPEED_UP}}
