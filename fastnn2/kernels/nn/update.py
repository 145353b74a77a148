"""From the gradients of all chunks to new parameters, eight at a time."""

from numba import njit

from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.lanes import sum_lanes
from fastnn2.kernels.simd.vector import INLINE, fma, load, load_doubles, rounded, store, zero_vector


@njit(**INLINE)
def sum_in_pairs(gradients, gradients_offset, gradients_stride, count, first, last, sums_offset, sums_stride):
    """Sum `count` gradients, a power of two, and return the place of the sum: (g0 + g1) + (g2 + g3), and so on.

    Gradient c starts at ``gradients[gradients_offset + c * gradients_stride]``, and of each the numbers [first, last)
    count. In this order a thread can sum its own chunks before it meets the others, and the number of threads changes
    nothing. Half as many sums are kept from ``gradients[sums_offset]`` on, `sums_stride` apart; they are written in
    place and may begin where the gradients do, with the same stride.
    """
    if count == 1:
        return gradients_offset
    while count > 1:
        count //= 2
        for c in range(count):
            a, out = gradients_offset + 2 * c * gradients_stride, sums_offset + c * sums_stride
            for i in range(first, last, UPDATE_WIDTH):
                store(gradients, out + i, load(gradients, a + i) + load(gradients, a + gradients_stride + i))
        gradients_offset, gradients_stride = sums_offset, sums_stride
    return sums_offset


@njit(**INLINE)
def update(params, old, updated, new, gradients, start, first, last, l2, scaled_rate):
    """Write ``new = old - scaled_rate (gradient + l2 old)`` for the parameters [first, last), in place.

    The old set starts at ``params[old]``, the new one at ``updated[new]``, the gradient (float64), summed over all
    samples, at ``gradients[start]``. ``l2`` (float64) is the L2 penalty of each parameter: alpha for weights, 0 for
    biases. `scaled_rate` is learning rate / n. Computed in float64 and rounded once to the dtype of `params`. Whole
    vectors are read and written: [first, last) begins and ends at multiples of eight, and what stands behind the last
    parameter is 0. Return whether all new parameters are finite.
    """
    wrong = zero_vector(gradients)
    for i in range(first, last, UPDATE_WIDTH):
        gradient = load(gradients, start + i)
        p = load_doubles(params, old + i)
        store(updated, new + i, rounded(updated, p - scaled_rate * (gradient + load(l2, i) * p)))
        p = load_doubles(updated, new + i)
        wrong = wrong + (p - p)  # 0, or NaN where p is infinite or NaN
    return sum_lanes(wrong) == 0.0


@njit(**INLINE)
def sum_l2_squares(params, old, l2, first, last):
    """Return the sum of ``l2 p^2`` over the parameters [first, last) of the set at ``params[old]``, in float64.

    As (l2 p) p: the square of a bias, which has no l2, may overflow, and 0 times infinity is not 0.
    """
    total = zero_vector(l2)
    for i in range(first, last, UPDATE_WIDTH):
        p = load_doubles(params, old + i)
        total = fma(load(l2, i) * p, p, total)
    return sum_lanes(total)
