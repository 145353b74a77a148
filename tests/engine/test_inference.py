"""The outputs of a network: against the NumPy reference, for dense and sparse rows; rows do not affect each other."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_same_bits
from mini_batch_data import LOSSES, SHAPES, as_dict, assert_near, problem
from thread_data import ThreadLimit

from fastnn2 import reference_mlp
from fastnn2.engine import inference, mini_batch
from fastnn2.engine import workspaces as workspace_module
from fastnn2.engine.workspaces import MOST_KEPT, Workspaces
from fastnn2.kernels.shared import choices, tuning


def test_duplicate_entries_of_a_sparse_row_are_summed():
    sparse = pytest.importorskip("scipy.sparse")
    duplicated = sparse.csr_matrix((np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 3))
    network = mini_batch.Network(3, 2, 1, choices.IDENTITY, choices.SQUARED_ERROR)
    params = np.random.RandomState(0).randn(network.n_params)
    prepared = inference.PreparedNetwork(network, params, "float64")
    found, _ = prepared.outputs(mini_batch.SampleMatrix(duplicated, "float64"))
    expected, _ = prepared.outputs(mini_batch.SampleMatrix(duplicated.toarray(), "float64"))
    assert_same_bits(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_outputs_equal_the_reference_and_rows_do_not_affect_each_other(loss, dtype):
    for shape in SHAPES:
        d, h, o, n, _ = shape
        X, _, params, _ = problem(d, h, o, n, loss, dtype)
        network = mini_batch.Network(d, h, o, choices.TANH, LOSSES[loss])
        prepared = inference.PreparedNetwork(network, params, dtype)
        y, are_finite = prepared.outputs(mini_batch.SampleMatrix(X, dtype))
        assert are_finite
        expected = reference_mlp.outputs(X.T.astype(float), as_dict(params, d, h, o), "tanh", loss).T
        assert_near(y, expected, dtype, shape)
        backwards, _ = prepared.outputs(mini_batch.SampleMatrix(X[::-1], dtype), n_threads=3)
        assert_same_bits(backwards[::-1].copy(), y)
        for i in (0, n // 2, n - 1):
            alone, _ = prepared.outputs(mini_batch.SampleMatrix(X[i : i + 1], dtype))
            assert_same_bits(alone[0], y[i])


@pytest.mark.parametrize("is_short", [True, False], ids=["short", "long"])
@pytest.mark.parametrize("granted", [1, 2, 3])
def test_outputs_if_the_system_refuses_threads(granted, is_short, monkeypatch):
    """Threads that were started do not wait for thread 0; what they have done is not done again."""
    network = mini_batch.Network(30, 10, 1, choices.RELU, choices.SQUARED_ERROR)
    X = mini_batch.SampleMatrix(np.random.RandomState(0).standard_normal((20_000, 30)), "float64")
    params = np.random.RandomState(1).standard_normal(network.n_params)
    expected, _ = inference.PreparedNetwork(network, params, "float64").outputs(X, n_threads=1)
    monkeypatch.setattr(inference, "is_short_job", lambda *_: is_short)
    limit = ThreadLimit(granted, monkeypatch)
    prepared = inference.PreparedNetwork(network, params, "float64")
    found, are_finite = prepared.outputs(X, n_threads=5)
    assert are_finite
    assert_same_bits(found, expected)
    assert limit.requests > granted
    X.values[-1, 3] = np.nan
    assert not prepared.outputs(X, n_threads=5)[1]


def random_network(d, h, o, dtype, seed=0, activation=choices.TANH, loss=choices.CROSS_ENTROPY):
    """Return a prepared network with random parameters."""
    network = mini_batch.Network(d, h, o, activation, loss)
    return inference.PreparedNetwork(network, np.random.RandomState(seed).standard_normal(network.n_params), dtype)


def outputs(prepared, X, **options):
    return prepared.outputs(mini_batch.SampleMatrix(X, prepared.dtype), **options)[0]


@pytest.fixture
def workspaces(monkeypatch):
    """Start without workspaces of other tests; count how often records and tiles are made."""
    kept, made, original = Workspaces(), [], inference.InferRecord
    monkeypatch.setattr(inference, "_workspaces", kept)
    monkeypatch.setattr(
        inference, "InferRecord", lambda **fields: made.append(fields["tile_groups"]) or original(**fields)
    )
    monkeypatch.setattr(Workspaces, "made", made, raising=False)
    return kept


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_workspace_is_kept_for_the_next_call_and_grows(dtype, workspaces):
    """In any order of sample counts, and of networks of other shapes in between, with numbers left from other calls."""
    X = np.random.RandomState(2).standard_normal((700, 30)).astype(dtype)
    networks = [random_network(30, 20, 3, dtype, 1), random_network(30, 7, 1, dtype, 2, choices.RELU, choices.LOG_LOSS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace_module, "MOST_BYTES", 0)
        fresh = [
            random_network(30, 20, 3, dtype, 1),
            random_network(30, 7, 1, dtype, 2, choices.RELU, choices.LOG_LOSS),
        ]
        expected = [outputs(each, X) for each in fresh]
        assert not workspaces._free
    workspaces.made.clear()
    most = tuning.group_size(dtype) * 2
    for count in (1, 3, most, 2, 1, 700, 5, 64, 1, most + 1):
        assert_same_bits(outputs(networks[0], X[:count]), expected[0][:count])
    assert workspaces.made == sorted(set(workspaces.made))  # only when it grew
    assert 2 <= len(workspaces.made) <= 4
    for count in (1, 700, 2):
        for network, y in zip(networks, expected, strict=True):
            assert_same_bits(outputs(network, X[:count]), y[:count])
    assert len(workspaces._free) == 1


def test_a_workspace_says_of_each_call_alone_whether_samples_are_finite(workspaces):
    prepared = random_network(4, 5, 2, "float64")
    good, bad = np.ones((3, 4)), np.ones((3, 4))
    bad[2, 3] = np.nan
    found = [prepared.outputs(mini_batch.SampleMatrix(X, "float64"))[1] for X in (good, bad, good, bad, bad, good)]
    assert found == [True, False, True, False, False, True]
    assert len(workspaces.made) == 1


def test_a_workspace_keeps_neither_samples_nor_outputs_nor_networks_alive(workspaces):
    prepared, X = random_network(4, 5, 2, "float64"), np.ones((3, 4))
    y = outputs(prepared, X)
    y = outputs(prepared, X)
    references = [weakref.ref(each) for each in (X, y, prepared, prepared._params.base)]
    del prepared, X, y
    gc.collect()
    assert [reference() for reference in references] == [None] * 4
    assert len(workspaces._free) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_calls_at_the_same_time_have_a_workspace_each(dtype, workspaces):
    """Those of threads, which leave at most MOST_KEPT workspaces, and one in the midst of another, as a signal's."""
    X = np.random.RandomState(2).standard_normal((100, 30)).astype(dtype)
    prepared = random_network(30, 20, 3, dtype)
    expected, start = outputs(prepared, X), threading.Barrier(8)

    def predict(thread):
        start.wait(timeout=PATIENCE)
        for i in range(300):
            first = (7 * i + thread) % 90
            assert_same_bits(outputs(prepared, X[first : first + 1 + thread]), expected[first : first + 1 + thread])
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(predict, range(8)))
    assert 1 <= len(workspaces._free) <= 8
    taken = [workspaces.take() for _ in range(MOST_KEPT + 5)]
    assert len(set(map(id, taken))) == MOST_KEPT + 5
    for workspace in taken:
        workspaces.put(workspace)
    assert len(workspaces._free) == MOST_KEPT

    inner, original = [], Workspaces.take

    def take(self):
        workspace = original(self)
        if not inner:
            inner.append(None)
            inner[0] = outputs(prepared, X[50:60])
        return workspace

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workspaces, "take", take)
        assert_same_bits(outputs(prepared, X[:10]), expected[:10])
    assert_same_bits(inner[0], expected[50:60])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("d", "h"), [(1, 1), (1_000, 10), (3_900, 100), (4_000, 10), (10, 4_000)])
def test_a_workspace_takes_at_most_2_mb(d, h, dtype, workspaces):
    """Half of it for tiles, and half for rows and their outputs; docs/guide/deployment.md says so."""
    prepared = random_network(d, h, 1, dtype)
    for count in (1, 33, 200):
        outputs(prepared, np.ones((count, d), dtype))
    assert workspaces._free
    for workspace in workspaces._free:
        assert sum(array.nbytes for array in (*workspace.tiles, *workspace.rows)) <= 1 << 21
