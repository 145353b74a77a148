"""Parts of the hidden layer, for kernels whose threads share hidden units and not samples.

The hidden units are cut into *parts*, whose number does not depend on the number of threads. Each part is a small
network with the parameter layout of :mod:`layers`; Z2 of the whole network is the sum of theirs. The output biases b2
belong to part 0, and are 0 in the other parts.
"""

from numba import njit

from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.vector import INLINE, load_group

first_unit = njit(**INLINE)(tuning.first_unit)


@njit(**INLINE)
def sum_of_parts(Z2, first, count, stride, i):
    """Return the group ``sum_c Z2[c * stride + i :][:G]`` over `count` parts c, from `first` on, in their order."""
    z = load_group(Z2, first * stride + i)
    for c in range(first + 1, first + count):
        z = z + load_group(Z2, c * stride + i)
    return z


@njit(**INLINE)
def complete_gradient(gradients, gradient_offset, part, d, units, o, db2):
    """Write db2 to the gradient of part 0, in place; return where a part's parameters end, in whole vectors.

    The gradient and the parameters of the part begin at the same offset, `gradient_offset`.
    """
    b2 = (d + 1 + o) * units
    if part == 0:
        for r in range(o):
            gradients[gradient_offset + b2 + r] = db2[r]
    return gradient_offset + (b2 + o + UPDATE_WIDTH - 1) // UPDATE_WIDTH * UPDATE_WIDTH
