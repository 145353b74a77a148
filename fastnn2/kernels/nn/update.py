"""From the gradients of all chunks to new parameters, eight at a time."""

from numba import njit

from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.lanes import sum_lanes
from fastnn2.kernels.simd.vector import INLINE, fma, load, load_doubles, rounded, store, zero_vector


@njit(**INLINE)
def sum_in_pairs(gradients, gradients_offset, gradients_stride, count, first, last, sums_offset, sums_stride):
    """Sum the numbers [first, last) of `count` gradients, a power of two; return the offset of the sum.

    The order is a binary tree: neighbours are added, then the sums of neighbours: (g0 + g1) + (g2 + g3), and so on. A
    thread that has a whole branch of the tree can sum it before the barrier, so the number of threads changes no bit.

    Gradient c begins at ``gradients[gradients_offset + c * gradients_stride]``. Sums are written to
    ``gradients[sums_offset + c * sums_stride]``, in place, at most ``count / 2`` of them, and those of later levels
    over those of earlier ones. The sums may begin where the gradients do, with the same stride.
    """
    if count == 1:
        return gradients_offset
    while count > 1:
        width = 4 if count % 4 == 0 else 2  # four at once, two levels of the tree, are one pass over the memory
        count //= width
        for c in range(count):
            a, out = gradients_offset + width * c * gradients_stride, sums_offset + c * sums_stride
            for i in range(first, last, UPDATE_WIDTH):
                total = load(gradients, a + i) + load(gradients, a + gradients_stride + i)
                if width == 4:
                    b = a + 2 * gradients_stride + i
                    total = total + (load(gradients, b) + load(gradients, b + gradients_stride))
                store(gradients, out + i, total)
        gradients_offset, gradients_stride = sums_offset, sums_stride
    return sums_offset


@njit(**INLINE)
def update(params, params_offset, new_params, new_offset, gradients, gradient_offset, first, last, l2, scaled_rate):
    """Write ``new_p = p - scaled_rate (gradient + l2 p)`` for the parameters [first, last), in place.

    Parameters begin at ``params[params_offset]``, new ones at ``new_params[new_offset]``, the gradient (float64, summed
    over all samples) at ``gradients[gradient_offset]``. `l2` (float64) is the L2 penalty of each parameter: alpha for
    weights, 0 for biases. `scaled_rate` is learning rate / n. The update is computed in float64 and rounded once.
    [first, last) begins and ends at multiples of eight, and zeros follow the last parameter. Return whether all new
    parameters are finite.
    """
    zero_or_nan = zero_vector(gradients)
    for i in range(first, last, UPDATE_WIDTH):
        gradient = load(gradients, gradient_offset + i)
        p = load_doubles(params, params_offset + i)
        store(new_params, new_offset + i, rounded(new_params, p - scaled_rate * (gradient + load(l2, i) * p)))
        p = load_doubles(new_params, new_offset + i)
        zero_or_nan = zero_or_nan + (p - p)  # NaN if p is infinite or NaN
    return sum_lanes(zero_or_nan) == 0.0


@njit(**INLINE)
def sum_l2_squares(params, params_offset, l2, first, last):
    """Return the sum of ``l2 p^2`` over the parameters [first, last), in float64; they begin at `params_offset`.

    Formed as (l2 p) p: the square of a bias, whose l2 is 0, may overflow, and 0 times infinity is NaN.
    """
    total = zero_vector(l2)
    for i in range(first, last, UPDATE_WIDTH):
        p = load_doubles(params, params_offset + i)
        total = fma(load(l2, i) * p, p, total)
    return sum_lanes(total)
