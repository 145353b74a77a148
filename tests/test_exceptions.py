"""TrainingDiverged and TrainingInterrupted keep params, cost_ and results through copies, pickles and process pools."""

import concurrent.futures
import copy
import multiprocessing
import pickle

import numpy as np
import pytest
from data import PATIENCE

import fastnn2
from fastnn2.codegen.loader import Kernel

KINDS = (fastnn2.TrainingDiverged, fastnn2.TrainingInterrupted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_copies_keep_params_costs_and_results(kind, duplicate):
    for results in (None, [None, ({"W1": np.zeros((2, 2))}, np.arange(4.0))]):
        error = duplicate(kind("why", {"W1": np.ones((2, 2))}, np.arange(3.0), results))
        assert isinstance(error, kind)
        assert str(error) == "why"
        assert (error.params["W1"] == 1).all()
        assert error.cost_.tolist() == [0, 1, 2]
        if results is None:
            assert error.results is None
        else:
            assert error.results[0] is None
            assert (error.results[1][0]["W1"] == 0).all()
            assert error.results[1][1].tolist() == [0, 1, 2, 3]


def test_errors_are_subclasses_of_builtin_errors():
    assert issubclass(fastnn2.TrainingDiverged, ValueError)
    assert issubclass(fastnn2.TrainingInterrupted, KeyboardInterrupt)


def diverge():
    fastnn2.fit([[0.0, 1.0, 2.0]], [0, 1, 1], 1e308, 2, 50, alpha=1e10)


def test_error_from_another_process_keeps_params():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        outcome = pool.submit(diverge)
        with pytest.raises(fastnn2.TrainingDiverged, match="at iteration") as caught:
            outcome.result(timeout=PATIENCE)
    assert all(np.isfinite(value).all() for value in caught.value.params.values())


@pytest.mark.parametrize("n_threads", [1, 2])
def test_error_of_a_thread_is_raised_by_fit(n_threads, monkeypatch):
    def broken(self, job):
        raise RuntimeError("broken kernel")

    monkeypatch.setattr(Kernel, "__call__", broken)
    with pytest.raises(RuntimeError, match="broken kernel"):
        fastnn2.fit(np.zeros((2, 600)), np.zeros(600), 0.5, 5, 10, n_threads=n_threads)


@pytest.mark.parametrize(("module", "name"), [("training", "fit"), ("steps", "forward"), ("steps", "predict")])
def test_functions_that_were_pickled_before_the_modules_moved(module, name):
    before = f"cfastnn2.{module}\n{name}\n.".encode()  # protocol 0 names module and function in plain text
    assert pickle.loads(before) is getattr(fastnn2, name)
