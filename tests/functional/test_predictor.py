"""fastnn2.predictor: the bits of forward's y, a snapshot, errors that help, threads and pickles."""

import copy
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_same_bits, problem

import fastnn2
from fastnn2.engine import forward_pass
from fastnn2.kernels.shared import tuning

SHAPES = [(2, 5, 1), (1, 1, 1), (7, 8, 3), (30, 100, 1), (8, 3, 9), (150, 40, 4)]


def counts(dtype):
    lanes = tuning.group_size(dtype)
    return 1, 3, lanes - 1, lanes, lanes + 1, 5 * lanes + 3


def columns(X, first, last):
    return np.ascontiguousarray(X[:, first:last])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_probabilities_are_those_of_forward(shape, dtype, monkeypatch):
    X, _, params, _ = problem(*shape, 400, dtype)
    predictor = fastnn2.predictor(params)
    assert predictor.dtype == dtype
    whole, _ = fastnn2.forward(X, params)
    assert_same_bits(predictor(X), whole)
    for n in counts(dtype):
        found = predictor(columns(X, 0, n))
        assert found.dtype == dtype
        assert_same_bits(found, fastnn2.forward(X[:, :n], params)[0])
        assert_same_bits(found, columns(whole, 0, n))
        assert (fastnn2.predict(X[:, :n], params) == (found > 0.5)).all()
    monkeypatch.setattr(forward_pass, "BLOCK_ELEMENTS", 1)
    assert_same_bits(predictor(X), whole)


@pytest.mark.parametrize("dtype", [*DTYPES, None])
@pytest.mark.parametrize("given", ["float64", "float32", "int"])
def test_dtype_is_that_of_the_samples(given, dtype):
    X, _, params, _ = problem(3, 4, 2, 50)
    params = {name: (4 * array).astype(given) for name, array in params.items()}
    predictor = fastnn2.predictor(params, dtype)
    chosen = dtype or ("float32" if given == "float32" else "float64")
    assert predictor.dtype == chosen
    assert_same_bits(predictor(X.astype(chosen)), fastnn2.forward(X.astype(chosen), params)[0])


def test_a_predictor_is_a_snapshot_and_its_results_are_new_arrays():
    X, _, params, _ = problem(3, 4, 2, 50)
    predictor = fastnn2.predictor(params)
    expected = predictor(X)
    kept = expected.copy()
    params["W1"][...] = 0.0
    assert_same_bits(predictor(X), expected)
    predictor(X[:, ::-1].copy())
    assert_same_bits(expected, kept)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n", [20, 200])
def test_what_is_not_finite_stays_in_its_column(n, bad):
    X, _, params, _ = problem(3, 4, 2, n)
    predictor = fastnn2.predictor(params)
    expected, broken = predictor(X), X.copy()
    broken[1, 7] = bad
    assert_same_bits(np.delete(predictor(broken), 7, axis=1), np.delete(expected, 7, axis=1))
    if np.isnan(bad):
        assert np.isnan(predictor(broken)[:, 7]).all()
    assert_same_bits(predictor(columns(X, 0, 3)), columns(expected, 0, 3))  # in the same workspace
    with pytest.raises(ValueError, match="sample 7"):
        fastnn2.predict(broken, params)
    assert (fastnn2.predict(X, params) == (expected > 0.5)).all()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_and_pickles(dtype, protocol):
    X, _, params, _ = problem(3, 4, 2, 50, dtype)
    predictor = fastnn2.predictor(params)
    content = pickle.dumps(predictor, protocol)
    assert set(re.findall(rb"fastnn2[\w.]*", content)) == {b"fastnn2"}  # the public name alone
    for copied in (pickle.loads(content), copy.copy(predictor), copy.deepcopy(predictor)):
        assert_same_bits(copied(X), predictor(X))
        assert repr(copied) == repr(predictor)


def test_threads_share_a_predictor_and_shapes_take_turns():
    predictors, expected, samples = [], [], []
    for shape in ((2, 5, 1), (30, 20, 3), (2, 5, 1)):
        X, _, params, _ = problem(*shape, 60, seed=len(predictors))
        samples.append(X)
        predictors.append(fastnn2.predictor(params))
        expected.append(predictors[-1](X))

    def work(thread):
        for i in range(300):
            k, first = (i + thread) % 3, i % 50
            found = predictors[k](columns(samples[k], first, first + 1 + thread))
            assert_same_bits(found, columns(expected[k], first, first + 1 + thread))
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8), timeout=PATIENCE))


X, _, PARAMS, _ = problem(3, 4, 2, 50)
FAULTS = {
    "list": (X.tolist(), TypeError, "X is list; expected an array of float64. Convert it first, for example np.asco"),
    "float32": (X.astype("float32"), TypeError, "X has dtype float32; expected float64, as the parameters"),
    "rows": (
        X.T.copy(),
        ValueError,
        "X has 50 features (rows); expected 3, as W1 has 3 columns. X of shape (50, 3) lo",
    ),
    "strides": (X.T.copy().T, ValueError, "X of shape (3, 50) is not C-contiguous; expected an array that is. Convert"),
    "gaps": (X[:, ::2], ValueError, "X of shape (3, 25) is not C-contiguous"),
    "one sample": (X[:, 0].copy(), ValueError, "X has shape (3,); expected two dimensions, (features, samples)"),
    "no samples": (X[:, :0], ValueError, "X has shape (3, 0), which is empty; expected at least one sample"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_say_what_was_found_and_expected(fault):
    value, kind, message = FAULTS[fault]
    with pytest.raises(kind, match=re.escape(message)):
        fastnn2.predictor(PARAMS)(value)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="params has the keys"):
        fastnn2.predictor({"W1": [[1.0]]})
    with pytest.raises(ValueError, match=re.escape("params['b1'] has shape")):
        fastnn2.predictor({**PARAMS, "b1": np.zeros((5, 1))})
    with pytest.raises(ValueError, match=re.escape("params['W2'] has nan at row 1, column 2")):
        fastnn2.predictor({**PARAMS, "W2": np.where(np.arange(8).reshape(2, 4) == 6, np.nan, PARAMS["W2"])})
    with pytest.raises(ValueError, match="dtype is int64; expected float32, float64 or None"):
        fastnn2.predictor(PARAMS, "int64")
    with pytest.raises(ValueError, match="too large for float32"):
        fastnn2.predictor({**PARAMS, "b2": np.full((2, 1), 1e300)}, "float32")
