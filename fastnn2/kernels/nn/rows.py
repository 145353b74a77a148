"""From rows of samples, as scikit-learn has them, to a tile of groups, and back.

X is (n, d), one row a sample, dense or in compressed sparse rows; tiles are (groups, d, G), as in :mod:`layers`.
"""

from numba import njit

from fastnn2.kernels.simd.blocks import load_eights, offsets_of_each, smaller, store_each, transposed
from fastnn2.kernels.simd.vector import INLINE, group_lanes


@njit(**INLINE)
def clear_padding(tile, start, rows, count):
    """Write zeros to the lanes behind the `count` samples of the tile that begins at ``tile[start]``, in place."""
    lanes = group_lanes(tile)
    used = count % lanes
    if used > 0:
        start += count // lanes * rows * lanes
        for r in range(rows):
            for i in range(start + r * lanes + used, start + (r + 1) * lanes):
                tile[i] = 0.0


@njit(**INLINE)
def place_of(s, rows, lanes):
    """Return where the first number of sample `s` stands in a tile with so many rows."""
    return s // lanes * rows * lanes + s % lanes


@njit(**INLINE)
def gather(X, d, order, has_order, first, count, tile, start):
    """Lay out `count` rows of a dense X in the tile that begins at ``tile[start]``, in place.

    The rows are order[first], order[first + 1] ..., or first, first + 1 ... without an order. Blocks of eight samples
    and eight features are turned in registers; the last block of features reaches back over the one before.
    """
    lanes = group_lanes(tile)
    clear_padding(tile, start, d, count)
    blocks = count - count % 8 if d >= 8 else 0
    for s in range(0, blocks, 8):
        at = start + place_of(s, d, lanes)
        offsets = eight_rows(order, has_order, first + s, d)
        for f in range(0, d, 8):
            k = smaller(f, d - 8)
            columns = transposed(load_eights(X, k, offsets))
            store_each(tile, at + k * lanes, offsets_of_each(columns, lanes), columns)
    for s in range(blocks, count):
        row = (order[first + s] if has_order else first + s) * d
        at = start + place_of(s, d, lanes)
        for f in range(d):
            tile[at + f * lanes] = X[row + f]


@njit(**INLINE)
def eight_rows(order, has_order, s, d):
    """Return where eight rows begin in X, those of samples number s, s + 1 ... of the order."""
    if has_order:
        return (
            order[s] * d, order[s + 1] * d, order[s + 2] * d, order[s + 3] * d,
            order[s + 4] * d, order[s + 5] * d, order[s + 6] * d, order[s + 7] * d,
        )  # fmt: skip
    return s * d, (s + 1) * d, (s + 2) * d, (s + 3) * d, (s + 4) * d, (s + 5) * d, (s + 6) * d, (s + 7) * d


@njit(**INLINE)
def gather_sparse(values, columns, starts, d, order, has_order, first, count, tile, start):
    """Do as :func:`gather` for compressed sparse rows: numbers `values` in `columns`, row i from ``starts[i]`` on."""
    lanes = group_lanes(tile)
    groups = (count + lanes - 1) // lanes
    for i in range(start, start + groups * d * lanes):
        tile[i] = 0.0
    for s in range(count):
        row = order[first + s] if has_order else first + s
        at = start + place_of(s, d, lanes)
        for k in range(starts[row], starts[row + 1]):
            tile[at + columns[k] * lanes] += values[k]


@njit(**INLINE)
def scatter(tile, o, first, count, out):
    """Write the `count` samples of a tile to the rows of `out` (n, o) from row `first` on, in place."""
    lanes = group_lanes(tile)
    for s in range(count):
        at = place_of(s, o, lanes)
        for r in range(o):
            out[(first + s) * o + r] = tile[at + r * lanes]
