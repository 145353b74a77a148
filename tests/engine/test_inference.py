"""The outputs of a network: against the NumPy reference, for dense and sparse rows; rows do not affect each other."""

import numpy as np
import pytest
from data import DTYPES, assert_same_bits
from mini_batch_data import LOSSES, SHAPES, as_dict, assert_near, problem
from thread_data import ThreadLimit

from fastnn2 import reference_mlp
from fastnn2.engine import inference, mini_batch
from fastnn2.kernels.shared import choices


def test_duplicate_entries_of_a_sparse_row_are_summed():
    sparse = pytest.importorskip("scipy.sparse")
    duplicated = sparse.csr_matrix((np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 3))
    network = mini_batch.Network(3, 2, 1, choices.IDENTITY, choices.SQUARED_ERROR)
    params = np.random.RandomState(0).randn(network.n_params)
    found, _ = inference.outputs(network, mini_batch.SampleMatrix(duplicated, "float64"), params)
    expected, _ = inference.outputs(network, mini_batch.SampleMatrix(duplicated.toarray(), "float64"), params)
    assert_same_bits(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_outputs_equal_the_reference_and_rows_do_not_affect_each_other(loss, dtype):
    for shape in SHAPES:
        d, h, o, n, _ = shape
        X, _, params, _ = problem(d, h, o, n, loss, dtype)
        network = mini_batch.Network(d, h, o, choices.TANH, LOSSES[loss])
        y, are_finite = inference.outputs(network, mini_batch.SampleMatrix(X, dtype), params)
        assert are_finite
        expected = reference_mlp.outputs(X.T.astype(float), as_dict(params, d, h, o), "tanh", loss).T
        assert_near(y, expected, dtype, shape)
        backwards, _ = inference.outputs(network, mini_batch.SampleMatrix(X[::-1], dtype), params, n_threads=3)
        assert_same_bits(backwards[::-1].copy(), y)
        for i in (0, n // 2, n - 1):
            alone, _ = inference.outputs(network, mini_batch.SampleMatrix(X[i : i + 1], dtype), params)
            assert_same_bits(alone[0], y[i])


@pytest.mark.parametrize("is_short", [True, False], ids=["short", "long"])
@pytest.mark.parametrize("granted", [1, 2, 3])
def test_outputs_if_the_system_refuses_threads(granted, is_short, monkeypatch):
    """Threads that were started do not wait for thread 0; what they have done is not done again."""
    network = mini_batch.Network(30, 10, 1, choices.RELU, choices.SQUARED_ERROR)
    X = mini_batch.SampleMatrix(np.random.RandomState(0).standard_normal((20_000, 30)), "float64")
    params = np.random.RandomState(1).standard_normal(network.n_params)
    expected, _ = inference.outputs(network, X, params, n_threads=1)
    monkeypatch.setattr(inference, "is_short_job", lambda *_: is_short)
    limit = ThreadLimit(granted, monkeypatch)
    found, are_finite = inference.outputs(network, X, params, n_threads=5)
    assert are_finite
    assert_same_bits(found, expected)
    assert limit.requests > granted
    X.values[-1, 3] = np.nan
    assert not inference.outputs(network, X, params, n_threads=5)[1]
