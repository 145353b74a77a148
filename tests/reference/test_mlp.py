"""The reference of the estimators against central differences and scikit-learn's functions."""

import numpy as np
import pytest
from data import DIFFERENCES_TOLERANCE, central_differences
from sklearn.neural_network import _base

from fastnn2 import reference_mlp as reference

PAIRS = [(activation, loss) for activation in reference.ACTIVATIONS for loss in reference.LOSSES]


def problem(loss, d=3, h=5, o=3, n=14):
    """Return X, Y, parameters and weights; the targets are such as the loss expects."""
    source = np.random.RandomState(1)
    X = source.randn(d, n)
    Y = {
        "log_loss": source.randint(0, 2, (o, n)),
        "cross_entropy": np.eye(o)[:, source.randint(0, o, n)],
        "squared_error": source.randn(o, n),
        "poisson": source.poisson(1.0, (o, n)),
    }[loss].astype(float)
    shapes = {"W1": (h, d), "b1": (h, 1), "W2": (o, h), "b2": (o, 1)}
    return X, Y, {name: source.randn(*shape) for name, shape in shapes.items()}, source.uniform(0.5, 2, n)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("activation", "loss"), PAIRS)
def test_gradients_equal_central_differences(activation, loss, weighted):
    X, Y, params, weights = problem(loss)
    options = {"alpha": 0.3, "sample_weight": weights if weighted else None}
    gradients = reference.loss_and_gradient(X, Y, params, activation, loss, **options)[1]
    # As in scikit-learn, the squared error is the mean over the outputs, but its gradient is that of the sum.
    scale = len(Y) if loss == "squared_error" else 1
    penalty = {**options, "alpha": options["alpha"] / scale}
    slopes = central_differences(
        lambda moved: reference.loss_and_gradient(X, Y, moved, activation, loss, **penalty)[0] * scale, params
    )
    for name, slope in slopes.items():
        np.testing.assert_allclose(gradients[name], slope, rtol=DIFFERENCES_TOLERANCE, atol=1e-8, err_msg=name)


SKLEARN_LOSSES = {
    "log_loss": _base.binary_log_loss,
    "cross_entropy": _base.log_loss,
    "squared_error": _base.squared_loss,
    "poisson": _base.poisson_loss,
}
SKLEARN_OUTPUTS = {"log_loss": "logistic", "cross_entropy": "softmax", "squared_error": "identity", "poisson": "exp"}


@pytest.mark.parametrize("loss", SKLEARN_LOSSES)
def test_losses_equal_those_of_scikit_learn(loss):
    X, Y, params, weights = problem(loss)
    y = reference.outputs(20 * X, params, "tanh", loss)
    Z2 = (params["W2"] @ np.tanh(params["W1"] @ (20 * X) + params["b1"]) + params["b2"]).T.copy()
    _base.ACTIVATIONS[SKLEARN_OUTPUTS[loss]](Z2)
    np.testing.assert_allclose(y, Z2.T, rtol=1e-13)
    mean = reference.loss_and_gradient(20 * X, Y, params, "tanh", loss, sample_weight=weights)[0]
    np.testing.assert_allclose(mean, SKLEARN_LOSSES[loss](Y.T, y.T, weights), rtol=1e-13)


@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_activations_and_derivatives_equal_those_of_scikit_learn(name):
    z = np.random.RandomState(0).randn(4, 6)
    expected = z.copy()
    _base.ACTIVATIONS[name](expected)
    a = reference.ACTIVATIONS[name](z)
    np.testing.assert_allclose(a, expected, rtol=1e-15)
    delta = np.ones_like(z)
    _base.DERIVATIVES[name](expected, delta)
    np.testing.assert_allclose(reference.SLOPES[name](a), delta, rtol=1e-15)


def test_steps_of_sgd_and_adam_worked_by_hand():
    params, gradients = {"W1": np.array([1.0])}, {"dW1": np.array([2.0])}
    state = [{"W1": np.array([0.5])}]
    reference.sgd(params, gradients, state, 0.1, 0.5, False)  # v = 0.25 - 0.2
    assert (params["W1"], state[0]["W1"]) == (pytest.approx(1.05), pytest.approx(0.05))
    reference.sgd(params, gradients, state, 0.1, 0.5, True)  # v = 0.025 - 0.2; p + 0.5 v - 0.2
    assert (params["W1"], state[0]["W1"]) == (pytest.approx(1.05 - 0.2875), pytest.approx(-0.175))
    params, state = {"W1": np.array([1.0])}, [{"W1": np.array([0.0])}, {"W1": np.array([0.0])}]
    reference.adam(params, gradients, state, 0.1, 0.5, 0.75, 1.0)  # m = 1, v = 1
    assert (state[0]["W1"], state[1]["W1"], params["W1"]) == (1.0, 1.0, pytest.approx(1 - 0.1 / 2))
