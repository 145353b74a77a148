import pickle

import cluster_data
import dask.array
import numpy as np
import pytest
from cluster_data import RATE, SHAPE, assert_idle, cluster, distributed, trained, undisturbed
from dask.sizeof import sizeof

import fastnn2.dask
from fastnn2.dask import ClusterError, held_data
from fastnn2.engine.held_sums import HeldBlock
from fastnn2.kernels.shared.record import address
from fastnn2.kernels.shared.tuning import ALIGNMENT

HEADER = 64  # bytes of a Python object, at most


@pytest.fixture(scope="module")
def own():
    with cluster(2, memory_limit="1 GB") as (local, client):
        yield local, client


def held(client):
    """Return what each worker holds: for each result its type, Dask's idea of its bytes, and those of its samples."""

    def look(dask_worker):
        found = []
        for key in dask_worker.data:
            value, size = dask_worker.data[key], dask_worker.state.tasks[key].nbytes
            arrays = getattr(value, "samples", ())
            aligned = all(address(array) % ALIGNMENT == 0 for array in arrays if array.size)
            found.append((type(value).__name__, size, sum(array.nbytes for array in arrays), aligned))
        spilled = len(getattr(dask_worker.data, "disk", None) or getattr(dask_worker.data, "slow", ()) or ())
        return found, spilled

    return client.run(look)


def test_a_worker_holds_its_blocks_once_and_nothing_else(own):
    _, client = own
    seen = []
    assert trained(client, 3, callback=lambda *_: seen.append(held(client))) == undisturbed(3)
    d, _, o, n = SHAPE
    for workers in seen:
        blocks = [block for found, spilled in workers.values() for block in found if not spilled]
        assert {name for name, *_ in blocks} <= {"HeldBlock", "ChunkSums"}
        blocks = [block for block in blocks if block[0] == "HeldBlock"]
        assert all(0 <= size - samples < HEADER and aligned for _, size, samples, aligned in blocks)
        total = sum(samples for *_, samples, _ in blocks)
        assert n * (d + o + 1) * 8 <= total < 1.02 * n * (d + o + 1) * 8
    assert_idle(client)


def test_a_graph_that_the_scheduler_cannot_read_is_that_error(own, monkeypatch):
    _, client = own

    deserialize = distributed.scheduler.deserialize

    def refuse(header, frames):
        if any(b"slowly" in bytes(frame) for frame in frames):  # the function that makes partitions
            raise ModuleNotFoundError("No module named 'cluster_data'")
        return deserialize(header, frames)

    monkeypatch.setattr(distributed.scheduler, "deserialize", refuse)
    with pytest.raises(RuntimeError, match="Error during deserialization of the task graph"):
        trained(client, 3)


def test_only_tasks_that_find_no_worker_are_submitted_again(own, monkeypatch):
    _, client = own
    monkeypatch.setattr(held_data, "STALL_SECONDS", 0.1)
    submitted, submit = [], held_data.HeldData._submit

    def counted(*arguments, **options):
        submitted.append(1)
        submit(*arguments, **options)

    monkeypatch.setattr(held_data.HeldData, "_submit", counted)
    X = cluster_data.samples()[0]
    slow = dask.array.from_array(X, chunks=(6_000, -1)).map_blocks(cluster_data.slowly, 1.5)
    X = client.persist((slow - slow.mean(axis=0)).astype(float))  # its tasks are not ours
    fastnn2.dask.fit(client, X, X[:, :1] > 0, RATE, 5, 1, timeout=cluster_data.TIMEOUT)
    assert submitted == [1]


def test_the_size_of_a_block_is_that_of_its_samples():
    block = block_of(1_000)
    assert 0 <= sizeof(block) - sum(array.nbytes for array in block.samples) < HEADER


def block_of(count):
    from fastnn2.engine.block_job import Samples

    return HeldBlock(0, 1, Samples(np.arange(count, dtype=float), np.ones(count), np.zeros(0)))


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_block_that_travels_is_aligned_again(protocol):
    block = block_of(999)
    buffers = []
    options = {"buffer_callback": buffers.append} if protocol == 5 else {}
    data = pickle.dumps(block, protocol, **options)
    copy = pickle.loads(data, buffers=buffers)
    assert (copy.first, copy.end) == (0, 1)
    for array, expected in zip(copy.samples, block.samples, strict=True):
        assert array.tobytes() == expected.tobytes()
        assert array.size == 0 or address(array) % ALIGNMENT == 0


def test_samples_that_do_not_fit_are_refused_with_the_figure(own):
    _, client = own
    n = 20_000_000
    X = dask.array.zeros((n, 20), chunks=(100_000, -1))
    error = (
        r"the samples take 1\.\d+ GiB on worker tcp://\S+, which has room for \S+ MiB \(60% of its memory_limit of "
        r"\S+ GiB, less \S+ MiB that it uses for itself\); start more workers, .* in float32 the samples take half"
    )
    with pytest.raises(ClusterError, match=error):
        fastnn2.dask.fit(client, X, X[:, 0], RATE, 5, 1, timeout=cluster_data.TIMEOUT)
    assert_idle(client)
