"""Rows that can be used: those with a target and a weight above 0."""

import pytest
from numpy.testing import assert_array_equal
from table_data import polars

from fastnn2.tables.reading.columns import NUMBER, TEXT, Column
from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.reading.table import Batch
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.rows import check_weight, rows_with_target

FRAME = polars.DataFrame({
    "a": [1.0, 2, 3, 4, 5], "^y$": ["u", None, "v", "u", None], "*": [1.0, None, 0, 2.5, -1],
})  # fmt: skip


def rows_of(folder, frame, weight="*", first=0):
    frame.write_csv(folder / "rows.csv")
    return rows_with_target(open_table(folder / "rows.csv"), Batch(frame, first), Column("^y$", TEXT), weight)


def test_rows_without_target_or_weight(tmp_path):
    rows = rows_of(tmp_path, FRAME, first=100)
    assert rows.frame["a"].to_list() == [1, 4]
    assert rows.target.to_list() == ["u", "u"]
    assert_array_equal(rows.weights, [1, 2.5])
    assert_array_equal(rows.numbers, [100, 103])
    assert rows.without_target == 2
    assert rows.without_weight == 1
    assert len(rows) == 2


def test_without_weights(tmp_path):
    rows = rows_of(tmp_path, FRAME, weight=None)
    assert rows.weights is None
    assert rows.take([0, 2]).frame["a"].to_list() == [1, 4]
    assert_array_equal(rows.take([2]).numbers, [3])


@pytest.mark.parametrize(("weight", "found"), [(None, "is missing"), (-2.0, r"is -2\.0"), (1e31, r"is 1e\+?31")])
def test_a_wrong_weight(weight, found, tmp_path):
    frame = FRAME.with_columns(polars.Series("*", [1.0, 1, weight, 1, 1]))
    place = r"rows\.csv', row 4, column '\*': the weight"
    with pytest.raises(TableError, match=rf"{place} {found}; expected a number from 0 to 1e\+30"):
        rows_of(tmp_path, frame)


def test_a_column_that_cannot_have_weights():
    check_weight(Column("w", NUMBER))
    with pytest.raises(TableError, match="the weight 'w' is text; expected a column of numbers of 0 or more"):
        check_weight(Column("w", TEXT))
