"""Mean loss and gradient from shared sums: those of the reference, and of L-BFGS of the estimators, bit for bit."""

import functools
import itertools

import numpy as np
import pytest
from data import DIFFERENCES_TOLERANCE, DTYPES, assert_same_bits
from held_data import Shares, sharings, sum_all
from hypothesis import given
from hypothesis import strategies as st
from mini_batch_data import ACTIVATIONS, LOSSES, as_dict, as_flat, assert_near, make_trainer, problem

import fastnn2
from fastnn2 import reference_mlp
from fastnn2.engine import chunk_sums
from fastnn2.engine.mean_gradient import MeanGradient
from fastnn2.engine.objective import Objective
from fastnn2.estimators.optimizer_state import packed_order
from fastnn2.kernels.shared import choices

ALPHA = 0.1


def objective_of(shape, activation, loss, dtype, weighted):
    return Objective(*shape, np.dtype(dtype), weighted, ACTIVATIONS[activation], LOSSES[loss])


def evaluate(objective, arrays, params, alpha=ALPHA, **options):
    return MeanGradient(objective, alpha, **options)(params, sum_all(objective, arrays, params, 2))


def outputs_of(loss):
    return 3 if loss == "cross_entropy" else 2


# Against the specification


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_loss_and_gradient_are_those_of_the_reference(activation, loss, weighted, dtype):
    d, h, o, n = 5, 9, outputs_of(loss), 1003
    X, Y, params, weights = problem(d, h, o, n, loss, dtype)
    weights = weights if weighted else None
    objective = objective_of((d, h, o, n), activation, loss, dtype, weighted)
    assert objective.cut.chunks > 1
    found, gradient = evaluate(objective, (X, Y, weights), params)
    expected, gradients = reference_mlp.loss_and_gradient(
        X.T.astype(float), Y.T.astype(float), as_dict(params, d, h, o), activation, loss, alpha=ALPHA,
        sample_weight=None if weights is None else weights.astype(float),
    )  # fmt: skip
    expected_gradient = as_flat({name: gradients["d" + name] for name in ("W1", "b1", "W2", "b2")})
    assert gradient.dtype == dtype
    assert_near(gradient, expected_gradient, dtype, "gradient")
    assert_near(np.array([found]), np.array([expected]), dtype, "loss")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh"])
def test_the_gradient_is_the_slope_of_the_loss(activation, loss):
    """By central differences. The loss of the squared error is a mean over the outputs, its gradient is a sum."""
    d, h, o, n = 4, 5, outputs_of(loss), 600
    X, Y, params, weights = problem(d, h, o, n, loss, "float64")
    objective = objective_of((d, h, o, n), activation, loss, "float64", True)
    assert objective.cut.chunks > 1
    _, gradient = evaluate(objective, (X, Y, weights), params, alpha=0.0)
    step = 1e-5
    slopes = []
    for k in range(len(params)):
        losses = []
        for sign in (1, -1):
            moved = params.copy()
            moved[k] += sign * step
            losses.append(evaluate(objective, (X, Y, weights), moved, alpha=0.0)[0])
        slopes.append((losses[0] - losses[1]) / (2 * step))
    slopes = np.array(slopes) * (o if loss == "squared_error" else 1)
    np.testing.assert_allclose(gradient, slopes, rtol=0, atol=DIFFERENCES_TOLERANCE * abs(gradient).max())


def test_the_penalty_is_on_weights_alone():
    d, h, o, n = 5, 9, 2, 1003
    X, Y, params, weights = problem(d, h, o, n, "squared_error", "float64")
    objective = objective_of((d, h, o, n), "relu", "squared_error", "float64", True)
    plain, plain_gradient = evaluate(objective, (X, Y, weights), params, alpha=0.0)
    loss, gradient = evaluate(objective, (X, Y, weights), params, alpha=3.0)
    parts, zeros = as_dict(params, d, h, o), {"b1": np.zeros((h, 1)), "b2": np.zeros((o, 1))}
    squares = sum((parts[name] ** 2).sum() for name in ("W1", "W2"))
    np.testing.assert_allclose(loss - plain, 1.5 * squares / weights.sum(), rtol=1e-12)
    difference, expected = gradient - plain_gradient, 3.0 * as_flat(parts | zeros) / weights.sum()
    np.testing.assert_allclose(difference, expected, rtol=1e-9, atol=1e-15)


def test_a_total_weight_of_the_caller():
    """As for means over more than these samples."""
    X, Y, params, weights = problem(5, 9, 2, 1003, "log_loss", "float64")
    objective = objective_of((5, 9, 2, 1003), "tanh", "log_loss", "float64", True)
    loss, gradient = evaluate(objective, (X, Y, weights), params)
    total = 1000.0
    other, other_gradient = evaluate(objective, (X, Y, weights), params, total_weight=total)
    np.testing.assert_allclose(other * total, loss * weights.sum(), rtol=1e-14)
    np.testing.assert_allclose(other_gradient * total, gradient * weights.sum(), rtol=1e-13)


def test_one_evaluation_leaves_nothing_to_the_next():
    """Buffers are used again; what was returned stays as it is."""
    X, Y, params, weights = problem(5, 9, 2, 1003, "log_loss", "float64")
    objective = objective_of((5, 9, 2, 1003), "relu", "log_loss", "float64", True)
    mean = MeanGradient(objective, ALPHA)
    first = mean(params, sum_all(objective, (X, Y, weights), params))
    expected = first[1].copy()
    other = mean(params / 2, sum_all(objective, (X, Y, weights), params / 2))
    assert other[0] != first[0]
    assert_same_bits(first[1], expected)
    assert_same_bits(mean(params, sum_all(objective, (X, Y, weights), params))[1], expected)


def test_the_loss_of_any_number_of_samples_has_the_bits_of_the_trainer():
    """That is a mean over one mini-batch, x n / n, which is not always x."""
    seen = 0
    for n in range(65, 265):
        shape = 1, 3, 1, n
        X, Y, params, weights = problem(*shape, "squared_error", "float64")
        objective = objective_of(shape, "tanh", "squared_error", "float64", True)
        mean = MeanGradient(objective, ALPHA)
        loss, _ = mean(params, sum_all(objective, (X, Y, weights), params))
        trainer = make_trainer(
            (*shape, n), "tanh", "squared_error", "float64", True, ALPHA, optimizer=choices.GRADIENT
        )  # fmt: skip
        assert loss == trainer.run(np.zeros(1))[0][0]
        seen += mean._result[0] != loss
    assert seen > 0


def test_sums_of_some_samples_are_an_error():
    objective = objective_of((5, 9, 2, 1003), "relu", "log_loss", "float64", False)
    some = chunk_sums.of_chunks(0, np.zeros((2, objective.stride)))
    with pytest.raises(ValueError, match=r"^sums of the branches \(\(0, 2\),\); expected that of all 4 chunks$"):
        MeanGradient(objective, ALPHA)(np.zeros(objective.params), some)


# The bits of one machine

# d, h, o, n: few and many chunks, of one tile and several, and parameters that are no multiple of eight.
CASES = [(4, 10, 1, 9001), (5, 9, 3, 3001), (30, 40, 4, 2600), (1, 3, 2, 65), (40, 110, 2, 5000)]


@functools.cache
def trained(shape, activation, loss, dtype, weighted):
    """Return loss and gradient of a trainer with all samples, as L-BFGS has it."""
    trainer = make_trainer(
        (*shape, shape[-1]), activation, loss, dtype, weighted, ALPHA, optimizer=choices.GRADIENT
    )  # fmt: skip
    assert trainer.parts == 1
    losses, _ = trainer.run(np.zeros(1))
    return losses[0], trainer.first_moments


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
@given(st.sampled_from(CASES), st.sampled_from(list(ACTIVATIONS)), st.booleans(), st.integers(1, 4), st.data())
def test_any_sharing_gives_the_bits_of_the_trainer(loss, dtype, shape, activation, weighted, threads, data):
    if loss == "cross_entropy" and shape[2] == 1:
        shape = (*shape[:2], 2, shape[3])
    objective = objective_of(shape, activation, loss, dtype, weighted)
    X, Y, params, weights = problem(*shape, loss, dtype)
    arrays = X, Y, weights if weighted else None
    parts = Shares(objective, arrays, data.draw(sharings(objective.cut.chunks)), threads).sums(params)
    found, gradient = MeanGradient(objective, ALPHA)(params, chunk_sums.merged(parts))
    expected, expected_gradient = trained(shape, activation, loss, dtype, weighted)
    assert found == expected
    assert_same_bits(gradient, expected_gradient)


def targets(kind, n):
    """Return y for an estimator of a kind."""
    source = np.random.default_rng(n)
    return {
        "binary": lambda: source.integers(0, 2, n),
        "classes": lambda: source.integers(0, 4, n),
        "labels": lambda: source.integers(0, 2, (n, 3)),
        "numbers": lambda: source.standard_normal((n, 2)),
        "number": lambda: source.standard_normal(n),
        "counts": lambda: source.poisson(2.0, (n, 2)).astype(float),
    }[kind]()


CLASSIFIERS = ("binary", "classes", "labels")
ESTIMATORS = [
    *itertools.product(["binary", "classes", "labels", "numbers", "counts"], ["relu", "tanh"]),
    *itertools.product(["binary", "number"], ["identity", "logistic"]),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "activation"), ESTIMATORS)
@given(st.data())
def test_any_sharing_gives_the_bits_of_the_estimators(kind, activation, weighted, data):
    model, X, Y, weights, expected = evaluated(kind, activation, weighted)
    loss, gradient, order = expected
    network = model._network()
    n = len(X)
    objective = Objective(
        network.d, network.h, network.o, n, np.dtype("float64"), weighted, network.activation, network.loss
    )
    assert objective.cut.chunks >= 8
    params = np.empty(objective.params)
    params[order] = np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])
    parts = Shares(objective, (X, Y, weights), data.draw(sharings(objective.cut.chunks)), 2).sums(params)
    ours, our_gradient = MeanGradient(objective, model.alpha)(params, chunk_sums.merged(parts))
    assert ours == loss
    assert_same_bits(our_gradient[order], gradient)


@functools.cache
def evaluated(kind, activation, weighted):
    """Return a model, X, the targets of its network, weights, and its loss, gradient and order of parameters."""
    n = 3001
    source = np.random.default_rng(7)
    X, y = source.standard_normal((n, 6)), targets(kind, n)
    weights = source.uniform(0.25, 4.0, n) if weighted else None
    if weighted:
        weights[2::5] = 0.0
    new = fastnn2.MLPClassifier if kind in CLASSIFIERS else fastnn2.MLPRegressor
    options = {"activation": activation, "alpha": ALPHA} | ({"loss": "poisson"} if kind == "counts" else {})
    model = new(hidden_layer_sizes=12, solver="lbfgs", max_iter=2, random_state=0, **options)
    model.fit(X, y, sample_weight=weights)
    Y = model._label_binarizer.transform(y) if kind in CLASSIFIERS else y
    Y = Y.reshape(n, -1).astype(float)
    packed = np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])
    loss, gradient = model._loss_grad_lbfgs(packed, X, Y, weights)
    return model, X, Y, weights, (loss, gradient, packed_order(model.coefs_, model.intercepts_))
