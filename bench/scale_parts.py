"""What :mod:`bench.scale_out` measures, part by part."""

import contextlib
import itertools
import statistics
import threading
import time
from unittest import mock

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

import fastnn2
import fastnn2.dask
from bench import inside_cluster, scale_tasks
from bench.inside_cluster import worker_tasks
from bench.measure import quartiles
from bench.scale_model import Shape, branches, busiest, merges, payload
from bench.scale_workers import many_workers

WIDE, NARROW = Shape(30, 100), Shape(2, 5)
LBFGS, LARGE = Shape(30, 100, "float64", "lbfgs"), Shape(784, 128)
SIZES = {
    WIDE: (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    NARROW: (1_000, 10_000, 100_000, 1_000_000, 20_000_000),
    LBFGS: (10_000, 1_000_000),
    LARGE: (5_000,),
}
QUICK_SIZES = {WIDE: (1_000, 4_000), NARROW: (1_000, 4_000), LBFGS: (1_000, 4_000), LARGE: (1_000,)}
MANY, QUICK_MANY = (1, 2, 4, 8, 16, 32, 64, 96, 128), (1, 2, 40)
PAIR_ROWS, QUICK_PAIR_ROWS, PAIR_ROUNDS, PAIR_ITERATIONS = 20_000_000, 20_000, 4, 2
# An evaluation is repeated until this time is over, but at least FEWEST and at most MOST times; on two workers, where
# the time beyond the kernels is to be small, MOST times.
SECONDS, QUICK_SECONDS, FEWEST, QUICK_FEWEST, MOST = 1.0, 0.0, 5, 2, 200
BEYOND_WORKERS, BEYOND_ROWS, BEYOND_SHAPES = 2, 100_000, (WIDE, NARROW)
WARM, QUICK_WARM, PARTITIONS, RATE = 2, 1, 8, 0.3
SHORT = 0.02  # seconds between two callbacks, at least
TASKS = {
    "whole": scale_tasks.evaluate_timed, "sent": scale_tasks.evaluate_last, "empty": scale_tasks.evaluate_nothing,
}  # fmt: skip


@contextlib.contextmanager
def cluster_of(workers):
    """A cluster on this machine whose workers have one thread each, and its client."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(workers)
        yield client


def part_rows(n):
    """Return how many rows each partition has; the last one has the rest."""
    size = -(-n // PARTITIONS)
    return [min(size, n - first) for first in range(0, n, size)]


def lazy_samples(shape, n):
    """Return X and Y as dask arrays, which the workers make."""
    parts = [
        da.from_delayed(
            dask.delayed(scale_tasks.rows_of_part)(part, rows, shape.d, shape.dtype), (rows, shape.d), shape.dtype
        )
        for part, rows in enumerate(part_rows(n))
    ]
    X = da.concatenate(parts)
    return X, X.map_blocks(scale_tasks.targets_of, drop_axis=1, dtype="uint8")


def samples(shape, n):
    """Return the same rows in this process."""
    X = np.concatenate(
        [scale_tasks.rows_of_part(part, rows, shape.d, shape.dtype) for part, rows in enumerate(part_rows(n))]
    )
    return X, scale_tasks.targets_of(X)


def check_equal(client, shape, n, iterations=5):
    """Raise AssertionError unless the cluster trains as one process, bit for bit."""
    X, Y = samples(shape, n)
    compare(
        fastnn2.dask.fit(client, *lazy_samples(shape, n), RATE, shape.h, iterations),
        fastnn2.fit(X.T, Y, RATE, shape.h, iterations),
    )


def compare(found, expected):
    """Raise AssertionError unless two results of fit have the same bits."""
    if not np.array_equal(found[1], expected[1]):
        raise AssertionError(f"costs on the cluster are {found[1]!r}, but those of one process are {expected[1]!r}")
    for name, array in expected[0].items():
        if not np.array_equal(found[0][name], array):
            raise AssertionError(f"{name} on the cluster has other bits than that of one process")


# One process


def local(quick, say):
    """Time an iteration of fastnn2.fit in this process, on all cores."""
    rows = []
    for shape, sizes in (QUICK_SIZES if quick else SIZES).items():
        for n in sizes if shape.kind == "fit" else ():
            X, Y = samples(shape, n)
            rows.append({"shape": shape.name, "n": n, "seconds": seconds_of_iteration(X, Y, shape.h, quick)})
            say(f"  {n:>11,} x {shape.name}: {rows[-1]['seconds'] * 1e3:.3f} ms an iteration in one process")
            del X, Y
    return rows


def seconds_of_iteration(X, Y, h, quick=False):
    """Return the time between two callbacks; where that is short, callbacks have many iterations between them."""
    every, clock = 1, []

    def look(*_):
        clock.append(time.perf_counter())

    while True:
        clock.clear()
        fastnn2.fit(X.T, Y, RATE, h, 8 * every, callback=look, callback_every=every)
        seconds = statistics.median(b - a for a, b in itertools.pairwise(clock))
        if seconds > SHORT or quick:
            return seconds / every
        every *= 10


# Worker processes


def workers(quick, say, count):
    """Measure evaluations on this number of worker processes; return a row for each network and number of rows."""
    rows = []
    with cluster_of(count) as client:
        for shape in (WIDE, NARROW):
            check_equal(client, shape, 2_000 if quick else 200_000)
        say(f"  costs and parameters of fit on {count} workers: those of one process, bit for bit")
        for shape, sizes in (QUICK_SIZES if quick else SIZES).items():
            for n in sizes:
                rows.append(measured(client, shape, n, count, quick))
                say(line_of(rows[-1]))
    return rows


def line_of(row):
    times = ", ".join(f"{name} {row[name] * 1e3:.2f}" for name in ("computing", "scheduling", "transfer", "beyond"))
    return (
        f"  {row['n']:>11,} x {row['shape']}, {row['workers']} workers: {row['whole'] * 1e3:.2f} ms ({times}; median "
        f"of {row['rounds']}, {row['bytes']:,} bytes)"
    )


def measured(client, shape, n, count, quick):
    """Return medians of an evaluation: whole, computing (the slowest worker's kernels), beyond that, and its parts."""
    objective = shape.objective(n)
    params = np.full(objective.params, 0.01, objective.dtype)
    with inside_cluster.held(client, objective, *lazy_samples(shape, n)) as (evaluate, parts):
        for _ in range(QUICK_WARM if quick else WARM):
            turns(evaluate, params)
        client.run(scale_tasks.take_log)
        times, end = [], time.perf_counter() + (QUICK_SECONDS if quick else SECONDS)
        is_wanted = (count, n) == (BEYOND_WORKERS, BEYOND_ROWS) and shape in BEYOND_SHAPES
        fewest = MOST if is_wanted else QUICK_FEWEST if quick else FEWEST
        while len(times) < fewest or (time.perf_counter() < end and len(times) < MOST):
            times.append(turns(evaluate, params))
        log = [entry for of_worker in client.run(scale_tasks.take_log).values() for entry in of_worker]
    kernels, back = [], 0
    for one in times:
        inside = [entry for entry in log if one["begin"] <= entry[0] and entry[1] <= one["begin"] + one["whole"] + 1e-3]
        if len(inside) != parts:
            raise AssertionError(f"an evaluation by {parts} workers has {len(inside)} tasks")
        kernels.append(max(entry[1] - entry[0] for entry in inside))
        back = sum(entry[2] for entry in inside)

    def median(values):
        return statistics.median(values)

    whole = [one["whole"] for one in times]
    beyond = [a - b for a, b in zip(whole, kernels, strict=True)]
    return {
        "shape": shape.name, "n": n, "workers": count, "parts": parts, "chunks": objective.cut.chunks,
        "busiest": busiest(objective, parts), "rounds": len(times), "whole": median(whole),
        "quartiles": quartiles(whole), "computing": median(kernels), "beyond": median(beyond),
        "scheduling": median(one["empty"] for one in times),
        "transfer": median(one["sent"] - one["empty"] for one in times), "bytes": parts * params.nbytes + back,
    }  # fmt: skip


def turns(evaluate, params):
    """Evaluate once for each kind of tasks; return the seconds of each, and when the whole evaluation began."""
    found = {"begin": time.time()}
    for name, task in TASKS.items():
        with mock.patch.object(worker_tasks, "evaluate", task):
            begin = time.perf_counter()
            evaluate(params[:1] if name == "empty" else params)
            found[name] = time.perf_counter() - begin
    return found


# Many workers in one process


class Stub:
    """What an evaluation needs of held data, for tasks that compute nothing."""

    def __init__(self, groups):
        self.groups = groups

    def repeat(self, action, what):
        """Return what the action does; where a task is lost, its error ends the measurement."""
        return action()

    def check_workers(self):
        """Take all workers for present."""


def many(quick, say):
    """Measure tasks that compute nothing on many workers, which share a process.

    The processor time of this process, that of client and scheduler, does not depend on how the workers run.
    """
    counts = QUICK_MANY if quick else MANY
    with many_workers(counts[-1]) as client:
        addresses = sorted(client.scheduler_info(n_workers=-1)["workers"])
        rows = [measured_many(client, addresses[:count], quick) for count in counts]
    for row in rows:
        say(
            f"  {row['workers']:4} workers in one process, {row['merges']} merges: scheduling "
            f"{row['scheduling'] * 1e3:.2f} ms, of which client and scheduler compute {row['cpu'] * 1e3:.2f} ms, "
            f"transfer {row['transfer'] * 1e3:.2f} ms (median of {row['rounds']})"
        )
    return rows


def measured_many(client, addresses, quick):
    """Return medians of evaluations by these workers, each of which has four chunks."""
    objective, count = WIDE.objective(64_000_000), len(addresses)
    params = np.full(objective.params, 0.01, objective.dtype)
    cluster = inside_cluster.Cluster(client, inside_cluster.TIMEOUT)
    blocks = {
        address: [client.submit(tuple, [4 * k, 4], workers=[address], pure=False)]
        for k, address in enumerate(addresses)
    }
    evaluate = inside_cluster.evaluation.Evaluator(cluster, objective, Stub(blocks))
    times, end = [], time.perf_counter() + (QUICK_SECONDS if quick else SECONDS)
    fewest = QUICK_FEWEST if quick else FEWEST
    for turn in itertools.count(-WARM):
        one = {}
        for name, task, sent in (
            ("empty", scale_tasks.evaluate_nothing, params[:1]),
            ("sent", scale_tasks.evaluate_zeros, params),
        ):
            with mock.patch.object(worker_tasks, "evaluate", task):
                begin, cpu = time.perf_counter(), time.process_time()
                sums = evaluate(sent)
                one |= {name: time.perf_counter() - begin, f"{name} cpu": time.process_time() - cpu}
        if len(sums.branches) != branches(0, 4 * count):
            raise AssertionError(f"sums of the branches {sums.branches}; expected those of {4 * count} chunks")
        if turn >= 0:
            times.append(one)
        if len(times) >= fewest and (time.perf_counter() > end or len(times) == MOST):
            break
    return {
        "workers": count, "merges": merges(count)[0], "rounds": len(times),
        "scheduling": statistics.median(one["empty"] for one in times),
        "cpu": statistics.median(one["empty cpu"] for one in times),
        "transfer": statistics.median(one["sent"] - one["empty"] for one in times),
        "bytes": sum(payload(objective, count)),
    }  # fmt: skip


# Two workers of one thread beside one process with two threads


class Steps:
    """Lets a training on another thread go a few iterations at a time; it waits for the next ones in its callback."""

    def __init__(self, train, count):
        self.seconds, self.result, self._count, self._begin = [], None, count, None
        self._may_go, self._waits, self._is_over = threading.Semaphore(0), threading.Semaphore(0), False
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(train,))
        self._thread.start()
        self._wait()  # for the first iteration, which also lays the samples out

    def _run(self, train):
        try:
            self.result = train(callback=self._look, callback_every=1)
        except BaseException as error:
            self._error = error
        finally:
            self._waits.release()

    def _look(self, *_):
        if self._begin is not None:
            self.seconds.append(time.perf_counter() - self._begin)
        if len(self.seconds) % self._count == 0 and not self._is_over:
            self._waits.release()
            self._may_go.acquire()
        self._begin = time.perf_counter()

    def _wait(self):
        self._waits.acquire()
        if self._error is not None:
            raise self._error

    def go(self):
        """Go on for some iterations."""
        self._may_go.release()
        self._wait()

    def end(self):
        """Let the rest go on without pauses, and return the result."""
        self._is_over = True
        self._may_go.release()
        self._thread.join()
        return self.result


def pair(quick, say):
    """Train on two workers of one thread and in one process with two threads, in turn; return their times.

    The threads of fit go on in the pauses of callbacks, those of a cluster do not. So a run of fit ends before the
    cluster has its next iterations.
    """
    n, rounds, count = (QUICK_PAIR_ROWS, 2, 2) if quick else (PAIR_ROWS, PAIR_ROUNDS, PAIR_ITERATIONS)
    iterations = 1 + rounds * count
    X, Y = samples(WIDE, n)
    alone = []
    with cluster_of(2) as client, contextlib.ExitStack() as stack:
        lazy = lazy_samples(WIDE, n)
        steps = Steps(lambda **more: fastnn2.dask.fit(client, *lazy, RATE, WIDE.h, iterations, **more), count)
        stack.callback(steps.end)
        for number in range(rounds):
            steps.go()
            clock = []
            own = fastnn2.fit(
                X.T,
                Y,
                RATE,
                WIDE.h,
                iterations if number == rounds - 1 else 1 + count,
                n_threads=2,
                callback=lambda *_, clock=clock: clock.append(time.perf_counter()),
                callback_every=1,
            )
            alone += [b - a for a, b in itertools.pairwise(clock[: count + 1])]
        on_cluster = steps.end()
    compare(on_cluster, own)
    cluster = steps.seconds
    found = {
        "n": n, "shape": WIDE.name, "pairs": len(cluster), "cluster": statistics.median(cluster),
        "alone": statistics.median(alone), "ratio": statistics.median(cluster) / statistics.median(alone),
        "quartiles": [quartiles(cluster), quartiles(alone)],
    }  # fmt: skip
    say(
        f"  {n:,} x {WIDE.name}: {found['cluster']:.3f} s an iteration on two workers of one thread, "
        f"{found['alone']:.3f} s in one process with two threads; ratio of medians {found['ratio']:.3f} "
        f"({found['pairs']} pairs; equal costs and parameters, bit for bit)"
    )
    return found
