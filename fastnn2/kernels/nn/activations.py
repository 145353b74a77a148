"""The activations of the hidden layer, by number, and their slopes.

To add one: a number in :mod:`tuning`, a branch in each of the two functions below, their plain formulas in
``fastnn2/reference_mlp.py``, and the name in ``fastnn2/stochastic.py``.
"""

from numba import njit

from fastnn2.kernels.shared.choices import LOGISTIC, RELU, TANH
from fastnn2.kernels.simd.elementary import sigmoid, tanh
from fastnn2.kernels.simd.vector import (
    INLINE,
    fma,
    group_lanes,
    load_pair,
    maximum,
    select_equal,
    select_less,
    store,
    vector_lanes,
)


@njit(**INLINE)
def activate(activation, A, start, rows, used):
    """Apply the activation to the first `used` lanes of the rows of a group, the first at ``A[start]``, in place.

    `used` lanes are whole pairs of vectors. The identity leaves what is there.
    """
    lanes, step = group_lanes(A), 2 * vector_lanes(A)
    for row in range(start, start + rows * lanes, lanes):
        if activation == TANH:
            for at in range(row, row + used, step):
                store(A, at, tanh(load_pair(A, at)))
        elif activation == LOGISTIC:
            for at in range(row, row + used, step):
                store(A, at, sigmoid(load_pair(A, at)))
        elif activation == RELU:
            for at in range(row, row + used, step):
                store(A, at, maximum(0.0, load_pair(A, at)))


@njit(**INLINE)
def slope(activation, a):
    """Return the derivative of the activation, from its value `a`, lane by lane."""
    if activation == TANH:
        return fma(-1.0 * a, a, 1.0)
    if activation == LOGISTIC:
        return a * (1.0 - a)
    if activation == RELU:
        return select_equal(a, 0.0, 0.0, 1.0)
    return select_less(a, 0.0, 1.0, 1.0)  # ones, as many as `a` has lanes
