import re
import threading
import time
import types

import pytest
from cluster_data import cluster, distributed
from dask import delayed
from distributed.comm import CommClosedError

from fastnn2.dask import ClusterError
from fastnn2.dask.requests import Cluster, TasksLost
from fastnn2.engine.held_sums import Stopped


@pytest.fixture(scope="module")
def client():
    with cluster(2, processes=False) as (_, client):
        yield client


def fail(error):
    raise error


def test_only_a_client_that_waits_is_taken(client):
    with pytest.raises(TypeError, match=r"client is str; expected a dask\.distributed\.Client"):
        Cluster("tcp://127.0.0.1:8786", 1)
    assert Cluster(client, 1).workers().keys() == client.scheduler_info()["workers"].keys()


def test_a_closed_client_is_refused(client):
    with distributed.Client(client.scheduler.address, set_as_default=False) as other:
        used = Cluster(other, 1)
    for ask in (lambda: Cluster(other, 1), used.workers, lambda: used.compute([delayed(abs)(-1)])):
        with pytest.raises(ClusterError, match="the client is closed, not running"):
            ask()
    used.cancel([])


def test_results_come_in_their_order(client):
    used = Cluster(client, 9)
    tasks = client.map(abs, range(-9, 0), pure=False)
    assert used.gather(tasks, "tests") == list(range(9, 0, -1))
    assert used.wait(tasks, "tests") == [None] * 9
    assert used.compute([delayed(abs)(-2), delayed(abs)(3)]) == [2, 3]
    assert used.compute([]) == []


def test_what_a_task_raises_is_raised_once_all_have_ended(client):
    used, begin = Cluster(client, 9), time.monotonic()
    tasks = [client.submit(time.sleep, 0.5, pure=False), client.submit(fail, ArithmeticError("a task"), pure=False)]
    with pytest.raises(ArithmeticError, match="a task"):
        used.gather(tasks, "tests")
    assert time.monotonic() - begin >= 0.5
    nothing, error = used.wait(tasks, "tests")
    assert nothing is None
    assert isinstance(error, ArithmeticError)
    with pytest.raises(ArithmeticError):
        used.compute([delayed(fail)(ArithmeticError("a task"))])


@pytest.mark.parametrize("kind", ["cancelled", "stopped", "killed"])
def test_a_lost_task_ends_the_wait_for_all(client, kind):
    event = distributed.Event(client=client)
    used = Cluster(client, 30)
    waits = client.submit(event.wait, pure=False)
    worker = types.SimpleNamespace(address="tcp://127.0.0.1:1")
    error = {"stopped": Stopped(), "killed": distributed.KilledWorker("a task", worker, 3)}.get(kind)
    lost = client.submit(event.wait, pure=False) if error is None else client.submit(fail, error, pure=False)
    timer = threading.Timer(0.2, lambda: client.cancel([lost]))
    if error is None:
        timer.start()
    try:
        for ask in (used.wait, used.gather):
            with pytest.raises(TasksLost):
                ask([waits, lost], "tests")
    finally:
        event.set()
        timer.cancel()


def test_lost_partitions_are_computed_again_a_few_times(client, monkeypatch):
    gather, calls = Cluster.gather, []

    def lose_twice(self, tasks, what):
        calls.append([task.key for task in tasks])
        if len(calls) < 3:
            raise TasksLost
        return gather(self, tasks, what)

    with monkeypatch.context() as patched:
        patched.setattr(Cluster, "gather", lose_twice)
        assert Cluster(client, 9).compute([delayed(abs)(-7)]) == [7]
    assert len({key for keys in calls for key in keys}) == 3
    with pytest.raises(ClusterError, match="partitions cannot be computed, 5 times in a row: Stopped"):
        Cluster(client, 9).compute([delayed(fail)(Stopped())])


def test_a_wait_without_progress_ends(client):
    event = distributed.Event(client=client)
    tasks = [client.submit(event.wait, pure=False), client.submit(abs, -1, pure=False)]
    begin = time.monotonic()
    error = "tests: for 1 s none of 1 tasks has ended; the cluster has 2 workers: .*; at work is (.*). Look at its logs"
    try:
        with pytest.raises(ClusterError, match=error) as caught:
            Cluster(client, 1).gather(tasks, "tests")
        busy = [worker for worker, keys in client.processing().items() if keys]
        assert busy == [re.search(error, str(caught.value))[1]]
    finally:
        event.set()
    assert 1 <= time.monotonic() - begin < 60


def test_the_end_of_a_wait_names_a_worker_that_dask_has_paused():
    def pause(dask_worker):
        dask_worker.status = distributed.Status.paused

    with cluster(1, processes=False, memory_limit=0) as (_, client):
        client.run(pause)
        (address,) = client.scheduler_info()["workers"]
        error = f"the cluster has 1 workers: {address}; {address} begins nothing, as Dask pauses a worker whose memory"
        with pytest.raises(ClusterError, match=error):
            Cluster(client, 1).compute([delayed(abs)(-1)])


def test_the_end_of_a_wait_in_a_task_says_how_to_give_its_thread_to_others(client):
    def wait_in_a_task(is_seceded):
        client = distributed.get_client()
        if is_seceded:
            distributed.secede()
        event = distributed.Event(client=client)
        try:
            Cluster(client, 0.6).gather([client.submit(event.wait, pure=False)], "tests")
        except ClusterError as error:
            return str(error)
        finally:
            event.set()

    assert "use `with distributed.worker_client() as client`" in client.submit(wait_in_a_task, False).result(30)
    assert "worker_client" not in client.submit(wait_in_a_task, True).result(30)


def test_a_cluster_without_workers_is_an_error():
    with cluster(0, processes=False) as (_, client):
        with pytest.raises(ClusterError, match=r"no worker has come within 0\.3 s"):
            Cluster(client, 0.3).workers()
        with pytest.raises(ClusterError, match="the cluster has no worker left"):
            Cluster(client, 0.6).compute([delayed(abs)(-1)])


def test_an_adaptive_cluster_starts_a_worker_for_us():
    with cluster(0, processes=False) as (local, client):
        local.adapt(minimum=0, maximum=1, interval="100 ms")
        assert len(Cluster(client, 30).workers()) == 1
        while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
            time.sleep(0.05)


def test_a_mistake_of_ours_is_not_one_of_the_cluster(client):
    with pytest.raises(AttributeError):
        Cluster(client, 5).gather([3, 4], "tests")


def test_a_connection_that_is_lost_and_made_again_while_results_are_fetched(client, monkeypatch):
    """As where the scheduler dies and another one is there at once."""

    async def lost(*_, **__):
        raise CommClosedError("in <TCP (closed)>: Stream is closed")

    with monkeypatch.context() as patched:
        patched.setattr(client, "gather", lost)
        with pytest.raises(ClusterError, match=r"tests: the scheduler has died or started anew; .*Stream is closed"):
            Cluster(client, 9).gather([client.submit(abs, -1, pure=False)], "tests")
    assert Cluster(client, 9).gather([client.submit(abs, -1, pure=False)], "tests") == [1]


def test_a_look_ends_a_wait(client):
    event = distributed.Event(client=client)
    task = client.submit(event.wait, pure=False)
    try:
        with pytest.raises(LookupError):
            Cluster(client, 30).gather([task], "tests", lambda: fail(LookupError()))
    finally:
        event.set()


def test_cancelled_tasks_are_forgotten(client):
    event = distributed.Event(client=client)
    tasks = client.map(lambda _: event.wait(), range(5), pure=False)
    Cluster(client, 5).cancel(tasks)
    event.set()
    assert all(task.status == "cancelled" for task in tasks)
