"""Checkpoints of the estimators: a fit that goes on ends with the bits of one that was never disturbed."""

import copy
import json
import os
import pathlib
import pickle
import subprocess
import sys
import warnings

import checkpoint_fits
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.neural_network
from checkpoint_fits import CASES, KILLS, bits, left_by
from data import PATIENCE
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn2
from fastnn2.callbacks import Checkpoint
from fastnn2.engine.mini_batch import MiniBatchTrainer
from fastnn2.estimators import checkpoint_run
from fastnn2.estimators.checkpoint_contents import decoded, digest_of, encoded, plain
from fastnn2.storage import checkpoint_file
from fastnn2.storage.lock import FileLock

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

source = np.random.RandomState(0)
X = source.standard_normal((200, 4))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
WEIGHTS = source.uniform(0.5, 2.0, 200)


def new(epochs=12, cls=fastnn2.MLPClassifier, **parameters):
    parameters = {"hidden_layer_sizes": 5, "batch_size": 50, "tol": 0.0, "random_state": 0, **parameters}
    return cls(max_iter=epochs, n_iter_no_change=1000, **parameters)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.checkpoint"


def recorded(file):
    return checkpoint_file.read(file, "estimator")[0]


class StopAfter:
    """A callback that ends a fit after some epochs, or raises an error then."""

    def __init__(self, epochs, error=None):
        self.epochs, self.error, self.seen = epochs, error, 0

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        self.seen += context.task_name == "epoch"
        if isinstance(self.error, Killed):
            estimator._checkpoint_run._checkpointer._wait()
        if context.task_name == "epoch" and self.seen >= self.epochs and self.error is not None:
            raise self.error
        return self.seen >= self.epochs


class Killed(Exception):
    """Ends a fit as a kill does: there is no checkpoint of its end."""


def fit_in_part(model, file, epochs, X=X, y=Y, sample_weight=None):
    """Fit for some epochs, and leave the checkpoint of the last."""
    model.set_callbacks(Checkpoint(file, seconds=0), StopAfter(epochs, Killed()))
    with pytest.raises(Killed):
        model.fit(X, y, sample_weight)
    assert recorded(file)["state"]["n_iter_"] == epochs


# Kills


def test_fits_that_are_killed_end_as_undisturbed_ones(tmp_path):
    script = pathlib.Path(checkpoint_fits.__file__)
    run = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert [each["name"] for each in found] == list(CASES)
    for each in found:
        assert each["is_right"], each
        assert each["epochs"] == sorted(each["epochs"]), "what was done is never lost"
        assert each["kills"] >= KILLS // 2, each
        assert len(set(each["epochs"])) > 3, "some kills come in the middle of the fit"
    assert sum(each["kills"] for each in found) >= 8 * KILLS


INTERRUPTED = """
import os, signal, sys, threading, time, warnings
import numpy as np, fastnn2
from fastnn2.callbacks import Checkpoint
from fastnn2.estimators import checkpoint_run
def send():
    while getattr(model, "n_iter_", 0) < 50:
        time.sleep(0.001)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
checkpoint_run.KEEP_SECONDS = 0.02
X = np.random.RandomState(0).standard_normal((400, 4)); y = (X[:, 0] > 0).astype(int)
model = fastnn2.MLPClassifier(5, max_iter=10**9, tol=0.0, n_iter_no_change=10**9, random_state=0, batch_size=50)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("ignore")
    fastnn2.MLPClassifier(5, max_iter=1, batch_size=50).fit(X, y)  # which may compile
    warnings.simplefilter("always")
    threading.Thread(target=send, daemon=True).start()
    model.set_callbacks(Checkpoint(sys.argv[1], seconds=3600)).fit(X, y)
print([str(each.message) for each in caught], model.n_iter_)
resumed = Checkpoint.resume(sys.argv[1])
done = fastnn2.storage.checkpoint_file.read(resumed._skl_callbacks[0].file, "estimator")[0]["state"]["n_iter_"]
print(0 < done <= model.n_iter_, done % 1 == 0)
from fastnn2.callbacks import Checkpoint as Again
from fastnn2.storage import checkpoint_file
class Stop:
    def setup(self, estimator, context): pass
    teardown = on_fit_task_begin = setup
    def on_fit_task_end(self, estimator, context): return estimator.n_iter_ >= done + 20
resumed.set_callbacks(Again(sys.argv[1]), Stop()).fit(X, y)
plain = fastnn2.MLPClassifier(5, max_iter=done + 20, tol=0.0, n_iter_no_change=10**9, random_state=0, batch_size=50)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    plain.fit(X, y)
print(all((a == b).all() for a, b in zip(plain.coefs_, resumed.coefs_)), plain.loss_curve_ == resumed.loss_curve_)
"""


def test_ctrl_c_leaves_the_last_state_that_was_kept(file):
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, file], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0].startswith("['Training interrupted by user.'] ")
    assert lines[1:] == ["True True", "True True"]


def test_ctrl_c_in_a_callback(file, monkeypatch):
    monkeypatch.setattr(checkpoint_run, "KEEP_SECONDS", 0)
    model = new().set_callbacks(Checkpoint(file, seconds=3600), StopAfter(5, KeyboardInterrupt()))
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, Y)
    assert recorded(file)["state"]["n_iter_"] == model.n_iter_ == 5
    assert left_by(Checkpoint.resume(file).fit(X, Y), X) == left_by(new().fit(X, Y), X)


# Ends


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_fit_that_a_callback_stops_goes_on(file, solver):
    model = new(solver=solver).set_callbacks(Checkpoint(file), StopAfter(4)).fit(X, Y)
    assert model.n_iter_ == recorded(file)["state"]["n_iter_"] == 4
    resumed = Checkpoint.resume(file)
    assert not hasattr(resumed, "coefs_")
    assert repr(resumed._skl_callbacks) == f"[Checkpoint({str(file)!r}, seconds=60)]"
    assert left_by(resumed.fit(X, Y), X) == left_by(new(solver=solver).fit(X, Y), X)


def test_a_finished_fit_returns_at_once_or_takes_more_epochs(file, monkeypatch):
    model = new(6).set_callbacks(Checkpoint(file))
    with pytest.warns(ConvergenceWarning):
        model.fit(X, Y)
    with monkeypatch.context() as patch:
        patch.setattr(MiniBatchTrainer, "run", None)
        with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
            assert left_by(Checkpoint.resume(file).fit(X, Y), X) == left_by(model, X)
    more = Checkpoint.resume(file).set_params(max_iter=11, n_threads=2, verbose=1).fit(X, Y)
    assert left_by(more.set_params(verbose=False), X) == left_by(new(11).fit(X, Y), X)
    assert recorded(file)["fit"]["parameters"]["max_iter"] == 11
    with pytest.raises(ValueError, match="max_iter is 11 there and 10 here, and may only grow"):
        Checkpoint.resume(file).set_params(max_iter=10).fit(X, Y)


def test_a_fit_that_has_converged_does_not_go_on(file, monkeypatch):
    model = new(500, tol=0.1).set_params(n_iter_no_change=3).set_callbacks(Checkpoint(file)).fit(X, Y)
    assert recorded(file)["is_converged"]
    assert model.n_iter_ < 500
    monkeypatch.setattr(MiniBatchTrainer, "run", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert left_by(Checkpoint.resume(file).set_params(max_iter=900).fit(X, Y), X) == left_by(model, X)


def test_later_fits_are_ordinary(file):
    fit_in_part(new(), file, 5)
    resumed = Checkpoint.resume(file)
    assert left_by(resumed.fit(X, Y), X) == left_by(resumed.fit(X, Y), X) == left_by(new().fit(X, Y), X)
    assert recorded(file)["state"]["n_iter_"] == 12
    with pytest.raises(ValueError, match="y differs"):
        resumed.fit(X, 1 - Y)
    resumed.set_callbacks().fit(X, 1 - Y)


def test_a_fit_that_fails_before_it_goes_on(file, monkeypatch):
    fit_in_part(new(), file, 5)
    resumed = Checkpoint.resume(file)
    with monkeypatch.context() as patch:
        patch.setattr(fastnn2.MLPClassifier, "_new_trainer", raise_memory_error)
        with pytest.raises(MemoryError):
            resumed.fit(X, Y)
    assert recorded(file)["state"]["n_iter_"] == 5
    assert left_by(resumed.fit(X, Y), X) == left_by(new().fit(X, Y), X)
    assert resumed._resumes_from is None


def raise_memory_error(*arguments, **options):
    raise MemoryError


class Fitting(StopAfter):
    """Fits its estimator once more while that fits."""

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch" and not self.seen:
            self.seen = 1
            with pytest.raises(ValueError, match="another run"):
                estimator.fit(X, Y)


def test_another_callback_that_refuses_a_fit(file):
    model = new().set_callbacks(Checkpoint(file), Refusing(0))
    with pytest.raises(Killed):
        model.fit(X, Y)
    assert os.listdir(file.parent) == []
    model.set_callbacks(Checkpoint(file)).fit(X, Y)


class Refusing(StopAfter):
    """Raises an error when a fit begins, before it works."""

    def on_fit_task_begin(self, estimator, context):
        raise Killed


def test_a_fit_inside_a_fit_of_the_same_estimator(file):
    model = new().set_callbacks(Checkpoint(file), Fitting(0)).fit(X, Y)
    assert bits(model.coefs_) == bits(new().fit(X, Y).coefs_)
    assert recorded(file)["state"]["n_iter_"] == 12


def test_partial_fit_calls_no_callback(file):
    new().set_callbacks(Checkpoint(file)).partial_fit(X, Y, classes=[0, 1])
    assert not file.exists()


def test_the_global_random_state_is_not_set(file):
    np.random.seed(3)
    expected = left_by(new(random_state=None).fit(X, Y), X)
    np.random.seed(3)
    fit_in_part(new(random_state=None), file, 5)
    content, drawn = file.read_bytes(), set()
    for seed in (4, 5):
        np.random.seed(seed)
        assert left_by(Checkpoint.resume(file).fit(X, Y), X) == expected
        drawn.add(np.random.random_sample())
        file.write_bytes(content)
    assert len(drawn) == 2


def test_an_instance_is_a_copy(file):
    mine = np.random.RandomState(5)
    mine.standard_normal()  # leaves a second one for later
    expected = copy.deepcopy(mine)
    new(random_state=expected).fit(X, Y)
    fit_in_part(new(random_state=mine), file, 5)
    resumed = Checkpoint.resume(file)
    assert resumed.random_state is not mine
    resumed.fit(X, Y)
    assert (resumed.random_state.standard_normal(4) == expected.standard_normal(4)).all()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_warm_starts(file, early_stopping):
    """The coefficients have the dtype of the first fit, which is not that of the run."""

    def begun():
        model = new(5, early_stopping=early_stopping, warm_start=True)
        return model.fit(X.astype(np.float32), Y).set_params(max_iter=9)

    expected = begun().fit(X, Y)
    assert expected.coefs_[0].dtype == np.float32
    fit_in_part(begun(), file, 4)
    assert left_by(Checkpoint.resume(file).fit(X, Y), X) == left_by(expected, X)


def test_a_warm_start_with_labels_of_another_type(file):
    model = new(warm_start=True).fit(X, Y.astype(np.int8)).set_callbacks(Checkpoint(file))
    with pytest.raises(ValueError, match=r"warm_start is True, and the labels in y are int64; .*had int8"):
        model.fit(X, Y)


# Calls of the kernel


def test_several_epochs_stay_one_call(file, monkeypatch):
    calls, run = [], MiniBatchTrainer.run

    def counted(self, rates, order=None):
        calls.append(len(rates) // self.n_batches)
        return run(self, rates, order)

    monkeypatch.setattr(MiniBatchTrainer, "run", counted)
    new(2000).fit(X, Y)
    without = calls.copy()
    calls.clear()
    new(2000).set_callbacks(Checkpoint(file)).fit(X, Y)
    assert calls[0] == 1
    assert sum(calls) == sum(without) == 2000
    assert len(calls) <= len(without) + 30
    calls.clear()
    file.unlink()
    new(40).set_callbacks(Checkpoint(file), StopAfter(1000)).fit(X, Y)
    assert calls == 40 * [1]


def test_calls_are_no_longer_than_the_time_to_the_next_checkpoint(monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    class Fake:
        left, due = 60.0, False

        def seconds_left(self):
            return self.left

        def is_due(self):
            return self.due

    monkeypatch.setattr(checkpoint_run.CheckpointRun, "_keep", lambda *arguments, is_converged: None)
    run = checkpoint_run.CheckpointRun(Fake(), None)
    assert run.limited(1000) == 1
    now += 0.001
    run.epochs_ended(None, None, None, 1)
    assert run.limited(10**6) == int(checkpoint_run.KEEP_SECONDS / 0.001)
    Fake.left = 0.1
    assert run.limited(10**6) == pytest.approx(100, abs=1)
    assert run.limited(7) == 7
    Fake.left = 0.0
    assert run.limited(10**6) == pytest.approx(10, abs=1), "while the last one is being written"
    Fake.due = True
    assert run.limited(10**6) == 1


def test_a_full_disk_is_one_warning(file, monkeypatch):
    fit_in_part(new(), file, 5)
    before = file.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.warns(RuntimeWarning, match="No space left") as warned:
        patch.setattr(checkpoint_file, "write", fail)
        resumed = Checkpoint.resume(file).fit(X, Y)
    assert len([each for each in warned if each.category is RuntimeWarning]) == 1
    expected = left_by(new().fit(X, Y), X)
    assert left_by(resumed, X) == expected
    assert file.read_bytes() == before
    assert left_by(Checkpoint.resume(file).fit(X, Y), X) == expected


# Refusals

REFUSED = {
    "lbfgs": (lambda file: new(solver="lbfgs").set_callbacks(Checkpoint(file)), 'solver is "lbfgs"'),
    "another class": (
        lambda file: make_pipeline(new()).set_callbacks(Checkpoint(file)),
        "set on a Pipeline; expected fastnn2's MLPClassifier or MLPRegressor",
    ),
    "a subclass": (
        lambda file: type("Mine", (fastnn2.MLPClassifier,), {})().set_callbacks(Checkpoint(file)),
        "set on a Mine",
    ),
    "two": (lambda file: new().set_callbacks(Checkpoint(file), Checkpoint(file)), "more than one Checkpoint"),
    "a folder that is missing": (lambda file: new().set_callbacks(Checkpoint(file / "b")), "there is no folder"),
    "a parameter": (
        lambda file: new(hidden_layer_sizes=pd.Series([5])).set_callbacks(Checkpoint(file)),
        "of type Series, which a checkpoint cannot hold",
    ),
    "a generator": (
        lambda file: new(random_state=np.random.RandomState(np.random.PCG64(0))).set_callbacks(Checkpoint(file)),
        "random_state draws from PCG64",
    ),
    "a class of random states": (
        lambda file: new(random_state=type("Mine", (np.random.RandomState,), {})(0)).set_callbacks(Checkpoint(file)),
        "random_state is a Mine",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(file, name):
    make, message = REFUSED[name]
    model = make(file)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)
    assert os.listdir(file.parent) == []
    assert not hasattr(model, "coefs_")
    assert model.set_callbacks() is model


def test_scikit_learns_own_class_is_refused(file):
    model = sklearn.neural_network.MLPClassifier()
    if hasattr(model, "set_callbacks"):
        with pytest.raises(ValueError, match="set on a MLPClassifier"):
            model.set_callbacks(Checkpoint(file)).fit(X, Y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3,), TypeError, "file is int"),
        (("",), ValueError, "file is ''"),
        (("a", "60"), TypeError, "seconds is str"),
        (("a", True), TypeError, "seconds is bool"),
        (("a", -1), ValueError, "seconds is -1; expected a finite"),
        (("a", float("nan")), ValueError, "seconds is nan"),
        (("a", float("inf")), ValueError, "seconds is inf"),
    ],
)
def test_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Checkpoint(*arguments)


OTHERS = {
    "parameters": ({"alpha": 0.5, "batch_size": 20}, {}, r"alpha is 0\.0001 there and 0\.5 here; batch_size .* 20"),
    "the random state": ({"random_state": None}, {}, "random_state is 0 there and None here"),
    "X": ({}, {"X": X + 1}, "X differs"),
    "the type of X": ({}, {"X": X.astype(np.float32)}, "X differs"),
    "y": ({}, {"y": Y.astype(str)}, "y differs"),
    "weights": ({}, {"sample_weight": WEIGHTS}, "sample_weight differs"),
    "all": ({"tol": 1.0}, {"X": X[:100], "y": Y[:100]}, r"tol is 0\.0 there and 1\.0 here; X differs; y differs"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("goes_on", [False, True])
def test_another_fit_is_refused(file, name, goes_on):
    parameters, data, message = OTHERS[name]
    fit_in_part(new(), file, 5)
    before = file.read_bytes()
    model = Checkpoint.resume(file) if goes_on else new().fit(X[:50], Y[:50]).set_callbacks(Checkpoint(file))
    coefs = None if goes_on else copy.deepcopy(model.coefs_)
    with pytest.raises(ValueError, match=f"checkpoint' has the checkpoint of another fit: {message}") as raised:
        model.set_params(**parameters).fit(**{"X": X, "y": Y, **data})
    assert ("Clones of an estimator share its callbacks" in str(raised.value)) == (not goes_on)
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]
    if goes_on:  # with what is right it still goes on
        model.set_params(**{parameter: getattr(new(), parameter) for parameter in parameters})
        assert left_by(model.fit(X, Y), X) == left_by(new().fit(X, Y), X)
    else:
        assert bits(model.coefs_) == bits(coefs)


def test_another_class_is_refused(file):
    new().set_callbacks(Checkpoint(file)).fit(X, Y)
    with pytest.raises(ValueError, match="it is of MLPClassifier, and this is MLPRegressor"):
        new(cls=fastnn2.MLPRegressor).set_callbacks(Checkpoint(file)).fit(X, Y)


def test_another_state_of_an_instance_is_refused(file):
    fit_in_part(new(random_state=np.random.RandomState(0)), file, 5)
    resumed = Checkpoint.resume(file)
    resumed.random_state.random_sample()
    with pytest.raises(ValueError, match="random_state has another state"):
        resumed.fit(X, Y)
    # An ordinary fit has drawn from its instance before, and may overwrite the checkpoint.
    new(random_state=np.random.RandomState(9)).set_callbacks(Checkpoint(file)).fit(X, Y)


def test_the_callback_stays_with_a_fit_that_goes_on(file, tmp_path):
    fit_in_part(new(), file, 5)
    resumed = Checkpoint.resume(file)
    with pytest.raises(ValueError, match=r"goes on from the checkpoint .*, and no Checkpoint is among its callbacks"):
        resumed.set_callbacks(StopAfter(3)).fit(X, Y)
    with pytest.raises(ValueError, match=r"goes on from .*, and its callback writes .*other"):
        resumed.set_callbacks(Checkpoint(tmp_path / "other")).fit(X, Y)
    resumed.set_callbacks(Checkpoint(file), StopAfter(1)).fit(X, Y)
    assert resumed.n_iter_ == 6


def test_a_checkpoint_that_is_gone(file):
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*a\.checkpoint"):
        Checkpoint.resume(file)
    fit_in_part(new(), file, 5)
    resumed = Checkpoint.resume(file)
    file.unlink()
    with pytest.raises(ValueError, match=r"there is no checkpoint .* any more"):
        resumed.fit(X, Y)


@pytest.mark.parametrize("content", [b"", b"mine", b"\0" * 100])
def test_files_that_are_no_checkpoints_are_not_overwritten(file, content):
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"is not a checkpoint of fastnn2.*\. Choose another file"):
        new().set_callbacks(Checkpoint(file)).fit(X, Y)
    with pytest.raises(ValueError, match="is not a checkpoint of fastnn2"):
        Checkpoint.resume(file)
    assert file.read_bytes() == content
    checkpoint_file.write(file, "fit", {}, {})
    with pytest.raises(ValueError, match="of kind 'fit'; expected 'estimator'"):
        new().set_callbacks(Checkpoint(file)).fit(X, Y)


def test_one_fit_writes_a_file(file):
    lock = FileLock(file)
    assert lock.acquire()
    model = new().set_callbacks(Checkpoint(file))
    with pytest.raises(ValueError, match=r"another run.* writes the checkpoint.*\. Clones of an estimator share its"):
        model.fit(X, Y)
    lock.release()
    assert os.listdir(file.parent) == []
    model.fit(X, Y)


def test_a_large_class_weight(file):
    model = new(class_weight={str(number): 1.0 for number in range(20_000)}).set_callbacks(Checkpoint(file))
    with pytest.raises(ValueError, match=r"the parameters take .* bytes in a checkpoint; at most 262144 fit"):
        model.fit(X, Y)
    assert os.listdir(file.parent) == []
    # As many as fit are written: of these strings a header has the most bytes.
    weights = {"\0\\" * 2000 + str(number): 1.0 for number in range(15)}
    y = np.array([*weights], dtype=object)[np.arange(200) % 15]
    model.set_params(class_weight=weights).fit(X, y)
    assert Checkpoint.resume(file).class_weight == weights


def test_an_error_leaves_the_state_that_was_kept(file):
    model = new().set_callbacks(Checkpoint(file), StopAfter(5, ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y)
    assert recorded(file)["state"]["n_iter_"] == 1
    assert left_by(Checkpoint.resume(file).fit(X, Y), X) == left_by(new().fit(X, Y), X)


HOSTILE = {
    "no fit": lambda description, arrays: description.pop("fit"),
    "a class of another module": lambda description, arrays: description["fit"].update(estimator="os.system"),
    "a parameter that is unknown": lambda description, arrays: description["fit"]["parameters"].update(more=1),
    "a parameter that is missing": lambda description, arrays: description["fit"]["parameters"].pop("alpha"),
    "a value of no kind": lambda description, arrays: description["fit"]["parameters"].update(alpha={"kind": "x"}),
    "a list": lambda description, arrays: description.update(fit=[]),
    "a digest less": lambda description, arrays: description["fit"]["data"].pop("X"),
    "negative seconds": lambda description, arrays: description.update(seconds=-1),
    "a state less": lambda description, arrays: description["state"].pop("t_"),
    "a count that is no integer": lambda description, arrays: description["state"].update(t_=1.5),
    "a huge count": lambda description, arrays: description["state"].update(updates=2**70),
    "a dtype": lambda description, arrays: description["state"].update(dtype_of_model="object"),
    "no random state": lambda description, arrays: arrays.pop("random_state"),
    "a place beyond the random numbers": lambda description, arrays: arrays.update(
        random_state=np.full(628, 2**31, dtype="<u4")
    ),
}
HOSTILE_FOR_A_FIT = {
    "parameters less": lambda description, arrays: arrays.update(params=arrays["params"][1:]),
    "parameters of another dtype": lambda description, arrays: arrays.update(params=arrays["params"].astype("<f4")),
    "an order beyond X": lambda description, arrays: arrays.update(order=arrays["order"] + 1),
    "an order that repeats": lambda description, arrays: arrays.update(order=arrays["order"] * 0),
    "no order": lambda description, arrays: arrays.pop("order"),
    "a curve of integers": lambda description, arrays: arrays.update(loss_curve_=np.arange(3)),
    "a curve of two dimensions": lambda description, arrays: arrays.update(loss_curve_=np.zeros((2, 2))),
    "no moments": lambda description, arrays: arrays.pop("second_moments"),
}


@pytest.mark.parametrize("name", [*HOSTILE, *HOSTILE_FOR_A_FIT])
def test_a_strangers_file(file, name):
    """With a SHA-256 that is right."""
    fit_in_part(new(), file, 5)
    description, arrays = checkpoint_file.read(file, "estimator")
    {**HOSTILE, **HOSTILE_FOR_A_FIT}[name](description, arrays)
    checkpoint_file.write(file, "estimator", description, arrays)
    with pytest.raises(ValueError, match=r"a\.checkpoint' (is damaged|has the checkpoint of)"):
        Checkpoint.resume(file).fit(X, Y)
    if name in HOSTILE:
        with pytest.raises(ValueError, match=r"a\.checkpoint' (is damaged|has the checkpoint of)"):
            Checkpoint.resume(file)


# Clones, copies and pipelines


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_candidates_of_a_grid_search_share_the_file(file):
    search = GridSearchCV(new().set_callbacks(Checkpoint(file)), {"alpha": [0.1, 1.0]}, cv=2, refit=False)
    with pytest.warns(FitFailedWarning, match="Clones of an estimator share its callbacks") as warned:
        search.fit(X, Y)
    failed = [str(each.message) for each in warned if each.category is FitFailedWarning]
    assert "3 fits failed out of a total of 4" in failed[0]
    assert os.listdir(file.parent) == [file.name]
    file.unlink()
    with pytest.raises(ValueError, match="Clones of an estimator share its callbacks"):
        search.set_params(error_score="raise").fit(X, Y)
    file.unlink()
    search = GridSearchCV(new(), {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y)
    best = search.best_estimator_
    assert left_by(clone(best).set_callbacks(Checkpoint(file)).fit(X, Y), X) == left_by(best, X)


IN_TWO_PROCESSES = """
import sys, warnings
import numpy as np, fastnn2
from fastnn2.callbacks import Checkpoint
from sklearn.model_selection import GridSearchCV
X = np.random.RandomState(0).standard_normal((400, 4)); y = (X[:, 0] > 0).astype(int)
model = fastnn2.MLPClassifier(5, max_iter=300, tol=0.0, n_iter_no_change=1000, random_state=0)
search = GridSearchCV(model.set_callbacks(Checkpoint(sys.argv[1])), {"alpha": [0.1, 1.0]}, cv=2, refit=False, n_jobs=2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    search.fit(X, y)
failed = [str(each.message) for each in caught if "Clones of an estimator share" in str(each.message)]
print(len(failed), np.isnan(search.cv_results_["split0_test_score"]).sum() >= 1)
"""


def test_a_grid_search_in_two_processes(file):
    run = subprocess.run(
        [sys.executable, "-c", IN_TWO_PROCESSES, file], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["1", "True"]
    assert os.listdir(file.parent) == [file.name]


def test_a_fit_inside_a_pipeline_goes_on(file):
    expected = make_pipeline(StandardScaler(), new()).fit(X, Y)
    pipeline = make_pipeline(StandardScaler(), new().set_callbacks(Checkpoint(file, seconds=0), StopAfter(5, Killed())))
    with pytest.raises(Killed):
        pipeline.fit(X, Y)
    resumed = pipeline.set_params(mlpclassifier=Checkpoint.resume(file)).fit(X, Y)
    assert bits(resumed.predict_proba(X)) == bits(expected.predict_proba(X))


def test_copies(file):
    callback = Checkpoint(file, seconds=3)
    for copied in (pickle.loads(pickle.dumps(callback)), copy.deepcopy(callback)):
        assert repr(copied) == repr(callback) == f"Checkpoint({str(file)!r}, seconds=3)"
    fit_in_part(new(), file, 5)
    expected = left_by(new().fit(X, Y), X)
    resumed = Checkpoint.resume(file)
    for copied in (pickle.loads(pickle.dumps(resumed)), copy.deepcopy(resumed)):
        before = file.read_bytes()
        assert left_by(copied.fit(X, Y), X) == expected
        file.write_bytes(before)
    assert clone(resumed)._resumes_from is None
    assert not hasattr(resumed.to_sklearn(), "_skl_callbacks")
    assert fastnn2.MLPClassifier.from_sklearn(resumed)._resumes_from is None


def test_no_state_of_a_run_is_left(file):
    model = new().set_callbacks(Checkpoint(file)).fit(X, Y)
    assert vars(model).keys() - {"_skl_callbacks"} == vars(new().fit(X, Y)).keys()
    with pytest.raises(ValueError, match="y differs"):
        model.fit(X, 1 - Y)
    assert "_checkpoint_run" not in vars(model)
    assert os.listdir(file.parent) == [file.name]


class Copying(StopAfter):
    """Pickles its estimator while that fits."""

    def on_fit_task_end(self, estimator, context):
        self.copied = pickle.dumps(estimator.set_callbacks())


def test_an_estimator_is_pickled_while_it_fits(file):
    copying = Copying(0)
    new().set_callbacks(Checkpoint(file), copying).fit(X, Y)
    assert "_checkpoint_run" not in vars(pickle.loads(copying.copied))


def test_a_name_of_the_package():
    run = subprocess.run(
        [
            sys.executable, "-c",
            "import sys, fastnn2; assert 'sklearn' not in sys.modules; print(fastnn2.callbacks.Checkpoint.__module__)",
        ],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (0, "fastnn2.callbacks\n"), run.stderr
    assert "callbacks" in dir(fastnn2)


# What tells one fit from another

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(),
    st.integers(-100, 100).map(np.int16), st.floats(allow_nan=False).map(np.float64), st.booleans().map(np.bool_),
    st.floats(width=32, allow_nan=False).map(np.float32), st.integers(0, 2**64 - 1).map(np.uint64),
)  # fmt: skip
KEYS = st.one_of(st.integers(), st.text(), st.floats(allow_nan=False), st.integers(0, 9).map(np.int64))


@given(st.one_of(SCALARS, st.lists(SCALARS), st.lists(SCALARS).map(tuple), st.dictionaries(KEYS, SCALARS)))
def test_parameters_come_back(value):
    found = decoded(json.loads(json.dumps(encoded(value, "a"))))
    if isinstance(value, dict):
        found, value = [*found.items()], [*value.items()]
    assert bits(found) == bits(value)


def test_parameters_that_are_equal():
    def is_same(a, b):
        return plain(encoded(a, "a")) == plain(encoded(b, "a"))

    assert is_same((5,), [5])
    assert is_same(np.float64(0.1), 0.1)
    assert is_same(np.array([5]), (np.int64(5),))
    assert is_same({0: 1.0, 1: 2.0}, {1: 2, np.int64(0): 1})
    assert not is_same({0: 1.0}, {"0": 1.0})
    assert not is_same(None, 0)


def test_digests_tell_data_apart():
    sparse = scipy.sparse.csr_array(X * (X > 0))
    same = [
        (X, X.tolist(), np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]),
        (sparse, sparse.copy()),
        (["a", "b"], np.array(["a", "b"])),
        (np.array(["a", 1, None, 2.5], dtype=object), pd.Series(["a", 1, None, 2.5], dtype=object)),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 2]})),
        (None, None),
    ]
    others = [
        X.astype(np.float32), X[:, :3], sparse.tocsc(), sparse.tocoo(), pd.DataFrame({"b": [1, 2]}), [1, 2], ["a", "c"],
        [[1, 2]], np.array(["ab", ""], dtype=object), np.array(["a", "b"], dtype=object), 2.0,
        pd.Series([1, 0, 1], dtype="category"), scipy.sparse.csr_array(X * (X > 0.1)),
    ]  # fmt: skip
    digests = [{digest_of(each) for each in group} for group in same]
    assert [len(found) for found in digests] == [1] * len(same)
    assert len({*(found.pop() for found in digests), *map(digest_of, others)}) == len(same) + len(others)
