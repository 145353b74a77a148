"""From rows of samples, as scikit-learn has them, to a tile of groups, and back.

X is (n, d), one row a sample, dense or in compressed sparse rows; tiles are (groups, d, G), as in :mod:`layers`.
"""

from numba import njit

from fastnn2.kernels.simd import INLINE, group_lanes


@njit(**INLINE)
def clear_padding(tile, rows, count):
    """Write zeros to the lanes of a tile behind its `count` samples, in place."""
    lanes = group_lanes(tile)
    used = count % lanes
    if used > 0:
        start = count // lanes * rows * lanes
        for r in range(rows):
            for i in range(start + r * lanes + used, start + (r + 1) * lanes):
                tile[i] = 0.0


@njit(**INLINE)
def gather(X, d, order, has_order, first, count, tile):
    """Lay out `count` rows of a dense X in `tile`, in place: rows order[first], order[first + 1] ..., else first ..."""
    lanes = group_lanes(tile)
    clear_padding(tile, d, count)
    for s in range(count):
        row = (order[first + s] if has_order else first + s) * d
        at = s // lanes * d * lanes + s % lanes
        for f in range(d):
            tile[at + f * lanes] = X[row + f]


@njit(**INLINE)
def gather_sparse(values, columns, starts, d, order, has_order, first, count, tile):
    """Do as :func:`gather` for compressed sparse rows: numbers `values` in `columns`, row i from ``starts[i]`` on."""
    lanes = group_lanes(tile)
    groups = (count + lanes - 1) // lanes
    for i in range(groups * d * lanes):
        tile[i] = 0.0
    for s in range(count):
        row = order[first + s] if has_order else first + s
        at = s // lanes * d * lanes + s % lanes
        for k in range(starts[row], starts[row + 1]):
            tile[at + columns[k] * lanes] += values[k]


@njit(**INLINE)
def scatter(tile, o, first, count, out):
    """Write the `count` samples of a tile to the rows of `out` (n, o) from row `first` on, in place."""
    lanes = group_lanes(tile)
    for s in range(count):
        at = s // lanes * o * lanes + s % lanes
        for r in range(o):
            out[(first + s) * o + r] = tile[at + r * lanes]
