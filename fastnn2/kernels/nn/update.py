"""From the gradients of all chunks to new parameters, eight at a time."""

from numba import njit

from fastnn2.kernels.shared.tuning import STEP
from fastnn2.kernels.simd.lanes import sum_lanes
from fastnn2.kernels.simd.vector import INLINE, fma, load, load_doubles, rounded, store, zero_vector


@njit(**INLINE)
def sum_in_pairs(gradients, start, stride, count, first, last, into, into_stride):
    """Sum `count` gradients, a power of two, and return the place of the sum: (g0 + g1) + (g2 + g3), and so on.

    Gradient c starts at ``gradients[start + c * stride]``, and of each the numbers [first, last) count. In this order
    a thread can sum its own chunks before it meets the others, and nobody sees how many threads there are. Half as many
    sums are kept from ``gradients[into]`` on, which is written in place and may be `start` itself, with its stride.
    """
    if count == 1:
        return start
    while count > 1:
        count //= 2
        for c in range(count):
            a, out = start + 2 * c * stride, into + c * into_stride
            for i in range(first, last, STEP):
                store(gradients, out + i, load(gradients, a + i) + load(gradients, a + stride + i))
        start, stride = into, into_stride
    return into


@njit(**INLINE)
def update(params, old, updated, new, gradients, start, first, last, decay, step):
    """Write ``new = old - step (gradient + decay old)`` for the parameters [first, last), in place.

    The old set starts at ``params[old]``, the new one at ``updated[new]``, the gradient (float64), summed over all
    samples, at ``gradients[start]``. ``decay`` (float64) is the L2 penalty of each parameter: alpha for weights, 0 for
    biases. `step` is learning rate / n. Computed in float64 and rounded once to the dtype of `params`. Whole vectors
    are read and written: [first, last) begins and ends at multiples of eight, and what stands behind the last parameter
    is 0. Return whether all new parameters are finite.
    """
    wrong = zero_vector(gradients)
    for i in range(first, last, STEP):
        gradient = load(gradients, start + i)
        p = load_doubles(params, old + i)
        store(updated, new + i, rounded(updated, p - step * (gradient + load(decay, i) * p)))
        p = load_doubles(updated, new + i)
        wrong = wrong + (p - p)  # 0, or NaN where p is infinite or NaN
    return sum_lanes(wrong) == 0.0


@njit(**INLINE)
def decayed_squares(params, old, decay, first, last):
    """Return the sum of ``decay p^2`` over the parameters [first, last) of the set at ``params[old]``, in float64.

    As (decay p) p: the square of a bias, which has no decay, may overflow, and 0 times infinity is not 0.
    """
    total = zero_vector(decay)
    for i in range(first, last, STEP):
        p = load_doubles(params, old + i)
        total = fma(load(decay, i) * p, p, total)
    return sum_lanes(total)
