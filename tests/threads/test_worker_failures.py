"""A worker that fails, in each kernel: its error is raised in the caller, nobody waits for ever, no thread is left."""

import numpy as np
import pytest
from data import assert_ended, assert_same_bits
from mini_batch_data import OPTIMIZERS, make_trainer, orders_and_rates
from thread_data import count_threads, fit, use_python_threads

import fastnn2
from fastnn2.engine import full_batch, inference, mini_batch
from fastnn2.engine.samples import SampleMatrix
from fastnn2.threads import native

THREADS = 3


class FailedError(Exception):
    """What a worker raises. Workers that run no Python cannot fail; those that Python starts may."""


@pytest.fixture(params=["before", "after"])
def fail(request, monkeypatch):
    """Return a function that makes the first worker of each team fail, before or after it was in the kernel."""
    run_worker = native.PythonThreads._run
    use_python_threads(monkeypatch)

    def failing(self, job, running):
        def kernel(job):
            if request.param == "after":
                self._kernel(job)
            raise FailedError

        broken = native.PythonThreads(kernel, [], self._on_failure)
        run_worker(broken if job is self._jobs[0] else self, job, running)

    return lambda: monkeypatch.setattr(native.PythonThreads, "_run", failing)


def train(d, h):
    X = np.random.RandomState(1).standard_normal((d, 3000))
    return fastnn2.fit(X, X[0] > 0, 0.1, h, 20, n_threads=THREADS)


def new_trainer(shape):
    return make_trainer(shape, "relu", "cross_entropy", "float64", n_threads=THREADS, **OPTIMIZERS["adam"])


def run_trainer(shape):
    trainer = new_trainer(shape)
    orders, rates = orders_and_rates(shape, trainer.n_batches, 3, True)
    return trainer.run(rates, orders)[0], trainer.params


def predict():
    network = mini_batch.Network(30, 20, 3, 0, 0)
    X = np.random.RandomState(0).standard_normal((3000, 30))
    params = np.random.RandomState(1).standard_normal(network.n_params)
    return inference.PreparedNetwork(network, params, np.float64).outputs(SampleMatrix(X, np.float64), THREADS)[0]


JOBS = {
    "train_narrow": lambda: train(2, 5),
    "train": lambda: train(40, 30),
    "train with shared parameters": lambda: train(40, 110),
    "train_wide": lambda: train(220, 600),
    "epochs": lambda: run_trainer((5, 7, 11, 3000, 3000)),
    "unit_epochs": lambda: run_trainer((30, 100, 1, 450, 200)),
    "infer": predict,
}


@pytest.mark.parametrize("is_short", [True, False], ids=["short", "long"])
@pytest.mark.parametrize("job", JOBS)
def test_error_of_a_worker_is_raised_in_the_caller(job, is_short, fail, monkeypatch):
    before = count_threads()
    for module in (full_batch, mini_batch, inference):
        monkeypatch.setattr(module, "is_short_job", lambda *_: is_short)
    expected = JOBS[job]()  # Python threads that do not fail
    fail()
    with pytest.raises(FailedError):
        JOBS[job]()
    assert_ended(before, count_threads)
    monkeypatch.undo()
    assert_same_bits(JOBS[job](), expected)  # native threads


@pytest.mark.parametrize("shape", [(5, 7, 11, 3000, 3000), (30, 100, 1, 450, 200)], ids=["samples", "units"])
def test_error_of_a_worker_that_waits(shape, fail, monkeypatch):
    """It fails before its first call, or when it is told to leave after the last one."""
    before, trainer, expected = count_threads(), new_trainer(shape), new_trainer(shape)
    expected.threads = 1
    monkeypatch.setattr(mini_batch, "is_short_job", lambda *_: True)
    rates, found = np.full(trainer.n_batches, 0.01), []
    fail()
    with pytest.raises(FailedError), trainer.persistent_workers():
        found += [trainer.run(rates)[0] for _ in range(2)]
    for losses in found:
        assert_same_bits(losses, expected.run(rates)[0])
    assert trainer._waiting is None
    assert_ended(before, count_threads)


def test_long_jobs_on_python_threads_have_the_bits_of_one_thread(monkeypatch):
    monkeypatch.setattr(full_batch, "is_short_job", lambda *_: False)
    expected = fit(n_threads=1)
    use_python_threads(monkeypatch)
    assert_same_bits(fit(n_threads=3), expected)
