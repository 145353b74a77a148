"""The tutorial's formulas as one writes them in NumPy."""

import numpy as np

TITLE = "NumPy"
THREADS = (1, None)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def forward(X, params):
    A1 = np.tanh(params["W1"] @ X + params["b1"])
    return A1, sigmoid(params["W2"] @ A1 + params["b2"])


def cost(y, Y):
    return -np.sum(Y * np.log(y) + (1 - Y) * np.log(1 - y)) / Y.shape[1]


def backward(X, Y, params, A1, y):
    n = X.shape[1]
    dZ2 = y - Y
    dZ1 = (params["W2"].T @ dZ2) * (1 - A1 * A1)
    return {
        "W1": dZ1 @ X.T / n,
        "b1": np.sum(dZ1, axis=1, keepdims=True) / n,
        "W2": dZ2 @ A1.T / n,
        "b2": np.sum(dZ2, axis=1, keepdims=True) / n,
    }


def update(params, gradients, learning_rate):
    return {name: params[name] - learning_rate * gradients[name] for name in params}


def fit(X, Y, params, learning_rate, iterations):
    cost_ = []
    for _ in range(iterations):
        A1, y = forward(X, params)
        cost_.append(cost(y, Y))
        params = update(params, backward(X, Y, params, A1, y), learning_rate)
    return params, cost_


def prepare(X, Y, params, learning_rate, iterations, dtype, threads):
    X, Y = X.astype(dtype), Y.astype(dtype)
    params = {name: value.astype(dtype) for name, value in params.items()}

    def run():
        trained, cost_ = fit(X, Y, params, learning_rate, iterations)
        return cost_[-1], trained

    return run
