"""Trainings on a cluster whose workers are killed at random moments; run as a script, by a test.

Usage: python cluster_kills.py SEED SECONDS [--no-nannies] [--allowed-failures N]. Prints a line of JSON for each
training. Without nannies, nobody starts workers that are killed, and each training has a cluster of its own.
"""

import argparse
import json
import random
import threading
import time

import cluster_data
import dask
from cluster_data import cluster, collections, kill, pids, trained, undisturbed

ITERATIONS = 120
WORKERS = 3
PARTITION_SECONDS = 0.03
MOST_DELAY = 1.2  # seconds before a kill, at most
MOST_KILLS = 4  # times of a training
RESTART_SECONDS = 1.0  # between two of them, so that there are workers to kill
NO_WORKER_SECONDS = 8.0

KINDS = "lazy", "persisted", "dataframe", "unknown sizes"


def rows_of_kind(kind, client):
    """Return X as a collection of some kind."""
    X = collections(PARTITION_SECONDS)[0]
    if kind == "persisted":
        return client.persist(X)
    if kind == "dataframe":
        import dask.dataframe

        return dask.dataframe.from_dask_array(X)
    if kind == "unknown sizes":
        return X[X[:, 0] > -1e9]
    return X


def killed(local, client, source, mode, kind, end):
    """Train while workers are killed; return what came of it, and what the kills were."""
    over, kills = threading.Event(), []

    def kill_some():
        begin = time.monotonic()
        for _ in range(source.randint(1, MOST_KILLS)):
            if over.wait(source.uniform(0, MOST_DELAY)):
                return
            found = pids(local)
            some = found if mode == "all" else source.sample(found, min(1, len(found)))
            for pid in some:
                kill(pid)
            kills.append((round(time.monotonic() - begin, 2), len(some)))
            over.wait(RESTART_SECONDS)

    X = rows_of_kind(kind, client)
    thread = threading.Thread(target=kill_some)
    thread.start()
    begin = time.monotonic()
    try:
        outcome = end(lambda: trained(client, ITERATIONS, X) == undisturbed(ITERATIONS))
    finally:
        over.set()
        thread.join()
    return {"mode": mode, "kind": kind, "seconds": round(time.monotonic() - begin, 2), "kills": kills, **outcome}


def as_result(train):
    """Return what a training that survives comes to."""
    return {"is_right": train()}


def as_result_or_error(train):
    """Return what a training on workers that nobody starts again comes to."""
    from fastnn2.dask import ClusterError

    begin = time.monotonic()
    try:
        return as_result(train)
    except ClusterError as error:
        done = len(error.training[1]) if hasattr(error, "training") else None
        return {"error": str(error), "iterations": done, "seconds_to_error": round(time.monotonic() - begin, 2)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--no-nannies", action="store_true")
    parser.add_argument("--allowed-failures", type=int, default=3)
    given = parser.parse_args()
    source, deadline = random.Random(given.seed), time.monotonic() + given.seconds
    dask.config.set({"distributed.scheduler.allowed-failures": given.allowed_failures})
    index = 0

    def train_once(local, client, end):
        global index
        mode, kind = ("one", "all")[index % 2], KINDS[index // 2 % len(KINDS)]
        print(json.dumps(killed(local, client, source, mode, kind, end)), flush=True)
        index += 1

    if given.no_nannies:
        cluster_data.TIMEOUT = NO_WORKER_SECONDS
        while time.monotonic() < deadline:
            with cluster(WORKERS, restarts=False) as (local, client):
                train_once(local, client, as_result_or_error)
    else:
        with cluster(WORKERS) as (local, client):
            while time.monotonic() < deadline:
                train_once(local, client, as_result)
