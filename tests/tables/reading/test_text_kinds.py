"""Kinds of columns of text files, and what their values become."""

import datetime

import pytest
from data import extra

from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT, UNSUPPORTED, Column
from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.reading.text_kinds import KindFinder

polars = extra("polars", "tables")


def find(values, separator=",", chunk=7):
    """Return the column, the fault and the note of some values, which are looked at in chunks."""
    finder = KindFinder("x", separator)
    series = polars.Series("x", values, polars.String)
    for first in range(0, len(values), chunk):
        finder.add(series[first : first + chunk], first)
    return finder.find()


NUMBERS = [f"{k}.5" for k in range(30)]
KINDS = {
    "numbers": (["1", "-2.5", "1e-3", "+4", ".5", "6.", "007"], NUMBER, None),
    "numbers with blanks": ([" 1", "2 ", " 3 "], NUMBER, None),
    "numbers and missing ones": (["1", None, "NA", "n/a", "?", "-", "", " ", "NaN", "null", "None", "."], NUMBER, None),
    "nothing": (["", None, "NA", "-"], NUMBER, None),
    "booleans": (["true", "False", " TRUE ", "", "NA"], BOOLEAN, None),
    "text": (["a", "1", "2"], TEXT, None),
    "yes and no": (["yes", "no"], TEXT, None),
    "signs": (["+", "-"], TEXT, None),
    "codes": (["1", "2", "3", "4+"] * 9, TEXT, None),
    "rare codes": (["1", "2"] * 40 + ["3+", "3+"], TEXT, None),
    "half of them numbers": (NUMBERS + [f"A{k}" for k in range(30)], TEXT, None),
    "few values": (["1", "2", "3", "4", "x"], TEXT, None),
    "an underscore": (["1_000", "2_000"], TEXT, None),
    "days": (["2024-01-02", "1960-12-31", "NA"], DATE, "%Y-%m-%d"),
    "times": (["2024-01-02T03:04", "2024-01-02 03:04:05.5", "2024-01-02"], DATE, "%Y-%m-%d"),
    "German dates": (["31.12.2024", "1.2.2024 5:07"], DATE, "%d.%m.%Y"),
    "American dates": (["12/31/2024", "1/2/2024"], DATE, "%m/%d/%Y"),
    "British dates": (["1/2/2024", "31/12/2024 23:59:59"], DATE, "%d/%m/%Y"),
    "a year of two digits": (["1/2/24"], TEXT, None),
    "a date that there is not": (["2024-02-30"], TEXT, None),
    "the year 0": (["0000-01-01"], TEXT, None),
    "times alone": (["12:30", "13:45"], TEXT, None),
    "versions": (["1.2.3", "1.2.4"], TEXT, None),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(name):
    values, kind, form = KINDS[name]
    for chunk in (1, 7, len(values)):
        assert find(values, chunk=chunk) == (Column("x", kind, form), None, None)


def test_decimal_commas_where_commas_do_not_separate():
    values = ["1,5", "-2", "", "3,25e2"]
    assert find(values, ";")[0] == Column("x", NUMBER, ",")
    assert find(values, ",")[0] == Column("x", TEXT)
    assert find(["1,5", "1.5"], ";")[0] == Column("x", TEXT)
    assert find(["1", "2"], ";")[0] == Column("x", NUMBER)


def test_dates_that_may_be_of_two_forms():
    column, _, note = find(["1/2/2024", "3/4/2024"])
    assert column == Column("x", DATE, "%m/%d/%Y")
    assert "month/day/year" in note
    assert "'x'" in note


@pytest.mark.parametrize("place", [0, 13, 30])
@pytest.mark.parametrize("value", ["x", "1.5.", "unknown", "12a", "1,5", "1 000", "0x10", "١"])
def test_text_among_numbers(value, place):
    column, (row, problem), _ = find([*NUMBERS[:place], value, *NUMBERS[place:]])
    assert (column.kind, row) == (UNSUPPORTED, place)
    assert repr(value) in problem
    assert "96.8 %" in problem


def test_a_late_text_is_a_fault_however_few_the_numbers_are():
    _, (row, problem), _ = find([str(k % 5) for k in range(200)] + ["Q"])
    assert row == 200
    assert "99.5 %" in problem


def test_text_among_dates():
    days = [str(datetime.date(2024, 1, 1) + datetime.timedelta(k)) for k in range(30)]
    column, (row, problem), _ = find([*days, "soon"])
    assert (column.kind, row) == (UNSUPPORTED, 30)
    assert "are dates" in problem


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e999"])
def test_infinite(value):
    column, (row, problem), _ = find(["1", "", value, value])
    assert (column.kind, row) == (UNSUPPORTED, 2)
    assert repr(value) in problem


def test_infinite_is_a_word_elsewhere():
    assert find(["inf", "sup", "inf"])[0] == Column("x", TEXT)


def test_thousands():
    column, (row, problem), _ = find(["12", *["1,234.5", "12,345"] * 20])
    assert (column.kind, row) == (UNSUPPORTED, 1)
    assert "thousands" in problem


# What values become, in files


def read(folder, text, expected=None, ending=".csv"):
    path = folder / f"a{ending}"
    path.write_bytes(text.encode())
    table = open_table(path, expected)
    return table, table.read(table.names)


def test_values(tmp_path):
    text = (
        "number;comma;yes;text;german;zone\n"
        " 1 ;1,5;TRUE; a ;31.12.2024;2024-01-01T00:30:00+01:00\n"
        "NA;;no value;NA;;2024-01-01 12:00Z\n".replace("no value", "")
        + "-;-2;false;-;1.2.1999 7:05;2024-01-01T12:00:00,1234567-0330\n"
    )
    table, frame = read(tmp_path, text)
    assert [column.form for column in table.columns] == [None, ",", None, None, "%d.%m.%Y", "%Y-%m-%d"]
    assert frame["number"].to_list() == [1.0, None, None]
    assert frame["comma"].to_list() == [1.5, None, -2.0]
    assert frame["yes"].to_list() == [True, None, False]
    assert frame["text"].to_list() == [" a ", None, "-"]
    assert frame["german"].to_list() == [datetime.datetime(2024, 12, 31), None, datetime.datetime(1999, 2, 1, 7, 5)]
    assert frame["zone"].to_list() == [
        datetime.datetime(2023, 12, 31, 23, 30),
        datetime.datetime(2024, 1, 1, 12),
        datetime.datetime(2024, 1, 1, 15, 30, 0, 123456),
    ]


def test_a_text_that_is_expected_is_taken_as_it_is(tmp_path):
    _, frame = read(tmp_path, "x,y\n007,true\n 1.50,NA\n", [Column("x", TEXT), Column("y", TEXT)])
    assert frame["x"].to_list() == ["007", " 1.50"]
    assert frame["y"].to_list() == ["true", None]


def test_each_file_writes_what_is_expected_in_its_own_way(tmp_path):
    expected = [Column("x", NUMBER), Column("d", DATE, "%m/%d/%Y")]
    _, frame = read(tmp_path, "x;d\n1,5;31.12.2024\n", expected)
    assert frame.row(0) == (1.5, datetime.datetime(2024, 12, 31))
    _, frame = read(tmp_path, "x;d\n1.5;2024-12-31\n", [Column("x", NUMBER, ","), expected[1]])
    assert frame.row(0) == (1.5, datetime.datetime(2024, 12, 31))
    _, frame = read(tmp_path, "x,d\n1.5,12/31/2024\n", [Column("x", NUMBER, ","), expected[1]])
    assert frame.row(0) == (1.5, datetime.datetime(2024, 12, 31))


@pytest.mark.parametrize(
    ("column", "value", "called"),
    [
        (Column("x", NUMBER), "abc", "finite numbers"),
        (Column("x", NUMBER), "inf", "finite numbers"),
        (Column("x", BOOLEAN), "1", "true or false"),
        (Column("x", DATE, "%d.%m.%Y"), "12/31/2024", "dates such as 31.12.2024"),
        (Column("x", DATE), "12/31/2024", "dates such as 2024-12-31"),
    ],
)
def test_a_value_that_is_not_expected(tmp_path, column, value, called):
    with pytest.raises(TableError, match=f"row 4, column 'x': found '{value}', expected {called}; correct it"):
        read(tmp_path, f"x,y\n,1\n,2\n{value},3\n", [column])
