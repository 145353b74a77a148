"""What the estimators for a cluster have in common: client, copies, interruption, losses of the cluster, threads."""

import copy
import inspect
import itertools
import os
import pickle
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from data import PATIENCE, extra
from interrupt_data import LIMIT
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

extra("distributed", "dask")
import dask.array  # noqa: E402
from dask_estimator_data import assert_same_model, cut, samples  # noqa: E402
from distributed import Client, LocalCluster  # noqa: E402

import fastnn2  # noqa: E402
from fastnn2.dask import ClusterError, DaskMLPClassifier, DaskMLPRegressor  # noqa: E402
from fastnn2.dask.evaluation import Evaluator  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS = {"hidden_layer_sizes": 5, "max_iter": 5, "random_state": 0}
LOCAL = {DaskMLPClassifier: fastnn2.MLPClassifier, DaskMLPRegressor: fastnn2.MLPRegressor}


def data(n=2000):
    X, numbers, _ = samples(n)
    return cut(X, [n // 2, n - n // 2]), cut(numbers > 0, [n])


@pytest.mark.parametrize("estimator", LOCAL)
def test_parameters_are_those_of_the_local_class(estimator):
    """In its order, with its defaults; only the solver has another one."""
    ours, theirs = (inspect.signature(cls.__init__).parameters for cls in (estimator, LOCAL[estimator]))
    assert [*ours] == [name for name in theirs if name in ours] + ["timeout"]
    for name in set(ours) - {"solver", "timeout"}:
        assert (ours[name].default, ours[name].kind) == (theirs[name].default, theirs[name].kind), name
    assert ours["solver"].default == "lbfgs"
    assert "n_threads" not in ours


def test_the_client_is_no_parameter(current_client):
    model = DaskMLPClassifier(**SETTINGS)
    assert "client" not in model.get_params()
    assert model.client is current_client  # Dask's current one
    with Client(current_client.scheduler.address, set_as_default=False) as other:
        model.client = other
        model.fit(*data())
        assert model.client is other
        for same in (pickle.loads(pickle.dumps(model)), clone(model), copy.deepcopy(model)):
            assert same.client is current_client
    model.client = None
    assert model.client is current_client
    with pytest.raises(TypeError, match=r"client is str; expected a dask\.distributed.Client or None"):
        model.client = "tcp://somewhere"


def test_without_a_client_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr("distributed.get_client", lambda: (_ for _ in ()).throw(ValueError("No clients found")))
    with pytest.raises(ClusterError, match="there is no client; make one first"):
        DaskMLPRegressor().fit(*data())


def test_copies(current_client):
    model = DaskMLPClassifier(**SETTINGS).fit(*data())
    again = pickle.loads(pickle.dumps(model))
    X = samples(seed=3)[0]
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert_same_model(again, model)
    fresh = clone(model)
    assert repr(fresh) == repr(model) == "DaskMLPClassifier(hidden_layer_sizes=5, max_iter=5, random_state=0)"
    with pytest.raises(NotFittedError):
        fresh.predict(data()[0])
    with pytest.raises(NotFittedError):
        fresh.to_local()
    assert fresh.set_params(timeout=5).get_params()["timeout"] == 5


@pytest.mark.parametrize("solver", ["lbfgs", "gradient_descent"])
def test_to_local(current_client, solver):
    model = DaskMLPClassifier(solver=solver, **SETTINGS).fit(*data())
    local = model.to_local()
    assert type(local) is fastnn2.MLPClassifier
    assert local.solver == {"lbfgs": "lbfgs", "gradient_descent": "sgd"}[solver]
    X, numbers, _ = samples(seed=3)
    assert np.array_equal(local.predict_proba(X), model.predict_proba(cut(X, [700, 1300])).compute())
    before = model.coefs_[0].copy()
    local.coefs_[0][:] = 0
    assert np.array_equal(model.coefs_[0], before)  # copies
    if solver == "gradient_descent":
        assert len(model.to_local().partial_fit(X, numbers > 0).loss_curve_) == 6
    assert np.array_equal(local.fit(X, numbers > 0).classes_, [False, True])


def in_a_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


@pytest.mark.parametrize("solver", ["lbfgs", "gradient_descent"])
def test_ctrl_c_keeps_what_is_trained(current_client, monkeypatch, solver):
    """At once: the tasks end, and the model has the parameters up to then."""
    X, numbers, _ = samples(20_000, 20)
    given = cut(X, [10_000] * 2), cut(numbers, [20_000])
    settings = {"hidden_layer_sizes": 50, "tol": 0, "random_state": 0}
    model = DaskMLPRegressor(solver=solver, max_iter=10**6, max_fun=10**6, **settings)
    count, sent, evaluate = [0], [0.0], Evaluator.__call__

    def interrupt():
        time.sleep(0.005)  # the main thread waits for the workers, or is about to
        sent[0] = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    def counted(self, params):
        count[0] += 1
        if count[0] == 20:
            in_a_thread(interrupt)
        return evaluate(self, params)

    monkeypatch.setattr(Evaluator, "__call__", counted)
    with pytest.raises(fastnn2.TrainingInterrupted, match="a fit with warm_start=True continues") as caught:
        model.fit(*given)
    assert time.monotonic() - sent[0] < LIMIT
    while any(current_client.processing().values()):
        assert time.monotonic() - sent[0] < LIMIT
        time.sleep(0.01)
    assert np.array_equal(caught.value.params["W1"].T, model.coefs_[0])
    assert 19 <= model.n_iter_ <= count[0]
    if solver == "gradient_descent":
        again = DaskMLPRegressor(solver=solver, max_iter=model.n_iter_, **settings).fit(*given)
        assert model.loss_curve_ == again.loss_curve_
        assert np.array_equal(model.coefs_[0], again.coefs_[0])
    else:
        assert model.loss_ == caught.value.cost_[-1]
    assert model.predict(given[0]).compute().shape == (20_000,)
    assert model.set_params(warm_start=True, max_iter=2).fit(*given).loss_ < caught.value.cost_[-1]


@pytest.mark.parametrize("solver", ["lbfgs", "gradient_descent"])
def test_an_error_of_the_cluster_keeps_what_is_trained(current_client, monkeypatch, solver):
    model = DaskMLPClassifier(solver=solver, **SETTINGS)
    count, evaluate = [0], Evaluator.__call__

    def failing(self, params):
        count[0] += 1
        if count[0] == fails_at:
            raise ClusterError("the samples are lost")
        return evaluate(self, params)

    monkeypatch.setattr(Evaluator, "__call__", failing)
    fails_at = 1
    with pytest.raises(ClusterError, match="the samples are lost"):
        model.fit(*data())
    assert not hasattr(model, "coefs_")
    fails_at, count[0] = 4, 0
    with pytest.raises(ClusterError, match="the samples are lost") as caught:
        model.fit(*data())
    params, costs = caught.value.training
    assert np.array_equal(params["W1"].T, model.coefs_[0])
    assert model.loss_ == costs[-1]
    assert model.n_iter_ == 3
    assert 0 <= model.score(*data()) <= 1


def test_a_cluster_that_is_closed_amid_a_fit(monkeypatch):
    begin, evaluate, count = threading.Event(), Evaluator.__call__, itertools.count()

    def counted(self, params):
        if next(count) == 5:
            begin.set()
        return evaluate(self, params)

    monkeypatch.setattr(Evaluator, "__call__", counted)
    X, numbers, _ = samples(20_000, 20)
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster:
        own = Client(cluster, set_as_default=False)
        model = DaskMLPRegressor(hidden_layer_sizes=30, max_iter=10**6, max_fun=10**6, tol=0, random_state=0)
        model.client = own
        closer = in_a_thread(lambda: (begin.wait(PATIENCE), time.sleep(0.5), own.close()))
        given = cut(X, [10_000] * 2), cut(numbers, [20_000])
        with pytest.raises(ClusterError):
            model.fit(*given)
        closer.join()
    assert model.predict(X).shape == (20_000,)


def test_three_fits_at_once(current_client):
    X, numbers, _ = samples()
    given = cut(X, [300, 1700]), cut(numbers, [1000, 1000])
    settings = [{"activation": name, "random_state": 0, "max_iter": 6} for name in ("tanh", "relu", "logistic")]
    undisturbed = [DaskMLPRegressor(**options).fit(*given) for options in settings]
    models = [DaskMLPRegressor(**options) for options in settings]
    for model in models:  # which is not the current one in other threads
        model.client = current_client
    threads = [in_a_thread(model.fit, *given) for model in models]
    for thread in threads:
        thread.join(PATIENCE)
    for model, expected in zip(models, undisturbed, strict=True):
        assert_same_model(model, expected)


def test_a_grid_search_of_the_local_class_on_dasks_backend(current_client):
    X, numbers, _ = samples(400)
    search = GridSearchCV(
        fastnn2.MLPClassifier(max_iter=5, random_state=0), {"alpha": [0.0, 1.0], "solver": ["adam", "lbfgs"]}, cv=2
    )
    alone = clone(search).fit(X, numbers > 0)
    with joblib.parallel_backend("dask", client=current_client):
        together = clone(search).fit(X, numbers > 0)
    assert np.array_equal(together.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert np.array_equal(together.best_estimator_.coefs_[0], alone.best_estimator_.coefs_[0])


def test_the_workers_forget_the_samples(current_client):
    """Blocks are held for the time of a fit, also of one that fails."""
    model = DaskMLPRegressor(**SETTINGS)
    given = [collection.persist() for collection in data()]
    model.fit(*given)
    with pytest.raises(ValueError, match="sample_weight is zero for all samples"):
        model.fit(*given, dask.array.zeros(2000, chunks=500))
    deadline = time.monotonic() + PATIENCE
    while [key for keys in current_client.has_what().values() for key in keys if "lay_out" in str(key)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
