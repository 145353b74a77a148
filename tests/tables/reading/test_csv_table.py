"""Text files: separators, line ends, blank lines, quotes, chunks, and the rows that messages name."""

import csv
import gzip
import io

import numpy as np
import pytest
from data import extra
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastnn2.tables.reading import text_header, text_records
from fastnn2.tables.reading.columns import NUMBER, TEXT, Column
from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.train import choose_columns

polars = extra("polars", "tables")


def opened(folder, data, name="a.csv", expected=None):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return open_table(path, expected)


def read(*args, **named):
    table = opened(*args, **named)
    return table.read(table.names)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_separators_and_line_ends(tmp_path, separator, end, mark, last):
    lines = [f"first{separator} y ", f'1{separator}"a{separator}b"', f"{separator}c"]
    frame = read(tmp_path, mark + end.join(lines) + (end if last else ""))
    assert frame.to_dict(as_series=False) == {"first": [1.0, None], "y": [f"a{separator}b", "c"]}


SEPARATORS = {
    "a header with commas in quotes": ('"a,b,c";d\n1;2\n', ["a,b,c", "d"]),
    "decimal commas": ("a;b\n1,5;2,5\n3,5;4,5\n", ["a", "b"]),
    "commas in texts": ("a;b\nx, y;z\n", ["a", "b"]),
    "a bar in one name": ("a|b,c\n1,2\n3,4\n", ["a|b", "c"]),
    "a row too long": ("a;b\n1;2\n3;4;5\n", ["a", "b"]),
    "one column": ("a\n1\n2\n", ["a"]),
    "one column of words": ("a name\nEve\nBob Lee\n", ["a name"]),
}


@pytest.mark.parametrize("name", SEPARATORS)
def test_the_separator_is_found(tmp_path, name):
    text, names = SEPARATORS[name]
    (tmp_path / "a.csv").write_text(text)
    assert text_header.read_header(tmp_path / "a.csv", False, None).names == names


def test_tsv_has_tabs(tmp_path):
    assert read(tmp_path, "a,b,c\td\n1\t2\n", "a.TSV").columns == ["a,b,c", "d"]
    assert read(tmp_path, gzip.compress(b"a,b\tc\n1\t2\n"), "a.tab.gz").columns == ["a,b", "c"]


def test_blank_lines_are_left_out_and_counted(tmp_path):
    table = opened(tmp_path, "\n\r\na,b\n\n1,2\n\n\r\n3,4\n5,6\n\n")
    assert table.read(["b"])["b"].to_list() == [2.0, 4.0, 6.0]
    assert [table.row_label(row) for row in range(3)] == [5, 8, 9]
    assert table.where(1, "b") == f"{str(table.path)!r}, row 8, column 'b'"
    table = opened(tmp_path, '\na,b\n\n"1\n\n1",2\n\n3,x\n', expected=[Column("a", TEXT), Column("b", NUMBER)])
    with pytest.raises(TableError, match="row 6, column 'b': found 'x'"):
        table.read(["b"])


def test_chunks_of_blank_lines_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(text_records, "CHUNK_BYTES", 50)
    rows = "".join(f"{k},1\n" for k in range(30))
    table = opened(tmp_path, "a,y\n" + rows + "\n" * 300 + "\n".join(rows.split()) + "\n\n" + "x,1\n" + "\n" * 300)
    assert table.count == 61
    assert table.read(["y"]).height == 61
    for row, label in ((0, 2), (29, 31), (30, 332), (59, 361), (60, 363)):
        assert table.row_label(row) == label
    with pytest.raises(TableError, match="row 363, column 'a': found 'x'"):
        table.check(["a"])


def test_blank_lines_of_one_column_are_missing_values(tmp_path):
    table = opened(tmp_path, "\na\n\n1\n\n\n2\n\n\n")
    assert table.read(["a"])["a"].to_list() == [None, 1.0, None, None, 2.0]
    assert [table.row_label(row) for row in range(5)] == [3, 4, 5, 6, 7]


def test_one_column_of_blank_lines_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(text_records, "CHUNK_BYTES", 8)
    values = ["", "", "1", *[""] * 50, "2", "", "3"]
    table = opened(tmp_path, "a\n" + "\n".join(values) + "\n" * 60)
    assert table.count == len(values)
    assert table.read(["a"])["a"].to_list() == [float(value) if value else None for value in values]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_an_index_without_a_name_is_left_out(tmp_path, name, first):
    table = opened(tmp_path, f"{name},a\n" + "".join(f"{k + first},x\n" for k in range(12)))
    assert table.names == ["a"]
    assert table.notes == ["the first column, which only counts the rows, is left out"]
    assert table.read(["a"])["a"].to_list() == ["x"] * 12


def test_a_first_column_that_counts_otherwise(tmp_path):
    assert opened(tmp_path, "Unnamed: 0,a\n5,1\n6,2\n").names == ["Unnamed: 0", "a"]
    assert opened(tmp_path, "id,a\n0,1\n1,2\n").names == ["id", "a"]


def test_a_last_column_without_a_name_and_values_is_left_out(tmp_path):
    table = opened(tmp_path, "a,b,\n1,2,\n3,4,\n")
    assert table.names == ["a", "b"]
    assert table.notes == ["the last column, which has no name and no values, is left out"]


def test_names_are_no_patterns(tmp_path):
    table = opened(tmp_path, "*,^a.*$,ab\n1,x,true\n2,y,false\n")
    assert table.read(table.names[::-1]).rows() == [(True, "x", 1.0), (False, "y", 2.0)]


def test_names_that_are_numbers(tmp_path):
    assert opened(tmp_path, "0,1,2\n5,6,7\n").names == ["0", "1", "2"]
    assert opened(tmp_path, "country,2019,2020\nx,6,7\n").names == ["country", "2019", "2020"]


ROWS = st.lists(
    st.tuples(st.text(st.sampled_from('a",\n\r é;'), max_size=6), st.integers(-99, 99)), min_size=1, max_size=30
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, chunk=st.integers(1, 60), quoting=st.sampled_from([csv.QUOTE_NONNUMERIC, csv.QUOTE_ALL]))
def test_chunks_of_any_size(tmp_path, monkeypatch, rows, chunk, quoting):
    """What Python's csv writes is read rightly, wherever chunks are cut."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=quoting, lineterminator="\n")
    writer.writerows([("text", "number"), *rows])
    monkeypatch.setattr(text_records, "CHUNK_BYTES", chunk)
    frame = read(tmp_path, file.getvalue(), expected=[Column("text", TEXT), Column("number", NUMBER)])
    assert frame["number"].to_list() == [number for _, number in rows]
    assert frame["text"].to_list() == [text if text.strip() else None for text, _ in rows]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from('a1",\n\r'), max_size=30), chunk=st.integers(1, 40))
def test_any_text_is_read_as_python_reads_it_or_refused(tmp_path, monkeypatch, text, chunk):
    monkeypatch.setattr(text_records, "CHUNK_BYTES", chunk)
    text = "x,y\n" + text
    try:
        frame = read(tmp_path, text, expected=[Column("x", TEXT), Column("y", TEXT)])
    except TableError:
        return
    expected = [row for row in csv.reader(io.StringIO(text.replace("\r\n", "\n"), newline="")) if row][1:]
    assert frame.fill_null("").rows() == [tuple(value if value.strip() else "" for value in row) for row in expected]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_faults_far_down_are_found_at_their_row(tmp_path, monkeypatch, name):
    monkeypatch.setattr(text_records, "CHUNK_BYTES", 1000)
    good = "".join(f'{k},"{k}\n{k}"\n\n' for k in range(500))
    for bad, problem in (
        ("1\n", "1 value, expected 2"),
        ('1,"2\n', "quote"),
        ('1,2" 2\n', "inside a value"),
        ("1,\0\n", "zero byte"),
        ("1,2\r3,4\n", "carriage return"),
    ):
        data = ("a,b\n" + good + bad + good).encode()
        with pytest.raises(TableError, match=rf"row 1,002: .*{problem}"):
            opened(tmp_path, gzip.compress(data) if name.endswith(".gz") else data, name)
    data = ("a,b\n" + good + "1,\xff\n" + good).encode("latin-1")
    with pytest.raises(TableError, match="row 1,002: found the byte 0xff"):
        opened(tmp_path, gzip.compress(data) if name.endswith(".gz") else data, name)
    data = ("a,b\n" + good + "x,1\n" + good).encode()
    table = opened(tmp_path, gzip.compress(data) if name.endswith(".gz") else data, name)
    with pytest.raises(TableError, match=r"row 1,002, column 'a': found 'x', where 99\.9 % of the values are numbers"):
        table.check(["a"])


def test_a_row_that_does_not_end(tmp_path, monkeypatch):
    monkeypatch.setattr(text_records, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(text_records, "LONGEST_RECORD", 1 << 20)
    with pytest.raises(TableError, match=r"row 2: a quote .* not closed within 1 MB"):
        opened(tmp_path, 'a,b\n1,"' + "x\n" * (1 << 20))
    with pytest.raises(TableError, match="row 2: the row does not end within 1 MB"):
        opened(tmp_path, "a,b\n" + "x" * (1 << 21))
    with pytest.raises(TableError, match="row 1: is longer than"):
        opened(tmp_path, "x" * (1 << 21))


def test_first_skips_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(text_records, "CHUNK_BYTES", 100)
    table = opened(tmp_path, "a,b\n" + "".join(f"{k},1\n\n" for k in range(300)))
    for first in (0, 1, 17, 299, 300):
        batches = list(table.batches(["a"], first=first, rows=7))
        found = np.concatenate([np.zeros(0), *[batch.frame["a"].to_numpy() for batch in batches]])
        np.testing.assert_array_equal(found, np.arange(first, 300))
        assert [batch.first for batch in batches] == [int(batch.frame["a"][0]) for batch in batches]
        assert all(len(batch.frame) <= 7 for batch in batches)


def test_a_message_on_the_target_does_not_propose_to_drop_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,y\n" + "1,2.5\n" * 20 + "1,unknown\n")
    table = open_table(path)
    with pytest.raises(TableError, match=r"'unknown'.* if it is missing; or leave the column out \(--drop 'y'\)$"):
        table.check(["y"])
    with pytest.raises(TableError, match=r"'unknown'.* if it is missing$"):
        table.check(["y"], can_drop=False)
    with pytest.raises(TableError, match=r"'unknown'.* if it is missing$"):
        choose_columns(table, TrainingOptions("y"))
