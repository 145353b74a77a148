"""Files are opened as tables: every bad file has its message, and good ones give the same frame in all formats."""

import datetime
import gzip
import os
import stat

import numpy as np
import pytest
from bad_tables import BAD_TABLES, GOOD, write_bad_table
from data import extra
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastnn2.tables.reading import parquet_reads
from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT, Column
from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.reading.table_error import TableError

polars = extra("polars", "tables")
SEPARATORS = {".csv": ",", ".txt": ";", ".tsv": "\t", ".bar.txt": "|"}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_file_is_refused_in_one_line(name, tmp_path):
    path = write_bad_table(tmp_path, name)
    with pytest.raises(TableError) as caught:  # noqa: PT012 - some faults count only where the column is used
        table = open_table(path)
        table.check(table.names)
        table.read(table.names)
    message = str(caught.value)
    assert repr(str(path)) in message
    assert message == message.strip()
    assert "\n" not in message
    assert len(message.removeprefix(repr(str(path)))) < 400
    for part in BAD_TABLES[name].parts:
        assert part in message.replace(str(path), "")


def test_there_are_many_bad_files():
    assert len(BAD_TABLES) >= 80


def test_a_faulty_column_may_be_left_out(tmp_path):
    table = open_table(write_bad_table(tmp_path, "text among numbers"))
    assert table.read(["y"]).height == table.count == 21
    with pytest.raises(TableError, match="unknown"):
        next(table.batches(["a"]))
    table = open_table(write_bad_table(tmp_path, "a column of lists"))
    assert table.read(["a", "y"]).width == 2


def test_near_names_of_a_missing_file(tmp_path):
    (tmp_path / "diamonds.csv").write_bytes(GOOD)
    with pytest.raises(TableError, match=r"did you mean 'diamonds\.csv'"):
        open_table(tmp_path / "Diamond.csv")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_bytes(GOOD)

    def deny(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(TableError, match="cannot be read: Permission denied"):
        open_table(path)


def test_polars_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(ImportError, match="pip install 'fastnn2\\[tables\\]'"):
        open_table(tmp_path / "a.csv")


# Good files


def mixed_frame():
    return polars.DataFrame(
        {
            "number": [1.5, None, -2.0, 1e-300],
            "count": [1, 2, None, 4],
            "text": ["a", 'b, "c"', None, "é\nx|y;z\t"],
            "yes": [True, None, False, True],
            "day": [datetime.date(2020, 1, 2), None, datetime.date(1960, 5, 6), datetime.date(2024, 2, 29)],
            "time": [datetime.datetime(2020, 1, 2, 3, 4, 5, 600), None, *[datetime.datetime(1999, 12, 31, 23)] * 2],
            "nothing": [None] * 4,
        }
    )


def write_all(frame, folder):
    """Write a frame in all formats that keep it, and return the paths."""
    frame.write_parquet(folder / "a.parquet")
    frame.write_ipc(folder / "a.arrow")
    frame.write_ipc_stream(folder / "stream.arrow")
    for ending, separator in SEPARATORS.items():
        frame.write_csv(folder / f"a{ending}", separator=separator)
        (folder / f"a{ending}.gz").write_bytes(gzip.compress((folder / f"a{ending}").read_bytes()))
    return sorted(folder.iterdir())


def assert_bitwise(found, expected):
    assert found.schema == expected.schema
    for name, dtype in expected.schema.items():
        first, second = found[name], expected[name]
        assert first.is_null().equals(second.is_null())
        if dtype == polars.Float64:
            first, second = first.drop_nulls().to_numpy().view(np.int64), second.drop_nulls().to_numpy().view(np.int64)
            assert (first == second).all()
        else:
            assert first.equals(second)


def test_all_formats_give_the_same(tmp_path):
    paths = write_all(mixed_frame(), tmp_path)
    assert len(paths) == 11
    expected = open_table(tmp_path / "a.parquet")
    kinds = [NUMBER, NUMBER, TEXT, BOOLEAN, DATE, DATE, NUMBER]
    assert [column.kind for column in expected.columns] == kinds
    frame = expected.read(expected.names)
    dtypes = {NUMBER: polars.Float64, TEXT: polars.String, BOOLEAN: polars.Boolean, DATE: polars.Datetime("us")}
    assert list(frame.dtypes) == [dtypes[kind] for kind in kinds]
    assert frame["time"][0] == datetime.datetime(2020, 1, 2, 3, 4, 5, 600)
    for path in paths:
        table = open_table(path)
        assert table.count == 4
        assert table.notes == []
        assert [column.kind for column in table.columns] == kinds
        assert_bitwise(table.read(table.names), frame)
        parts = list(table.batches(table.names, first=1, rows=2))
        assert [part.first for part in parts] == [1, 3]
        assert_bitwise(polars.concat([part.frame for part in parts]), frame[1:])
        chosen = open_table(path, table.columns[3:1:-1])
        assert_bitwise(chosen.read(["yes", "text"]), frame.select("yes", "text"))
        assert abs(table.memory_bytes(table.names) - (4 * (8 * 6 + 16) + 14)) <= 4


FLOATS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.none() | st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0") | st.sampled_from("\",;\t|\n\r' "), max_size=9
)
DAYS = st.none() | st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31))


@st.composite
def frames(draw):
    count = draw(st.integers(1, 30))
    values = {
        "first": (FLOATS, polars.Float64),
        'a "b", c': (TEXTS, polars.String),
        "last;": (DAYS, polars.Datetime("us")),
        "yes": (st.none() | st.booleans(), polars.Boolean),
        "whole": (st.none() | st.integers(-(2**63), 2**63 - 1), polars.Int64),
    }
    return polars.DataFrame(
        {
            name: polars.Series(name, draw(st.lists(one, min_size=count, max_size=count)), dtype)
            for name, (one, dtype) in values.items()
        }
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=frames(), ending=st.sampled_from(sorted(SEPARATORS)), compressed=st.booleans(), rows=st.integers(1, 40))
def test_random_frames(tmp_path, frame, ending, compressed, rows):
    """The same numbers, bit by bit, from text and from Parquet."""
    frame.write_parquet(tmp_path / "a.parquet")
    data = frame.write_csv(separator=SEPARATORS[ending]).encode()
    path = tmp_path / (f"a{ending}.gz" if compressed else f"a{ending}")
    path.write_bytes(gzip.compress(data) if compressed else data)
    typed = open_table(tmp_path / "a.parquet")
    expected = typed.read(typed.names)
    text = open_table(path, typed.columns)
    assert_bitwise(text.read(text.names), expected)
    assert_bitwise(polars.concat([part.frame for part in text.batches(text.names, rows=rows)]), expected)
    assert_bitwise(polars.concat([part.frame for part in typed.batches(typed.names, rows=rows)]), expected)
    found = open_table(path)
    numbers = [column.name for column in typed.columns if column.kind == NUMBER]
    assert_bitwise(found.read(numbers), expected.select(numbers))
    # Random texts may look like numbers or dates, so the kind of their column is not known here.
    for column in typed.columns:
        if column.kind != TEXT and expected[column.name].null_count() < frame.height:
            assert [other.kind for other in found.columns if other.name == column.name] == [column.kind]


# What a model expects


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".arrow"])
def test_expected_columns(tmp_path, ending):
    path = next(path for path in write_all(mixed_frame(), tmp_path) if path.name == f"a{ending}")
    with pytest.raises(TableError, match=r"no column 'numbers', which the model expects; did you mean 'number'\?"):
        open_table(path, [Column("numbers", NUMBER)])
    with pytest.raises(TableError, match="lacks 2 columns that the model expects: 'p', 'q'; it has 'number'"):
        open_table(path, [Column("p", NUMBER), Column("number", NUMBER), Column("q", TEXT)])
    with pytest.raises(TableError, match=r"column 'text'.*expect.*numbers"):
        open_table(path, [Column("text", NUMBER)]).read(["text"])
    with pytest.raises(TableError, match="has no column 'count'"):
        open_table(path, [Column("number", NUMBER)]).check(["count"])


def test_columns_that_are_not_expected_may_be_bad(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,,b,b\n1,x,2,3\n")
    assert open_table(path, [Column("a", NUMBER)]).read(["a"])["a"].to_list() == [1.0]
    with pytest.raises(TableError, match="'b' as the name of more than one column"):
        open_table(path, [Column("b", NUMBER)])


def test_a_pipe_in_the_place_of_a_file_does_not_hang(tmp_path):
    path = tmp_path / "a.parquet"
    os.mkfifo(path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    with pytest.raises(TableError, match="not a regular file"):
        open_table(path)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".arrow"])
@pytest.mark.parametrize("change", ["cut", "removed", "more"])
def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch, ending, change):
    monkeypatch.setattr(parquet_reads, "FRAME_BYTES", 1 << 14)
    frame = polars.DataFrame({"a": np.arange(50_000.0), "y": np.arange(50_000) % 2})
    path = next(path for path in write_all(frame, tmp_path) if path.name == f"a{ending}")
    table = open_table(path)
    batches = table.batches(table.names, rows=1_000)
    next(batches)
    if change == "removed":
        path.unlink()
    elif change == "cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        with open(path, "ab") as file:
            file.write(b"7,1\n")
    with pytest.raises(TableError, match=r"has changed|has vanished|cannot be"):
        list(batches)
    with pytest.raises(TableError, match=r"has changed|has vanished|cannot be"):
        table.read(table.names)
