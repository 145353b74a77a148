"""The two-layer network in plain NumPy: the specification that every kernel is tested against.

Samples are columns. X is (d, n), Y is (o, n); W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1).

    Z1 = W1 X + b1      A1 = tanh(Z1)
    Z2 = W2 A1 + b2      y = sigmoid(Z2)
    cost = -1/n sum(Y log y + (1 - Y) log(1 - y)) + alpha/(2n) (|W1|^2 + |W2|^2)

fastnn2 has a function of the same name and arguments for each of these. Those are compiled, except for sigmoid, which
is this one, and init_params, which checks its arguments and calls this one. fastnn2.fit also takes dtype, n_threads and
progress.
"""

from typing import Any

import numpy as np

__all__ = ["backward", "cost", "fit", "forward", "init_params", "predict", "sigmoid", "update"]

Array = np.ndarray[Any, Any]
ArrayLike = Any  # anything that np.asarray accepts
Params = dict[str, Array]


def sigmoid(x: ArrayLike) -> Array:
    """Return 1 / (1 + e^-x).

    Parameters
    ----------
    x : array_like
        Any shape; real numbers.

    Returns
    -------
    ndarray
        The same shape, float64 (float32 if x is), between 0 and 1. Computed from ``e^-|x|``, which cannot overflow.

    Raises
    ------
    TypeError
        x has something other than real numbers.

    Examples
    --------
    >>> import fastnn2
    >>> print(fastnn2.sigmoid([-1000.0, 0.0, 1000.0]))
    [0.  0.5 1. ]
    """
    x = np.asarray(x)
    if x.dtype.kind not in "buif":
        raise TypeError(f"x has dtype {x.dtype}; expected real numbers")
    x = x.astype(np.float32 if x.dtype == np.float32 else np.float64, copy=False)
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, 1.0) / (1.0 + e))


def init_params(X: Any, Y: Any, hidden_size: int, *, init: str = "he", random_state: Any = 3) -> Params:
    """Return initial parameters.

    Parameters
    ----------
    X : array_like (d, n)
    Y : array_like (o, n) or (n,)
        Of X and Y, only the numbers of rows are used; (n,) is one row.
    hidden_size : int
        Number of hidden units h.
    init : {"he", "small"}
        Weights are standard normal draws, W1 first, times sqrt(2/d) and sqrt(2/h) (He et al., "Delving Deep into
        Rectifiers", 2015), or times 0.01. Biases are zero.
    random_state : int, RandomState, Generator or None
        The source of the draws; an int seeds a legacy RandomState, None takes fresh entropy. The global random state
        is neither read nor changed.

    Returns
    -------
    dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1), float64.

    Examples
    --------
    >>> from fastnn2 import reference
    >>> params = reference.init_params([[0.0, 1.0], [1.0, 0.0]], [[0, 1]], 5)
    >>> {name: value.shape for name, value in params.items()}
    {'W1': (5, 2), 'b1': (5, 1), 'W2': (1, 5), 'b2': (1, 1)}
    """
    if isinstance(random_state, np.random.RandomState | np.random.Generator):
        draw = random_state.standard_normal
    else:
        draw = np.random.RandomState(random_state).standard_normal
    d, o, h = len(X), len(np.atleast_2d(Y)), hidden_size
    scale1, scale2 = {"he": (np.sqrt(2 / d), np.sqrt(2 / h)), "small": (0.01, 0.01)}[init]
    W1 = draw((h, d)) * scale1
    W2 = draw((o, h)) * scale2
    return {"W1": W1, "b1": np.zeros((h, 1)), "W2": W2, "b2": np.zeros((o, 1))}


def forward(X: ArrayLike, params: Params) -> tuple[Array, Params]:
    """Return the network's outputs and the intermediate results.

    Parameters
    ----------
    X : array_like (d, n)
    params : dict
        W1, b1, W2, b2.

    Returns
    -------
    y : ndarray (o, n)
        Probabilities.
    cache : dict
        Z1 (h, n), A1 (h, n), Z2 (o, n) and y.
    """
    Z1 = params["W1"] @ X + params["b1"]
    A1 = np.tanh(Z1)
    Z2 = params["W2"] @ A1 + params["b2"]
    y = sigmoid(Z2)
    return y, {"Z1": Z1, "A1": A1, "Z2": Z2, "y": y}


def cost(
    predict: ArrayLike,
    actual: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    params: Params | None = None,
    alpha: float = 0.0,
) -> float:
    """Return the mean cross-entropy of predictions.

    Parameters
    ----------
    predict : array_like (o, n)
        Probabilities.
    actual : array_like (o, n)
        Targets in [0, 1].
    sample_weight : array_like (n,), optional
        The mean is then weighted, and n is the sum of the weights.
    params : dict, optional
        Needed for the penalty, which uses W1 and W2.
    alpha : float
        L2 penalty; adds ``alpha/(2n) (|W1|^2 + |W2|^2)``.

    Returns
    -------
    float
        Computed in float64. A prediction of 0 or 1 costs 0 if it is right (0 log 0 is taken as 0), else infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn2 import reference
    >>> float(reference.cost([[0.5, 0.5]], [[0, 1]])) == float(np.log(2))
    True
    """
    y, Y = np.atleast_2d(np.asarray(predict, dtype=float)), np.atleast_2d(np.asarray(actual, dtype=float))
    w = np.ones(Y.shape[1]) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = -np.where(Y == 0, 0, Y * np.log(y)) - np.where(Y == 1, 0, (1 - Y) * np.log1p(-y))
        losses = np.where(w == 0, 0, w * losses)
    return float((losses.sum() + penalty(params, alpha)) / w.sum())


def penalty(params: Params | None, alpha: float) -> float:
    """Return ``alpha/2 (|W1|^2 + |W2|^2)``."""
    if alpha == 0:
        return 0.0
    if params is None:
        raise ValueError("alpha is given without params; pass params=, whose W1 and W2 are penalised")
    return alpha / 2 * sum(float(np.square(params[name], dtype=float).sum()) for name in ("W1", "W2"))


def cost_from_Z2(Z2: Array, Y: Array, w: Array, params: Params, alpha: float) -> float:
    """Return the cost computed from Z2: finite and exact even where y rounds to 0 or 1.

    -Y log y - (1 - Y) log(1 - y) = max(z, 0) - Y z + log(1 + e^-|z|) with y = sigmoid(z).
    """
    losses = np.maximum(Z2, 0) - Y * Z2 + np.log1p(np.exp(-np.abs(Z2)))
    return float(((w * losses).sum() + penalty(params, alpha)) / w.sum())


def backward(
    X: ArrayLike,
    Y: ArrayLike,
    params: Params,
    cache: Params,
    *,
    sample_weight: ArrayLike | None = None,
    alpha: float = 0.0,
) -> Params:
    """Return the gradient of the cost.

    Parameters
    ----------
    X : array_like (d, n)
    Y : array_like (o, n)
    params : dict
    cache : dict
        From :func:`forward`; A1 and y are used.
    sample_weight : array_like (n,), optional
    alpha : float

    Returns
    -------
    dict
        dW1, db1, dW2, db2, each with the shape of its parameter.
    """
    X, Y = np.asarray(X), np.atleast_2d(Y)
    w = np.ones(Y.shape[1]) if sample_weight is None else np.asarray(sample_weight)
    n = w.sum()
    dZ2 = w * (cache["y"] - Y)
    dZ1 = (params["W2"].T @ dZ2) * (1 - cache["A1"] ** 2)
    return {
        "dW1": (dZ1 @ X.T + alpha * params["W1"]) / n,
        "db1": dZ1.sum(axis=1, keepdims=True) / n,
        "dW2": (dZ2 @ cache["A1"].T + alpha * params["W2"]) / n,
        "db2": dZ2.sum(axis=1, keepdims=True) / n,
    }


def update(gradients: Params, params: Params, learning_rate: float) -> Params:
    """Return new parameters, ``p - learning_rate * dp``.

    Parameters
    ----------
    gradients : dict
        dW1, db1, dW2, db2.
    params : dict
        W1, b1, W2, b2.
    learning_rate : float

    Returns
    -------
    dict
        New arrays in a new dict.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn2 import reference
    >>> reference.update({"db": np.array([[2.0]])}, {"b": np.array([[1.0]])}, 0.25)
    {'b': array([[0.5]])}
    """
    return {name: value - learning_rate * gradients["d" + name] for name, value in params.items()}


def fit(
    X: ArrayLike,
    Y: ArrayLike,
    learning_rate: float,
    hidden_size: int,
    number_of_iterations: int = 5000,
    *,
    init: str | Params = "he",
    random_state: Any = 3,
    alpha: float = 0.0,
    sample_weight: ArrayLike | None = None,
) -> tuple[Params, Array]:
    """Train by gradient descent over all samples.

    Parameters
    ----------
    X : array_like (d, n)
    Y : array_like (o, n) or (n,)
    learning_rate : float
    hidden_size : int
    number_of_iterations : int
    init : {"he", "small"} or dict
        As for :func:`init_params`, or parameters to continue from.
    random_state : int, RandomState, Generator or None
    alpha : float
    sample_weight : array_like (n,), optional

    Returns
    -------
    params : dict
        After the last update.
    cost_ : ndarray (number_of_iterations,)
        The cost of iteration j is that of the parameters before update j.

    Examples
    --------
    >>> from fastnn2 import reference
    >>> params, cost_ = reference.fit([[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1], 1.0, 2, 200)
    >>> print(reference.predict([[0.0, 1.0, 2.0, 3.0]], params))
    [[0 0 1 1]]
    """
    X, Y = np.asarray(X, dtype=float), np.atleast_2d(np.asarray(Y, dtype=float))
    w = np.ones(Y.shape[1]) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    params = init if isinstance(init, dict) else init_params(X, Y, hidden_size, init=init, random_state=random_state)
    cost_ = np.empty(number_of_iterations)
    for j in range(number_of_iterations):
        _, cache = forward(X, params)
        cost_[j] = cost_from_Z2(cache["Z2"], Y, w, params, alpha)
        gradients = backward(X, Y, params, cache, sample_weight=w, alpha=alpha)
        params = update(gradients, params, learning_rate)
    return params, cost_


def predict(X: ArrayLike, params: Params) -> Array:
    """Return 1 where the probability is above 0.5, else 0.

    Parameters
    ----------
    X : array_like (d, n)
    params : dict
        W1, b1, W2, b2; the probabilities are those of :func:`forward`.

    Returns
    -------
    ndarray (o, n)
        Integers.
    """
    return np.asarray(forward(X, params)[0] > 0.5).astype(int)
