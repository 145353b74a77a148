"""Predictors of models: the bits of predict_proba and predict, a snapshot, errors that help, threads and pickles."""

import copy
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_same_bits
from sklearn.exceptions import NotFittedError

import fastnn2
from fastnn2 import estimators

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = np.random.RandomState(0)
X = RANDOM.standard_normal((500, 13))
TARGETS = {
    "two classes": X[:, 0] > 0,
    "names of two classes": np.where(X[:, 0] > 0, "yes", "no"),
    "ten classes": np.arange(500) % 10,
    "labels": X[:, :4] > 0,
    "a number": X[:, 0],
    "numbers": X[:, :3],
    "counts": np.floor(np.abs(X[:, 0] * 3)),
}
CLASSIFIERS = ("two classes", "names of two classes", "ten classes", "labels")
COUNTS = (1, 2, 31, 64, 65, 500)


def fitted(kind, dtype="float64", **options):
    options = {"hidden_layer_sizes": 20, "max_iter": 2, "random_state": 0} | options
    y = TARGETS[kind]
    if kind in CLASSIFIERS:
        return fastnn2.MLPClassifier(**options).fit(X.astype(dtype), y)
    return fastnn2.MLPRegressor(**options).fit(X.astype(dtype), y.astype(dtype))


def predict(model, rows):
    return (model.predict_proba if hasattr(model, "classes_") else model.predict)(rows)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("kind", TARGETS)
def test_results_are_those_of_the_model(kind, activation, dtype):
    options = {"loss": "poisson"} if kind == "counts" else {}
    model, rows = fitted(kind, dtype, activation=activation, **options), X.astype(dtype)
    predictor = model.predictor()
    assert predictor.dtype == dtype
    assert predictor.n_features_in_ == 13
    for count in COUNTS:
        expected = predict(model, rows[:count])
        found = predictor(rows[:count])
        assert found.dtype == dtype
        assert_same_bits(found, np.ascontiguousarray(expected))
    for i in (0, 7, 499):
        found = predictor(rows[i])
        assert np.shape(found) == expected[i].shape
        assert type(found) is type(expected[i])
        assert_same_bits(np.array(found), np.array(expected[i]))


def test_one_feature():
    model = fastnn2.MLPRegressor(hidden_layer_sizes=3, max_iter=1, random_state=0).fit(X[:, :1], X[:, 0])
    column = np.ascontiguousarray(X[:, :1])
    assert_same_bits(model.predictor()(column), model.predict(column))
    assert model.predictor()(column[4]) == model.predict(column)[4]
    with pytest.raises(ValueError, match=re.escape("X has shape (500,); expected (samples, 1), or (1,)")):
        model.predictor()(X[:, 0].copy())


@pytest.mark.parametrize("n_threads", [1, 2, 3, None])
def test_many_rows(n_threads):
    model = fitted("ten classes", hidden_layer_sizes=100, n_threads=n_threads)
    rows = np.tile(X, (20, 1))
    assert_same_bits(model.predictor()(rows), model.predict_proba(rows))


def test_a_predictor_is_a_snapshot():
    model = fitted("two classes")
    predictor, expected = model.predictor(), model.predict_proba(X)
    model.coefs_[0][...] += 1.0
    assert_same_bits(predictor(X), np.ascontiguousarray(expected))
    model.set_params(activation="tanh", n_threads=1).fit(X, TARGETS["ten classes"])
    assert_same_bits(predictor(X), np.ascontiguousarray(expected))
    assert_same_bits(model.predictor()(X), model.predict_proba(X))
    del model
    assert_same_bits(predictor(X), np.ascontiguousarray(expected))


def test_results_are_new_arrays():
    predictor = fitted("numbers").predictor()
    first = predictor(X[:3])
    kept = first.copy()
    second = predictor(X[3:6])
    assert not np.shares_memory(first, second)
    assert_same_bits(first, kept)


@pytest.mark.parametrize("kind", ["two classes", "ten classes", "numbers"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_row(kind, bad):
    predictor = fitted(kind).predictor()
    broken = X[:70].copy()
    broken[33, 5] = bad
    found, expected = predictor(broken), predictor(X[:70])
    assert_same_bits(np.delete(found, 33, axis=0), np.delete(expected, 33, axis=0))
    if np.isnan(bad):
        assert np.isnan(found[33]).all()
    assert_same_bits(predictor(X[:70]), expected)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", TARGETS)
def test_copies_and_pickles(kind, dtype, protocol):
    predictor, rows = fitted(kind, dtype).predictor(), X.astype(dtype)
    content = pickle.dumps(predictor, protocol)
    assert set(re.findall(rb"fastnn2[\w.]*", content)) == {b"fastnn2.estimators"}  # public names alone
    for copied in (pickle.loads(content), copy.copy(predictor), copy.deepcopy(predictor)):
        assert type(copied) is estimators.Predictor
        assert_same_bits(copied(rows), predictor(rows))
        assert_same_bits(np.array(copied(rows[3])), np.array(predictor(rows[3])))
        assert repr(copied) == repr(predictor)


def test_threads_share_a_predictor():
    predictor = fitted("ten classes").predictor()
    expected = predictor(X)

    def work(thread):
        return all((predictor(X[i : i + 1 + thread]) == expected[i : i + 1 + thread]).all() for i in range(400))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8), timeout=PATIENCE))


@pytest.mark.parametrize("ours", [fastnn2.MLPClassifier, fastnn2.MLPRegressor])
def test_a_model_that_is_not_fitted(ours):
    with pytest.raises(NotFittedError, match=f"This {ours.__name__} instance is not fitted yet"):
        ours().predictor()


COLUMNS = np.ascontiguousarray(X.T)
FAULTS = {
    "list": (X.tolist(), TypeError, "X is list; expected an array of float64. Convert it first, for example np.asco"),
    "masked": (np.ma.masked_array(X), TypeError, "X is MaskedArray; expected an array of float64"),
    "float32": (X.astype("float32"), TypeError, "X has dtype float32; expected float64, as the parameters"),
    "integers": (X.astype(int), TypeError, "X has dtype int64; expected float64"),
    "byte order": (X.astype(">f8"), TypeError, "X has dtype >f8, in the byte order of other processors; expected flo"),
    "columns": (COLUMNS, ValueError, "X has shape (13, 500); expected (samples, 13), or (13,) for one sample"),
    "hint": (COLUMNS, ValueError, "X looks like one column per sample: pass np.ascontiguousarray(X.T)"),
    "not contiguous": (COLUMNS.T, ValueError, "X of shape (500, 13) is not C-contiguous; expected an array that is"),
    "gaps": (X[::2], ValueError, "X of shape (250, 13) is not C-contiguous"),
    "gaps in a row": (np.zeros(26)[::2], ValueError, "X of shape (13,) is not C-contiguous"),
    "a feature less": (X[:, :12].copy(), ValueError, "X has shape (500, 12); expected (samples, 13)"),
    "a row with a feature more": (np.zeros(14), ValueError, "X has shape (14,); expected (samples, 13)"),
    "a number": (np.array(1.0), ValueError, "X has shape (); expected (samples, 13)"),
    "three dimensions": (np.zeros((2, 3, 13)), ValueError, "X has shape (2, 3, 13); expected (samples, 13)"),
    "no rows": (X[:0], ValueError, "X has shape (0, 13), which is empty; expected at least one sample"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_say_what_was_found_and_expected(fault):
    predictor = fitted("two classes").predictor()
    value, kind, message = FAULTS[fault]
    with pytest.raises(kind, match=re.escape(message)):
        predictor(value)


def test_read_only_and_mapped_arrays(tmp_path):
    predictor = fitted("two classes").predictor()
    np.save(tmp_path / "X.npy", X)
    assert_same_bits(predictor(np.load(tmp_path / "X.npy", mmap_mode="r")), predictor(X))
