"""What predictions keep beside a model: no attribute, right after any change of the model, gone with the model."""

import copy
import gc
import os
import pickle
import sys
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_same_bits
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from thread_data import run

import fastnn2
from fastnn2.estimators import networks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.RandomState(0).standard_normal((300, 30))
y = (X[:, 0] * X[:, 1] > 0).astype(int)


def fitted(dtype="float64", seed=0, **options):
    options = {"hidden_layer_sizes": 20, "max_iter": 2, "random_state": seed, "n_threads": 1} | options
    return fastnn2.MLPClassifier(**options).fit(X.astype(dtype), y)


def predicted_anew(model, rows):
    """Return what a model with the same attributes predicts, for which nothing is kept."""
    return copy.deepcopy(model).predict_proba(rows)


@pytest.fixture
def packed(monkeypatch):
    """Return a list that gets an entry for each time that parameters are packed."""
    calls, original = [], networks.PreparedNetwork
    monkeypatch.setattr(networks, "PreparedNetwork", lambda *given: calls.append(given[2]) or original(*given))
    return calls


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_are_packed_once_for_each_dtype_of_a_run(dtype, packed):
    model = fitted(dtype)
    packed.clear()
    rows = X.astype(dtype)
    expected = model.predict_proba(rows)
    for count in (1, 10, 300):
        assert_same_bits(model.predict_proba(rows[:count]), expected[:count])
    assert packed == [dtype]
    model.predict(X), model.predict(rows), model.predict(X), model.score(X, y)
    assert packed == ([dtype] if dtype == "float64" else ["float32", "float64"])
    model.predict(X.astype(int))
    assert len(packed) == len(set(packed))


def negate_zero(model):
    model.intercepts_[1][...] = -0.0


def transpose(model):
    """Give the arrays other strides, and the same numbers."""
    model.coefs_ = [np.asfortranarray(coef) for coef in model.coefs_]


def set_list_item(model):
    model.coefs_[1] = model.coefs_[1] * 2


def set_other_dtype(model):
    other = "float32" if model.coefs_[0].dtype == "float64" else "float64"
    model.coefs_, model.intercepts_ = (
        [each.astype(other) for each in each] for each in (model.coefs_, model.intercepts_)
    )


def swap_axes(model):
    """Give W1 another shape with the same bytes: predictions refuse it."""
    model.coefs_[0] = model.coefs_[0].reshape(model.coefs_[0].shape[::-1])


def add_to(name, layer, place, value):
    def change(model):
        getattr(model, name)[layer][place] += value

    return change


CHANGES = {
    "first number of W1": add_to("coefs_", 0, (0, 0), 1.0),
    "last number of W1": add_to("coefs_", 0, (-1, -1), 1e-3),
    "b1": add_to("intercepts_", 0, 3, 1.0),
    "W2": add_to("coefs_", 1, (7, 0), -1.0),
    "b2": add_to("intercepts_", 1, 0, 0.5),
    "NaN": add_to("coefs_", 1, (0, 0), np.nan),
    "infinity": add_to("intercepts_", 1, 0, np.inf),
    "-0.0": negate_zero,
    "an array of the list": set_list_item,
    "strides": transpose,
    "dtype": set_other_dtype,
    "activation": lambda model: model.set_params(activation="tanh"),
    "partial_fit": lambda model: model.partial_fit(X, y),
    "fit": lambda model: model.fit(X[:100], y[:100]),
    "fit with fewer units": lambda model: model.set_params(hidden_layer_sizes=5).fit(X, y),
    "warm_start": lambda model: model.set_params(warm_start=True).fit(X, y),
    "L-BFGS": lambda model: model.set_params(solver="lbfgs").fit(X, y),
    "fit to ten classes": lambda model: model.fit(X, np.arange(300) % 10),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changes_show_at_once(change, dtype):
    model, rows = fitted(dtype), X[:40].astype(dtype)
    model.predict_proba(rows), model.predict_proba(X[:1])
    for _ in range(2):  # from what is kept, and from what was changed
        change(model)
        for some in (rows[:1], rows, X[:3]):
            assert_same_bits(model.predict_proba(some), predicted_anew(model, some))


def test_a_zero_that_changes_its_sign_shows():
    """In a network of zeros it is the only sign of the output."""
    model = fastnn2.MLPRegressor(hidden_layer_sizes=3, activation="identity", max_iter=1, random_state=0).fit(X, y)
    for array in model.coefs_ + model.intercepts_:
        array[...] = 0.0
    assert not np.signbit(model.predict(X[:1]))
    model.coefs_[1][...], model.intercepts_[1][...] = -0.0, -0.0
    assert np.array_equal(np.signbit(model.predict(X[:1])), np.signbit(copy.deepcopy(model).predict(X[:1])))
    kept = networks._kept[id(model)].snapshots[np.dtype("float64")]
    assert kept.is_of(model)
    model.intercepts_[1][...] = 0.0
    assert not kept.is_of(model)


def test_parameters_of_nan_are_equal_to_themselves(packed):
    model = fitted()
    model.coefs_[0][...] = np.nan
    packed.clear()
    found = [model.predict_proba(X[:2]) for _ in range(3)]
    assert packed == ["float64"]
    assert all(np.isnan(each).all() for each in found)


def test_another_shape_with_the_same_bytes_is_refused():
    model = fitted()
    expected = model.predict_proba(X)
    swap_axes(model)
    with pytest.raises(ValueError):
        model.predict_proba(X)
    swap_axes(model)
    assert_same_bits(model.predict_proba(X), expected)


def test_large_parameters_are_packed_each_time(packed, monkeypatch):
    monkeypatch.setattr(networks, "MOST_BYTES", 100)
    model = fitted()
    packed.clear()
    for _ in range(3):
        model.coefs_[0][0, 0] += 1.0
        assert_same_bits(model.predict_proba(X), predicted_anew(model, X))
    assert len(packed) == 6
    assert networks._kept[id(model)].snapshots == {}


def test_arrays_of_objects_are_packed_each_time():
    """Their bytes are addresses."""
    model = fitted()
    expected = model.predict_proba(X)
    model.coefs_ = [array.astype(object) for array in model.coefs_]
    for _ in range(2):
        assert_same_bits(model.predict_proba(X), expected)
    model.coefs_[0][0, 0] += 1.0
    assert_same_bits(model.predict_proba(X), predicted_anew(model, X))


def test_predictions_leave_no_attribute_behind():
    model = fitted()
    before = copy.deepcopy(vars(model))
    identities = {name: id(value) for name, value in vars(model).items()}
    model.predict(X), model.predict_proba(X[:1]), model.predictor(), model.score(X, y)
    assert {name: id(value) for name, value in vars(model).items()} == identities
    assert pickle.dumps(vars(model)) == pickle.dumps(before)


def test_what_is_kept_goes_with_the_model():
    gc.collect()
    before = set(networks._kept)
    models = [fitted(seed=seed) for seed in range(3)]
    for model in models:
        model.predict_proba(X)
    assert set(networks._kept) == before | set(map(id, models))
    references = [weakref.ref(networks.prepared_network(model, np.dtype("float64"))) for model in models]
    references += [weakref.ref(model) for model in models]
    del model, models
    gc.collect()
    assert [reference() for reference in references] == [None] * 6
    assert set(networks._kept) == before


def test_a_model_at_the_address_of_another_has_its_own_network():
    """Whether or not its entry is still there."""
    first, second = fitted(seed=1), fitted(seed=2)
    expected = predicted_anew(second, X)
    first.predict_proba(X)
    networks._kept[id(second)] = networks._kept[id(first)]
    assert_same_bits(second.predict_proba(X), expected)


def test_copies_do_not_share_what_is_kept():
    model = fitted()
    expected = model.predict_proba(X)
    for copied in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model)), clone(model).fit(X, y)):
        assert_same_bits(copied.predict_proba(X), expected)
        copied.coefs_ = [coef * 2 for coef in copied.coefs_]
        assert_same_bits(copied.predict_proba(X), predicted_anew(copied, X))
        assert (copied.predict_proba(X) != expected).any()
        assert_same_bits(model.predict_proba(X), expected)


class Equal(fastnn2.MLPClassifier):
    """Models that are all equal, and have no hash."""

    def __eq__(self, other):
        return True


Equal.__hash__ = None


def test_models_that_are_equal_have_networks_of_their_own():
    models = [Equal(3, max_iter=1, random_state=seed).fit(X, y) for seed in range(2)]
    found = [model.predict_proba(X) for model in models]
    assert (found[0] != found[1]).any()
    assert_same_bits(models[0].predict_proba(X), found[0])


def test_threads_predict_while_another_changes_the_model():
    """Each prediction is that of one of the models that there were, and the last change shows."""
    model, others = fitted(), [fitted(seed=seed) for seed in range(3)]
    for other in others:
        other.intercepts_ = model.intercepts_
    lists = [other.coefs_ for other in others]
    expected = []
    for coefs in lists:
        model.coefs_ = coefs
        expected.append(model.predict_proba(X[:50]).tobytes())
    start, stop = threading.Barrier(5), threading.Event()

    def predict(thread):
        start.wait(timeout=PATIENCE)
        found = set()
        while not stop.is_set():
            found.add(model.predict_proba(X[:50]).tobytes())
        return found

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(predict, thread) for thread in range(4)]
        start.wait(timeout=PATIENCE)
        for i in range(600):
            model.coefs_ = lists[i % 3]
            if i % 3 == 0:
                assert model.predict_proba(X[:50]).tobytes() == expected[0]
        stop.set()
        found = set().union(*(future.result(timeout=PATIENCE) for future in futures))
    assert found <= set(expected)
    model.coefs_ = lists[1]
    assert model.predict_proba(X[:50]).tobytes() == expected[1]


def test_threads_predict_while_another_fits():
    """Predictions between two epochs may be of any parameters, but they end, and the fitted model is right."""
    model, stop = fitted(), threading.Event()

    def predict():
        count = 0
        while not stop.is_set() or count == 0:
            assert model.predict_proba(X).shape == (300, 2)
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(predict) for _ in range(2)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for _ in range(5):
                model.partial_fit(X, y)
        stop.set()
        assert all(future.result(timeout=PATIENCE) for future in futures)
    assert_same_bits(model.predict_proba(X), predicted_anew(model, X))


FORK = """
import signal, warnings
warnings.simplefilter("ignore")
rows, labels = X.T.copy(), Y.astype(int)
model = fastnn2.MLPClassifier(5, max_iter=4, random_state=0).fit(rows, labels)
predictor, expected = model.predictor(), model.predict_proba(rows[:9])
functional = fastnn2.predictor(fastnn2.fit(X, Y, 0.3, 4, 5)[0])
probabilities = functional(X)
def child():
    right = (model.predict_proba(rows[:9]) == expected).all() and (predictor(rows[:9]) == expected).all()
    right = right and (functional(X) == probabilities).all()
    model.coefs_[1][...] = 0.0
    return right and len(set(model.predict_proba(rows[:9])[:, 1])) == 1
number = os.fork()
if number == 0:
    signal.alarm(300)  # ends a process that hangs
    os._exit(0 if child() else 3)
print(os.waitpid(number, 0)[1], (model.predict_proba(rows[:9]) == expected).all())
"""


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
def test_a_forked_child_predicts():
    assert run(FORK) == "0 True\n"


@pytest.mark.parametrize(("dtype", "of_each"), [("float64", (2, 2)), ("float32", (2, 3))], ids=DTYPES)
def test_what_is_kept_takes_the_memory_that_the_documentation_says(dtype, of_each):
    """Bytes and packed parameters: for float32, those of a run in float64 are twice as large."""
    model = fitted(dtype, hidden_layer_sizes=2_000)
    own = sum(array.nbytes for array in (*model.coefs_, *model.intercepts_))
    for run_dtype, times in zip((dtype, "float64"), of_each, strict=True):
        model.predict(X.astype(run_dtype)[:1])
        snapshot = networks._kept[id(model)].snapshots[np.dtype(run_dtype)]
        kept = snapshot.network._params.nbytes + sum(map(len, snapshot._bytes))
        assert times * own <= kept < times * own + 1_000
