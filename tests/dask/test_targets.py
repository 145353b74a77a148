"""What becomes of Y on the workers."""

import numpy as np
import pandas as pd
import pytest
from data import assert_same_bits, extra

extra("distributed", "dask")
UnitInterval = extra("fastnn2.dask.targets", "dask").UnitInterval


def place(at):
    return f"<{at}>"


@pytest.mark.parametrize(
    "rows",
    [
        np.array([0.0, 1.0, 0.5]),
        np.array([0, 1, 1], dtype=np.uint8),
        np.array([False, True, True]),
        np.array([0.0, 1.0, 0.5], dtype=">f4"),
        np.array([0.0, 1.0, 0.5], dtype=np.float16),
        np.array([0.0, 1.0, 0.5], dtype=np.longdouble),
        pd.Series([0, 1, 0.5], index=[5, 5, 3]),
        pd.Series([0, 1, 1], dtype="Int64"),
        pd.Series([False, True, True], dtype="boolean"),
    ],
    ids=lambda rows: str(rows.dtype),
)
def test_targets_become_a_column(rows):
    found = UnitInterval()(rows, place)
    assert_same_bits(found.astype(float), np.asarray(rows, dtype=float)[:, np.newaxis])
    assert_same_bits(UnitInterval()(np.asarray(rows).reshape(3, 1), place), found)


def test_several_outputs():
    rows = np.array([[0.0, 1.0], [0.25, 0.5]])
    assert UnitInterval()(rows, place) is not None
    assert_same_bits(UnitInterval()(rows, place), rows)
    assert_same_bits(UnitInterval()(pd.DataFrame(rows), place), rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([0.0, 1.5]), r"Y has 1.5 at <\(1,\)>; expected targets from 0 to 1 \(for classes -1 and 1 pass"),
        (np.array([[0.0, 1.0], [1.0, -1.0]]), r"Y has -1.0 at <\(1, 1\)>; expected targets"),
        (np.array([0.0, np.nan]), r"Y has nan at <\(1,\)>; expected finite numbers"),
        (np.array([0.0, np.inf]), r"Y has inf at <\(1,\)>; expected finite numbers"),
        (pd.Series([0, None], dtype="Int64"), r"Y has nan at <\(1,\)>; expected finite numbers"),
        (np.array([0, 2]), r"Y has 2 at <\(1,\)>; expected targets"),
        (np.nextafter(np.ones(2, dtype=np.longdouble), 2), r"Y has 1.0\d* at <\(0,\)>; expected targets"),
    ],
)
def test_what_is_no_target(rows, message):
    with pytest.raises(ValueError, match=message):
        UnitInterval()(rows, place)
