"""Sums of products over samples, which are most of a gradient: dW1 = dZ1 X' and dW2 = dZ2 A1'.

The plain formula is ``G_ij += sum_s A_is B_js``, for A (rows, n) and B (columns, n), both laid out in groups (see
:mod:`layers`), with samples in the lanes of vectors. There are two ways to compute it:

over lanes   A block of accumulators takes vectors of A times vectors of B, lane by lane. At the end of a tile each
             weight needs a sum over the lanes of its accumulator, which takes a quarter of the time in a tile of 16
             vectors.
in lanes     Some columns of B are packed into a *panel*: transposed, so that the columns are in the lanes and the
             samples follow each other. A number of A, broadcast, times a vector of the panel then adds to as many
             weights as there are lanes, and no sum over lanes is left. A panel serves all rows of A; if these are few,
             packing does not pay.

The choice follows from the shapes alone, so the order of each sum does, too.
"""

from numba import njit

from fastnn2.kernels.shared.tuning import (
    COLUMN_GROUPS,
    PANEL_ROWS,
    PANEL_SAMPLES,
    PANEL_VECTORS,
    PREFETCH_WEIGHTS,
    SUMMED_SAMPLES,
    UPDATE_WIDTH,
)
from fastnn2.kernels.simd.accumulators import add_each, rank1_update, rank1_updates, zero_accumulators
from fastnn2.kernels.simd.bits import is_double
from fastnn2.kernels.simd.blocks import (
    block_columns,
    block_rows,
    column_offsets,
    end_of_full_blocks,
    fewer_row_offsets,
    lane_offsets,
    load_vectors,
    offsets_of_each,
    panel_block_lanes,
    panel_block_rows,
    panel_offsets,
    panel_row_offsets,
    row_offsets,
    smaller,
    store_each,
)
from fastnn2.kernels.simd.sums import add_sums, add_sums_in_lanes
from fastnn2.kernels.simd.transpose import load_transposed
from fastnn2.kernels.simd.vector import INLINE, group_lanes, prefetch, prefetch_group, vector_lanes


@njit(**INLINE)
def in_panels(rows, columns, array):
    """Return how many of `columns` columns are computed in panels: all whole panels, or 0 if rows are few."""
    width = PANEL_VECTORS * vector_lanes(array)
    return columns // width * width if rows >= PANEL_ROWS else 0


@njit(**INLINE)
def products_over_samples(first_row, rows, first_column, columns, groups, last_lanes, A, a_offset, B, b_offset, panel,
                          gradient, gradient_offset):  # fmt: skip
    """Add ``sum_s A_is B_js`` to ``gradient[gradient_offset + i * columns + j]`` (float64), in place.

    For the rows i of A in [first_row, rows) and the columns j of the gradient, which are rows of B, in
    [first_column, columns); over the samples s of a tile of `groups` groups, of the last group the first `last_lanes`
    lanes. `panel`, PANEL_SAMPLES times a panel's width, is overwritten.
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
    """Do as :func:`products_over_samples`, with samples in the lanes.

    A block of p x q sums loads p + q vectors for p * q products. The columns go in strips that stay in the first-level
    cache while all rows are computed.
    """
    strip, full = columns_of_strip(groups), first_row + end_of_full_blocks(rows - first_row, block_rows())
    for first in range(first_column, columns, strip):
        end = smaller(columns, first + strip)
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
    """Do as :func:`sums_over_lanes` for the rows of one block, from `i` on, and the columns [first, end).

    `offsets` is the function that gives the offsets of the block's rows.
    """
    lanes = group_lanes(A)
    a_rows = offsets(i, rows - 1, lanes)
    for j in range(first, end, block_columns()):
        b_rows = column_offsets(j, columns - 1, lanes)
        sums = zero_accumulators(A, a_rows, b_rows)
        for g in range(groups):
            ag, bg = a_offset + g * rows * lanes, b_offset + g * columns * lanes
            if g < groups - 1 or last_lanes == lanes:
                sums = add_products(sums, lanes, A, ag, a_rows, B, bg, b_rows)
            else:
                sums = add_products(sums, last_lanes, A, ag, a_rows, B, bg, b_rows)
        add_sums(gradient, gradient_offset + i * columns + j, columns, sums, rows - i, columns - j)


@njit(**INLINE)
def add_products(sums, used, A, a_offset, a_rows, B, b_offset, b_rows):
    """Return ``sums_ij + A_is B_js``, lane by lane, for vectors of samples s of the first `used` lanes of a group.

    The caller passes a constant where it can: LLVM then unrolls the loop. A small network has hundreds of such short
    loops in an iteration, and their branches take a tenth of its time.
    """
    for v in range(0, used, vector_lanes(A)):
        sums = rank1_update(load_vectors(A, a_offset + v, a_rows), load_vectors(B, b_offset + v, b_rows), sums)
    return sums


@njit(**INLINE)
def columns_of_strip(groups):
    """Return how many columns of a tile stay in the first-level cache: whole blocks, at least one."""
    blocks = COLUMN_GROUPS // (groups * block_columns())
    return block_columns() if blocks < 1 else blocks * block_columns()


@njit(**INLINE)
def sums_in_lanes(first_row, rows, first_column, end, columns, groups, last_lanes, A, a_offset, B, b_offset, panel,
                  gradient, gradient_offset):  # fmt: skip
    """Do as :func:`products_over_samples` for the columns [first_column, end), whole panels, with columns in the lanes.

    A panel holds PANEL_SAMPLES samples or fewer, and stays in the first-level cache while all rows are computed. Then
    the next samples of the same columns are packed, as the sums of these columns stay in the second-level cache.

    Each sum has one accumulator, to which products are added sample by sample. Terms that are alike are all rounded in
    the same direction, so float32 would lose digits: there, SUMMED_SAMPLES samples at a time are summed from zero.
    """
    lanes, panel_width = group_lanes(A), PANEL_VECTORS * vector_lanes(A)
    panel_groups = even_share(groups, PANEL_SAMPLES // lanes)
    prefetches = rows * (end - first_column) > PREFETCH_WEIGHTS
    for j in range(first_column, end, panel_width):
        for g_first in range(0, groups, panel_groups):
            g_end = smaller(groups, g_first + panel_groups)
            share = prefetch_share(rows, (g_end - g_first) * panel_width)
            for g in range(g_first, g_end):
                used = lanes if g < groups - 1 else last_lanes
                pack_panel(B, b_offset + (g * columns + j) * lanes, used, panel, (g - g_first) * lanes * panel_width)
            for v in range(0, panel_width, panel_block_lanes(A)):
                for i in range(first_row, rows, panel_block_rows()):
                    if prefetches:
                        if g_first == 0:
                            prefetch_sums(gradient, gradient_offset + j + v, rows, columns, i, panel_block_lanes(A))
                        if v == 0 and j + panel_width < end:
                            prefetch_panel(B, b_offset, columns, i, j + panel_width, g_first, g_end, share)
                    a_rows, vectors = panel_row_offsets(i, rows - 1, lanes), panel_offsets(A)
                    sums = zero_accumulators(A, a_rows, vectors)
                    for g in range(g_first, g_end):
                        ag, panel_offset = a_offset + g * rows * lanes, (g - g_first) * lanes * panel_width + v
                        used = lanes if g < groups - 1 else last_lanes
                        if is_double(sums[0]):
                            sums = add_samples(sums, used, A, ag, a_rows, panel, panel_offset, vectors)
                        else:
                            for s in range(0, used, SUMMED_SAMPLES):
                                partial = zero_accumulators(A, a_rows, vectors)
                                partial = add_samples(
                                    partial, smaller(SUMMED_SAMPLES, used - s), A, ag + s, a_rows, panel,
                                    panel_offset + s * panel_width, vectors)  # fmt: skip
                                sums = add_each(sums, partial)
                    add_sums_in_lanes(gradient, gradient_offset + j + v, panel_row_offsets(i, rows - 1, columns), sums)


@njit(**INLINE)
def even_share(groups, most):
    """Return at most `most`: how many of `groups` groups to take at a time, so that all times are about even."""
    times = (groups + most - 1) // most
    return (groups + times - 1) // times


@njit(**INLINE)
def add_samples(sums, count, A, a_offset, a_rows, panel, panel_offset, vectors):
    """Return ``sums_ij + sum_s A_is B_js`` over `count` samples, one after the other; `count` is a multiple of four.

    The number of A of row i and the first sample is ``A[a_offset + a_rows[i]]``; the panel's first sample begins at
    ``panel[panel_offset]``, and its vector j is ``vectors[j]`` behind.
    """
    panel_width = PANEL_VECTORS * vector_lanes(A)
    for s in range(0, count, 4):  # one sample per turn takes 4 % longer
        sums = rank1_updates(A, a_offset + s, a_rows, panel, panel_offset + s * panel_width, vectors, panel_width, sums)
    return sums


@njit(**INLINE)
def pack_panel(B, b_offset, used, panel, panel_offset):
    """Write ``panel_sj = B_js`` for a panel's columns j and the first `used` samples s of one group, in place.

    The first column of the group begins at ``B[b_offset]``, its first sample in the panel at ``panel[panel_offset]``.
    """
    lanes, width, panel_width = group_lanes(B), vector_lanes(B), PANEL_VECTORS * vector_lanes(B)
    columns = lane_offsets(B, lanes)
    for j in range(0, panel_width, width):
        for s in range(0, used, width // 2):
            samples = load_transposed(B, b_offset + j * lanes + s, columns)
            store_each(panel, panel_offset + s * panel_width + j, offsets_of_each(samples, panel_width), samples)


@njit(**INLINE)
def prefetch_sums(gradient, gradient_offset, rows, columns, first, count):
    """Prefetch `count` sums of each row of a block from row `first` on, as a large gradient is not in the cache.

    Row 0 begins at ``gradient[gradient_offset]``, row i ``i * columns`` behind.
    """
    for i in range(first, smaller(rows, first + panel_block_rows())):
        for k in range(0, count, UPDATE_WIDTH):
            prefetch(gradient, gradient_offset + i * columns + k)


@njit(**INLINE)
def prefetch_share(rows, count):
    """Return how many of `count` groups each block of rows prefetches, so that all blocks together prefetch all.

    (It is computed once for all blocks, as an integer division takes as long as dozens of products.)
    """
    return (count * panel_block_rows() + rows - 1) // rows


@njit(**INLINE)
def prefetch_panel(B, b_offset, columns, first, j, g_first, g_end, share):
    """Prefetch `share` groups of the next panel, with columns from `j` on, in the turn of the rows from `first` on."""
    lanes, panel_width = group_lanes(B), PANEL_VECTORS * vector_lanes(B)
    begin = first // panel_block_rows() * share
    for k in range(begin, smaller(begin + share, (g_end - g_first) * panel_width)):
        prefetch_group(B, b_offset + ((g_first + k // panel_width) * columns + j + k % panel_width) * lanes)
