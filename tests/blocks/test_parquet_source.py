"""Samples in Parquet files and folders of them."""

import itertools
import os
import re
import sys

import numpy as np
import pytest
from data import extra
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn2.blocks import parquet_source
from fastnn2.blocks.array_source import ArraySource
from fastnn2.blocks.open_source import open_source
from fastnn2.blocks.parquet_source import ParquetSource

polars = extra("polars", "tables")

N = 500


def samples(dtype="f4", n=N):
    source = np.random.default_rng(0)
    return source.standard_normal((n, 4)).astype(dtype), source.random((n, 2)).astype(dtype), source.random(n)


def frame_of(X, Y, weights):
    """Features, targets and weights in mixed order: features a to d, targets y and z, weights w."""
    columns = {"a": X[:, 0], "z": Y[:, 1], "b": X[:, 1], "w": weights, "c": X[:, 2], "y": Y[:, 0], "d": X[:, 3]}
    return polars.DataFrame(columns)


FRAME = frame_of(*samples())


def written(folder, *frames, row_group_size=60):
    folder.mkdir(exist_ok=True)
    for index, frame in enumerate(frames):
        frame.write_parquet(folder / f"part-{index}.parquet", row_group_size=row_group_size)
    return folder


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(parquet_source, "SLICE_BYTES", 2000)


def counted(path, target="y", weight=None, dtype="float32"):
    source = open_source(path, target, weight)
    assert isinstance(source, ParquetSource)
    source.count(dtype)
    return source


def joined(source):
    blocks = list(source.blocks())
    return tuple(None if array[0] is None else np.concatenate(array) for array in zip(*blocks, strict=True))


def check_same(source, X, Y, weights, dtype="float32"):
    """Assert that all is as if the rows were in arrays, bit for bit."""
    whole = ArraySource((X, Y, weights))
    whole.count(dtype)
    for name in ("n", "d", "o", "dtype", "has_weights", "total_weight"):
        assert getattr(source, name) == getattr(whole, name), name
    assert source.fingerprint(dtype) == whole.fingerprint(dtype)
    for _ in range(2):
        for found, expected in zip(joined(source), whole.read(0, whole.n), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_file(dtype, tmp_path):
    X, Y, weights = samples(dtype)
    folder = written(tmp_path, frame_of(X, Y, weights))
    for path in (folder / "part-0.parquet", str(folder / "part-0.parquet"), folder, str(folder) + "/"):
        check_same(counted(path, ["y", "z"], "w"), X, Y, weights)
    assert len(list(counted(folder, ["y", "z"], "w").blocks())) == 1


def test_targets_in_the_order_of_their_names(tmp_path):
    X, Y, weights = samples()
    folder = written(tmp_path, FRAME)
    check_same(counted(folder, ["z", "y"], "w"), X, Y[:, ::-1], weights)
    check_same(counted(folder, ("y", "z"), "w"), X, Y, weights)
    all_but_y = FRAME.select("a", "z", "b", "w", "c", "d").to_numpy()
    check_same(counted(folder), all_but_y, Y[:, 0], None)


@given(st.lists(st.integers(0, N), max_size=6), st.integers(20, N), st.integers(3000, 60_000), st.booleans())
@settings(max_examples=15, deadline=None)
def test_any_cuts_are_the_same_samples(tmp_path_factory, cuts, row_group_size, slice_bytes, weighted):
    """Into files (empty ones too), row groups and slices."""
    X, Y, weights = samples()
    cuts = [0, *sorted(cuts), N]
    frame = FRAME if weighted else FRAME.drop("w")
    parts = [frame[first:last] for first, last in itertools.pairwise(cuts)]
    folder = written(tmp_path_factory.mktemp("cut"), *parts, row_group_size=row_group_size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_source, "SLICE_BYTES", slice_bytes)
        source = counted(folder, ["y", "z"], "w" if weighted else None)
    check_same(source, X, Y, weights if weighted else None)
    assert source.largest_bytes == max(sum(a.nbytes for a in rows if a is not None) for rows in source.blocks())
    assert source.largest_bytes <= slice_bytes


def test_files_in_the_order_of_their_names(tmp_path):
    for name, value in [("b.parquet", 2), ("a.parquet", 1), ("B.parquet", 0), ("c.txt", 9), (".d.parquet", 9)]:
        polars.DataFrame({"x": [float(value)], "y": [0.5]}).write_parquet(tmp_path / name)
    (tmp_path / "d.parquet").mkdir()
    assert joined(counted(tmp_path))[0].ravel().tolist() == [0, 1, 2]


def test_names_that_polars_would_take_for_patterns(tmp_path):
    folder = tmp_path / "year=2020" / "[x]*"
    folder.mkdir(parents=True)
    source = counted(written(folder, FRAME))
    assert (source.n, source.d) == (N, 6)


@pytest.mark.parametrize("name", ["*", "^a$", "^.*$", "^nothing$", ""])
def test_columns_that_polars_would_take_for_patterns(name, tmp_path):
    frame = FRAME.rename({"b": name})
    X, Y, weights = samples()
    check_same(counted(written(tmp_path / "feature", frame), ["y", "z"], "w"), X, Y, weights)
    frame = frame_of(X, Y, weights).rename({"y": name})
    check_same(counted(written(tmp_path / "target", frame), [name, "z"], "w"), X, Y, weights)
    frame = frame_of(X, Y, weights).rename({"w": name})
    check_same(counted(written(tmp_path / "weight", frame), ["y", "z"], name), X, Y, weights)


def test_dtypes(tmp_path):
    """Integers and booleans are numbers; X is float32 only if all features are."""
    kinds = [polars.Int8, polars.UInt16, polars.Int64, polars.Float32, polars.Float64]
    values = polars.DataFrame({str(kind): polars.Series([0, 1, 1, 0], dtype=kind) for kind in kinds})
    values = values.with_columns(flag=polars.col("Int8") == 1)
    written(tmp_path, values.with_columns(t=polars.Series([True, False, True, True])))
    source = counted(tmp_path, "t", "Int64")
    assert (source.dtype, source.d, source.total_weight) == (np.float64, 5, 2.0)
    X, Y, weights = joined(source)
    assert X.tolist() == [[value] * 5 for value in (0, 1, 1, 0)]
    assert Y.tolist() == [[1], [0], [1], [1]]
    assert weights.tolist() == [0, 1, 1, 0]
    written(tmp_path, values.select("Float32", "Float64"))
    assert counted(tmp_path, "Float64").dtype == np.float32
    assert counted(tmp_path, "Float32").dtype == np.float64


@pytest.mark.parametrize("target", [None, 3, [], [1], b"y", ["y", None]])
def test_target_is_required(target, tmp_path):
    with pytest.raises(TypeError, match=r"^target is .*; expected the name of a column of the Parquet file, or a list"):
        open_source(written(tmp_path, FRAME), target)


def test_other_names(tmp_path):
    folder = written(tmp_path, FRAME)
    with pytest.raises(TypeError, match=r"^weight is \['w'\]; expected the name of a column, or None$"):
        open_source(folder, "y", ["w"])
    for target, weight, name in [("q", None, "q"), (["y", "q"], None, "q"), ("y", "q", "q")]:
        with pytest.raises(ValueError, match=rf"part-0.parquet' has no column '{name}'; it has 'a', 'z', 'b', 'w', "):
            open_source(folder, target, weight)
    for target, weight in [(["y", "y"], None), ("y", "y"), (["z", "y"], "z")]:
        with pytest.raises(ValueError, match=r"^column '[yz]' is named twice in target and weight"):
            open_source(folder, target, weight)
    with pytest.raises(ValueError, match=r"has no columns besides target and weight; expected at least one feature$"):
        open_source(folder, list("abcdyz"), "w")


def test_a_long_list_of_columns_is_cut(tmp_path):
    folder = written(tmp_path, polars.DataFrame({f"c{index}": [0.0] for index in range(100)}))
    with pytest.raises(ValueError, match=r"; it has 'c0', .* 'c19' and 80 more$"):
        open_source(folder, "y")


@pytest.mark.parametrize(
    "column",
    [["a", "b"], [b"a", b"b"], [[1.0], [2.0]], [{"p": 1}, {"p": 2}], [None, None]],
    ids=["text", "bytes", "lists", "structures", "nothing"],
)
def test_columns_without_numbers(column, tmp_path):
    folder = written(tmp_path, polars.DataFrame({"x": [1.0, 2.0], "city": column, "y": [0.0, 1.0]}))
    for target in ("y", ["y", "city"]):
        with pytest.raises(
            TypeError, match=r"^column 'city' of '.*part-0.parquet' has dtype .*; expected real numbers"
        ):
            open_source(folder, target)


def test_files_with_other_columns(tmp_path):
    for other in (FRAME.drop("a"), FRAME.select(FRAME.columns[::-1]), FRAME.rename({"a": "A"})):
        with pytest.raises(
            ValueError, match=r"part-1.parquet' has the columns .*; expected .*, as in '.*part-0.parquet'$"
        ):
            open_source(written(tmp_path, FRAME, other), "y")
    other = FRAME.with_columns(polars.col("a").cast(polars.Float64))
    with pytest.raises(
        ValueError, match=r"^column 'a' of .*part-1.parquet' has dtype Float64; expected Float32, as in "
    ):
        open_source(written(tmp_path, FRAME, other), "y")


def with_value(name, row, value):
    changed = polars.when(polars.int_range(polars.len()) == row).then(value).otherwise(polars.col(name))
    return FRAME.with_columns(changed.cast(FRAME.schema[name]).alias(name))


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "c",
            None,
            "column 'c' has no value (null) at row 321 of {path!r}; expected finite numbers. Remove or replace",
        ),
        (
            "w",
            None,
            "column 'w' has no value (null) at row 321 of {path!r}; expected finite numbers. Remove or replace",
        ),
        ("c", np.nan, "X has nan at row 321 of {path!r}, column 'c'; expected finite numbers. Remove or replace it"),
        ("z", 2.0, "Y has 2.0 at row 321 of {path!r}, column 'z'; expected targets from 0 to 1"),
        ("w", -1.0, "sample_weight has -1.0 at row 321 of {path!r}, column 'w'; expected weights of 0 or more"),
    ],
)
@pytest.mark.parametrize("target", ["z", ["y", "z"]], ids=["one", "two"])
def test_numbers_that_are_not_valid(target, name, value, message, tmp_path):
    frame = with_value(name, 321, value)
    if target == "z":
        frame = frame.drop("y")
    folder = written(tmp_path, frame[:0], frame[:0], frame)
    source = open_source(folder, target, "w")
    expected = message.format(path=str(folder / "part-2.parquet"))
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}"):
        source.count("float32")


def test_no_rows(tmp_path):
    source = open_source(written(tmp_path, FRAME[:0]), "y")
    with pytest.raises(ValueError, match=rf"^{re.escape(repr(str(tmp_path)))} has no samples; expected at least one$"):
        source.count("float32")


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "data.parquet"))):
        open_source(tmp_path / "data.parquet", "y")
    with pytest.raises(ValueError, match=r"is a folder without files \*\.parquet; expected at least one$"):
        open_source(tmp_path, "y")
    with pytest.raises(ValueError, match=r"^blocks is ''; expected the path of a Parquet file or of a folder of them$"):
        open_source("", "y")


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x93NUMPY" + bytes(99)])
def test_files_of_something_else(content, tmp_path):
    (tmp_path / "X.npy").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"X.npy' is not a Parquet file; files in NumPy's format are passed as a tuple"
    ):
        open_source(tmp_path / "X.npy")


def test_a_file_that_is_cut_short(tmp_path):
    path = written(tmp_path, FRAME) / "part-0.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"^'.*part-0.parquet' cannot be read by polars: "):
        open_source(tmp_path, "y")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "data.parquet")
    with pytest.raises(ValueError, match=r"data.parquet' is not a regular file$"):
        open_source(tmp_path / "data.parquet", "y")


def change(path):
    FRAME[::-1].write_parquet(path, row_group_size=60)
    os.utime(path, ns=(1, 1))


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize(
    ("act", "message"),
    [
        (change, "has changed while its samples were in use; begin anew with files that stay"),
        (os.unlink, "has vanished while its samples were in use"),
    ],
)
def test_a_file_that_changes_or_vanishes(act, message, tmp_path):
    path = written(tmp_path, FRAME, FRAME) / "part-1.parquet"
    source = counted(tmp_path)
    blocks = source.blocks()
    assert len(next(blocks).X) < N
    act(path)
    for rest in (blocks, source.blocks()):
        with pytest.raises(ValueError, match=f"^{re.escape(repr(str(path)))} {message}$"):
            list(rest)


@pytest.mark.usefixtures("small_slices")
def test_a_file_that_changes_while_polars_reads_it(tmp_path, monkeypatch):
    path = written(tmp_path, FRAME) / "part-0.parquet"
    source = counted(tmp_path)
    collect = polars.LazyFrame.collect

    def collect_and_change(frame, *arguments, **keywords):
        result = collect(frame, *arguments, **keywords)
        monkeypatch.undo()  # polars itself may call it
        change(path)
        return result

    monkeypatch.setattr(polars.LazyFrame, "collect", collect_and_change)
    with pytest.raises(ValueError, match=r"part-0.parquet' has changed while its samples were in use"):
        next(source.blocks())


def test_without_polars(tmp_path, monkeypatch):
    folder = written(tmp_path, FRAME)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=r"^a Parquet file needs polars: pip install 'fastnn2\[tables\]'$"):
        open_source(folder, "y")
    with pytest.raises(TypeError, match=r"^target is None"):  # what is wrong in any case comes first
        open_source(folder)
