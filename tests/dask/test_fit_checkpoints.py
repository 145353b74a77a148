"""callback, checkpoint and resume of fastnn2.dask.fit."""

import re

import numpy as np
import pytest
from dask_data import PARTITIONINGS, cut, da, fit, local_fit, rows_of
from data import DTYPES, RATE, assert_same_bits, extra
from fit_blocks_data import SHAPES

import fastnn2
from fastnn2.dask import ClusterError
from fastnn2.engine.objective import Objective
from fastnn2.storage import checkpoint_file
from fastnn2.storage.lock import FileLock

data_digest = extra("fastnn2.dask.data_digest", "dask")
ITERATIONS = 7
DATA = "outputs", "float64", True  # shape, dtype, whether there are weights


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


@pytest.fixture(scope="module")
def expected():
    return local_fit(rows_of(*DATA), "outputs", ITERATIONS, alpha=0.3)


def collections(partitioning="each in its way", data=DATA):
    return PARTITIONINGS[partitioning](*rows_of(*data))


def run(client, iterations=ITERATIONS, partitioning="each in its way", **options):
    return fit(client, collections(partitioning), "outputs", iterations, alpha=0.3, **options)


# Callbacks


def test_a_callback_sees_what_it_sees_in_fit(client):
    seen = {}

    def watch(kind):
        return lambda *found: seen.setdefault(kind, []).append(found)

    run(client, callback=watch("here"), callback_every=3)
    local_fit(rows_of(*DATA), "outputs", ITERATIONS, alpha=0.3, callback=watch("there"), callback_every=3)
    assert [found[:2] for found in seen["here"]] == [found[:2] for found in seen["there"]]
    for (*_, here), (*_, there) in zip(seen["here"], seen["there"], strict=True):
        assert_same_bits(here, there)


def test_a_callback_ends_the_run(client, expected):
    params, costs = run(client, callback=lambda done, cost, params: done == 4)
    assert_same_bits(costs, expected[1][:4])
    assert_same_bits(params, local_fit(rows_of(*DATA), "outputs", 4, alpha=0.3)[0])


@pytest.mark.parametrize("error", [ValueError("no more"), KeyError("no more"), SystemExit(3)], ids=repr)
def test_an_error_of_the_callback(error, client, path):
    def fail(done, cost, params):
        if done == 4:
            raise error

    with pytest.raises(type(error)) as raised:
        run(client, callback=fail, checkpoint=path)
    assert raised.value is error
    expected = local_fit(rows_of(*DATA), "outputs", 4, alpha=0.3)
    assert_same_bits(error.training, expected)
    assert_same_bits(run(client, 4, checkpoint=path, resume=True), expected)


def test_keyboard_interrupt_in_a_callback(client, expected, path):
    def interrupt(done, cost, params):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(fastnn2.TrainingInterrupted, match=r"stopped after 4 of 7 .*fastnn2\.dask\.fit\(") as error:
        run(client, callback=interrupt, checkpoint=path)
    assert_same_bits((error.value.params, error.value.cost_), local_fit(rows_of(*DATA), "outputs", 4, alpha=0.3))
    assert_same_bits(run(client, checkpoint=path, resume=True), expected)


# Checkpoints


@pytest.mark.parametrize("partitioning", ["one", "columns too", "tiny", "empty", "unknown"])
def test_the_end_is_that_of_the_undisturbed_run(partitioning, client_of, path, expected):
    """With other partitions and another number of workers in each part."""
    run(client_of(2), 3, checkpoint=path)
    run(client_of(1), 5, partitioning, checkpoint=path, resume=True)
    result = run(client_of(4), ITERATIONS, "frames", checkpoint=path, resume=True)
    assert_same_bits(result, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape(shape, client, path):
    dtype = DTYPES[len(shape) % 2]
    rows = rows_of(shape, dtype, n=1500)
    for iterations, size in ((2, 700), (6, 400)):
        parts = [cut(array, size) for array in rows]
        result = fit(client, parts, shape, iterations, checkpoint=path, checkpoint_seconds=0, resume=True)
    assert_same_bits(result, local_fit(rows, shape, 6))


def test_a_checkpoint_is_written_while_it_runs(client, path):
    seen = []

    def look(done, cost, params):
        seen.append(checkpoint_file.read(path, "dask.fit")[0]["iterations"] if path.exists() else 0)

    run(client, 40, callback=look, checkpoint=path, checkpoint_seconds=0)
    assert 0 < seen[-1] < 40
    assert checkpoint_file.read(path, "dask.fit")[0]["iterations"] == 40


def test_an_error_of_the_cluster_leaves_a_checkpoint(client, path, expected, monkeypatch):
    from fastnn2.dask.evaluation import Evaluator

    calls, evaluate = [], Evaluator.__call__

    def failing(self, params):
        calls.append(1)
        if len(calls) == 4:
            raise ClusterError("the cluster is gone")
        return evaluate(self, params)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", failing)
        with pytest.raises(ClusterError, match="the cluster is gone"):
            run(client, checkpoint=path)
    assert checkpoint_file.read(path, "dask.fit")[0]["iterations"] == 3
    assert_same_bits(run(client, checkpoint=path, resume=True), expected)


def test_a_run_that_is_complete_returns_its_result(client, path, expected):
    for _ in range(2):
        assert_same_bits(run(client, checkpoint=path, resume=True), expected)


def other_data(which, change):
    rows = list(rows_of(*DATA))
    rows[which] = rows[which].copy()
    change(rows[which])
    return [cut(array, 1100) for array in rows]


def add(rows):
    rows[8] += 0.125  # every eighth row is read


CHANGES = {
    "X": (lambda: (other_data(0, add), {}), "the data (X, Y and sample_weight) differ"),
    "Y": (lambda: (other_data(1, lambda rows: np.subtract(1, rows, out=rows)), {}), "the data (X, Y and"),
    "weights": (lambda: (other_data(2, add), {}), "the data (X, Y and sample_weight) differ"),
    "no weights": (lambda: (collections()[:2], {}), "the data (X, Y and sample_weight) differ"),
    "order": (lambda: (other_data(0, lambda rows: rows[:].sort(axis=0)), {}), "the data (X, Y and"),
    "samples": (lambda: ([cut(array[1:], 900) for array in rows_of(*DATA)], {}), "the number of samples is 4500 there"),
    "float32": (lambda: (collections(), {"dtype": "float32"}), "dtype is 'float64' there and 'float32' here"),
    "alpha": (lambda: (collections(), {"alpha": 0.5}), "alpha is 0.3 there and 0.5 here"),
    "learning_rate": (lambda: (collections(), {"learning_rate": 0.5}), f"learning_rate is {RATE} there and 0.5 here"),
    "init": (lambda: (collections(), {"init": "small"}), "the initial parameters (from init and"),
    "random_state": (lambda: (collections(), {"random_state": 4}), "the initial parameters (from init and"),
}  # fmt: skip


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_of_another_run_is_refused(change, resume, client, path):
    run(client, 2, checkpoint=path)
    before = path.read_bytes()
    make, message = CHANGES[change]
    others, options = make()
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        fit(client, others, "outputs", ITERATIONS, **{"alpha": 0.3, **options}, checkpoint=path, resume=resume)
    assert "Choose another file, or remove this one" in str(error.value)
    assert path.read_bytes() == before


def test_files_of_fit_and_of_a_cluster_are_told_apart(client, path):
    run(client, 2, checkpoint=path)
    X, Y, weights = rows_of(*DATA)
    local = {"alpha": 0.3, "sample_weight": weights, "checkpoint": path, "resume": True}
    with pytest.raises(ValueError, match=r"is a checkpoint of kind 'dask.fit'; expected 'fit'\. Choose another file"):
        fastnn2.fit(X.T, Y.T, RATE, SHAPES["outputs"][1], 4, **local)
    path.unlink()
    fastnn2.fit(X.T, Y.T, RATE, SHAPES["outputs"][1], 2, **local)
    with pytest.raises(ValueError, match=r"is a checkpoint of kind 'fit'; expected 'dask.fit'\. Choose another file"):
        run(client, checkpoint=path, resume=True)


def test_random_state_none(client, path):
    first = run(client, 2, random_state=None, checkpoint=path)
    result = run(client, random_state=None, checkpoint=path, resume=True)
    assert_same_bits(result[1][:2], first[1])


def test_one_run_has_the_file(client, path):
    lock = FileLock(path)
    assert lock.acquire()
    with pytest.raises(ValueError, match="another run, of this process or another one, writes the checkpoint"):
        run(client, checkpoint=path)
    lock.release()
    run(client, 1, checkpoint=path)


def test_samples_that_cannot_be_used_leave_no_lock(client, path):
    X, Y, _ = collections()
    with pytest.raises(ValueError, match="expected targets from 0 to 1"):
        fit(client, (X, Y + 1), "outputs", checkpoint=path)
    assert not path.exists()
    run(client, 1, checkpoint=path)


# The digest


def test_no_digest_without_a_checkpoint(client, monkeypatch):
    monkeypatch.setattr(data_digest, "digests_of", None)
    monkeypatch.setattr(fastnn2.dask.fit.__globals__["data_digest"], "__code__", fail.__code__)
    run(client, 1)


def fail(*arguments):
    raise AssertionError("a digest is made")


def test_losses_while_the_digest_is_made(client, path, expected, monkeypatch):
    """They are made good as those of an evaluation."""
    from fastnn2.dask.held_data import HeldData
    from fastnn2.dask.requests import Cluster, TasksLost

    gather, recover, calls, recovered = Cluster.gather, HeldData.recover, [], []

    def losing(self, futures, what, *others):
        if what == "the digest of the samples" and len(calls) < 2:
            calls.append(what)
            raise TasksLost("gone")
        return gather(self, futures, what, *others)

    monkeypatch.setattr(Cluster, "gather", losing)
    monkeypatch.setattr(HeldData, "recover", lambda self: (recovered.append(self), recover(self)))
    assert_same_bits(run(client, checkpoint=path), expected)
    assert len(recovered) >= 2


@pytest.mark.parametrize("n", [1, 100, 1024, 1025, 5000])
def test_the_sampled_rows(n, client, path):
    """A change of any of them, and of no other, is seen."""
    from fastnn2.storage.digest import sampled_rows

    X, Y = np.arange(2.0 * n).reshape(n, 2), np.zeros(n)
    fit_it = fastnn2.dask.fit
    keywords = {"checkpoint": path, "resume": True, "timeout": 60}
    fit_it(client, cut(X, 700), cut(Y, 800), RATE, 2, 1, **keywords)
    rows = sampled_rows(n)
    for row in {0, n // 2, n - 1, rows[-1], rows[len(rows) // 2]}:
        changed = X.copy()
        changed[row, 1] += 1
        if row in rows:
            with pytest.raises(ValueError, match=r"the data \(X, Y and sample_weight\) differ"):
                fit_it(client, cut(changed, 300), cut(Y, 800), RATE, 2, 1, **keywords)
        else:
            fit_it(client, cut(changed, 300), cut(Y, 800), RATE, 2, 1, **keywords)


def test_a_digest_is_of_rows_not_of_blocks():
    """Blocks of other chunks have the same digests, in the order of rows."""
    from fastnn2.dask.targets import UnitInterval
    from fastnn2.dask.worker_tasks import lay_out

    n = 4500
    objective = Objective(2, 3, 1, n, np.dtype(np.float64), False)
    X, Y = np.random.default_rng(0).standard_normal((n, 2)), np.zeros(n)
    chunks = objective.cut.chunks

    def digests(*ends):
        found = []
        for first, end in zip((0, *ends), (*ends, chunks), strict=True):
            begin, last = objective.cut.chunk(first).first * 8, objective.cut.chunk(end - 1).last * 8
            lanes = data_digest.tuning.group_size(objective.dtype) // 8
            rows = slice(begin * lanes, min(last * lanes, n))
            block = lay_out(objective, first, end, [(0, 0, X[rows])], [(0, 0, Y[rows])], [], UnitInterval())
            number, more = data_digest.digests_of(objective, block)
            assert number == first
            found += more
        return found

    whole = digests()
    assert len(whole) == len(range(0, n, 8))
    assert len(set(whole)) == len(whole)
    assert digests(1) == digests(3, chunks - 1) == whole


def test_collections_that_are_persisted(client, path, expected):
    held = client.persist(collections())
    assert_same_bits(run(client, 3, checkpoint=path)[1], expected[1][:3])
    result = fit(client, held, "outputs", ITERATIONS, alpha=0.3, checkpoint=path, resume=True)
    assert_same_bits(result, expected)
    assert all(isinstance(collection, da.Array) for collection in held)
