"""Many estimators in one call: each is the model of its own fit; errors, warnings, random states, signals, forks."""

import contextlib
import copy
import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas
import pytest
import sklearn
import sklearn.neural_network as theirs
from data import PATIENCE, assert_ended, extra
from interrupt_data import LIMIT
from scipy.sparse import csc_array, csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from thread_data import count_threads, run

import fastnn2
from fastnn2 import MLPClassifier, MLPRegressor, fit_estimators
from fastnn2.estimators import checked_inputs, many_fits
from fastnn2.threads import beside

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOURCE = np.random.RandomState(0)
X = SOURCE.standard_normal((70, 4))
y = (X[:, 0] * X[:, 1] > 0).astype(int)
NUMBER = X[:, 0] * X[:, 1]
WEIGHTS = SOURCE.uniform(0.5, 2.0, len(X))


def assert_same(found, expected, what=""):
    """Assert that two models, or their attributes, are equal, floats and random states bit by bit."""
    assert type(found) is type(expected), what
    if isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), what
        assert found.dtype.hasobject or found.tobytes() == expected.tobytes(), what
        assert np.array_equal(found, expected) or expected.dtype.kind == "f", what
    elif isinstance(expected, np.random.RandomState):
        assert_same(list(found.get_state()), list(expected.get_state()), what)
    elif isinstance(expected, dict):
        assert list(found) == list(expected), what
        for name, value in expected.items():
            assert_same(found[name], value, f"{what}.{name}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), what
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{what}[{place}]")
    elif hasattr(expected, "__dict__") and not callable(expected):
        assert_same(vars(found), vars(expected), what)
    else:
        assert found == expected or (found != found and expected != expected), what


def new(count=3, **options):
    return [MLPClassifier(3, max_iter=5, random_state=seed, **options) for seed in range(count)]


def fitted(models, inputs):
    """Return copies of the models, fitted one after the other by their own fit."""
    copies = [copy.deepcopy(model) for model in models]
    for model, arguments in zip(copies, inputs, strict=True):
        model.fit(*arguments)
    return copies


INPUTS = {
    "dense": (X, y),
    "Fortran": (np.asfortranarray(X), y),
    "single": (X.astype(np.float32), y.astype(np.int32)),
    "weights": (X, y, WEIGHTS),
    "CSR": (csr_array(X * (X > 0)), y),
    "CSC": (csc_array(X * (X > 0)), y, WEIGHTS),
    "frame": (pandas.DataFrame(X, columns=list("abcd")), pandas.Series(y)),
    "text": (X, np.array(["no", "yes", "maybe"])[np.arange(len(X)) % 3]),
    "ten": (X, np.arange(len(X)) % 10),
    "labels": (X, np.column_stack([y, 1 - y, X[:, 2] > 0]).astype(int)),
    "column": (X, y.astype(float)),
}
NUMBERS = {
    "dense": (X, NUMBER),
    "weights": (X, NUMBER, WEIGHTS),
    "several": (X, np.column_stack([NUMBER, NUMBER**2])),
    "single": (X.astype(np.float32), NUMBER.astype(np.float32)),
    "CSR": (csr_array(X * (X > 0)), NUMBER),
    "counts": (X, np.round(np.abs(3 * NUMBER))),
    "frame": (pandas.DataFrame(X, columns=list("abcd")), pandas.Series(NUMBER)),
}
OPTIONS = {
    "hidden_layer_sizes": [3, (5,), [20], np.int64(7)],
    "activation": ["identity", "logistic", "tanh", "relu"],
    "solver": ["adam", "adam", "sgd", "lbfgs"],
    "alpha": [0.0, 1e-4, 1],
    "batch_size": ["auto", 16, 1000],
    "learning_rate": ["constant", "invscaling", "adaptive"],
    "learning_rate_init": [0.001, 0.1],
    "max_iter": [1, 7, 30],
    "shuffle": [True, True, False],
    "tol": [1e-4, 0.1],
    "n_iter_no_change": [2, 10],
    "momentum": [0.0, 0.9],
    "nesterovs_momentum": [True, False],
    "early_stopping": [False, False, True],
    "warm_start": [False, True],
    "n_threads": [None, 1, 3],
}


def mixed(count, seed):
    """Return so many models with random options, and the inputs of each; a third of them has been fitted before."""
    source, models, inputs = np.random.RandomState(seed), [], []
    for number in range(count):
        options = {name: values[source.randint(len(values))] for name, values in OPTIONS.items()}
        options["random_state"] = number if number % 5 else np.random.RandomState(number)
        if options["early_stopping"] and options["solver"] == "lbfgs":
            options["early_stopping"] = False
        if number % 3:
            name = list(INPUTS)[source.randint(len(INPUTS))]
            own = INPUTS[name]
            class_weight = None if name == "labels" else [None, "balanced"][source.randint(2)]
            model = MLPClassifier(**options, class_weight=class_weight)
        else:
            own = NUMBERS[list(NUMBERS)[source.randint(len(NUMBERS))]]
            loss = "poisson" if own is NUMBERS["counts"] else "squared_error"
            model = MLPRegressor(loss=loss, **options)
        if source.randint(3) == 0:
            model.fit(*own)
        models.append(model)
        inputs.append(own)
    return models, inputs


def in_lists(inputs):
    """Return lists of X, y and weights."""
    padded = [(*each, None)[:3] for each in inputs]
    return [list(values) for values in zip(*padded, strict=True)]


@pytest.fixture(scope="module")
def mixture():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models, inputs = mixed(150, 0)
        return models, inputs, fitted(models, inputs)


@pytest.mark.filterwarnings("ignore:.*batch_size")
@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_each_model_is_that_of_its_own_fit(n_threads, mixture):
    before = count_threads()
    originals, inputs, expected = mixture
    models = [copy.deepcopy(model) for model in originals]
    assert fit_estimators(models, *in_lists(inputs), n_threads=n_threads) is models
    assert_ended(before, count_threads)
    for number, (model, own) in enumerate(zip(models, expected, strict=True)):
        assert_same(model, own, f"estimators[{number}]")


def test_frames_of_polars():
    polars = extra("polars", "tables")
    frame = polars.DataFrame({name: X[:, place] for place, name in enumerate("abcd")})
    expected = fitted(new(2), [(frame, polars.Series("y", y))] * 2)
    for model, own in zip(fit_estimators(new(2), frame, polars.Series("y", y)), expected, strict=True):
        assert_same(model, own)


@pytest.mark.parametrize("n_threads", [1, 2, 7])
@pytest.mark.parametrize("name", INPUTS)
def test_shared_data(name, n_threads):
    arguments = INPUTS[name]
    models = [MLPClassifier(5, max_iter=9, random_state=seed, alpha=10.0**-seed) for seed in range(6)]
    models[1].set_params(solver="lbfgs")
    models[2].set_params(early_stopping=True)
    models[3].set_params(batch_size=20, solver="sgd")
    expected = fitted(models, [arguments] * 6)
    fit_estimators(models, *arguments, n_threads=n_threads)
    for model, own in zip(models, expected, strict=True):
        assert_same(model, own)
    assert len({id(model.classes_) for model in models}) == 6


def test_both_classes_share_data():
    models = [MLPClassifier(3, max_iter=5, random_state=0), MLPRegressor(hidden_layer_sizes=3, max_iter=5)]
    models[1].random_state = 1
    expected = fitted(models, [(X, y)] * 2)
    fit_estimators(models, X, y)
    for model, own in zip(models, expected, strict=True):
        assert_same(model, own)


def test_shared_data_are_checked_once(monkeypatch):
    calls = []
    check = checked_inputs.validate_data
    monkeypatch.setattr(
        checked_inputs, "validate_data", lambda *args, **named: calls.append(1) or check(*args, **named)
    )
    monkeypatch.setattr(
        checked_inputs, "validate_parameter_constraints", lambda _, new, caller_name: calls.append(len(new))
    )
    fit_estimators([MLPClassifier(3, max_iter=2, random_state=seed) for seed in range(20)], X, y)
    parameters = len(MLPClassifier().get_params())
    assert sorted(calls) == [1] * 20 + [parameters]  # X, and all parameters; then 19 seeds


def test_empty_list_and_tuples_and_weights_of_each():
    assert fit_estimators([], X, y) == []
    models = tuple(MLPClassifier(3, max_iter=5, random_state=0) for _ in range(3))
    weights = np.array([WEIGHTS, WEIGHTS[::-1], np.ones(len(X))])
    expected = fitted(models, [(X, y, each) for each in weights])
    found = fit_estimators(models, (X, X, X), y, weights)
    assert type(found) is list
    assert all(one is other for one, other in zip(found, models, strict=True))
    for model, own in zip(models, expected, strict=True):
        assert_same(model, own)


# Random states


def with_states(kind):
    """Return models that draw from shared random states, between others with their own."""
    one, other = np.random.RandomState(1), np.random.RandomState(2)
    states = {
        "global": [None, None, 3, np.random.mtrand._rand, None],
        "instances": [one, other, one, 4, other, one],
        "one generator": [np.random.RandomState(one._bit_generator), one, 5, one],
    }[kind]
    return [
        MLPClassifier(4, max_iter=6, random_state=state, early_stopping=number % 2 == 1, n_iter_no_change=2)
        for number, state in enumerate(states)
    ]


@pytest.mark.parametrize("n_threads", [1, 2, 7])
@pytest.mark.parametrize("kind", ["global", "instances", "one generator"])
def test_shared_random_states_are_drawn_from_in_the_order_of_the_list(kind, n_threads):
    np.random.seed(0)
    expected = [model.fit(X, y) for model in with_states(kind)]
    drawn = np.random.random_sample()
    np.random.seed(0)
    found = fit_estimators(with_states(kind), X, y, n_threads=n_threads)
    assert np.random.random_sample() == drawn
    for model, own in zip(found, expected, strict=True):
        assert_same(model.coefs_, own.coefs_)
        assert_same(model._random_state, own._random_state)


# Errors before any work


def with_third(model):
    return [*new(2), model]


same = MLPClassifier()
NAN = np.where(np.arange(4) == 2, np.nan, X)
WRONG = {
    "no list": (MLPClassifier(), (X, y), TypeError, "estimators is MLPClassifier; expected a list"),
    "a string": ("ab", (X, y), TypeError, r"estimators\[0\] is str; expected fastnn2's MLPClassifier or MLPRegressor"),
    "scikit-learn's": (
        with_third(theirs.MLPClassifier()), (X, y), TypeError,
        r"estimators\[2\] is sklearn.*MLPClassifier; expected .* from_sklearn",
    ),
    "a pipeline": (
        with_third(make_pipeline(MLPClassifier())), (X, y), TypeError, r"estimators\[2\] is sklearn.pipeline.Pipeline",
    ),
    "twice": (
        [*new(1), same, *new(1), same], (X, y), ValueError, r"estimators\[1\] and estimators\[3\] are the same object",
    ),
    "few X": (new(), ([X, X], y), ValueError, "X is a list of 2 entries, and there are 3 estimators; .*np.asarray"),
    "many y": (new(), (X, (y,) * 4), ValueError, "y is a tuple of 4 entries, and there are 3 estimators"),
    "a list of numbers": (new(), (X, list(y)), ValueError, "y is a list of 70 entries"),
    "weights": (new(), (X, y, [WEIGHTS]), ValueError, "sample_weight is a list of 1 entries"),
    "rows of weights": (
        new(), (X, y, np.ones((2, 70))), ValueError, r"sample_weight has shape \(2, 70\), .* expected \(n_samples,\)",
    ),
    "a parameter": (with_third(MLPClassifier(alpha=-1)), (X, y), ValueError, r"^estimators\[2\]: The 'alpha' param"),
    "layers": (with_third(MLPClassifier((3, 4))), (X, y), ValueError, r"^estimators\[2\]: hidden_layer_sizes is \(3,"),
    "no units": (with_third(MLPClassifier((0,))), (X, y), ValueError, r"^estimators\[2\]: hidden_layer_sizes is \(0,"),
    "NaN": (new(), ([X, X, NAN], y), ValueError, r"^estimators\[2\]: Input X contains NaN"),
    "shared NaN": (new(), (NAN, y), ValueError, r"^estimators\[0\]: Input X contains NaN"),
    "no y": (new(), (X, [y, None, y]), ValueError, r"^estimators\[1\]: .*requires y to be passed"),
    "one label": (new(), (X, [y, y, np.float64(3)]), TypeError, r"^estimators\[2\]: Input should have at least 1 dim"),
    "lengths": (new(), (X, [y, y, y[:-1]]), ValueError, r"^estimators\[2\]: .*inconsistent numbers of samples"),
    "length of weights": (new(), (X, y, WEIGHTS[1:]), ValueError, r"^estimators\[0\]: sample_weight.shape == \(69,\)"),
    "class_weight": (
        with_third(MLPClassifier(class_weight={7: 2.0})), (X, y), ValueError, r"^estimators\[2\]: class_weight has",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors_come_before_any_work(name):
    models, arguments, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        fit_estimators(models, *arguments)
    for model in models if isinstance(models, list) else ():
        assert not hasattr(model, "coefs_")
        assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, "2"])
def test_number_of_threads_is_checked(n_threads):
    with pytest.raises(ValueError, match="'n_threads' parameter of fit_estimators must be an int"):
        fit_estimators(new(), X, y, n_threads=n_threads)


def test_warm_start_with_other_classes_or_features():
    model = MLPClassifier(3, max_iter=5, random_state=0, warm_start=True).fit(X, y)
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match=r"^estimators\[1\]: warm_start can only be used where"):
        fit_estimators([*new(1), model], X, [y, y + 1])
    with pytest.raises(ValueError, match=r"^estimators\[1\]: X has 3 features"):
        fit_estimators([*new(1), model], [X, X[:, :3]], y)
    assert_same(model, before)


# Errors and warnings of fits


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_the_others_finish_after_an_error_and_the_first_one_is_raised(n_threads):
    models = new(6, batch_size=10)
    weights = [np.where(np.arange(len(X)) < 60, 0.0, 1.0) if number in (2, 4) else None for number in range(6)]
    expected = fitted(new(6, batch_size=10), [(X, y)] * 6)
    with pytest.raises(ZeroDivisionError, match=r"^estimators\[2\]: Weights sum to zero") as caught:
        fit_estimators(models, X, y, weights, n_threads=n_threads)
    assert caught.value.__notes__ == ["these have failed, too: estimators[4]"]
    for number in (0, 1, 3, 5):
        assert_same(models[number], expected[number])
    assert vars(models[2]).keys().isdisjoint({"_seat", "_raises_interrupt"})


class Odd(Exception):
    """Its only argument is not its text."""

    def __str__(self):
        return "odd"


def test_an_error_without_a_text_has_a_note(monkeypatch):
    def failing(self, *_):
        raise Odd(7)

    monkeypatch.setattr(MLPClassifier, "_fit_lbfgs", failing)
    with pytest.raises(Odd) as caught:
        fit_estimators([*new(2), MLPClassifier(solver="lbfgs")], X, y)
    assert caught.value.__notes__ == ["raised by the fit of estimators[2]"]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_warnings_name_the_entry_and_the_line_of_the_caller(n_threads):
    models = [MLPClassifier(3, max_iter=5, random_state=0), MLPClassifier(3, solver="lbfgs", max_iter=2)]
    models += [MLPClassifier(3, batch_size=100, max_iter=3, tol=9.0, n_iter_no_change=1, random_state=0)]
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        fit_estimators(models, X, y, n_threads=n_threads)
    assert [(each.category, str(each.message)[:50]) for each in found] == [
        (ConvergenceWarning, "estimators[0]: Stochastic Optimizer: Maximum itera"),
        (ConvergenceWarning, "estimators[1]: lbfgs failed to converge after 2 it"),
        (UserWarning, "estimators[2]: Got `batch_size` less than 1 or lar"),
    ]
    assert {each.filename for each in found} == {__file__}


def test_warnings_as_errors_come_when_all_are_fitted():
    models = new(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning, match=r"estimators\[0\]"):
            fit_estimators(models, X, y)
    assert [model.n_iter_ for model in models] == [5] * 4


def test_an_error_comes_before_a_warning_as_an_error():
    models = new(2, batch_size=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ZeroDivisionError, match=r"estimators\[1\]"):
            fit_estimators(models, X, y, [None, np.where(np.arange(len(X)) < 60, 0.0, 1.0)])


def test_warnings_of_checks_name_the_entry():
    with pytest.warns(sklearn.exceptions.DataConversionWarning, match=r"estimators\[0\]: A column-vector y"):
        fit_estimators(new(), X, y.astype(float)[:, np.newaxis])


@pytest.mark.parametrize("options", [{}, {"verbose": True}])
def test_warnings_of_shared_data_come_once(options):
    models = [MLPClassifier(3, max_iter=1, tol=9.0, random_state=0, **options), *new(1)]
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit_estimators(models, X, y.astype(float)[:, np.newaxis])
    columns = [str(each.message) for each in found if "column-vector" in str(each.message)]
    assert [text.split(":")[0] for text in columns] == ["estimators[0]"]


class OfTwo(UserWarning):
    """It is not made from a text."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


class Own(MLPClassifier):
    """A subclass with a parameter of its own, and nothing of its base."""

    def __init__(self, size=3):
        self.size = size

    def _validate_params(self):
        pass

    def fit(self, X, y, *, sample_weight=None):
        warnings.warn(OfTwo(1, 2), stacklevel=1)
        self.weights_ = sample_weight
        return self


def test_subclass_with_parameters_and_warnings_of_its_own():
    with pytest.warns(OfTwo, match=r"^estimators\[1\]: 1 and 2$"):
        models = fit_estimators([*new(1), Own()], X, y, WEIGHTS)
    assert models[1].weights_ is WEIGHTS
    assert models[0].n_iter_ == 5


def test_warnings_of_other_threads_are_shown_as_ever():
    fits, end = threading.Event(), threading.Event()

    class Looking(MLPClassifier):
        def fit(self, X, y):
            fits.set()
            end.wait(PATIENCE)
            warnings.warn("inside", stacklevel=1)
            return super().fit(X, y)

    def warn():
        fits.wait(PATIENCE)
        warnings.warn("of another thread", stacklevel=1)
        warnings.warn("ignored", DeprecationWarning, stacklevel=1)
        end.set()

    other = threading.Thread(target=warn)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning)
        before = list(warnings.filters), warnings.showwarning
        other.start()
        fit_estimators([Looking(3, max_iter=2, solver="lbfgs", random_state=0)], X, y)
        other.join()
        assert (list(warnings.filters), warnings.showwarning) == before
    texts = [str(each.message)[:30] for each in shown if each.category is UserWarning]
    assert texts == ["of another thread", "estimators[0]: inside"]


# Fits that are not side by side


class Counting(MLPClassifier):
    """A subclass with a fit of its own."""

    def fit(self, X, y, sample_weight=None):
        self.thread_ = threading.get_ident()
        return super().fit(X, y, sample_weight)


class Recorded:
    """A callback."""

    def __init__(self):
        self.threads = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.threads.append(threading.get_ident())


@pytest.mark.parametrize("n_threads", [1, 2])
def test_callbacks_verbose_and_subclasses_run_in_the_caller_in_order(n_threads, capsys):
    options = {"hidden_layer_sizes": 3, "max_iter": 3}

    def make():
        state = np.random.RandomState(0)
        models = [
            MLPClassifier(verbose=True, random_state=1, **options),
            *new(3),
            MLPClassifier(random_state=state, **options),
            Counting(random_state=state, **options),
            MLPClassifier(random_state=state, **options),
            MLPClassifier(random_state=2, **options),
        ]
        models[-1].set_callbacks(Recorded())
        return models

    models, expected = make(), [model.fit(X, y, WEIGHTS) for model in make()]
    text = capsys.readouterr().out
    fit_estimators(models, X, y, WEIGHTS, n_threads=n_threads)
    assert capsys.readouterr().out == text
    assert "Iteration 3, loss" in text
    assert models[5].thread_ == threading.get_ident()
    assert set(models[-1]._skl_callbacks[0].threads) == {threading.get_ident()}
    for model, own in zip(models, expected, strict=True):
        assert_same(model.coefs_, own.coefs_)
        assert model.loss_curve_ == own.loss_curve_
        assert vars(model).keys() == vars(own).keys()


def test_scikit_learns_configuration_and_numpys_errors_hold_in_all_threads(monkeypatch):
    found, state = [], many_fits._state

    def looking(model):
        found.append((sklearn.get_config()["working_memory"], np.geterr()["over"]))
        return state(model)

    monkeypatch.setattr(many_fits, "_state", looking)
    with sklearn.config_context(working_memory=17), np.errstate(over="raise"):
        fit_estimators(new(), X, y, n_threads=2)
    assert found == [(17, "raise")] * 3


def test_one_thread_inside_joblib_and_where_the_system_refuses_more(monkeypatch):
    asked, run_beside = [], many_fits.run_beside
    monkeypatch.setattr(many_fits, "run_beside", lambda *args: asked.append(args[1]) or run_beside(*args))
    monkeypatch.setattr("fastnn2.engine.samples.usable_cores", lambda: 2)
    expected = fitted(new(), [(X, y)] * 3)
    found = joblib.Parallel(n_jobs=2, backend="threading")(
        joblib.delayed(fit_estimators)(new(), X, y) for _ in range(2)
    )
    assert asked == []

    def refused(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(beside, "start_new_thread", refused)
    found.append(fit_estimators(new(), X, y))
    assert asked == [2]
    for models in found:
        for model, own in zip(models, expected, strict=True):
            assert_same(model, own)


def test_calls_in_several_threads():
    expected = fitted(new(20), [(X, y)] * 20)
    before, start = count_threads(), threading.Barrier(4)

    def together(_):
        start.wait(PATIENCE)
        return fit_estimators(new(20), X, y, n_threads=2)

    filters = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        for models in pool.map(together, range(4)):
            for model, own in zip(models, expected, strict=True):
                assert_same(model, own)
    assert warnings.filters == filters
    assert_ended(before, count_threads)


# Ctrl-C


@contextlib.contextmanager
def interrupt_at(condition):
    """Send SIGINT to this process as soon as ``condition()`` holds; yield a list, which then has the time of it."""
    sent, is_over = [], threading.Event()

    def send():
        while not condition() and not is_over.wait(0.001):
            pass
        if not is_over.is_set():
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield sent
    finally:
        is_over.set()
        sender.join(PATIENCE)


LONG = {"hidden_layer_sizes": 100, "max_iter": 10_000_000, "tol": 0.0, "n_iter_no_change": 10_000_000}


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_interrupt(n_threads, solver):
    if solver == "lbfgs":  # converges on random labels only where there are fewer units than this
        options = {"hidden_layer_sizes": 300, "max_iter": 10_000_000, "max_fun": 10_000_000, "tol": 0.0, "alpha": 1e-9}
        many = np.random.RandomState(0).standard_normal((20_000, 4))
        data = many, np.random.RandomState(1).randint(0, 2, len(many))
    else:
        options, data = LONG, (X, y)
    warm = MLPClassifier(3, max_iter=5, random_state=0, warm_start=True, solver=solver).fit(*data)
    before_warm = copy.deepcopy(warm)
    warm.max_iter = before_warm.max_iter = 10_000_000
    warm.set_params(tol=0.0, n_iter_no_change=10_000_000, max_fun=10_000_000)
    models = [MLPClassifier(3, max_iter=3, random_state=0), MLPClassifier(3, max_iter=3, random_state=1)]
    models += [MLPClassifier(solver=solver, random_state=seed, **options) for seed in range(3)]
    models = [*models[:2], *([] if solver == "lbfgs" else [warm]), *models[2:]]
    before, expected = count_threads(), fitted(models[:2], [data] * 2)
    began = time.perf_counter()

    def is_deep():
        return all(hasattr(model, "coefs_") for model in models[:2]) and time.perf_counter() > began + 1.0

    with (
        interrupt_at(is_deep) as sent,
        pytest.raises(KeyboardInterrupt, match=f"stopped after 2 of {len(models)} fits"),
    ):
        fit_estimators(models, *data, n_threads=n_threads)
    assert time.perf_counter() - sent[0] < LIMIT
    for model, own in zip(models, expected, strict=False):
        assert_same(model, own)
    for model in models[2:]:
        assert not hasattr(model, "coefs_") or model is warm
        assert vars(model).keys().isdisjoint({"_seat", "_raises_interrupt"})
    if warm in models:
        assert_same(warm.coefs_, before_warm.coefs_)
        assert warm.loss_curve_ == before_warm.loss_curve_
    assert_ended(before, count_threads)


class TooLate(BaseException):
    """What the handler of an alarm raises, as in tests with a time limit."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs alarms")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_the_handler_of_a_signal_raises_is_raised(n_threads):
    def handler(*_):
        raise TooLate

    models = [MLPClassifier(random_state=seed, **LONG) for seed in range(3)]
    before, handled = count_threads(), signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(TooLate):  # noqa: PT012 - the alarm may come before the fits begin
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            fit_estimators(models, X, y, n_threads=n_threads)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handled)
    assert not any(hasattr(model, "coefs_") for model in models)
    assert_ended(before, count_threads)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
def test_interrupt_of_a_fit_in_the_caller():
    models = [*new(2), MLPClassifier(random_state=0, **LONG).set_callbacks(Recorded())]
    with (
        interrupt_at(lambda: hasattr(models[2], "loss_curve_")),
        pytest.raises(KeyboardInterrupt, match="after 2 of 3"),
    ):
        fit_estimators(models, X, y)
    assert not hasattr(models[2], "coefs_")
    assert hasattr(models[1], "coefs_")


# Forks

FORK = """
import warnings
warnings.simplefilter("ignore")
rows, labels = X.T[:300].copy(), Y[:300].astype(int)
def digests():
    models = [fastnn2.MLPClassifier(5, max_iter=4, random_state=seed) for seed in range(8)]
    fastnn2.fit_estimators(models, rows, labels, n_threads=2)
    return [model.coefs_[0].tobytes() for model in models]
expected = [
    fastnn2.MLPClassifier(5, max_iter=4, random_state=seed).fit(rows, labels).coefs_[0].tobytes() for seed in range(8)
]
"""
FORK_AFTER = """
assert digests() == expected
child = os.fork()
if child == 0:
    os._exit(0 if digests() == expected else 3)
print(digests() == expected, os.waitpid(child, 0)[1])
"""
FORK_AMID = """
import threading
digests()  # a module that is being imported while a process is forked can be imported by neither child
end, found = threading.Event(), []
def work():
    while not end.is_set():
        found.append(digests() == expected)
worker = threading.Thread(target=work)
worker.start()
codes = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        import faulthandler
        faulthandler.dump_traceback_later(60, exit=True)
        os._exit(0 if digests() == expected else 3)
    codes.append(os.waitpid(child, 0)[1])
end.set()
worker.join()
print(all(found), codes)
"""


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
def test_fork_after_a_call():
    assert run(FORK + FORK_AFTER) == "True 0\n"


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
def test_fork_while_another_thread_is_in_a_call():
    assert run(FORK + FORK_AMID) == "True [0, 0, 0, 0, 0]\n"


def test_models_can_be_cloned_and_pickled_after_it():
    (model,) = fit_estimators(new(1), X, y)
    assert clone(model).get_params() == model.get_params()
    assert fastnn2.fit_estimators is fit_estimators
