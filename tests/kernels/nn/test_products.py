"""Sums of products over samples against NumPy's matrix product: over lanes, in lanes, and at the crossovers."""

import numpy as np
import pytest
from data import DTYPES, TOLERANCE
from numba import njit

from fastnn2.kernels.nn import products
from fastnn2.kernels.shared import tuning

RANDOM = np.random.RandomState(7)


@njit
def in_panels(rows, columns, array):
    return products.in_panels(rows, columns, array)


@njit
def sums_of_products(first_row, rows, first_column, columns, groups, last_lanes, A, B, panel, gradient, offset):
    products.products_over_samples(
        first_row, rows, first_column, columns, groups, last_lanes, A, 0, B, 0, panel, gradient, offset
    )


def panel_width(dtype):
    return tuning.PANEL_VECTORS * tuning.VECTOR_BYTES // np.dtype(dtype).itemsize


@pytest.mark.parametrize("dtype", DTYPES)
def test_which_columns_are_computed_in_panels(dtype):
    width, array = panel_width(dtype), np.empty(0, dtype)
    few = tuning.PANEL_ROWS - 1
    for columns in (1, width // 2, width, 5 * width):
        assert in_panels(few, columns, array) == 0
    for columns in (1, width - 1, width, 2 * width - 1, 5 * width):
        assert in_panels(few + 1, columns, array) == columns // width * width


def in_groups(M, groups, lanes):
    """Return M (rows, groups * lanes) as (groups, rows, lanes), flat."""
    return np.ascontiguousarray(M.reshape(len(M), groups, lanes).transpose(1, 0, 2)).ravel()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [1, 3, 9])  # 9 do not fit in one panel
@pytest.mark.parametrize("first_row", [0, 1])
@pytest.mark.parametrize("rows", [3, tuning.PANEL_ROWS, tuning.PANEL_ROWS + 1, 37])
@pytest.mark.parametrize("columns", [1, 7, 8, 15, 16, 19, 31, 33, 49, 65, 71, 130])
def test_against_matrix_product(columns, rows, first_row, groups, dtype):
    assert_products(columns, rows, first_row, groups, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("prefetches", [False, True])
def test_where_sums_and_inputs_are_prefetched(prefetches, dtype):
    rows, width = 125, panel_width(dtype)
    columns = tuning.PREFETCH_WEIGHTS // (rows * width) * width + prefetches * width
    weights = rows * in_panels(rows, columns, np.empty(0, dtype))
    assert (weights > tuning.PREFETCH_WEIGHTS) == prefetches
    assert_products(columns, rows, 0, 9, dtype)


def assert_products(columns, rows, first_row, groups, dtype):
    # Small integers, so that all products and sums are exact.
    lanes = tuning.group_size(dtype)
    last_lanes = lanes // 2
    first_column = min(2, columns - 1)
    A = RANDOM.randint(-3, 4, (rows, groups * lanes)).astype(dtype)
    B = RANDOM.randint(-3, 4, (columns, groups * lanes)).astype(dtype)
    offset, behind = 5, 7
    gradient = RANDOM.randint(-9, 9, offset + rows * columns + behind).astype(float)
    expected = gradient.copy()
    used = (groups - 1) * lanes + last_lanes
    exact = A[:, :used].astype(float) @ B[:, :used].astype(float).T
    exact[:first_row] = exact[:, :first_column] = 0
    expected[offset : offset + rows * columns] += exact.ravel()
    panel = np.full(tuning.PANEL_SAMPLES * panel_width(dtype), np.nan, dtype)
    beyond = np.full(lanes, np.nan, dtype)  # behind the last group; must not be read into a sum
    sums_of_products(
        first_row, rows, first_column, columns, groups, last_lanes,
        np.concatenate([in_groups(A, groups, lanes), beyond]), np.concatenate([in_groups(B, groups, lanes), beyond]),
        panel, gradient, offset,
    )  # fmt: skip
    np.testing.assert_array_equal(gradient, expected)


def constant(rows, n):
    return np.repeat(RANDOM.uniform(0.5, 1, (rows, 1)), n, axis=1)


def uniform(rows, n):
    return RANDOM.uniform(0.5, 1, (rows, n))


def zero_or_one(rows, n):
    return RANDOM.randint(0, 2, (rows, n)).astype(float)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [1, 4, 16])
@pytest.mark.parametrize("make_a", [constant, uniform])
@pytest.mark.parametrize("make_b", [constant, uniform, zero_or_one])
def test_rounding(make_a, make_b, groups, dtype):
    # Terms of one sign make partial sums as large as possible; equal terms are all rounded in the same direction.
    lanes, rows, columns = tuning.group_size(dtype), tuning.PANEL_ROWS, panel_width(dtype)
    panel = np.empty(tuning.PANEL_SAMPLES * panel_width(dtype), dtype)
    for _ in range(10):
        A, B = make_a(rows, groups * lanes).astype(dtype), make_b(columns, groups * lanes).astype(dtype)
        gradient = np.zeros(rows * columns)
        A_groups, B_groups = in_groups(A, groups, lanes), in_groups(B, groups, lanes)
        sums_of_products(0, rows, 0, columns, groups, lanes, A_groups, B_groups, panel, gradient, 0)
        exact = (A.astype(np.longdouble) @ B.astype(np.longdouble).T).ravel()
        assert (abs(gradient - exact) <= TOLERANCE[dtype] * exact).all()
