"""Where the parameters of a tabular network are among the packed ones."""

import numpy as np
import pytest
from data import DTYPES
from tabular_data import shape_of

from fastnn2.kernels.shared import tuning

SHAPES = [(3, 2, 1, 4, 9, 1), (0, 0, 0, 1, 1, 1), (2, 0, 3, 0, 128, 12), (0, 5, 0, 16, 200, 3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_views_do_not_overlap_and_miss_only_the_padding(case, dtype):
    d, p, q, bins, h, o = case
    shape = shape_of(d, p, q, bins=bins, h=h, o=o, dtype=dtype)
    packed = np.zeros(shape.count)
    views = shape.views(packed)
    expected = {
        "W1": (d, h), "V": (p, bins + 1, h), "C": (3 * q, h), "b1": (h,), "W2": (o, h), "b2": (o,),
    }  # fmt: skip
    assert {name: view.shape for name, view in views.items()} == expected
    for view in views.values():
        view += 1
    assert packed.max(initial=0) <= 1
    assert packed.sum() == sum(view.size for view in views.values())


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_and_the_whole_are_whole_groups(dtype):
    shape = shape_of(3, 2, 1, h=9, o=3, dtype=dtype)
    lanes = tuning.group_size(np.dtype(dtype))
    assert shape.units >= 9
    assert shape.units % lanes == shape.count % lanes == 0
    assert all(offset % lanes == 0 for offset in shape.offsets().values())
    assert shape.E_count == 2 * 5 * shape.units
