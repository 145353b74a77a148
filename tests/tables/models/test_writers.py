"""Frames in files: written one after the other, whole or not at all, and in little memory."""

import pathlib

import pytest
from table_data import mixed, polars

from fastnn2.tables.models import writers
from fastnn2.tables.models.writers import check_ending, open_writer, text_writer
from fastnn2.tables.reading.table_error import TableError

READ = {
    ".csv": polars.read_csv,
    ".tsv": lambda path: polars.read_csv(path, separator="\t"),
    ".TAB": lambda path: polars.read_csv(path, separator="\t"),
    ".parquet": polars.read_parquet,
    ".PQ": polars.read_parquet,
}


@pytest.mark.parametrize("ending", READ)
@pytest.mark.parametrize("sizes", [(400,), (1, 399), (100, 100, 200)])
@pytest.mark.parametrize("part", [1, 10_000, 1 << 25])
def test_rows_in_are_rows_out_in_order(ending, sizes, part, tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "PART_BYTES", part)
    frame = mixed().select("size", "city", "rank", "good")
    path = tmp_path / f"out{ending}"
    check_ending(path)
    with open_writer(path) as write:
        first = 0
        for size in sizes:
            write(frame[first : first + size])
            first += size
        assert not path.exists()
    assert READ[ending](path).equals(frame)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_an_error_leaves_the_old_file(ending, tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "PART_BYTES", 1)
    path = tmp_path / f"out{ending}"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def _write_and_fail(path):
    with open_writer(path) as write:
        write(mixed())
        write(mixed())
        raise ZeroDivisionError


@pytest.mark.parametrize("name", ["a", "a.csv.gz", "a.xlsx", "a.json", ".csv"])
def test_endings_that_are_not_known(name):
    with pytest.raises(TableError, match=r"cannot write .*: expected a name that ends with .csv, .tsv, .tab, .parq"):
        check_ending(pathlib.Path(name))


def test_text_has_one_header():
    written = []
    write = text_writer(written.append)
    for value in (1.5, None):
        write(polars.DataFrame({"a, b": [value], "c": ["x"]}))
    assert "".join(written) == '"a, b",c\n1.5,x\n,x\n'
