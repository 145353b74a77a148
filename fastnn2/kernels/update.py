"""From the summed gradients of all chunks to new parameters."""

import numpy as np
from numba import njit

from fastnn2.kernels.simd import INLINE

INFINITY = float("inf")


@njit(**INLINE)
def sum_chunks(gradients, start, stride, chunks, first, last, total):
    """Write to ``total[i]``, in place, for i in [first, last), the sum over the chunks, in their order.

    total_i = sum_c gradient_ci, where gradient c begins at ``start + c * stride``.
    """
    for i in range(first, last):
        total[i] = gradients[start + i]
    for c in range(1, chunks):
        chunk = start + c * stride
        for i in range(first, last):
            total[i] += gradients[chunk + i]


@njit(**INLINE)
def update(params, old, updated, new, gradient, first, last, weight_ranges, step, alpha):
    """Write ``new = old - step (gradient + alpha old)`` for the parameters [first, last), in place.

    The old set starts at ``params[old]``, the new one at ``updated[new]``; the gradient (float64) is summed over the
    samples. `step` is learning rate / n. The L2 penalty `alpha` is for weights alone: with
    ``weight_ranges`` = (w0, w1, w2), the places [0, w0) and [w1, w2). Computed in float64, rounded to the dtype of
    `params` once. Return whether all new parameters are finite.
    """
    finite = True
    for i in range(first, last):
        p = np.float64(params[old + i])
        g = gradient[i]
        if i < weight_ranges[0] or weight_ranges[1] <= i < weight_ranges[2]:
            g += alpha * p
        updated[new + i] = p - step * g
        finite &= abs(updated[new + i]) < INFINITY
    return finite
