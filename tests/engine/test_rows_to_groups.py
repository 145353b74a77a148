"""Rows of any kind in groups, piece by piece, as to_groups makes them at once."""

import numpy as np
import pytest
from data import DTYPES

from fastnn2.engine.layout import aligned_empty, to_groups
from fastnn2.engine.rows_to_groups import RowsToGroups
from fastnn2.kernels.shared import tuning


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 2, 3, 40])
@pytest.mark.parametrize("stored", ["float64", "float32", "int16", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_parts_make_the_whole(order, stored, columns, dtype):
    rows = np.random.default_rng(0).standard_normal((333, columns)) * 100
    matrix = np.asarray(rows.astype(stored), order=order)
    lanes = tuning.group_size(dtype)
    groups = aligned_empty(tuning.count_groups(333, dtype) * columns * lanes, dtype)
    groups[:] = np.nan
    lay_out = RowsToGroups(columns, dtype)
    for first in range(0, 333, 2 * lanes):
        lay_out(matrix[first : first + 2 * lanes], groups, first // lanes)
    assert groups.tobytes() == to_groups(matrix.T, dtype)[0].tobytes()


def test_numbers_too_large_become_infinite_without_a_warning():
    groups = aligned_empty(64, "float32")
    RowsToGroups(1, "float32")(np.array([[1e39]]), groups, 0)
    assert groups[0] == np.inf
    assert (groups[1:] == 0).all()
