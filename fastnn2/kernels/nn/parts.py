"""Parts of the hidden layer, for kernels whose threads share hidden units and not samples.

The hidden units are cut into a fixed number of *parts*, whatever the threads. Each is a small network of its own, with
parameters laid out as one; the outputs Z2 of the whole are the sum of theirs, and the biases of the outputs are those
of part 0.
"""

from numba import njit

from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.vector import INLINE, load_group

first_unit = njit(**INLINE)(tuning.first_unit)


@njit(**INLINE)
def sum_of_parts(Z2, first, count, stride, i):
    """Return the sum of a group of Z2, the one that begins at `i` in each part, over `count` parts from `first` on."""
    z = load_group(Z2, first * stride + i)
    for c in range(first + 1, first + count):
        z = z + load_group(Z2, c * stride + i)
    return z


@njit(**INLINE)
def complete_gradient(gradients, gradient_offset, part, d, units, o, db2):
    """Write db2 to the gradient of part 0, in place; return where the whole vectors of a part's parameters end.

    Its parameters begin at `gradient_offset`, as its gradient does.
    """
    b2 = (d + 1 + o) * units
    if part == 0:
        for r in range(o):
            gradients[gradient_offset + b2 + r] = db2[r]
    return gradient_offset + (b2 + o + UPDATE_WIDTH - 1) // UPDATE_WIDTH * UPDATE_WIDTH
