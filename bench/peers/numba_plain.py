"""The obvious way to compile the loop: plain ``@njit`` over numbers, with ``math.tanh``, everything fused."""

import math

import numpy as np
from numba import njit

from bench.peers import Unavailable

TITLE = "Numba"
THREADS = (1,)
# A loop over single numbers does about RATE multiplications and additions a second; where a run would take longer than
# PATIENCE seconds, this peer is left out.
RATE, PATIENCE = 1e9, 20.0


@njit
def fit(X, Y, W1, b1, W2, b2, learning_rate, cost_):
    """Train; write parameters and costs in place. X is (n, d) and Y (n, o), so that a sample is contiguous."""
    n, d = X.shape
    o, h = W2.shape
    a1, dz2 = np.empty_like(b1), np.empty_like(b2)
    one = W1.dtype.type(1)
    for j in range(len(cost_)):
        dW1, db1, dW2, db2 = np.zeros_like(W1), np.zeros_like(b1), np.zeros_like(W2), np.zeros_like(b2)
        cost = 0.0
        for i in range(n):
            for u in range(h):
                z = b1[u]
                for k in range(d):
                    z += W1[u, k] * X[i, k]
                a1[u] = math.tanh(z)
            for r in range(o):
                z = b2[r]
                for u in range(h):
                    z += W2[r, u] * a1[u]
                y = one / (one + math.exp(-z))
                cost -= Y[i, r] * math.log(y) + (one - Y[i, r]) * math.log(one - y)
                dz2[r] = y - Y[i, r]
                db2[r] += dz2[r]
                for u in range(h):
                    dW2[r, u] += dz2[r] * a1[u]
            for u in range(h):
                dz1 = W2[0, u] * dz2[0]
                for r in range(1, o):
                    dz1 += W2[r, u] * dz2[r]
                dz1 *= one - a1[u] * a1[u]
                db1[u] += dz1
                for k in range(d):
                    dW1[u, k] += dz1 * X[i, k]
        cost_[j] = cost / n
        scaled_rate = W1.dtype.type(learning_rate / n)
        W1 -= scaled_rate * dW1
        b1 -= scaled_rate * db1
        W2 -= scaled_rate * dW2
        b2 -= scaled_rate * db2


def prepare(X, Y, params, learning_rate, iterations, dtype, threads):
    (d, n), (o, h) = X.shape, params["W2"].shape
    seconds = 2 * n * h * (d + o) * iterations / RATE
    if seconds > PATIENCE:
        raise Unavailable(f"loops over single numbers would take about {seconds:.0f} s for one run")
    X, Y = np.ascontiguousarray(X.T, dtype=dtype), np.ascontiguousarray(Y.T, dtype=dtype)

    def run():
        W1, b1, W2, b2 = (params[name].astype(dtype) for name in ("W1", "b1", "W2", "b2"))
        cost_ = np.empty(iterations)
        fit(X, Y, W1, b1.ravel(), W2, b2.ravel(), learning_rate, cost_)
        return cost_[-1], {"W1": W1, "b1": b1, "W2": W2, "b2": b2}

    return run
