"""The activations of the hidden layer and their derivatives, by number.

To add an activation: a number in ``kernels/shared/choices.py``, a branch in each of the two functions below, its
formulas in NumPy in ``reference/mlp.py``, and its name in ``ACTIVATIONS`` of ``estimators/networks.py``.
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
def activate(activation, A, a_offset, rows, used):
    """Write ``A = f(A)`` in place, for the first `used` lanes of `rows` rows of a group.

    The rows begin at ``A[a_offset]``; `used` is a multiple of a pair's lanes. The identity leaves A as it is.
    (Blocks of units write relu themselves, see :func:`affine.affine_block`.)
    """
    lanes, width = group_lanes(A), 2 * vector_lanes(A)
    for row in range(a_offset, a_offset + rows * lanes, lanes):
        if activation == TANH:
            for i in range(row, row + used, width):
                store(A, i, tanh(load_pair(A, i)))
        elif activation == LOGISTIC:
            for i in range(row, row + used, width):
                store(A, i, sigmoid(load_pair(A, i)))
        elif activation == RELU:
            for i in range(row, row + used, width):
                store(A, i, maximum(0.0, load_pair(A, i)))


@njit(**INLINE)
def slope(activation, a):
    """Return the derivative f'(z) of the activation from its value ``a = f(z)``, lane by lane.

    tanh: 1 - a^2; logistic: a (1 - a); relu: 0 if a is 0, else 1; identity: 1.
    """
    if activation == TANH:
        return fma(-1.0 * a, a, 1.0)
    if activation == LOGISTIC:
        return a * (1.0 - a)
    if activation == RELU:
        return select_equal(a, 0.0, 0.0, 1.0)
    return select_less(a, 0.0, 1.0, 1.0)  # 1 in every lane of a vector of a's type
