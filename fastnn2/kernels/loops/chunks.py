"""The one primitive of gradient descent: the summed cost and gradient of some samples, for given parameters.

It has no barrier and changes no parameters. :mod:`train` takes whole chunks of samples that are all in memory;
:mod:`block_sums` takes pieces of chunks, as they come from a disk.
"""

from numba import njit

from fastnn2.kernels.loops.team import atomic_load, atomic_store
from fastnn2.kernels.nn.layers import layered_tile
from fastnn2.kernels.nn.narrow import narrow_tile
from fastnn2.kernels.shared.control_words import ABANDONED, STOP
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.vector import INLINE, group_lanes


def sum_of(tile):
    """Return the primitive for tiles of one kind, ``layers.layered_tile`` or ``narrow.narrow_tile``."""

    @njit(**INLINE)
    def add_tiles(control, mark, first, last, behind, tile_groups, params, params_offset, d, h, o, n, X, Y, weights,
                  has_weights, A1, dZ2, scratch, gradients, gradient_offset, cost_offset):  # fmt: skip
        """Add cost and gradient of the groups [first, last) of a chunk, tile by tile, to its gradient, in place.

            gradient += sum(gradients of samples),   gradient[cost_offset] += sum(costs of samples)

        Groups are numbered among all n samples. X (groups, d, G), Y (groups, o, G) and weights (groups, G) hold those
        from number `behind` on. `first` is a whole number of tiles after the first group of the chunk, so that a chunk
        in pieces has the same tiles as at once. A thread that finds STOP writes `mark` to ABANDONED and leaves. A1, dZ2
        and scratch are overwritten.
        """
        lanes = group_lanes(X)
        for g in range(first, last, tile_groups):
            if atomic_load(control, STOP) != 0:
                atomic_store(control, ABANDONED, mark)
                break
            size = smaller(tile_groups, last - g)
            first_sample = (g - behind) * lanes  # of the tile, among those that are held
            gradients[gradient_offset + cost_offset] += tile(
                params, params_offset, d, h, o, size, n - g * lanes, X, first_sample * d, Y, first_sample * o, weights,
                first_sample, has_weights, A1, dZ2, scratch, gradients, gradient_offset)  # fmt: skip

    return add_tiles


add_tiles = sum_of(layered_tile)
add_narrow_tiles = sum_of(narrow_tile)
