"""fastnn2.dask.fit has the bits of fit, for any workers and partitions; and what it refuses."""

import contextlib
import importlib
import logging
import time

import numpy as np
import pytest
from dask_data import ITERATIONS, PARTITIONINGS, cut, da, fit, local_fit, rows_of
from data import DTYPES, PATIENCE, RATE, assert_same_bits, extra, problem
from fit_blocks_data import SHAPES

import fastnn2
from fastnn2.codegen.processor import Processor
from fastnn2.dask import ClusterError
from fastnn2.dask.collections import Collection
from fastnn2.dask.requests import Cluster
from fastnn2.functional import total_weight
from fastnn2.kernels.shared import tuning

distributed = extra("distributed", "dask")
cluster_module = importlib.import_module("fastnn2.dask.fit")  # whose name is the function's, too
# What a fit has, two of which meet each partitioning: shape, dtype, whether there are weights, alpha.
KINDS = (("outputs", "float64", True, 0.3), ("layers", "float32", False, 0.0))


@pytest.fixture(scope="module")
def expected():
    """The results of fit on one machine."""
    return {
        kind: local_fit(rows_of(kind[0], kind[1], kind[2]), kind[0], alpha=kind[3]) for kind in KINDS
    }  # fmt: skip


@pytest.mark.parametrize("partitioning", PARTITIONINGS)
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_bits_are_those_of_fit(workers, partitioning, client_of, expected):
    for kind in KINDS:
        shape, dtype, weighted, alpha = kind
        collections = PARTITIONINGS[partitioning](*rows_of(shape, dtype, weighted))
        assert_same_bits(fit(client_of(workers), collections, shape, alpha=alpha), expected[kind])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape(shape, dtype, client):
    """Kernels for few inputs, for layers, and for parameters that threads share, whose costs have another order."""
    weighted = (dtype == "float64") == (len(shape) % 2 == 0)
    rows = rows_of(shape, dtype, weighted, 3000)
    collections = [cut(array, size) for array, size in zip(rows, (811, 500, 1200), strict=False)]
    result = fit(client, collections, shape, alpha=0.5, init="small", random_state=7)
    assert_same_bits(result, local_fit(rows, shape, alpha=0.5, init="small", random_state=7))


@pytest.mark.parametrize("n", [1, 2, 7, 15, 16, 17, 255, 256, 257])
def test_few_samples(n, client):
    rows = rows_of("outputs", "float64", True, n)
    assert_same_bits(fit(client, [cut(a, (n - 1, 0, 1)) for a in rows], "outputs"), local_fit(rows, "outputs"))


@pytest.mark.parametrize("where", ["one worker", "both workers"])
def test_partitions_that_workers_hold(where, client):
    rows = rows_of("layers")
    collections = [cut(array, 600) for array in rows]
    workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
    held = client.persist(collections, workers=workers[:1] if where == "one worker" else workers)
    assert not any(future.exception() for future in distributed.futures_of(held))
    assert_same_bits(fit(client, held, "layers"), local_fit(rows, "layers"))


def test_one_worker_with_other_kernels():
    """A worker whose kernels are those of x86-64-v3, beside one with those of this machine."""
    here, level = Processor.here(), Processor.level("x86-64-v3")
    if not here.runs(level) or here.features == level.features:
        pytest.skip("needs a processor with more than x86-64-v3")
    names = {"NUMBA_CPU_NAME": level.cpu, "NUMBA_CPU_FEATURES": level.feature_string()}
    workers = {
        number: {"cls": distributed.Nanny, "options": {"nthreads": 1, "env": env, "silence_logs": logging.ERROR}}
        for number, env in enumerate(({}, names))
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard_address": ":0"}}
    with (
        distributed.SpecCluster(workers, scheduler, silence_logs=logging.ERROR) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(2, timeout=PATIENCE)
        keys = client.run(lambda: Processor.here().key)
        assert sorted(keys.values()) == sorted([here.key, level.key])
        for shape, dtype, weighted, alpha in KINDS:
            rows = rows_of(shape, dtype, weighted)
            # The workers compile first, on a busy machine for more than a minute.
            result = fit(client, [cut(array, 700) for array in rows], shape, alpha=alpha, timeout=PATIENCE)
            assert_same_bits(result, local_fit(rows, shape, alpha=alpha))


@pytest.mark.parametrize("n", [999, 1000, 1001, 2000, 4500])
def test_many_weights_are_added_in_slices(n, client, monkeypatch):
    """As fit adds them: slices one after the other. Workers share no slice."""
    monkeypatch.setattr(total_weight, "SLICE", 1000)
    monkeypatch.setattr(cluster_module, "SLICE", 1000)
    weights = np.random.default_rng(n).uniform(0, 1, n).astype("float32")
    collection = Collection(cut(weights, 700), "sample_weight")
    found = cluster_module.sum_of_weights(Cluster(client, 60.0), collection, np.dtype("float32"))
    assert found == total_weight.sum_weights(weights)


def test_no_iteration(client):
    rows = rows_of("layers", n=100)
    params, costs = fit(client, [cut(array, 30) for array in rows], "layers", 0)
    assert_same_bits(params, local_fit(rows, "layers", 0)[0])
    assert costs.shape == (0,)


def test_parameters_to_continue_from(client):
    rows = rows_of("outputs", "float32")
    collections = [cut(array, 1000) for array in rows]
    half, before = fit(client, collections, "outputs", 2)
    params, after = fit(client, collections, "outputs", 3, init=half)
    assert_same_bits((params, np.append(before, after)), local_fit(rows, "outputs", 5))


def test_workers_forget_the_samples(client):
    rows = rows_of("layers")
    fit(client, [cut(array, 600) for array in rows], "layers")
    with pytest.raises(ValueError, match="expected targets from 0 to 1"):
        fit(client, [cut(rows[0], 600), cut(rows[1] * 2, 600)], "layers")
    deadline = time.monotonic() + 60
    while any(client.has_what().values()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(client.has_what().values())


def test_the_samples_stay_as_they_are(client):
    rows = rows_of("outputs", weighted=True)
    collections = [cut(array, 1000) for array in rows]
    fit(client, collections, "outputs")
    assert_same_bits(tuple(collection.compute() for collection in collections), rows)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"learning_rate": 1e300, "dtype": "float32"}, "parameters after the update are not finite"),
        ({"init": {name: value * 1e308 for name, value in problem(5, 9, 1, 1)[2].items()}}, "cost is not finite"),
    ],
    ids=["params", "cost"],
)
def test_divergence_is_that_of_fit(options, parts, client):
    rows = rows_of("layers")
    with pytest.raises(fastnn2.TrainingDiverged) as local:
        local_fit(rows, "layers", **options)
    assert parts in str(local.value)
    with pytest.raises(fastnn2.TrainingDiverged) as error:
        fit(client, [cut(array, 700) for array in rows], "layers", **options)
    assert str(error.value) == str(local.value)
    assert_same_bits((error.value.params, error.value.cost_), (local.value.params, local.value.cost_))


def test_an_error_has_what_was_trained(client, monkeypatch):
    from fastnn2.dask import evaluation

    rows = rows_of("layers")
    calls = []
    evaluate = evaluation.Evaluator.__call__

    def failing(self, params):
        calls.append(1)
        if len(calls) == 3:
            raise ClusterError("the cluster is gone")
        return evaluate(self, params)

    monkeypatch.setattr(evaluation.Evaluator, "__call__", failing)
    with pytest.raises(ClusterError, match="the cluster is gone") as error:
        fit(client, [cut(array, 700) for array in rows], "layers")
    assert_same_bits(error.value.training, local_fit(rows, "layers", 2))


# Refusals


class Untouched(Exception):
    """The cluster was asked for something."""


@pytest.fixture
def untouched(client, monkeypatch):
    """A client that fails if it is asked for any work."""

    def fail(*arguments, **keywords):
        raise Untouched

    for name in ("submit", "compute", "gather", "sync"):
        monkeypatch.setattr(client, name, fail)
    return client


SMALL = np.zeros((6, 2)), np.zeros(6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"learning_rate": 0}, ValueError, "learning_rate is 0; expected a finite number above 0"),
        ({"learning_rate": None}, TypeError, "learning_rate is None; expected a finite number above 0"),
        ({"hidden_size": 0}, ValueError, "hidden_size is 0; expected an integer of 1 or more"),
        ({"number_of_iterations": 1.5}, ValueError, "number_of_iterations is 1.5; expected an integer of 0 or more"),
        ({"alpha": -1.0}, ValueError, "alpha is -1.0"),
        ({"timeout": 0}, ValueError, "timeout is 0; expected a finite number above 0"),
        ({"dtype": "int64"}, ValueError, "dtype is int64; expected float32, float64 or None"),
        ({"init": "zeros"}, ValueError, "init is 'zeros'; expected 'he', 'small' or a dict"),
        ({"init": problem(3, 2, 1, 1)[2]}, ValueError, "init is for 3 features.*from X, Y and hidden_size"),
        ({"callback_every": 2}, ValueError, "callback_every is 2, but callback is None"),
        ({"resume": True}, ValueError, "resume is True, but checkpoint is None"),
        ({"progress": 1}, ValueError, "progress is 1"),
        ({"solver": "adam"}, ValueError, "solver is 'adam', whose mini-batches .* fastnn2.partial_fit_blocks"),
        ({"solver": "sgd"}, ValueError, "solver is 'sgd', whose mini-batches .* fastnn2.partial_fit_blocks"),
        ({"solver": "newton"}, ValueError, "solver is 'newton'; expected 'gradient_descent' or 'lbfgs'"),
    ],
)
def test_wrong_arguments(options, error, message, untouched):
    options = {"learning_rate": RATE, "hidden_size": 2, "number_of_iterations": 3, **options}
    rate, h, iterations = (options.pop(name) for name in ("learning_rate", "hidden_size", "number_of_iterations"))
    X, Y = (cut(array, 3) for array in SMALL)
    with pytest.raises(error, match=message):
        fastnn2.dask.fit(untouched, X, Y, rate, h, iterations, **options)


def test_clients(client):
    collections = [cut(array, 3) for array in SMALL]
    with pytest.raises(TypeError, match=r"client is NoneType; expected a dask.distributed.Client"):
        fit(None, collections, "layers")
    with pytest.raises(TypeError, match=r"client is str; expected"):
        fit(client.scheduler.address, collections, "layers")
    closed = distributed.Client(client.scheduler.address, set_as_default=False)
    closed.close()
    with pytest.raises(ClusterError, match="the client is closed, not running"):
        fit(closed, collections, "layers")


def test_an_asynchronous_client(client):
    async def run():
        async with distributed.Client(
            client.scheduler.address, asynchronous=True, set_as_default=False
        ) as asynchronous:  # fmt: skip
            with pytest.raises(ValueError, match="client is asynchronous; expected one that waits"):
                fit(asynchronous, [cut(array, 3) for array in SMALL], "layers")

    client.sync(run)


def test_very_wide_layers_are_refused(untouched):
    h, d = tuning.WIDE_UNITS, 400
    assert tuning.train_kernel(d, h, 1) == "train_wide"
    X, Y = da.zeros((100, d), chunks=50), da.zeros(100, chunks=50)
    with pytest.raises(ValueError, match=rf"hidden_size is {h} and the network has .* Pass solver='lbfgs'"):
        fastnn2.dask.fit(untouched, X, Y, RATE, h)


def test_a_progress_bar(client, capsys):
    rows = rows_of("layers", n=200)
    fit(client, [cut(array, 100) for array in rows], "layers", ITERATIONS, progress=True)
    assert f"/{ITERATIONS}" in capsys.readouterr().err


def test_the_worker_says_when_it_cannot_compute(local_client, monkeypatch):
    """An error of a kernel reaches the caller, and leaves nothing behind."""
    from fastnn2.dask import worker_tasks

    def failing(*arguments):
        raise MemoryError("no memory for the sums")

    monkeypatch.setattr(worker_tasks, "held_sums", failing)
    rows = rows_of("layers", n=200)
    with pytest.raises(MemoryError, match="no memory for the sums") as error, contextlib.closing(local_client):
        fit(local_client, [cut(array, 100) for array in rows], "layers")
    assert len(error.value.training[1]) == 0
