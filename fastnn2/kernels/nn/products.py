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
    STEP,
    SUMMED_SAMPLES,
)
from fastnn2.kernels.simd.bits import is_double
from fastnn2.kernels.simd.blocks import (
    add_each,
    block_columns,
    block_rows,
    column_offsets,
    end_of_full_blocks,
    fewer_row_offsets,
    fma_outer,
    lane_offsets,
    load_each,
    numbers_each,
    offsets_of_each,
    panel_block_lanes,
    panel_block_rows,
    panel_offsets,
    panel_row_offsets,
    row_offsets,
    smaller,
    store_each,
    turned,
    zero_outer,
)
from fastnn2.kernels.simd.sums import add_sums, add_sums_in_lanes
from fastnn2.kernels.simd.vector import INLINE, group_lanes, prefetch, prefetch_group, vector_lanes


@njit(**INLINE)
def in_panels(rows, columns, array):
    """Return how many of `columns` columns go by panels, which are whole: none if rows are few."""
    width = PANEL_VECTORS * vector_lanes(array)
    return columns // width * width if rows >= PANEL_ROWS else 0


@njit(**INLINE)
def products_over_samples(first_row, rows, first_column, columns, groups, last_lanes, A, a, B, b, panel, gradient,
                          into):  # fmt: skip
    """Add the sums over the samples of ``A_i B_j`` to ``gradient[into + i * columns + j]``, in place.

    For the rows i of A from `first_row` on and the columns j from `first_column` on. Of the last group, the first
    `last_lanes` lanes count. `panel`, of PANEL_SAMPLES times a panel's width, is overwritten.
    """
    end = first_column + in_panels(rows - first_row, columns - first_column, A)
    if end > first_column:
        sums_in_lanes(
            first_row, rows, first_column, end, columns, groups, last_lanes, A, a, B, b, panel, gradient, into
        )
    if end < columns:
        sums_over_lanes(first_row, rows, end, columns, groups, last_lanes, A, a, B, b, gradient, into)


@njit(**INLINE)
def sums_over_lanes(first_row, rows, first_column, columns, groups, last_lanes, A, a, B, b, gradient, into):
    """Do as :func:`products_over_samples` with samples in the lanes.

    A block of p x q sums loads p + q vectors for p * q products; a few columns, which stay in the first-level cache, go
    with all rows, then the next few.
    """
    chunk, full = columns_at_a_time(groups), first_row + end_of_full_blocks(rows - first_row, block_rows())
    for first in range(first_column, columns, chunk):
        end = smaller(columns, first + chunk)
        for i in range(first_row, full, block_rows()):
            row_of_blocks(row_offsets, i, rows, first, end, columns, groups, last_lanes, A, a, B, b, gradient, into)
        for i in range(full, rows, block_rows() - 1):
            row_of_blocks(
                fewer_row_offsets, i, rows, first, end, columns, groups, last_lanes, A, a, B, b, gradient, into
            )


@njit(**INLINE)
def row_of_blocks(offsets, i, rows, first, end, columns, groups, last_lanes, A, a, B, b, gradient, into):
    """Do as :func:`sums_over_lanes` for some rows, from `i` on, as many as `offsets` gives, and columns up to `end`."""
    lanes, step = group_lanes(A), vector_lanes(A)
    a_rows = offsets(i, rows - 1, lanes)
    for j in range(first, end, block_columns()):
        b_rows = column_offsets(j, columns - 1, lanes)
        sums = zero_outer(A, a_rows, b_rows)
        for g in range(groups):
            ag, bg = a + g * rows * lanes, b + g * columns * lanes
            for v in range(0, lanes if g < groups - 1 else last_lanes, step):
                sums = fma_outer(load_each(A, ag + v, a_rows), load_each(B, bg + v, b_rows), sums)
        add_sums(gradient, into + i * columns + j, columns, sums, rows - i, columns - j)


@njit(**INLINE)
def columns_at_a_time(groups):
    """Return how many columns of a tile stay in the first-level cache: whole blocks, at least one."""
    blocks = COLUMN_GROUPS // (groups * block_columns())
    return block_columns() if blocks < 1 else blocks * block_columns()


@njit(**INLINE)
def sums_in_lanes(first_row, rows, first_column, end, columns, groups, last_lanes, A, a, B, b, panel, gradient,
                  into):  # fmt: skip
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
                turn(B, b + (g * columns + j) * lanes, used, panel, (g - g_first) * lanes * width)
            for v in range(0, width, panel_block_lanes(A)):
                for i in range(first_row, rows, panel_block_rows()):
                    if far:
                        if g_first == 0:
                            prefetch_sums(gradient, into + j + v, rows, columns, i, panel_block_lanes(A))
                        if v == 0 and j + width < end:
                            prefetch_panel(B, b, columns, i, j + width, g_first, g_end, ahead)
                    a_rows, vectors = panel_row_offsets(i, rows - 1, lanes), panel_offsets(A)
                    sums = zero_outer(A, a_rows, vectors)
                    for g in range(g_first, g_end):
                        ag, at = a + g * rows * lanes, (g - g_first) * lanes * width + v
                        used = lanes if g < groups - 1 else last_lanes
                        if is_double(sums[0]):
                            sums = add_samples(sums, used, A, ag, a_rows, panel, at, vectors)
                        else:
                            for s in range(0, used, SUMMED_SAMPLES):
                                of_some = zero_outer(A, a_rows, vectors)
                                of_some = add_samples(
                                    of_some, smaller(SUMMED_SAMPLES, used - s), A, ag + s, a_rows, panel,
                                    at + s * width, vectors)  # fmt: skip
                                sums = add_each(sums, of_some)
                    add_sums_in_lanes(gradient, into + j + v, panel_row_offsets(i, rows - 1, columns), sums)


@njit(**INLINE)
def even_parts(groups, most):
    """Return how many groups at a time, at most so many, are parts of about one size."""
    parts = (groups + most - 1) // most
    return (groups + parts - 1) // parts


@njit(**INLINE)
def add_samples(sums, count, A, a, rows, panel, at, vectors):
    """Return ``sums[i, j] + sum_s A_is B_js`` over `count` samples, one after the other; `count` is a multiple of four.

    Of the first sample, the numbers of A stand at `a` behind each of `rows`, those of the panel at `at`.
    """
    width = PANEL_VECTORS * vector_lanes(A)
    for s in range(0, count, 4):  # with one sample a turn, the loop takes 4 % longer
        of_panel = at + s * width
        sums = fma_outer(numbers_each(A, a + s, rows), load_each(panel, of_panel, vectors), sums)
        sums = fma_outer(numbers_each(A, a + s + 1, rows), load_each(panel, of_panel + width, vectors), sums)
        sums = fma_outer(numbers_each(A, a + s + 2, rows), load_each(panel, of_panel + 2 * width, vectors), sums)
        sums = fma_outer(numbers_each(A, a + s + 3, rows), load_each(panel, of_panel + 3 * width, vectors), sums)
    return sums


@njit(**INLINE)
def turn(B, first, used, panel, at):
    """Write a panel's columns of one group of B, the first at ``B[first]``, to `panel` in place, from `at` on.

    There they stand side by side, sample by sample; of the group's lanes, the first `used`.
    """
    lanes, vector, width = group_lanes(B), vector_lanes(B), PANEL_VECTORS * vector_lanes(B)
    columns = lane_offsets(B, lanes)
    for j in range(0, width, vector):
        for s in range(0, used, vector // 2):
            samples = turned(B, first + j * lanes + s, columns)
            store_each(panel, at + s * width + j, offsets_of_each(samples, width), samples)


@njit(**INLINE)
def prefetch_sums(gradient, into, rows, columns, first, count):
    """Ask for what a block adds to, as large gradients are not in the cache.

    That is `count` sums, from ``gradient[into]`` on, of each row from `first` on; row i is `columns` times i behind.
    """
    for i in range(first, smaller(rows, first + panel_block_rows())):
        for k in range(0, count, STEP):
            prefetch(gradient, into + i * columns + k)


@njit(**INLINE)
def panel_ahead(rows, count):
    """Return how many of a panel's `count` columns of groups each block of rows asks for, so that all ask for all.

    (Computed once for all blocks, as a division of integers takes as long as dozens of products.)
    """
    return (count * panel_block_rows() + rows - 1) // rows


@njit(**INLINE)
def prefetch_panel(B, b, columns, first, j, g_first, g_end, ahead):
    """Ask for `ahead` of the panel's columns of groups, from column `j` on, others for each block of rows of A."""
    lanes, width = group_lanes(B), PANEL_VECTORS * vector_lanes(B)
    begin = first // panel_block_rows() * ahead
    for k in range(begin, smaller(begin + ahead, (g_end - g_first) * width)):
        prefetch_group(B, b + ((g_first + k // width) * columns + j + k % width) * lanes)
