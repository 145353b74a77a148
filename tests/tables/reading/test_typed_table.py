"""Files whose columns have types: what dtypes become, indexes, expected kinds, and reads of a part of a row group."""

import datetime
import decimal
import os
import subprocess
import sys

import numpy as np
import pytest
from data import PATIENCE, extra

from fastnn2.tables.reading import parquet_reads
from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT, UNSUPPORTED, Column
from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.reading.parquet_footer import read_row_groups
from fastnn2.tables.reading.quiet_panics import quiet_panics
from fastnn2.tables.reading.table_error import TableError

polars = extra("polars", "tables")
ENDINGS = (".parquet", ".arrow")


def opened(folder, frame, ending=".parquet", expected=None):
    path = folder / f"a{ending}"
    getattr(frame, {".parquet": "write_parquet", ".arrow": "write_ipc"}[ending])(path)
    return open_table(path, expected)


def dtypes():
    """Return for a name: values, their dtype, and the kind and values that a table makes of them."""
    day, second = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3)
    summer = datetime.datetime(2024, 7, 1, 12, tzinfo=datetime.UTC)
    whole = (polars.Int8, polars.UInt16, polars.Int32, polars.UInt64, polars.Int64)
    return {
        **{str(dtype): ([1, None, 7], dtype, NUMBER, [1.0, None, 7.0]) for dtype in whole},
        "float": ([1.5, float("nan"), None], polars.Float32, NUMBER, [1.5, None, None]),
        "decimal": ([decimal.Decimal("1.25"), None], polars.Decimal(9, 2), NUMBER, [1.25, None]),
        "large": ([2**53 + 1, 2**63 - 1], polars.Int64, NUMBER, [float(2**53), float(2**63)]),
        "large sum": ([1e308, 1e308, -1e308, -1e308], polars.Float64, NUMBER, [1e308, 1e308, -1e308, -1e308]),
        "nothing": ([None, None], polars.Null, NUMBER, [None, None]),
        "boolean": ([True, None], polars.Boolean, BOOLEAN, [True, None]),
        "text": (["1", "NA", " ", " x ", None], polars.String, TEXT, ["1", None, None, " x ", None]),
        "category": (["b", "a", None], polars.Categorical, TEXT, ["b", "a", None]),
        "enum": (["b", "?"], polars.Enum(["b", "?"]), TEXT, ["b", None]),
        "date": ([day, None], polars.Date, DATE, [datetime.datetime(2024, 2, 29), None]),
        "ms": ([second], polars.Datetime("ms"), DATE, [second]),
        "ns": ([second], polars.Datetime("ns"), DATE, [second]),
        "zone": ([summer], polars.Datetime("us", "Europe/Berlin"), DATE, [datetime.datetime(2024, 7, 1, 12)]),
    }


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", dtypes())
def test_dtypes(tmp_path, name, ending):
    values, dtype, kind, expected = dtypes()[name]
    frame = polars.DataFrame({"x": polars.Series(values, dtype=dtype)})
    table = opened(tmp_path, frame, ending)
    assert table.columns == [Column("x", kind)]
    assert table.read(["x"])["x"].to_list() == expected
    assert next(table.batches(["x"])).frame["x"].to_list() == expected


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("values", "called"),
    [
        ([[1]], "lists"),
        ([{"a": 1}], "records"),
        ([b"x"], "bytes"),
        ([datetime.time(1)], "times of the day"),
        ([datetime.timedelta(1)], "spans of time"),
    ],
)
def test_dtypes_that_cannot_be_used(tmp_path, values, called, ending):
    table = opened(tmp_path, polars.DataFrame({"x": values, "y": [1]}), ending)
    assert [column.kind for column in table.columns] == [UNSUPPORTED, NUMBER]
    assert table.read(["y"])["y"].to_list() == [1.0]
    for fails in (lambda: table.check(["y", "x"]), lambda: table.read(["x"]), lambda: next(table.batches(["x"]))):
        with pytest.raises(TableError, match=rf"column 'x': found {called} .*expected numbers.*--drop"):
            fails()


EXPECTED = [
    (["a"], NUMBER, r"found text \(String\), and the model expects numbers"),
    ([1], TEXT, r"found numbers \(Int64\), and the model expects text"),
    ([True], NUMBER, r"found true or false \(Boolean\), and the model expects numbers"),
    ([datetime.date(2024, 1, 1)], NUMBER, r"found dates \(Date\), and the model expects numbers"),
    ([[1]], NUMBER, r"found List\(Int64\) .*, and the model expects numbers"),
]


@pytest.mark.parametrize(("values", "kind", "message"), EXPECTED)
def test_another_kind_than_expected(tmp_path, values, kind, message):
    with pytest.raises(TableError, match=f"column 'x': {message}; convert the column"):
        opened(tmp_path, polars.DataFrame({"x": values}), expected=[Column("x", kind)])


@pytest.mark.parametrize("kind", [NUMBER, TEXT, BOOLEAN, DATE])
def test_a_column_of_nothing_may_be_anything(tmp_path, kind):
    frame = polars.DataFrame({"x": [None, None], "y": [1, 2]})
    table = opened(tmp_path, frame, expected=[Column("x", kind)])
    dtype = {NUMBER: polars.Float64, TEXT: polars.String, BOOLEAN: polars.Boolean, DATE: polars.Datetime("us")}[kind]
    assert table.read(["x"])["x"].dtype == dtype


@pytest.mark.parametrize("days", [-719_163, 2_932_897, 2**31 - 1, -(2**31)])
def test_dates_that_python_does_not_have(tmp_path, days):
    values = polars.Series([0, None, days], dtype=polars.Int32).cast(polars.Date)
    table = opened(tmp_path, polars.DataFrame({"x": values}))
    with pytest.raises(TableError, match="row 3, column 'x': found a date before the year 1 or after 9999"):
        table.read(["x"])


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_of_files_are_no_patterns(tmp_path, ending):
    opened(tmp_path, polars.DataFrame({"x": [1]}), ending).path.rename(tmp_path / f"a[1]*{ending}")
    opened(tmp_path, polars.DataFrame({"x": [2]}), ending).path.rename(tmp_path / f"a1{ending}")
    assert open_table(tmp_path / f"a[1]*{ending}").read(["x"])["x"].to_list() == [1.0]


def test_names_lose_blanks_at_their_ends(tmp_path):
    table = opened(tmp_path, polars.DataFrame({" a ": [1], "^b.*$": [2], "*": [3]}))
    assert table.names == ["a", "^b.*$", "*"]
    assert table.read(table.names[::-1]).row(0) == (3.0, 2.0, 1.0)


def test_indexes_are_left_out(tmp_path):
    table = opened(tmp_path, polars.DataFrame({"": [1, 2, 3], "a": [5, 6, 7]}))
    assert table.names == ["a"]
    assert table.notes == ["the column of the index, which only counts the rows, is left out"]
    table = opened(tmp_path, polars.DataFrame({"a": [5, 6], "__index_level_0__": [9, 3]}))
    assert table.names == ["a"]
    assert opened(tmp_path, polars.DataFrame({"Unnamed: 0": [1, 3], "a": [5, 6]})).names == ["Unnamed: 0", "a"]


# Row groups


def frame_of(rows, columns=3):
    values = np.arange(float(rows * columns)).reshape(columns, rows)
    texts = [f"text {k}" * (k % 9) or "none" for k in range(rows)]
    return polars.DataFrame({**{f"x{j}": values[j] for j in range(columns)}, "s": texts})


@pytest.mark.parametrize("group_rows", [7, 100, 1000])
def test_the_footer_has_the_row_groups(tmp_path, group_rows):
    frame = frame_of(1000).with_columns(l=polars.Series([[1, 2]] * 1000), r=polars.Series([{"p": 1, "q": "z"}] * 1000))
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=group_rows, compression="uncompressed")
    groups = read_row_groups(tmp_path / "a.parquet")
    assert sum(group.rows for group in groups) == 1000
    assert max(group.rows for group in groups) <= 2 * group_rows
    total = sum(sum(group.sizes.values()) for group in groups)
    size = (tmp_path / "a.parquet").stat().st_size
    assert 0.3 * size < total < size
    for group in groups:
        assert list(group.sizes) == frame.columns
        assert 8 * group.rows <= group.sizes["x0"] <= 8 * group.rows + 100


def test_the_footer_of_pyarrow(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    frame_of(1000).write_parquet(tmp_path / "a.parquet")
    parquet.write_table(parquet.read_table(tmp_path / "a.parquet"), tmp_path / "b.parquet", row_group_size=300)
    groups = read_row_groups(tmp_path / "b.parquet")
    theirs = parquet.ParquetFile(tmp_path / "b.parquet").metadata
    assert [group.rows for group in groups] == [300, 300, 300, 100]
    for k, group in enumerate(groups):
        columns = [theirs.row_group(k).column(j) for j in range(4)]
        assert group.sizes == {column.path_in_schema: column.total_compressed_size for column in columns}


def test_a_footer_that_cannot_be_read(tmp_path):
    path = tmp_path / "a.parquet"
    frame_of(10).write_parquet(path)
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    for place in range(len(data) - 8 - length, len(data) - 8):
        path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        groups = read_row_groups(path)
        assert groups is None or isinstance(groups, list)
    for bad in (b"", b"PAR1", data[:-1], data[-8:], data[: -8 - length] + bytes(length) + data[-8:]):
        path.write_bytes(bad)
        assert not read_row_groups(path)


@pytest.mark.parametrize("group_rows", [7, 100, 1000])
@pytest.mark.parametrize("frame_bytes", [1, 1000, 10**6])
@pytest.mark.parametrize("group_bytes", [1, 3000, 10**6])
def test_reads_of_any_size(tmp_path, monkeypatch, group_rows, frame_bytes, group_bytes):
    monkeypatch.setattr(parquet_reads, "FRAME_BYTES", frame_bytes)
    monkeypatch.setattr(parquet_reads, "GROUP_BYTES", group_bytes)
    frame = frame_of(1000)
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=group_rows)
    table = open_table(tmp_path / "a.parquet")
    whole = table.read(table.names)
    assert whole.equals(frame)
    first = 0 if frame_bytes > 1 else 950
    batches = list(table.batches(["s", "x1"], first=first, rows=30))
    assert [batch.first for batch in batches] == (
        first + np.cumsum([0, *[b.frame.height for b in batches[:-1]]])
    ).tolist()
    assert max(batch.frame.height for batch in batches) <= 30
    assert polars.concat([batch.frame for batch in batches]).equals(frame[first:].select("s", "x1"))


def test_reads_have_few_bytes():
    groups = [parquet_reads.RowGroup(1000, {"a": 1 << 27, "b": 1 << 27, "c": 1 << 27, "d": 1 << 29})] * 2
    reads = list(parquet_reads.plan_reads(groups, ["a", "b", "c", "d"], 1 << 20, first=10))
    assert [(read.first, read.rows) for read in reads[:2]] == [(10, 61), (71, 62)]
    assert sum(read.rows for read in reads) == 1990
    assert all(read.rows <= parquet_reads.FRAME_BYTES >> 20 for read in reads)
    assert all(read.columns == [["a", "b"], ["c"], ["d"]] for read in reads)
    few = [parquet_reads.RowGroup(3, {"a": 9})] * 1000
    assert [read.rows for read in parquet_reads.plan_reads(few, ["a"], 8.0, first=0)] == [3000]


def test_memory_of_texts(tmp_path):
    frame = polars.DataFrame({"s": ["x" * 100] * 50, "n": [1] * 50})
    for ending in ENDINGS:
        assert opened(tmp_path, frame, ending).memory_bytes(["s", "n"]) == 50 * (16 + 100 + 8)


# What polars prints


def test_panics_are_not_printed(tmp_path):
    code = (
        "import os, threading, time\nimport polars\nfrom fastnn2.tables.reading import quiet_panics as module\n"
        "quiet_panics, module.QUIET_SECONDS = module.quiet_panics, 1.5\n"  # a thread may get no core for a while
        "with quiet_panics():\n    os.write(2, b'kept ')\n"
        "def write_late():\n    time.sleep(0.05)\n    os.write(2, b'lost, too ')\n"
        "try:\n    with quiet_panics():\n        os.write(2, b'lost ')\n"
        "        threading.Thread(target=write_late).start()\n"
        "        raise polars.exceptions.PanicException\n"
        "except polars.exceptions.PanicException:\n    os.write(2, b'after')\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE, check=True)
    assert found.stderr == b"kept after"


def test_without_stderr(monkeypatch):
    monkeypatch.setattr(os, "dup", lambda _: (_ for _ in ()).throw(OSError(9, "Bad file descriptor")))
    with quiet_panics():
        done = True
    assert done
