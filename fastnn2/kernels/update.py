"""From the summed gradients of all chunks to new parameters."""

from numba import njit

from fastnn2.kernels.simd import INLINE

INFINITY = float("inf")


@njit(**INLINE)
def sum_chunks(gradients, first, stride, chunks, begin, end, total, into):
    """Write to ``total[into + i]``, in place, the sum over the chunks, in their order, of gradient i in [begin, end).

    total_i = sum_c gradient_ci, gradient c starts at ``first + c * stride``.
    """
    for i in range(begin, end):
        total[into + i] = gradients[first + i]
    for c in range(1, chunks):
        chunk = first + c * stride
        for i in range(begin, end):
            total[into + i] += gradients[chunk + i]


@njit(**INLINE)
def update(params, old, updated, new, gradient, at, begin, end, weight_ranges, step, alpha):
    """Write ``new = old - step (gradient + alpha old)`` for the parameters [begin, end), in place.

    The old set starts at ``params[old]``, the new one at ``updated[new]``, the gradient (float64, summed over the
    samples) at ``gradient[at]``. `step` is learning rate / n. The L2 penalty `alpha` is for weights alone: with
    ``weight_ranges`` = (w0, w1, w2), the places [0, w0) and [w1, w2). Computed in float64, rounded to the dtype of
    `params` once. Return whether all new parameters are finite.
    """
    finite = True
    for i in range(begin, end):
        p = float(params[old + i])
        g = gradient[at + i]
        if i < weight_ranges[0] or weight_ranges[1] <= i < weight_ranges[2]:
            g += alpha * p
        updated[new + i] = p - step * g
        finite &= abs(updated[new + i]) < INFINITY
    return finite
