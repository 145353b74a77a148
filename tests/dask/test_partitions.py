"""What the workers find in partitions; test_collections.py has the refusals of a whole fit."""

import numpy as np
import pandas as pd
import pytest
from data import assert_same_bits, extra

extra("distributed", "dask")
partitions = extra("fastnn2.dask.partitions", "dask")


def form_of(rows, name="X", is_real=True):
    return partitions.Form(
        name, partitions.columns_of(rows), partitions.dtypes_of(rows), partitions.labels_of(rows), is_real
    )


FRAME = pd.DataFrame({"age": [1, 2, 3], "height": [1.5, 2.5, 3.5]}, index=[7, 7, 7])


@pytest.mark.parametrize(
    ("rows", "columns", "dtypes", "labels"),
    [
        (np.zeros(3), None, ("float64",), None),
        (np.zeros((3, 2), dtype=">f4"), 2, ("float32",), None),
        (np.array(["a", "bcd"]), None, ("<U",), None),
        (FRAME, 2, ("int64", "float64"), ("age", "height")),
        (FRAME["age"], None, ("int64",), None),
        (FRAME[["age"]].astype("Int8"), 1, ("Int8",), ("age",)),
    ],
    ids=["one dimension", "matrix", "strings", "frame", "series", "one column"],
)
def test_forms(rows, columns, dtypes, labels):
    assert partitions.columns_of(rows) == columns
    assert partitions.dtypes_of(rows) == dtypes
    assert partitions.labels_of(rows) == labels
    form_of(rows, is_real="<U" not in dtypes).check(rows, 0)


@pytest.mark.parametrize("rows", [np.arange(12.0).reshape(6, 2), np.arange(6)], ids=["matrix", "one dimension"])
def test_rows_do_not_keep_their_partition(rows):
    taken = partitions.take_rows(rows, form_of(rows), 3, 2, 5, 6)
    assert_same_bits(taken, rows[2:5])
    assert taken.base is None
    assert partitions.take_rows(rows, form_of(rows), 3, 0, 6, 6) is rows


def test_rows_of_a_frame_are_by_place():
    for rows in (FRAME, FRAME["height"]):
        taken = partitions.take_rows(rows, form_of(rows), 0, 1, 3, 3)
        assert_same_bits(taken.to_numpy(), rows.to_numpy()[1:])
        assert not np.shares_memory(taken.to_numpy(), rows.to_numpy())


@pytest.mark.parametrize("length", [2, 4])
def test_another_number_of_rows(length):
    with pytest.raises(ValueError, match=rf"partition 5 of Y has 3 rows; expected {length}, as its collection says or"):
        partitions.take_rows(np.zeros(3), form_of(np.zeros(3), "Y"), 5, 0, 2, length)


def test_no_rows_of_any_form():
    form = form_of(np.zeros((3, 2)))
    for nothing in (np.zeros(0), np.zeros((0, 7), "f4"), FRAME[:0], np.float64(3), None, []):
        assert partitions.count_checked_rows(nothing, form, 0) == 0
    assert partitions.count_checked_rows(np.zeros((4, 2)), form, 0) == 4
    with pytest.raises(ValueError, match="partition 2 of X has 3 columns; expected 2 columns, as the collection says"):
        partitions.count_checked_rows(np.zeros((4, 3)), form, 2)


def test_one_column_is_not_one_dimension():
    with pytest.raises(ValueError, match="partition 0 of X has one dimension; expected two dimensions, 1 column"):
        form_of(np.zeros((3, 1))).check(np.zeros(3), 0)
    with pytest.raises(ValueError, match="partition 0 of X has two dimensions, 1 column; expected one dimension"):
        form_of(np.zeros(3)).check(np.zeros((3, 1)), 0)


def test_labels_need_not_be_numbers():
    form = form_of(np.array(["a", "b"]), "y", is_real=False)
    form.check(np.array(["abc", "d"]), 0)
    with pytest.raises(ValueError, match="partition 1 of y has dtype int64; expected <U, as the collection says"):
        form.check(np.array([1, 2]), 1)
