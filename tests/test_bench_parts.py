"""Small predictions and the grid search of the bench: what is asserted before it is timed, and how figures are made."""

import os

import numpy as np
import pytest

from bench import estimators, measure, predictions, search, search_run
from bench import startup as bench_startup


def test_faster_setting_of_scikit_learn_counts():
    found = estimators.compared([4.0, 4.0, 4.0], [9.0, 2.0, 3.0], [1.0, 2.0, 1.0])
    assert (found["sklearn"], found["fastnn2"], found["threads"]) == (3.0, 1.0, None)
    assert found["ratio"] == 3.0  # of 9, 1 and 3
    assert estimators.compared([1.0], [2.0], [1.0])["threads"] == 1


def test_less_is_wanted_without_avx512(monkeypatch):
    job = estimators.Job("job", None, {"float64": 8, "float32": 9}, without_avx512={"float64": 6})
    for features, wanted in (({"avx2"}, (6, 9)), ({"avx2", "avx512f"}, (8, 9))):
        monkeypatch.setattr(estimators.Processor, "here", lambda features=features: Features(features))
        assert (job.wanted_here("float64"), job.wanted_here("float32")) == wanted


class Features:
    def __init__(self, features):
        self.features = features


# Predictions


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", ["two classes", "ten classes", "regression"])
def test_both_models_predict_the_same(kind, dtype):
    both, method = predictions.models(kind, dtype)
    X = estimators.two_classes(3)[0].astype(dtype)
    calls = {who: lambda model=model: getattr(model, method)(X) for who, model in both.items()}
    predictions.check(calls, kind, dtype)
    assert calls["sklearn"]().shape == {"two classes": (3, 2), "ten classes": (3, 10), "regression": (3,)}[kind]
    assert calls["fastnn2"]().dtype == dtype


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (np.full((2, 2), 0.5 + 1e-5), "a number differs by 1e-05"),
        (np.full((2, 1), 0.5), r"float64 \(2, 1\), but scikit-learn has float64 \(2, 2\)"),
        (np.full((2, 2), 0.5, "float32"), "float32"),
        (np.full((2, 2), np.nan), "a number differs by nan"),
    ],
)
def test_other_predictions_are_not_timed(own, message):
    with pytest.raises(AssertionError, match=message):
        predictions.check({"sklearn": lambda: np.full((2, 2), 0.5), "fastnn2": lambda: own}, "two classes", "float64")


def test_a_short_call_is_repeated(monkeypatch):
    monkeypatch.setattr(measure, "seconds_of", lambda call: predictions.SECONDS / 4)
    calls = []
    run, count = predictions.repeated(lambda: calls.append(1))
    run()
    assert len(calls) == count == 4


# The grid search


class Searched:
    def __init__(self, best, scores):
        self.best_params_, self.cv_results_ = {"model__alpha": best}, {"mean_test_score": np.array(scores)}


def test_searches_have_to_agree():
    search.check(Searched(1.0, [0.97, 0.96]), Searched(1.0, [0.97, 0.962]))
    with pytest.raises(AssertionError, match=r"fastnn2 chose .*0.01.*, but scikit-learn .*1.0"):
        search.check(Searched(1.0, [0.97]), Searched(0.01, [0.97]))
    with pytest.raises(AssertionError, match="a score differs by"):
        search.check(Searched(1.0, [0.97]), Searched(1.0, [0.96]))


def test_compiles_of_an_empty_store(monkeypatch):
    """Each process notes what it compiled; the limit takes each kernel once."""
    orders = []

    def process(*arguments, store, compiles=""):
        if arguments[0] == "-c":
            return [2.0, 1.0]
        orders.append(compiles.stem)
        if compiles.stem == "empty":
            compiles.write_text("infer float64\nepochs float64\nepochs float64\n")
        return {"start": 1.0, "search": {"empty": 7.0, "warm": 2.0}[compiles.stem]}

    monkeypatch.setattr(search, "process", process)
    found = search.empty_store(2)
    assert orders == ["empty", "warm"] * 2
    assert (found["empty"]["search"], found["warm"]["search"]) == (7.0, 2.0)
    assert found["kernels"] == [
        {"name": "epochs", "dtype": "float64", "compiles": 2, "seconds": 2.0},
        {"name": "infer", "dtype": "float64", "compiles": 1, "seconds": 1.0},
    ]
    assert found["limit"] == pytest.approx(1.2 * (2.0 + 2.0 + 1.0))


def test_a_process_notes_what_it_compiles(tmp_path):
    script = "from bench import search, search_run; search.compile_each([('infer', 'float64')]); print('null')"
    for _ in range(2):  # the second one finds the file
        assert search.process("-c", script, store=tmp_path / "store", compiles=tmp_path / "compiles.txt") is None
    assert (tmp_path / "compiles.txt").read_text() == "infer float64\n"


def test_a_search_that_cannot_be_compared_says_why(monkeypatch):
    monkeypatch.setattr(estimators, "why_not", lambda: "a reason")
    lines = []
    assert search.run(say=lines.append)["skipped"] == predictions.run(say=lines.append)["skipped"] == "a reason"
    assert lines == ["  skipped: a reason"] * 2


def test_a_script_of_a_peer_that_is_not_held_does_not_start(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_startup.held, "reason", lambda peer: f"{peer} does as it likes")
    script = bench_startup.Script("job: JAX", ["false"], tmp_path, peer="jax_scan")
    with pytest.raises(RuntimeError, match="jax_scan does as it likes"):
        script.start()


def test_compiles_are_not_noted_here():
    assert search_run.COMPILES not in os.environ
    assert search_run.inside.kernel_store.compile_and_keep.__name__ == "compile_and_keep"
