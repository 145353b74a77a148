"""How runs are timed: all peers reach the same cost first, and then take turns in rounds."""

import contextlib
import gc
import statistics
import sys
import time

from bench import cases, held, levels, peers

TOLERANCE = {"float64": 1e-6, "float32": 1e-3}  # relative, of the last cost
ROUNDS, QUICK_ROUNDS = 5, 3
# Threads of OpenBLAS and OpenMP spin for about 30 ms after their work, and would slow down the next peer.
PAUSE = 0.05
# Runs shorter than this have an untimed run first: an idle core needs a millisecond or two to reach its full clock,
# which is a third of the shortest run.
SHORT = 0.3
# On a shared machine a core may be 40 % slower for seconds, long enough for five short runs. So fastnn2 and its fastest
# peers, those within CLOSE times the fastest one, have MORE_ROUNDS further rounds where their runs are short.
MORE_ROUNDS, CLOSE = 20, 1.5
LOOPS_ARE_LONG = 500  # weights in W1 above which a quick run leaves out the plain Numba loop


@contextlib.contextmanager
def thread_limit(threads):
    """Limit all libraries to this number of threads; None sets no limit."""
    if threads is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    with threadpool_limits(threads):
        if torch:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


def prepare(name, case, dtype, threads):
    """Return a peer's run, warm: it has been called once and has reached the right cost.

    Raises
    ------
    Unavailable
        The peer cannot take part; the message says why.
    AssertionError
        It reached another cost, so it does another job, and its time means nothing.
    """
    peer = peers.load(name)
    if reason := held.reason(name):
        raise peers.Unavailable(f"it is not held to {levels.held()}: {reason}")
    X, Y, params = cases.problem(case)
    with thread_limit(threads):
        run = peer.prepare(X, Y, params, case.learning_rate, case.iterations, dtype, threads)
        cost = float(run()[0])
    check_cost(cost, case, dtype, name)
    return run


def check_cost(cost, case, dtype, name):
    """Assert that a peer's last cost is that of the reference."""
    expected = cases.expected_cost(case)
    if not abs(cost - expected) <= TOLERANCE[dtype] * abs(expected):
        raise AssertionError(f"{name}, {dtype}, {case.name}: last cost {cost!r}, but the reference has {expected!r}")


def timed(run, threads):
    """Return the seconds of one run, after the pause; a short run is preceded by an untimed one."""
    with thread_limit(threads):
        time.sleep(PAUSE)
        seconds = seconds_of(run)
        return seconds_of(run) if seconds < SHORT else seconds


def seconds_of(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def count_rounds(quick):
    """Return how often a run is timed at least; long ones on one thread less often (:func:`rounds_of_a_cell`)."""
    return QUICK_ROUNDS if quick else ROUNDS


def rounds(runs, count):
    """Time several runs in turns, A B C A B C ..., so that a slow minute hits all of them.

    Parameters
    ----------
    runs : list of (callable, threads)
    count : int

    Returns
    -------
    list of list of float
        For each run its `count` times in seconds.
    """
    times = [[] for _ in runs]
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(count):
            for (run, threads), seconds in zip(runs, times, strict=True):
                seconds.append(timed(run, threads))
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return times


def slopes(shorter, longer, few, many):
    """Return seconds an iteration, one figure a round, from the times of runs of `few` and of `many` iterations."""
    return [(b - a) / (many - few) for a, b in zip(shorter, longer, strict=True)]


def ratios_by_round(times, own):
    """Return how many times as long one run takes as another, one figure a round."""
    return [a / b for a, b in zip(times, own, strict=True)]


def ratio(times, own):
    """Return how many times as long one run takes as another: the median over the rounds."""
    return statistics.median(ratios_by_round(times, own))


def rounds_of_a_cell(runs, quick):
    """Return the times of all runs of a cell. Long ones on one thread are timed less often.

    They would take half of the bench's time, and the fastest peer of a long cell uses all cores anyway.
    """
    times = rounds(runs, QUICK_ROUNDS)
    again = [i for i, (_, threads) in enumerate(runs) if threads != 1 or times[i][-1] < SHORT]
    go_on(runs, times, again, count_rounds(quick) - QUICK_ROUNDS)
    return times


def go_on(runs, times, chosen, count):
    """Time the `chosen` runs, given by their indices, for `count` further rounds; append to `times` in place."""
    if chosen:
        for i, more in zip(chosen, rounds([runs[i] for i in chosen], count), strict=True):
            times[i] += more


def rows_of(case, quick=False):
    """Yield (peer, dtype, threads) for every peer that could run a case."""
    for dtype in ("float64", "float32"):
        for name in peers.NAMES:
            if quick and (name == "torch_compiled" or (name == "numba_plain" and case.d * case.h > LOOPS_ARE_LONG)):
                continue  # torch.compile takes longer than all others together; plain loops are far behind there
            if name == "numpy_reference" and (case != cases.TUTORIAL or dtype != "float64"):
                continue  # NumPy's plain formulas are faster; the tutorial's job shows both
            try:
                choices = peers.load(name).THREADS
            except peers.Unavailable:
                choices = (None,)  # prepare() raises the reason
            for threads in choices:
                if not (quick and threads == 1 and case != cases.TUTORIAL and len(choices) > 1):
                    yield name, dtype, threads


def run_case(case, quick=False, say=print):
    """Measure all peers on one case.

    Returns
    -------
    dict
        The case, ``rows`` (peer, dtype, threads, rounds, the median of their seconds, quartiles), ``skipped`` (peer,
        dtype, threads, reason) and ``ratios``: for each dtype the fastest peer and how many times fastnn2 is faster.
    """
    say(f"{case.title}, {case.iterations} iterations")
    ready, skipped = [], []
    for name, dtype, threads in rows_of(case, quick):
        row = {"peer": name, "dtype": dtype, "threads": threads}
        try:
            ready.append((row, prepare(name, case, dtype, threads)))
        except peers.Unavailable as error:
            skipped.append({**row, "reason": str(error)})
            say(f"  {name}, {dtype}, skipped: {error}")
    runs = [(run, row["threads"]) for row, run in ready]
    times = rounds_of_a_cell(runs, quick)
    rows = [row | summary(seconds) for (row, _), seconds in zip(ready, times, strict=True)]
    if not quick:
        short = [row for dtype in TOLERANCE for row in short_contenders(rows, dtype)]
        go_on(runs, times, [i for i, row in enumerate(rows) if row in short], MORE_ROUNDS)
        rows = [row | summary(seconds) for row, seconds in zip(rows, times, strict=True)]
    for row in rows:
        row |= {"title": peers.load(row["peer"]).TITLE, "us_per_iteration": row["median"] / case.iterations * 1e6}
        cores = "1 thread" if row["threads"] == 1 else "all cores"
        say(f"  {row['title']:18} {row['dtype']} {cores:9} {row['us_per_iteration']:12.2f} us an iteration")
    result = {key: getattr(case, key) for key in ("name", "title", "n", "d", "h", "o", "iterations", "learning_rate")}
    result |= {"rows": rows, "skipped": skipped, "ratios": ratios(rows)}
    for dtype, ratio in result["ratios"].items():
        say(f"  {dtype}: fastnn2 is {ratio['times']:.2f} times as fast as {ratio['fastest']}")
    return result


def summary(values):
    """Return what is kept of the times of all rounds: how many there were, their median and quartiles."""
    return {"rounds": len(values), "median": statistics.median(values), "quartiles": quartiles(values)}


def quartiles(values):
    """Return the first and the third quartile.

    >>> quartiles([1.0, 2.0, 3.0, 4.0, 5.0])
    [2.0, 4.0]
    """
    if len(values) == 1:
        return [*values, *values]
    return statistics.quantiles(values, method="inclusive")[::2]


def contenders(rows, dtype):
    """Return fastnn2's row on all cores and then those of its peers, the fastest first; () where either is missing.

    A peer counts with all cores or with one, whichever is faster, as some are slower on two threads than on one.
    """
    own = [row for row in rows if (row["peer"], row["dtype"], row["threads"]) == ("fastnn2_fit", dtype, None)]
    others = [row for row in rows if row["dtype"] == dtype and row["peer"] != "fastnn2_fit"]
    return (*own, *sorted(others, key=lambda row: row["median"])) if own and others else ()


def short_contenders(rows, dtype):
    """Return the rows that get further rounds: fastnn2 and its fastest peers, if their runs are short."""
    if not (found := contenders(rows, dtype)):
        return []
    own, fastest, *others = found
    if max(own["median"], fastest["median"]) >= SHORT:
        return []
    return [own, fastest, *(row for row in others if row["median"] <= CLOSE * fastest["median"])]


def ratios(rows):
    """Return for each dtype the fastest peer and how many times fastnn2, on all cores, is faster."""
    found = {}
    for dtype in TOLERANCE:
        if both := contenders(rows, dtype):
            own, fastest, *_ = both
            found[dtype] = {"fastest": fastest["title"], "times": fastest["median"] / own["median"]}
    return found
