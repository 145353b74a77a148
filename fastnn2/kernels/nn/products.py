"""Sums of products over samples, which are most of a gradient: dW1 = dZ1 X' and dW2 = dZ2 A1'.

The plain formula is G += A B', for matrices A (rows, n) and B (columns, n), both laid out in groups (see
:mod:`layers`), so that samples stand in the lanes of a vector. There are two ways to the sums:

over lanes   vectors of A times vectors of B; at the end of a tile, a sum over the lanes for each weight, which takes a
             quarter of the time where a tile has 16 vectors of samples.
in lanes     some columns of B, a *panel*, are turned, so that columns stand in the lanes and samples come one after the
             other. A number of A times a vector of the panel adds to the sums of as many weights as there are lanes.
             What is turned is used for all rows; with few rows it does not pay.

Which way is taken follows from the shapes alone.
"""

from numba import njit

from fastnn2.kernels.shared.tuning import (
    COLUMN_GROUPS,
    FAR_WEIGHTS,
    PANEL_ROWS,
    PANEL_SAMPLES,
    PANEL_VECTORS,
    SUMMED_SAMPLES,
    UPDATE_WIDTH,
)
from fastnn2.kernels.simd.bits import is_double
from fastnn2.kernels.simd.blocks import (
    add_each,
    block_columns,
    block_rows,
    column_offsets,
    end_of_full_blocks,
    fewer_row_offsets,
    lane_offsets,
    load_scalars,
    load_transposed,
    load_vectors,
    offsets_of_each,
    panel_block_lanes,
    panel_block_rows,
    panel_offsets,
    panel_row_offsets,
    rank1_update,
    row_offsets,
    smaller,
    store_each,
    zero_accumulators,
)
from fastnn2.kernels.simd.sums import add_sums, add_sums_in_lanes
from fastnn2.kernels.simd.vector import INLINE, group_lanes, prefetch, prefetch_group, vector_lanes


@njit(**INLINE)
def in_panels(rows, columns, array):
    """Return how many of `columns` columns go by panels, which are whole: none if rows are few."""
    width = PANEL_VECTORS * vector_lanes(array)
    return columns // width * width if rows >= PANEL_ROWS else 0


@njit(**INLINE)
def products_over_samples(first_row, rows, first_column, columns, groups, last_lanes, A, a_offset, B, b_offset, panel,
                          gradient, gradient_offset):  # fmt: skip
    """Add the sums over the samples of ``A_i B_j`` to ``gradient[gradient_offset + i * columns + j]``, in place.

    For the rows i of A from `first_row` on and the columns j from `first_column` on. Of the last group, the first
    `last_lanes` lanes count. `panel`, of PANEL_SAMPLES times a panel's width, is overwritten.
    """
    end = first_column + in_panels(rows - first_row, columns - first_column, A)
    if end > first_column:
        sums_in_lanes(
            first_row, rows, first_column, end, columns, groups, last_lanes, A, a_offset, B, b_offset, panel, gradient,
            gradient_offset)  # fmt: skip
    if end < columns:
        sums_over_lanes(
            first_row, rows, end, columns, groups, last_lanes, A, a_offset, B, b_offset, gradient, gradient_offset
        )


@njit(**INLINE)
def sums_over_lanes(
    first_row, rows, first_column, columns, groups, last_lanes, A, a_offset, B, b_offset, gradient, gradient_offset
):
    """Do as :func:`products_over_samples` with samples in the lanes.

    A block of p x q sums loads p + q vectors for p * q products; a few columns, which stay in the first-level cache, go
    with all rows, then the next few.
    """
    chunk, full = columns_at_a_time(groups), first_row + end_of_full_blocks(rows - first_row, block_rows())
    for first in range(first_column, columns, chunk):
        end = smaller(columns, first + chunk)
        for i in range(first_row, full, block_rows()):
            row_of_blocks(
                row_offsets, i, rows, first, end, columns, groups, last_lanes, A, a_offset, B, b_offset, gradient,
                gradient_offset)  # fmt: skip
        for i in range(full, rows, block_rows() - 1):
            row_of_blocks(
                fewer_row_offsets, i, rows, first, end, columns, groups, last_lanes, A, a_offset, B, b_offset, gradient,
                gradient_offset)  # fmt: skip


@njit(**INLINE)
def row_of_blocks(
    offsets, i, rows, first, end, columns, groups, last_lanes, A, a_offset, B, b_offset, gradient, gradient_offset
):
    """Do as :func:`sums_over_lanes` for some rows, from `i` on, as many as `offsets` gives, and columns up to `end`."""
    lanes, step = group_lanes(A), vector_lanes(A)
    a_rows = offsets(i, rows - 1, lanes)
    for j in range(first, end, block_columns()):
        b_rows = column_offsets(j, columns - 1, lanes)
        sums = zero_accumulators(A, a_rows, b_rows)
        for g in range(groups):
            ag, bg = a_offset + g * rows * lanes, b_offset + g * columns * lanes
            for v in range(0, lanes if g < groups - 1 else last_lanes, step):
                sums = rank1_update(load_vectors(A, ag + v, a_rows), load_vectors(B, bg + v, b_rows), sums)
        add_sums(gradient, gradient_offset + i * columns + j, columns, sums, rows - i, columns - j)


@njit(**INLINE)
def columns_at_a_time(groups):
    """Return how many columns of a tile stay in the first-level cache: whole blocks, at least one."""
    blocks = COLUMN_GROUPS // (groups * block_columns())
    return block_columns() if blocks < 1 else blocks * block_columns()


@njit(**INLINE)
def sums_in_lanes(first_row, rows, first_column, end, columns, groups, last_lanes, A, a_offset, B, b_offset, panel,
                  gradient, gradient_offset):  # fmt: skip
    """Do as :func:`products_over_samples` for the columns up to `end`, whole panels, with columns in the lanes.

    Of PANEL_SAMPLES samples at a time, or fewer, each panel is turned and stays in the first-level cache while all rows
    go by; then come the next samples of the same panel, as the sums of one panel stay in the second-level cache. Each
    sum has one accumulator, to which products are added sample by sample. Where all terms are alike, they are all
    rounded the same way; so, lest float32 lose digits, each SUMMED_SAMPLES samples have a sum of their own.
    """
    lanes, width = group_lanes(A), PANEL_VECTORS * vector_lanes(A)
    some = even_parts(groups, PANEL_SAMPLES // lanes)
    far = rows * (end - first_column) > FAR_WEIGHTS
    for j in range(first_column, end, width):
        for g_first in range(0, groups, some):
            g_end = smaller(groups, g_first + some)
            ahead = panel_ahead(rows, (g_end - g_first) * width)
            for g in range(g_first, g_end):
                used = lanes if g < groups - 1 else last_lanes
                pack_panel(B, b_offset + (g * columns + j) * lanes, used, panel, (g - g_first) * lanes * width)
            for v in range(0, width, panel_block_lanes(A)):
                for i in range(first_row, rows, panel_block_rows()):
                    if far:
                        if g_first == 0:
                            prefetch_sums(gradient, gradient_offset + j + v, rows, columns, i, panel_block_lanes(A))
                        if v == 0 and j + width < end:
                            prefetch_panel(B, b_offset, columns, i, j + width, g_first, g_end, ahead)
                    a_rows, vectors = panel_row_offsets(i, rows - 1, lanes), panel_offsets(A)
                    sums = zero_accumulators(A, a_rows, vectors)
                    for g in range(g_first, g_end):
                        ag, at = a_offset + g * rows * lanes, (g - g_first) * lanes * width + v
                        used = lanes if g < groups - 1 else last_lanes
                        if is_double(sums[0]):
                            sums = add_samples(sums, used, A, ag, a_rows, panel, at, vectors)
                        else:
                            for s in range(0, used, SUMMED_SAMPLES):
                                of_some = zero_accumulators(A, a_rows, vectors)
                                of_some = add_samples(
                                    of_some, smaller(SUMMED_SAMPLES, used - s), A, ag + s, a_rows, panel,
                                    at + s * width, vectors)  # fmt: skip
                                sums = add_each(sums, of_some)
                    add_sums_in_lanes(gradient, gradient_offset + j + v, panel_row_offsets(i, rows - 1, columns), sums)


@njit(**INLINE)
def even_parts(groups, most):
    """Return how many groups at a time, at most so many, are parts of about one size."""
    parts = (groups + most - 1) // most
    return (groups + parts - 1) // parts


@njit(**INLINE)
def add_samples(sums, count, A, a_offset, rows, panel, panel_offset, vectors):
    """Return ``sums[i, j] + sum_s A_is B_js`` over `count` samples, one after the other; `count` is a multiple of four.

    Of the first sample, the numbers of A stand at `a_offset` behind each of `rows`, those of the panel at
    `panel_offset`.
    """
    width = PANEL_VECTORS * vector_lanes(A)
    for s in range(0, count, 4):  # with one sample a turn, the loop takes 4 % longer
        of_panel = panel_offset + s * width
        sums = rank1_update(load_scalars(A, a_offset + s, rows), load_vectors(panel, of_panel, vectors), sums)
        sums = rank1_update(
            load_scalars(A, a_offset + s + 1, rows), load_vectors(panel, of_panel + width, vectors), sums
        )
        sums = rank1_update(
            load_scalars(A, a_offset + s + 2, rows), load_vectors(panel, of_panel + 2 * width, vectors), sums
        )
        sums = rank1_update(
            load_scalars(A, a_offset + s + 3, rows), load_vectors(panel, of_panel + 3 * width, vectors), sums
        )
    return sums


@njit(**INLINE)
def pack_panel(B, b_offset, used, panel, panel_offset):
    """Write a panel's columns of one group of B, the first at ``B[b_offset]``, to ``panel[panel_offset:]``, in place.

    There they stand side by side, sample by sample; of the group's lanes, the first `used`.
    """
    lanes, vector, width = group_lanes(B), vector_lanes(B), PANEL_VECTORS * vector_lanes(B)
    columns = lane_offsets(B, lanes)
    for j in range(0, width, vector):
        for s in range(0, used, vector // 2):
            samples = load_transposed(B, b_offset + j * lanes + s, columns)
            store_each(panel, panel_offset + s * width + j, offsets_of_each(samples, width), samples)


@njit(**INLINE)
def prefetch_sums(gradient, gradient_offset, rows, columns, first, count):
    """Ask for what a block adds to, as large gradients are not in the cache.

    That is `count` sums, from ``gradient[gradient_offset]`` on, of each row from `first` on; row i is `columns` times i
    behind.
    """
    for i in range(first, smaller(rows, first + panel_block_rows())):
        for k in range(0, count, UPDATE_WIDTH):
            prefetch(gradient, gradient_offset + i * columns + k)


@njit(**INLINE)
def panel_ahead(rows, count):
    """Return how many of a panel's `count` columns of groups each block of rows asks for, so that all ask for all.

    (Computed once for all blocks, as a division of integers takes as long as dozens of products.)
    """
    return (count * panel_block_rows() + rows - 1) // rows


@njit(**INLINE)
def prefetch_panel(B, b_offset, columns, first, j, g_first, g_end, ahead):
    """Ask for `ahead` of the panel's columns of groups, from column `j` on, others for each block of rows of A."""
    lanes, width = group_lanes(B), PANEL_VECTORS * vector_lanes(B)
    begin = first // panel_block_rows() * ahead
    for k in range(begin, smaller(begin + ahead, (g_end - g_first) * width)):
        prefetch_group(B, b_offset + ((g_first + k // width) * columns + j + k % width) * lanes)
