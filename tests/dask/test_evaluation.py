import time
import warnings

import cluster_data
import dask
import numpy as np
import pytest
from cluster_data import assert_idle, cluster, distributed

from fastnn2.dask import ClusterError, evaluation, worker_tasks
from fastnn2.dask.collections import Collection
from fastnn2.dask.evaluation import Evaluator
from fastnn2.dask.held_data import HeldData
from fastnn2.dask.requests import Cluster, TasksLost
from fastnn2.dask.targets import UnitInterval
from fastnn2.engine.held_sums import held_sums
from fastnn2.engine.objective import Objective

D, H, O, N = cluster_data.SHAPE[0], cluster_data.SHAPE[1], cluster_data.SHAPE[2], cluster_data.SHAPE[3]


@pytest.fixture(scope="module")
def client():
    with cluster(5, processes=False) as (_, client):
        yield client


@pytest.fixture
def evaluator(client):
    used = Cluster(client, 20)
    sources = [
        Collection(value, name)
        for value, name in zip(cluster_data.collections(), ("X", "Y", "sample_weight"), strict=True)
    ]
    for source in sources:
        source.find_lengths(used)
    objective = Objective(D, H, O, N, np.dtype(float), True)
    data = HeldData(used, objective, *sources, UnitInterval())
    yield Evaluator(used, objective, data)
    data.release()
    assert_idle(client)


@pytest.fixture
def params(evaluator):
    return np.linspace(-1, 1, evaluator._objective.params)


@pytest.fixture
def expected(evaluator, params):
    """The total of the same blocks, summed here."""
    data = evaluator._data
    blocks = [data._cluster.gather([future], "tests")[0] for future in data._blocks]
    return held_sums(evaluator._objective, blocks, params, 1).total(evaluator._objective.cut.chunks)


def total(evaluator, params):
    return evaluator(params).total(evaluator._objective.cut.chunks).tobytes()


@pytest.mark.parametrize("most_parts", [2, 3, 32])
def test_a_tree_adds_the_same_sums(evaluator, params, expected, monkeypatch, most_parts):
    monkeypatch.setattr(evaluation, "MOST_PARTS", most_parts)
    assert len(evaluator._data.groups) == 5
    assert total(evaluator, params) == expected.tobytes()


def test_each_worker_sums_the_blocks_that_it_holds(evaluator, params):
    cluster_of = evaluator._cluster
    total(evaluator, params)
    held = cluster_of.ask("has_what")
    for address, blocks in evaluator._data.groups.items():
        assert {future.key for future in blocks} == {key for key in held[address] if str(key).startswith("lay_out")}


def test_large_parameters_are_sent_without_a_warning(evaluator, params, expected, monkeypatch):
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "100 B"}):
        with pytest.warns(UserWarning, match="Sending large graph"):
            total(evaluator, params)
        monkeypatch.setattr(evaluation, "WARNED_BYTES", params.nbytes)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert total(evaluator, params) == expected.tobytes()
        assert dask.config.get("distributed.admin.large-graph-warning-threshold") == "100 B"


def test_an_evaluation_is_repeated_if_its_tasks_are_lost(evaluator, params, expected, monkeypatch):
    calls = []

    def lost_once():
        calls.append(1)
        if len(calls) == 1:
            raise TasksLost("a worker")

    submit = Evaluator._submit

    def submit_and_lose(self, params, tasks):
        lost_once()
        return submit(self, params, tasks)

    monkeypatch.setattr(Evaluator, "_submit", submit_and_lose)
    assert total(evaluator, params) == expected.tobytes()
    assert len(calls) == 2


def test_repetitions_are_bounded(evaluator, params, monkeypatch):
    def lose(*_):
        raise TasksLost("a worker")

    monkeypatch.setattr(Evaluator, "_submit", lose)
    with pytest.raises(ClusterError, match="an evaluation has failed 8 times in a row; the last time: a worker"):
        evaluator(params)


def test_blocks_that_someone_cancels_are_an_error(evaluator, params):
    evaluator._cluster.client.cancel(evaluator._data._blocks[1:2])
    with pytest.raises(ClusterError, match=r"samples \d+ to \d+, of the partitions"):
        evaluator(params)


def look_until_cancelled(begun, ended):
    is_cancelled = worker_tasks._is_cancelled(distributed.get_worker())
    begun.set()
    while not is_cancelled():
        time.sleep(0.01)
    ended.set()


def test_a_task_that_is_cancelled_ends(client):
    begun, ended = distributed.Event(client=client), distributed.Event(client=client)
    task = client.submit(look_until_cancelled, begun, ended, pure=False)
    assert begun.wait(60)
    time.sleep(0.1)
    assert not ended.is_set()
    client.cancel([task], force=True)
    assert ended.wait(60)


def test_an_evaluation_takes_the_threads_of_its_worker(monkeypatch):
    threads = []

    def spy(objective, blocks, params, count, is_stopped):
        threads.append(min(count, len(blocks)))
        return held_sums(objective, blocks, params, count, is_stopped)

    monkeypatch.setattr(worker_tasks, "held_sums", spy)
    with cluster(1, threads=2, processes=False) as (_, client):
        assert cluster_data.trained(client, 2) == cluster_data.undisturbed(2)
    assert threads == [2, 2]


def record_compiles(file):
    """Let this worker's process write the name of each kernel that it compiles to a file."""
    from fastnn2.codegen import store

    compiled = store._compiled

    def compile_and_record(name, dtype, processor):
        with open(file, "a") as lines:
            lines.write(f"{name} {dtype}\n")
        return compiled(name, dtype, processor)

    store._compiled = compile_and_record


def test_one_worker_of_a_machine_compiles_and_the_others_wait(monkeypatch, tmp_path, store_kernels):
    expected = cluster_data.undisturbed(2)
    monkeypatch.setenv("FASTNN2_CACHE_DIR", str(tmp_path / "store"))
    with cluster(4) as (_, client):
        client.run(record_compiles, str(tmp_path / "compiles"))
        assert cluster_data.trained(client, 2) == expected
    compiles = (tmp_path / "compiles").read_text().splitlines()
    assert any("sums" in name for name in compiles)
    assert len(compiles) == len(set(compiles))
