"""Clusters whose workers die, and a training on them; shared by tests and scripts."""

import contextlib
import functools
import os
import signal
import threading
import time

import numpy as np
from data import RATE, extra, problem

import fastnn2

# The package first: without it, the folder of its tests would be imported by the name of Dask.
distributed = extra("distributed", "dask")
dask = extra("dask", "dask")
extra("dask.array", "dask")

SHAPE = 9, 7, 2, 12_000  # d, h, o, n
CHUNKS = 1_700, -1
TIMEOUT = 60.0


@contextlib.contextmanager
def cluster(workers=2, threads=1, restarts=True, **options):
    """Yield a LocalCluster of worker processes, whose nannies may start them again, and its client."""
    # LocalCluster gives up a nanny whose worker is gone at the end of this time, although it restarts it every time.
    patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"})
    with (
        patience,
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=threads, dashboard_address=":0", silence_logs=60, **options
        ) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        if not restarts:
            for nanny in local.workers.values():
                nanny._on_worker_exit = _ignore
        yield local, client


async def _ignore(exitcode):
    """Start nothing."""


@functools.cache
def samples():
    """Return X (n, d), Y (n, o) and weights (n,) as NumPy arrays."""
    X, Y, _, weights = problem(*SHAPE)
    return X.T.copy(), Y.T.copy(), weights


def slowly(block, seconds):
    """Return a block, after some time; runs on the workers."""
    time.sleep(seconds)
    return block


def collections(seconds=0.0):
    """Return X, Y and weights as dask arrays, whose partitions differ; each takes some seconds to compute."""
    X, Y, weights = samples()
    lazy = dask.array.from_array(X, chunks=CHUNKS).map_blocks(slowly, seconds, dtype=X.dtype)
    return lazy, dask.array.from_array(Y, chunks=(2_500, -1)), dask.array.from_array(weights, chunks=3_000)


def trained(client, iterations, X=None, seconds=0.0, **options):
    """Return costs and parameters of a training on a cluster, as bytes."""
    import fastnn2.dask

    lazy, Y, weights = collections(seconds)
    X = lazy if X is None else X
    result = fastnn2.dask.fit(
        client, X, Y, RATE, SHAPE[1], iterations, sample_weight=weights, alpha=0.1, timeout=TIMEOUT, **options
    )
    return as_bytes(*result)


@functools.cache
def undisturbed(iterations):
    """Return costs and parameters of the same training by fit, as bytes."""
    X, Y, weights = samples()
    return as_bytes(*fastnn2.fit(X.T, Y.T, RATE, SHAPE[1], iterations, sample_weight=weights, alpha=0.1))


def as_bytes(params, costs):
    """Return costs and parameters as bytes."""
    return np.asarray(costs).tobytes(), *(params[name].tobytes() for name in sorted(params))


def pids(local):
    """Return the process numbers of the workers that the scheduler knows; a nanny gives up one that dies before."""
    names = [worker.name for worker in list(local.scheduler.workers.values())]
    return [local.workers[name].pid for name in names if name in local.workers and local.workers[name].pid is not None]


def kill(pid):
    """Kill a worker, unless it is dead."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def meanwhile(action):
    """Run an action in a thread of its own within the ``with`` statement, and raise what it raises."""
    raised = []

    def run():
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if raised:
        raise raised[0]


def what_workers_hold(client):
    """Return how many results and how many running tasks all workers have."""
    found = client.run(lambda dask_worker: (len(dask_worker.data), len(dask_worker.state.executing))).values()
    return sum(held for held, _ in found), sum(running for _, running in found)


def assert_idle(client, seconds=30):
    """Assert that no worker holds or does anything, within some seconds; other processes may want the cores."""
    deadline = time.monotonic() + seconds
    while (found := what_workers_hold(client)) != (0, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == (0, 0)
