"""From the summed gradients of all chunks to new parameters, eight at a time."""

from numba import njit

from fastnn2.kernels.lanes import sum_lanes
from fastnn2.kernels.plan import STEP
from fastnn2.kernels.simd import INLINE, load, load_doubles, store_rounded, zero_vector


@njit(**INLINE)
def update(params, old, updated, new, gradients, start, stride, chunks, first, last, decay, step):
    """Write ``new = old - step (gradient + decay old)`` for the parameters [first, last), in place.

    The old set starts at ``params[old]``, the new one at ``updated[new]``. The gradient (float64) is the sum over the
    chunks, in their order; that of chunk c starts at ``gradients[start + c * stride]``. ``decay`` (float64) is the L2
    penalty of each parameter: alpha for weights, 0 for biases. `step` is learning rate / n. Computed in float64 and
    rounded once to the dtype of `params`. Whole vectors are read and written: [first, last) begins and ends at
    multiples of eight, and what stands behind the last parameter is 0. Return whether all new parameters are finite.
    """
    wrong = zero_vector(gradients)
    for i in range(first, last, STEP):
        gradient = load(gradients, start + i)
        for c in range(1, chunks):
            gradient = gradient + load(gradients, start + c * stride + i)
        p = load_doubles(params, old + i)
        store_rounded(updated, new + i, p - step * (gradient + load(decay, i) * p))
        p = load_doubles(updated, new + i)
        wrong = wrong + (p - p)  # 0, or NaN where p is infinite or NaN
    return sum_lanes(wrong) == 0.0


@njit(**INLINE)
def penalty(params, old, decay, count):
    """Return the sum of ``decay p^2`` over a set of parameters, in float64."""
    total = zero_vector(decay)
    for i in range(0, count, STEP):
        p = load_doubles(params, old + i)
        total = total + load(decay, i) * (p * p)
    return sum_lanes(total)
