import contextlib
import types

import numpy as np
from data import extra

from fastnn2.engine.objective import Objective

da = extra("dask.array", "dask")
highlevelgraph = extra("dask.highlevelgraph", "dask")
block_tasks = extra("fastnn2.dask.block_tasks", "dask")
collections = extra("fastnn2.dask.collections", "dask")
plan = extra("fastnn2.dask.plan", "dask")
worker_tasks = extra("fastnn2.dask.worker_tasks", "dask")


class Client:
    """Computes nothing; a task becomes a future that knows its name."""

    def compute(self, tasks, **options):
        return [types.SimpleNamespace(key=task.key, status="pending") for task in tasks]

    def submit(self, function, *arguments, **options):
        return types.SimpleNamespace(key=function.__name__, status="pending")


class Cluster:
    """What BlockTasks asks of a cluster."""

    @contextlib.contextmanager
    def connection(self):
        yield Client()

    def wait_until_known(self, tasks):
        """The client above has them at once."""

    def let_go(self, tasks):
        tasks.clear()

    def wait(self, tasks, what):
        assert not tasks
        return []


def submitted(partitions):
    """Return the tasks of one block, of samples in that many partitions, after they are submitted."""
    n = 10 * partitions
    X, Y = (da.from_array(np.zeros(shape), chunks=10) for shape in ((n, 1), n))
    objective = Objective(1, 1, 1, n, np.dtype(np.float64), False)
    planned = [plan.PlannedBlock("a", 0, objective.cut.chunks)]
    tasks = block_tasks.BlockTasks(
        Cluster(), objective, planned, [collections.Collection(X, "X"), collections.Collection(Y, "Y")], None
    )
    tasks.submit([0], placed=True)
    return tasks


def test_the_graph_of_a_collection_is_read_once_not_for_each_partition(monkeypatch):
    read, iterate = [], highlevelgraph.HighLevelGraph.__iter__
    monkeypatch.setattr(
        highlevelgraph.HighLevelGraph, "__iter__", lambda graph: (read.append(graph), iterate(graph))[1]
    )
    counts = []
    for partitions in (20, 200):
        read.clear()
        submitted(partitions)
        counts.append(len(read))
    assert counts[0] == counts[1]


def test_the_keys_are_those_of_all_tasks():
    tasks = submitted(20)
    made = {key for key in tasks.keys if isinstance(key, tuple)}
    assert len(made) == 40  # of partitions
    assert len({key for key in tasks.keys if str(key).startswith("take_rows")}) == 40
    assert worker_tasks.lay_out.__name__ in tasks.keys
