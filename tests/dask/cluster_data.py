"""Clusters whose workers die, and a training on them; shared by tests and scripts."""

import contextlib
import functools
import os
import signal
import threading
import time
import warnings

import dask
import dask.array
import numpy as np
from data import RATE, extra, problem

import fastnn2

distributed = extra("distributed", "dask")

SHAPE = 9, 7, 2, 12_000  # d, h, o, n
CHUNKS = 1_700, -1
TIMEOUT = 60.0


@contextlib.contextmanager
def cluster(workers=2, threads=1, **options):
    """Yield a LocalCluster of worker processes and its client, without a dashboard."""
    # LocalCluster gives up a nanny whose worker is gone at the end of this time, although it restarts it every time.
    patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            patience,
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=threads, processes=True, dashboard_address=None,
                silence_logs=60, **options) as local,
            distributed.Client(local) as client,
        ):  # fmt: skip
            yield local, client


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
