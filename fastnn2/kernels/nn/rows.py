"""From samples as rows, as scikit-learn has them, to a tile of groups, and back.

X is (n, d), dense or in compressed sparse rows (CSR); tiles are (groups, d, G), as in :mod:`layers`.
"""

from numba import njit

from fastnn2.kernels.simd.blocks import offsets_of_each, smaller, store_each
from fastnn2.kernels.simd.transpose import load_eights, transposed
from fastnn2.kernels.simd.vector import INLINE, group_lanes


@njit(**INLINE)
def clear_padding(tile, tile_offset, rows, count):
    """Write zeros to the lanes behind the `count` samples of a tile of `rows` rows, in place."""
    lanes = group_lanes(tile)
    used = count % lanes
    if used > 0:
        tile_offset += count // lanes * rows * lanes
        for r in range(rows):
            for i in range(tile_offset + r * lanes + used, tile_offset + (r + 1) * lanes):
                tile[i] = 0.0


@njit(**INLINE)
def sample_offset(s, rows, lanes):
    """Return the offset of row 0 of sample `s` in a tile of `rows` rows; row r is ``r * lanes`` behind it."""
    return s // lanes * rows * lanes + s % lanes


@njit(**INLINE)
def gather(X, d, order, has_order, first, count, tile, tile_offset):
    """Write `count` rows of a dense X (n, d) to the tile at ``tile[tile_offset]``, in place, with zeros as padding.

    Sample s of the tile is row ``order[first + s]``, or ``first + s`` without an order. Blocks of eight samples and
    eight features are transposed in registers; the last block of features overlaps the one before it.
    """
    lanes = group_lanes(tile)
    clear_padding(tile, tile_offset, d, count)
    in_blocks = count - count % 8 if d >= 8 else 0
    for s in range(0, in_blocks, 8):
        offset = tile_offset + sample_offset(s, d, lanes)
        row_offsets = eight_rows(order, has_order, first + s, d)
        for f in range(0, d, 8):
            k = smaller(f, d - 8)
            columns = transposed(load_eights(X, k, row_offsets))
            store_each(tile, offset + k * lanes, offsets_of_each(columns, lanes), columns)
    for s in range(in_blocks, count):
        row_offset = (order[first + s] if has_order else first + s) * d
        offset = tile_offset + sample_offset(s, d, lanes)
        for f in range(d):
            tile[offset + f * lanes] = X[row_offset + f]


@njit(**INLINE)
def gather_in_order(X, d, no_order, first, count, tile, tile_offset):
    """Write `count` rows of X (n, d), from `first` on, to a tile, in place, as :func:`gather` does without an order.

    `no_order` is an array of int64, which is not read. A single column needs no transposition.
    """
    if d > 1:
        gather(X, d, no_order, 0, first, count, tile, tile_offset)
        return
    clear_padding(tile, tile_offset, 1, count)
    for s in range(count):
        tile[tile_offset + s] = X[first + s]


@njit(**INLINE)
def eight_rows(order, has_order, s, d):
    """Return the offsets in X of eight rows: ``order[s]`` to ``order[s + 7]``, or s to s + 7 without an order."""
    if has_order:
        return (
            order[s] * d, order[s + 1] * d, order[s + 2] * d, order[s + 3] * d,
            order[s + 4] * d, order[s + 5] * d, order[s + 6] * d, order[s + 7] * d,
        )  # fmt: skip
    return s * d, (s + 1) * d, (s + 2) * d, (s + 3) * d, (s + 4) * d, (s + 5) * d, (s + 6) * d, (s + 7) * d


@njit(**INLINE)
def gather_sparse(values, columns, starts, d, order, has_order, first, count, tile, tile_offset):
    """Do as :func:`gather` for CSR: row i has ``values[k]`` in ``columns[k]``, starts[i] <= k < starts[i + 1]."""
    lanes = group_lanes(tile)
    groups = (count + lanes - 1) // lanes
    for i in range(tile_offset, tile_offset + groups * d * lanes):
        tile[i] = 0.0
    for s in range(count):
        row = order[first + s] if has_order else first + s
        offset = tile_offset + sample_offset(s, d, lanes)
        for k in range(starts[row], starts[row + 1]):
            tile[offset + columns[k] * lanes] += values[k]


@njit(**INLINE)
def scatter(tile, o, first, count, out):
    """Write the `count` samples of a tile (groups, o, G) to the rows of `out` (n, o) from `first` on, in place."""
    lanes = group_lanes(tile)
    for s in range(count):
        offset = sample_offset(s, o, lanes)
        for r in range(o):
            out[(first + s) * o + r] = tile[offset + r * lanes]
