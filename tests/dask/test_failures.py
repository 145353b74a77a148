import gc
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import cluster_data
import dask.array
import numpy as np
import pytest
from cluster_data import (
    RATE,
    SHAPE,
    TIMEOUT,
    assert_idle,
    cluster,
    collections,
    distributed,
    kill,
    meanwhile,
    pids,
    samples,
    trained,
    undisturbed,
    what_workers_hold,
)
from data import PATIENCE
from interrupt_data import LIMIT

import fastnn2.dask
from fastnn2 import TrainingInterrupted
from fastnn2.codegen import provider
from fastnn2.dask import ClusterError

TESTS = pathlib.Path(__file__).parents[1]
MANY = 100_000  # iterations: no training gets to its end
ITERATIONS = 30


@pytest.fixture(scope="module")
def own():
    with cluster(2) as (local, client):
        assert trained(client, 3) == undisturbed(3)  # kernels are compiled
        yield local, client


def after(seconds, action):
    """Return what waits for some seconds and then acts."""

    def act():
        time.sleep(seconds)
        action()

    return act


def once(begun, action):
    """Return what waits for an event, and a little longer, and then acts."""

    def act():
        assert begun.wait(PATIENCE)
        after(0.3, action)()

    return act


def killed(*arguments):
    """Return what cluster_kills.py prints, as dicts."""
    script = [sys.executable, TESTS / "cluster_kills.py", *map(str, arguments)]
    run = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr[-4000:]
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_kills_at_random_moments_change_no_bit():
    runs = []
    for seed in range(33, 38):  # a busy machine needs more time for as many kills
        runs += killed(seed, 22)
        kills = sum(count for run in runs for _, count in run["kills"])
        if {run["mode"] for run in runs} == {"one", "all"} and kills >= 6:
            break
    else:
        raise AssertionError(f"too few kills: {runs}")
    assert all(run["is_right"] for run in runs)


def test_no_bit_changes_where_a_single_death_fails_a_task():
    runs = killed(5, 6, "--allowed-failures", 0)
    assert runs
    assert all(run["is_right"] for run in runs)


@pytest.mark.parametrize("begins", [False, True], ids=["before training", "amid it"])
def test_without_a_worker_that_is_left_fit_ends_within_its_limit(begins, monkeypatch):
    for kernel in ("lay_out", "block_sums", "descend"):  # to compile them takes longer than the limit if others compute
        provider.kernel(kernel, "float64")
    monkeypatch.setattr(cluster_data, "TIMEOUT", 8.0)
    with cluster(2, restarts=False) as (local, client):
        begun = threading.Event()

        def kill_all():
            begun.wait(30)
            for pid in pids(local):
                kill(pid)

        if not begins:
            begun.set()
        with meanwhile(kill_all), pytest.raises(ClusterError, match="no worker") as caught:
            trained(client, MANY, seconds=0.1, callback=lambda *_: begun.set())
        if begins:
            _, costs = caught.value.training
            assert len(costs) >= 1
            assert costs.tobytes() == undisturbed(len(costs))[0]


def test_scattered_data_that_are_lost_are_an_error_that_names_them(own):
    local, client = own
    X, Y, _ = samples()
    addresses = sorted(client.scheduler_info()["workers"])
    blocks = [X[:8_000], X[8_000:]]
    scattered = [client.scatter(block, workers=[address]) for block, address in zip(blocks, addresses, strict=True)]
    lazy = [
        dask.array.from_delayed(future, block.shape, block.dtype)
        for future, block in zip(scattered, blocks, strict=True)
    ]
    victim = next(worker for worker in local.scheduler.workers.values() if worker.address == addresses[1])
    pid = local.workers[victim.name].pid
    collection, targets = dask.array.concatenate(lazy), dask.array.from_array(Y, chunks=(5_000, -1))
    error = r"samples \d+ to \d+, of the partitions [01] to 1 of X, are lost, which worker tcp.* scattered"
    begun = threading.Event()
    with meanwhile(once(begun, lambda: kill(pid))), pytest.raises(ClusterError, match=error) as caught:
        fastnn2.dask.fit(client, collection, targets, RATE, SHAPE[1], MANY, timeout=60, callback=lambda *_: begun.set())
    assert len(caught.value.training[1])
    assert_idle_but(client, len(blocks) - 1)
    client.wait_for_workers(2)


def assert_idle_but(client, held):
    deadline = time.monotonic() + 30
    while what_workers_hold(client) != (held, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert what_workers_hold(client) == (held, 0)


def test_a_cancelled_collection_does_not_hang(own):
    _, client = own
    X = client.persist(collections()[0])
    with meanwhile(after(0.7, lambda: client.cancel(X))):
        try:
            outcome = trained(client, 60, X=X, callback=lambda *_: time.sleep(0.02))
        except ClusterError as error:
            outcome = str(error)
    assert outcome == undisturbed(60) or "cancelled" in outcome or "the client is" in outcome
    assert_idle(client)


@pytest.mark.parametrize("delay", [0.05, 0.8])
def test_a_client_that_another_thread_closes_is_an_error(own, delay):
    local, _ = own
    with distributed.Client(local, set_as_default=False) as client:
        begun, begin = [], time.monotonic()
        with meanwhile(after(delay, client.close)), pytest.raises(ClusterError, match="the client is") as caught:
            trained(client, MANY, seconds=0.02, callback=lambda *_: begun.append(1))
        assert time.monotonic() - begin < delay + TIMEOUT / 2
        assert hasattr(caught.value, "training") == bool(begun)


def test_a_restarted_cluster_is_an_error(own):
    local, client = own
    other, begun = distributed.Client(local, set_as_default=False), threading.Event()
    with other, meanwhile(once(begun, lambda: other.restart(timeout=PATIENCE))):
        with pytest.raises(ClusterError, match="restarted") as caught:
            trained(client, MANY, callback=lambda *_: begun.set())
        assert len(caught.value.training[1])
    client.wait_for_workers(2)
    assert trained(client, 3) == undisturbed(3)


def start(*arguments):
    """Start a process of Dask's commands."""
    script = [sys.executable, "-m", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}
    return subprocess.Popen(script, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("starts_again", [False, True])
def test_a_scheduler_that_is_killed_is_an_error(starts_again, tmp_path):
    file = tmp_path / "scheduler.json"
    processes = [start("distributed.cli.dask_scheduler", "--port", 0, "--no-dashboard", "--scheduler-file", file)]
    try:
        while not file.exists() or not file.read_text():
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        worker = "distributed.cli.dask_worker", address, "--nthreads", 1, "--no-dashboard", "--no-nanny"
        processes.append(start(*worker, "--local-directory", tmp_path))
        moment = []

        def kill_scheduler():
            moment.append(time.monotonic())
            processes[0].kill()
            processes[0].wait()
            if starts_again:
                port = address.rsplit(":", 1)[1]
                processes.append(start("distributed.cli.dask_scheduler", "--port", port, "--no-dashboard"))

        with distributed.Client(address, set_as_default=False, timeout=30) as client:
            client.wait_for_workers(1, timeout=PATIENCE)
            trained(client, 3)
            begun = threading.Event()
            with meanwhile(once(begun, kill_scheduler)), pytest.raises(ClusterError) as caught:
                trained(client, MANY, callback=lambda *_: begun.set())
            assert time.monotonic() - moment[0] < TIMEOUT / 2
            assert caught.value.training[1].tobytes() == undisturbed(len(caught.value.training[1]))[0]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.parametrize("seed", range(6))
def test_ctrl_c_stops_the_cluster_at_once(own, seed):
    """Within a second; the test allows more, for a busy machine."""
    _, client = own
    delay = random.Random(seed).uniform(0, 0.8)
    begun, moment = [], []

    def interrupt():
        time.sleep(delay)
        moment.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    with meanwhile(interrupt), pytest.raises(KeyboardInterrupt) as caught:
        trained(client, MANY, seconds=0.01, callback=lambda *_: begun.append(1))
    assert time.monotonic() - moment[0] < LIMIT
    assert_idle(client)
    if begun:
        assert isinstance(caught.value, TrainingInterrupted)
        assert caught.value.cost_.tobytes() == undisturbed(len(caught.value.cost_))[0]


def test_no_task_is_deleted_where_ctrl_c_may_come(own, monkeypatch):
    """Python ignores what is raised meanwhile."""
    _, client = own
    threads, delete = [], distributed.Future.__del__
    gc.collect()  # what other tests have left is not counted

    def note(future):
        threads.append(threading.current_thread())
        delete(future)

    monkeypatch.setattr(distributed.Future, "__del__", note)
    trained(client, 10)
    assert len(threads) > 10
    assert threading.main_thread() not in threads


def test_a_long_evaluation_notices_that_nobody_waits(own):
    _, client = own
    n, h = 5_000_000, 21_000  # more than ten seconds, on a fast processor, too
    X = dask.array.random.RandomState(0).uniform(size=(n, 4), chunks=(n // 8, -1))
    Y = (X[:, :1] > 0.5).astype(float)

    def interrupt():
        deadline = time.monotonic() + PATIENCE
        while what_workers_hold(client)[1] < 2 or not any("evaluate" in key for key in keys_of(client)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    with meanwhile(interrupt), pytest.raises(KeyboardInterrupt):
        fastnn2.dask.fit(client, X, Y, RATE, h, 10)
    assert_idle(client, 6)


def keys_of(client):
    """Return the names of the tasks that run."""
    return [str(key) for keys in client.processing().values() for key in keys]


def test_errors_leave_nothing_on_the_workers(own):
    _, client = own
    X, Y, _ = samples()
    bad = X.copy()
    bad[7_000, 3] = np.nan
    with pytest.raises(ValueError, match=r"row 200 of partition 4, column 3"):
        fastnn2.dask.fit(client, dask.array.from_array(bad, chunks=(1_700, -1)), dask.array.from_array(Y), RATE, 5, 9)
    assert_idle(client)

    def fail(*_):
        raise ArithmeticError("a callback")

    with pytest.raises(ArithmeticError, match="a callback") as caught:
        trained(client, 9, callback=fail)
    assert len(caught.value.training[1]) == 1
    assert_idle(client)


def test_three_trainings_at_once(own):
    _, client = own
    found = {}

    def train(iterations):
        found[iterations] = trained(client, iterations)

    with meanwhile(lambda: train(ITERATIONS)), meanwhile(lambda: train(ITERATIONS + 1)):
        train(ITERATIONS + 2)
    assert found == {count: undisturbed(count) for count in (ITERATIONS, ITERATIONS + 1, ITERATIONS + 2)}


def test_workers_that_come_and_go_change_no_bit(own):
    local, client = own
    stays, goes = sorted(client.scheduler_info()["workers"])

    def change(iteration, *_):
        if iteration == 10:
            local.scale(3)
            client.wait_for_workers(3)
        if iteration == 20:
            client.retire_workers([goes])

    assert trained(client, ITERATIONS, callback=change) == undisturbed(ITERATIONS)
    assert goes not in client.scheduler_info()["workers"]
    assert stays in client.scheduler_info()["workers"]
    assert_idle(client)
    local.scale(2)
    client.wait_for_workers(2)
