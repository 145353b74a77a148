"""Fits and predictions inside others and beside others, and forks in callbacks: the bits of a call alone."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data import PATIENCE, assert_ended, assert_same_bits
from thread_data import N, count_threads, run

import fastnn2

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.RandomState(0).standard_normal((3000, 6))
y = (X[:, 0] * X[:, 1] > 0).astype(int)


def new_model(solver, n_threads, **options):
    options = {"hidden_layer_sizes": 20, "max_iter": 6, "random_state": 0, "batch_size": 1500} | options
    return fastnn2.MLPClassifier(solver=solver, n_threads=n_threads, **options)


def results(model):
    return (*model.coefs_, *model.intercepts_, np.array(model.loss_), model.predict_proba(X))


def train():
    params, costs = fastnn2.fit(X.T, y[np.newaxis], 0.5, 5, 30, random_state=0, n_threads=2)
    return (*params.values(), costs)


class Nested:
    """A callback that fits and predicts, also with the estimator itself, while its workers wait."""

    def __init__(self):
        self.found, self.tasks = [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.found.append((
            *results(new_model("adam", 2).fit(X, y)),
            *results(new_model("lbfgs", 2).fit(X, y)),
            *train(),
        ))  # fmt: skip
        assert_same_bits(fitted_estimator.predict_proba(X), estimator.predict_proba(X))


@pytest.mark.parametrize(("solver", "task"), [("adam", "epoch"), ("sgd", "epoch"), ("lbfgs", "evaluation")])
def test_fits_and_predictions_inside_a_fit(solver, task):
    before = count_threads()
    inner = (*results(new_model("adam", 1).fit(X, y)), *results(new_model("lbfgs", 1).fit(X, y)), *train())
    expected, callback = results(new_model(solver, 1).fit(X, y)), Nested()
    assert_same_bits(results(new_model(solver, 2).set_callbacks(callback).fit(X, y)), expected)
    assert callback.tasks.count(task) >= 6
    for found in callback.found:
        assert_same_bits(found, inner)
    assert_ended(before, count_threads)


def test_eight_fits_from_eight_threads():
    """Four kinds of jobs, each twice, and predictions with one model by all threads."""
    before, start = count_threads(), threading.Barrier(8)
    model = new_model("adam", 1).fit(X, y)
    many = np.tile(X, (20, 1))
    jobs = [
        lambda n_threads: results(new_model("adam", n_threads).fit(X, y)),
        lambda n_threads: results(new_model("adam", n_threads, hidden_layer_sizes=100, batch_size=200).fit(X, y)),
        lambda n_threads: results(new_model("lbfgs", n_threads).fit(X, y)),
        lambda n_threads: tuple(
            fastnn2.fit(X.T, y[np.newaxis], 0.5, 5, 2000, random_state=0, n_threads=n_threads)[0].values()
        ),
    ]
    expected = [job(1) for job in jobs]
    predicted = model.predict_proba(many)
    model.set_params(n_threads=2)

    def together(number):
        start.wait(timeout=PATIENCE)
        found = [jobs[number % 4](2) for _ in range(2)]
        return found, model.predict_proba(many)

    with ThreadPoolExecutor(8) as pool:
        for number, (found, outputs) in enumerate(pool.map(together, range(8))):
            for each in found:
                assert_same_bits(each, expected[number % 4])
            assert_same_bits(outputs, predicted)
    assert_ended(before, count_threads)


FORK = """
import signal, warnings
warnings.simplefilter("ignore")
signal.alarm(300)  # ends a process that hangs
rows, labels = X.T.copy(), Y.astype(int)

class Forking:
    def __init__(self):
        self.child = None
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if self.child is None:
            self.child = os.fork()
            signal.alarm(300)

def new(n_threads):
    return fastnn2.MLPClassifier(5, max_iter=4, solver=SOLVER, random_state=0, batch_size=N, n_threads=n_threads)

expected = new(1).fit(rows, labels).predict_proba(rows)
callback = Forking()
right = (new(2).set_callbacks(callback).fit(rows, labels).predict_proba(rows) == expected).all()
if callback.child == 0:
    os._exit(0 if right and digest() == digest(1) else 3)
print(right, os.waitpid(callback.child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_both_processes_go_on_after_a_fork_in_a_callback(solver):
    assert run(f"SOLVER, N = {solver!r}, {N}\n" + FORK) == "True 0\n"
