"""L-BFGS on a cluster: one cost, one gradient, one result, whatever workers and partitions there are."""

import numpy as np
import pytest
import scipy.optimize
from dask_data import PARTITIONINGS, RATE, cut, fit, local_fit, rows_of
from data import assert_same_bits, extra
from fit_blocks_data import SHAPES
from threadpoolctl import threadpool_info

import fastnn2
from fastnn2 import reference
from fastnn2.kernels.shared import tuning

lbfgs = extra("fastnn2.dask.lbfgs", "dask")
ITERATIONS = 10


def fit_lbfgs(client, collections, shape, iterations=ITERATIONS, **options):
    return fit(client, collections, shape, iterations, learning_rate=None, solver="lbfgs", **options)


def cost_of(rows, params, alpha=0.0):
    """Return the cost of parameters, by the reference."""
    X, Y, *weights = rows
    weights = weights[0] if weights else np.ones(len(X))
    Z2 = reference.forward(X.T, params)[1]["Z2"]
    return reference.network.cost_from_Z2(Z2, Y.T.reshape(-1, len(X)), weights, params, alpha)


@pytest.fixture(scope="module")
def expected(client_of):
    """The result of one worker that holds one partition."""
    rows = rows_of("outputs", weighted=True)
    return fit_lbfgs(client_of(1), PARTITIONINGS["one"](*rows), "outputs", alpha=0.3)


@pytest.mark.parametrize("partitioning", PARTITIONINGS)
@pytest.mark.parametrize("workers", [2, 4])
def test_the_bits_are_the_same(workers, partitioning, client_of, expected):
    collections = PARTITIONINGS[partitioning](*rows_of("outputs", weighted=True))
    assert_same_bits(fit_lbfgs(client_of(workers), collections, "outputs", alpha=0.3), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_costs_are_those_of_scipy_with_the_reference(shape, weighted, client):
    rows = rows_of(shape, weighted=weighted, n=700)
    params, costs = fit_lbfgs(client, [cut(array, 200) for array in rows], shape, 8, alpha=0.5)
    found = reference_costs(rows, SHAPES[shape][1], 8, 0.5)
    np.testing.assert_allclose(costs, found[:-1], rtol=1e-9)
    np.testing.assert_allclose(cost_of(rows, params, 0.5), found[-1], rtol=1e-9)


def reference_costs(rows, h, iterations, alpha):
    """Return the costs before each iteration of L-BFGS, and after the last."""
    X, Y, *weights = rows
    weights = weights[0] if weights else None
    X, Y = X.T, Y.T.reshape(-1, len(X))
    first = fastnn2.init_params(X, Y, h)
    shapes = {name: array.shape for name, array in first.items()}
    ends = np.cumsum([array.size for array in first.values()])[:-1]

    def unpacked(flat):
        parts = np.split(flat, ends)
        return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    def cost_and_gradient(flat):
        params = unpacked(flat)
        cache = reference.forward(X, params)[1]
        grads = reference.backward(X, Y, params, cache, alpha=alpha, sample_weight=weights)
        return cost_of(rows, params, alpha), np.concatenate([grads["d" + name].ravel() for name in shapes])

    flat = np.concatenate([array.ravel() for array in first.values()])
    costs = [cost_and_gradient(flat)[0]]
    scipy.optimize.minimize(
        cost_and_gradient, flat, jac=True, method="L-BFGS-B", options={"maxiter": iterations},
        callback=lambda x: costs.append(cost_and_gradient(x)[0]))  # fmt: skip
    return costs


def test_the_first_cost_is_that_of_fit(client):
    rows = rows_of("layers")
    _, costs = fit_lbfgs(client, [cut(array, 700) for array in rows], "layers")
    assert abs(costs[0] - local_fit(rows, "layers", 1)[1][0]) < 1e-14
    assert (np.diff(costs) < 0).all()
    assert costs[-1] < local_fit(rows, "layers", 200)[1][-1]


def test_it_ends_when_it_has_converged(client):
    X = np.linspace(-1, 1, 200)[:, np.newaxis]
    Y = (np.sin(9 * X[:, 0]) > 0) * 0.5 + 0.25
    collections = [cut(array, 30) for array in (X, Y)]
    params, costs = fit_lbfgs(client, collections, "one feature", 10_000, alpha=1.0)
    assert 5 < len(costs) < 500
    again = fit_lbfgs(client, collections, "one feature", len(costs), alpha=1.0)
    assert_same_bits(again, (params, costs))
    assert cost_of((X, Y), params, 1.0) <= costs[-1]


@pytest.mark.parametrize("iterations", [0, 1])
def test_few_iterations(iterations, client):
    rows = rows_of("outputs", n=300)
    collections = [cut(array, 70) for array in rows]
    params, costs = fit_lbfgs(client, collections, "outputs", iterations)
    assert costs.shape == (iterations,)
    if not iterations:
        assert_same_bits(params, local_fit(rows, "outputs", 0)[0])
    assert (costs >= cost_of(rows, params)).all()


def test_float32_is_trained_in_float64(client):
    rows = rows_of("layers", "float32", n=500)
    params, costs = fit_lbfgs(client, [cut(array, 110) for array in rows], "layers", 5)
    assert params["W1"].dtype == np.float64
    double = [array.astype(float) for array in rows]
    assert_same_bits(fit_lbfgs(client, [cut(a, 500) for a in double], "layers", 5, dtype="float64"), (params, costs))


def test_very_wide_layers(client):
    """fit shares their hidden units among threads; L-BFGS takes them as any other."""
    d, h, n = 220, tuning.WIDE_UNITS, 150
    source = np.random.default_rng(0)
    X, Y = source.standard_normal((n, d)), source.integers(0, 2, n)
    assert tuning.train_kernel(d, h, 1) == "train_wide"
    params, costs = fastnn2.dask.fit(client, cut(X, 40), cut(Y, 60), None, h, 4, solver="lbfgs", timeout=60)
    assert abs(costs[0] - fastnn2.fit(X.T, Y, RATE, h, 1)[1][0]) < 1e-13
    assert cost_of((X, Y), params) < costs[-1]


def test_parameters_to_begin_with(client):
    rows = rows_of("layers", n=500)
    collections = [cut(array, 110) for array in rows]
    params, _ = fit_lbfgs(client, collections, "layers", 5)
    _, costs = fit_lbfgs(client, collections, "layers", 1, init=params)
    assert abs(costs[0] - cost_of(rows, params)) < 1e-13


def test_blas_has_one_thread_meanwhile(client, monkeypatch):
    """Its own threads would keep the cores of workers on this machine busy."""
    found = []
    call = lbfgs.ClusterLbfgs._cost_and_gradient

    def watching(self, params):
        found.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return call(self, params)

    monkeypatch.setattr(lbfgs.ClusterLbfgs, "_cost_and_gradient", watching)
    rows = rows_of("layers", n=100)
    fit_lbfgs(client, [cut(array, 110) for array in rows], "layers", 2)
    assert set(found) == {1}


# Ends


def failing_after(number, error, monkeypatch):
    """Let an evaluation raise an error, after `number` of them."""
    from fastnn2.dask.evaluation import Evaluator

    calls, evaluate = [], Evaluator.__call__

    def call(self, params):
        calls.append(params)
        if len(calls) > number:
            raise error
        return evaluate(self, params)

    monkeypatch.setattr(Evaluator, "__call__", call)


@pytest.mark.parametrize("evaluations", [0, 1, 2, 7])
def test_an_error_has_what_was_trained(evaluations, client, monkeypatch):
    """That is the last iteration that ended, not the last step that was tried."""
    rows = rows_of("outputs", n=500)
    collections = [cut(array, 110) for array in rows]
    for error in (fastnn2.dask.ClusterError("gone"), KeyboardInterrupt()):
        with monkeypatch.context() as patch:
            failing_after(evaluations, error, patch)
            with pytest.raises((fastnn2.dask.ClusterError, KeyboardInterrupt)) as raised:
                fit_lbfgs(client, collections, "outputs")
        if isinstance(error, KeyboardInterrupt):
            assert isinstance(raised.value, fastnn2.TrainingInterrupted)
            params, costs = raised.value.params, raised.value.cost_
            assert f"stopped after {len(costs)} of {ITERATIONS} iterations" in str(raised.value)
        else:
            assert raised.value is error
            params, costs = error.training
        assert evaluations // 2 - 1 <= len(costs) <= evaluations
        assert_same_bits((params, costs), fit_lbfgs(client, collections, "outputs", len(costs)))


def test_a_cost_that_is_not_finite(client):
    rows = rows_of("layers", n=500)
    init = {name: value * 1e308 for name, value in local_fit(rows, "layers", 0)[0].items()}
    with pytest.raises(fastnn2.TrainingDiverged, match="at iteration 0 the cost is not finite") as error:
        fit_lbfgs(client, [cut(array, 110) for array in rows], "layers", init=init)
    assert len(error.value.cost_) == 0
    assert_same_bits(error.value.params, init)


def test_a_warning_where_it_fails(client, monkeypatch):
    """SciPy gives up where a cost is not that of its gradient."""
    call = lbfgs.MeanGradient.__call__

    def wrong(self, params, sums):
        cost, gradient = call(self, params, sums)
        return cost, -gradient

    monkeypatch.setattr(lbfgs.MeanGradient, "__call__", wrong)
    rows = rows_of("layers", n=300)
    with pytest.warns(RuntimeWarning, match="L-BFGS stopped after 0 iterations without having converged: ABNORMAL"):
        params, costs = fit_lbfgs(client, [cut(array, 110) for array in rows], "layers")
    assert len(costs) == 0
    assert_same_bits(params, local_fit(rows, "layers", 0)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.1}, "learning_rate is 0.1 with solver='lbfgs', which finds the length of its steps; pass"),
        ({"callback": print}, r"callback is <built-in function print> with solver='lbfgs', .* pass None, or solver="),
        ({"callback_every": 2}, "callback_every is 2 with solver='lbfgs'"),
        ({"checkpoint": "run"}, "checkpoint is 'run' with solver='lbfgs', whose state is inside SciPy; pass None"),
        ({"resume": True}, "resume is True with solver='lbfgs', .* pass False"),
        ({"dtype": "float32"}, "dtype is float32 with solver='lbfgs', which has float64 only; pass None"),
        ({"dtype": "int8"}, "dtype is int8; expected float32, float64 or None"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_only_gradient_descent_has(options, message, client):
    collections = [cut(array, 50) for array in rows_of("layers", n=100)]
    with pytest.raises(ValueError, match=message):
        fit(client, collections, "layers", solver="lbfgs", **{"learning_rate": None, **options})
