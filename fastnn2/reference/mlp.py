"""The NumPy specification of the estimators: activations, losses, optimizers, and one epoch of mini-batches.

The kernels in ``kernels/nn/activations.py``, ``losses.py`` and ``optimizers.py`` and in ``kernels/loops/epochs.py`` are
tested against it. Samples are columns, as in :mod:`fastnn2.reference`: X (d, n), Y (o, n), and parameters are a dict
with W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Params = dict[str, Array]

WEIGHTS = ("W1", "W2")  # the L2 penalty applies to these


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e^-x) without overflow."""
    e = np.exp(-np.abs(x))
    result: Array = np.where(x < 0, e, 1.0) / (1.0 + e)
    return result


def softmax(z: Array) -> Array:
    """Return e^z / sum(e^z) over the rows, for each sample."""
    e = np.exp(z - z.max(axis=0))
    result: Array = e / e.sum(axis=0)
    return result


# The activations of the hidden layer, and their derivatives as functions of the activation's value a.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "logistic": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
}
SLOPES: dict[str, Callable[[Array], Array]] = {
    "identity": np.ones_like,
    "logistic": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a**2,
    "relu": lambda a: np.where(a == 0, 0.0, 1.0),
}


def clip(y: Array) -> Array:
    """Return y clipped to [eps, 1 - eps] of its dtype, so that log(y) and log(1 - y) are finite."""
    eps = np.finfo(y.dtype).eps
    return np.clip(y, eps, 1 - eps)


def poisson_loss(Y: Array, y: Array) -> Array:
    """Return Y log(Y / y) - Y + y, summed over the outputs; 0 log 0 is taken as 0."""
    ratio = np.where(Y == 0, 1.0, Y) / y
    result: Array = (np.where(Y == 0, 0.0, Y * np.log(ratio)) - Y + y).sum(axis=0)
    return result


# The activation of the outputs, and the loss of each sample, keyed by the name of the loss.
OUTPUTS: dict[str, Callable[[Array], Array]] = {
    "log_loss": sigmoid,
    "cross_entropy": softmax,
    "squared_error": lambda z: z,
    "poisson": np.exp,
}
LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "log_loss": lambda Y, y: -(Y * np.log(clip(y)) + (1 - Y) * np.log(1 - clip(y))).sum(axis=0),
    "cross_entropy": lambda Y, y: -(Y * np.log(clip(y))).sum(axis=0),
    "squared_error": lambda Y, y: 0.5 * ((Y - y) ** 2).mean(axis=0),
    "poisson": poisson_loss,
}


def outputs(X: Array, params: Params, activation: str, loss: str) -> Array:
    """Return the outputs of a network.

    Parameters
    ----------
    X : ndarray (d, n)
        Inputs, one column per sample.
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1).
    activation : str
        Of the hidden layer: a key of ``ACTIVATIONS``.
    loss : str
        A key of ``LOSSES``, which says what the outputs are, too.

    Returns
    -------
    ndarray (o, n)
        Probabilities, means or numbers: Z2 after the function of the loss in ``OUTPUTS``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn2 import reference_mlp
    >>> params = {"W1": np.ones((1, 1)), "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)), "b2": np.zeros((1, 1))}
    >>> reference_mlp.outputs(np.array([[-1.0, 2.0]]), params, "relu", "squared_error")
    array([[0., 2.]])
    """
    A1 = ACTIVATIONS[activation](params["W1"] @ X + params["b1"])
    return OUTPUTS[loss](params["W2"] @ A1 + params["b2"])


def loss_and_gradient(
    X: Array,
    Y: Array,
    params: Params,
    activation: str,
    loss: str,
    *,
    alpha: float = 0.0,
    sample_weight: Array | None = None,
) -> tuple[float, Params]:
    """Return the mean loss with the penalty ``alpha/(2n) (|W1|^2 + |W2|^2)``, and its gradients.

    With sample weights, n is their sum. The gradient with respect to Z2 is y - Y for every loss.

    Parameters
    ----------
    X : ndarray (d, n)
        Inputs, one column per sample.
    Y : ndarray (o, n)
        Targets.
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1).
    activation : str
        Of the hidden layer: a key of ``ACTIVATIONS``.
    loss : str
        A key of ``LOSSES``, which says what the outputs are, too.
    alpha : float
        L2 penalty.
    sample_weight : array_like (n,), optional
        Weights of the samples, 0 or more.

    Returns
    -------
    loss : float
        With the penalty.
    gradients : dict
        dW1, db1, dW2, db2, of the parameters' shapes.
    """
    w = np.ones(X.shape[1]) if sample_weight is None else sample_weight
    n = w.sum()
    A1 = ACTIVATIONS[activation](params["W1"] @ X + params["b1"])
    y = OUTPUTS[loss](params["W2"] @ A1 + params["b2"])
    dZ2 = w * (y - Y)
    dZ1 = (params["W2"].T @ dZ2) * SLOPES[activation](A1)
    gradients = {
        "dW1": (dZ1 @ X.T + alpha * params["W1"]) / n,
        "db1": dZ1.sum(axis=1, keepdims=True) / n,
        "dW2": (dZ2 @ A1.T + alpha * params["W2"]) / n,
        "db2": dZ2.sum(axis=1, keepdims=True) / n,
    }
    penalty = 0.5 * alpha * sum((params[name] ** 2).sum() for name in WEIGHTS)
    return float(((w * LOSSES[loss](Y, y)).sum() + penalty) / n), gradients


def sgd(params: Params, gradients: Params, state: list[Params], rate: float, momentum: float, nesterov: bool) -> None:
    """Take a step of SGD with momentum in place.

    Parameters
    ----------
    params : dict
        W1, b1, W2, b2, which change.
    gradients : dict
        dW1, db1, dW2, db2.
    state : list of dict
        [velocities], by the names of the parameters, which change.
    rate : float
        The learning rate of this step.
    momentum : float
        The share of a velocity that stays.
    nesterov : bool
        Whether the momentum is Nesterov's.
    """
    (velocities,) = state
    for name, p in params.items():
        step = -rate * gradients["d" + name]
        velocities[name] = momentum * velocities[name] + step
        p += momentum * velocities[name] + step if nesterov else velocities[name]


def adam(
    params: Params, gradients: Params, state: list[Params], rate: float, beta_1: float, beta_2: float, epsilon: float
) -> None:
    """Take a step of Adam in place.

    Parameters
    ----------
    params : dict
        W1, b1, W2, b2, which change.
    gradients : dict
        dW1, db1, dW2, db2.
    state : list of dict
        [first moments, second moments], by the names of the parameters, which change.
    rate : float
        The learning rate of this step, with the corrections of the bias.
    beta_1, beta_2 : float
        Decays of the moments.
    epsilon : float
        What is added to the root of a second moment.
    """
    first, second = state
    for name, p in params.items():
        g = gradients["d" + name]
        first[name] = beta_1 * first[name] + (1 - beta_1) * g
        second[name] = beta_2 * second[name] + (1 - beta_2) * g**2
        p -= rate * first[name] / (np.sqrt(second[name]) + epsilon)


def epoch(
    X: Array,
    Y: Array,
    params: Params,
    order: Array,
    batch: int,
    make_step: Callable[[Params, Params, int], None],
    activation: str,
    loss: str,
    *,
    alpha: float = 0.0,
    sample_weight: Array | None = None,
) -> float:
    """Visit all samples once in mini-batches.

    Parameters
    ----------
    X : ndarray (d, n)
        Inputs, one column per sample.
    Y : ndarray (o, n)
        Targets.
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1).
    order : ndarray of int
        Places of the samples, in the order of the visit.
    batch : int
        Samples of a mini-batch; the last one may have fewer.
    make_step : callable
        ``make_step(params, gradients, number)`` updates the parameters after each mini-batch.
    activation : str
        Of the hidden layer: a key of ``ACTIVATIONS``.
    loss : str
        A key of ``LOSSES``, which says what the outputs are, too.
    alpha : float
        L2 penalty.
    sample_weight : array_like (n,), optional
        Weights of the samples, 0 or more.

    Returns
    -------
    float
        The mean loss of the samples, each before the update that it takes part in.
    """
    summed = 0.0
    for number, begin in enumerate(range(0, len(order), batch)):
        part = order[begin : begin + batch]
        weights = None if sample_weight is None else sample_weight[part]
        mean, gradients = loss_and_gradient(
            X[:, part], Y[:, part], params, activation, loss, alpha=alpha, sample_weight=weights
        )
        summed += mean * len(part)
        make_step(params, gradients, number)
    return summed / len(order)
