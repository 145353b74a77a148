"""Samples in arrays, memory maps and files: the same rows from all of them."""

import os
import re

import numpy as np
import pytest

from fastnn2.blocks import array_source
from fastnn2.blocks.array_source import ArrayRows, ArraySource
from fastnn2.blocks.npy_file import NpyFile
from fastnn2.functional import checks, total_weight

N, D, O = 3001, 4, 2
KINDS = {
    "array": lambda path, array: array,
    "in columns": lambda path, array: np.asfortranarray(array),
    "other bytes": lambda path, array: array.astype(array.dtype.newbyteorder()),
    "strided": lambda path, array: np.repeat(array, 2, axis=0)[::2],
    "list": lambda path, array: array.tolist(),
    "path": lambda path, array: path,
    "text": lambda path, array: str(path),
    "map": lambda path, array: np.load(path, mmap_mode="r"),
    "writable map": lambda path, array: np.load(path, mmap_mode="r+"),
    "private map": lambda path, array: np.load(path, mmap_mode="c"),
    "slice of a map": lambda path, array: np.load(path, mmap_mode="r")[:],
    "reversed map": lambda path, array: np.load(reverse(path), mmap_mode="r")[::-1],
}


def reverse(path):
    np.save(path.with_suffix(".back.npy"), np.load(path)[::-1])
    return path.with_suffix(".back.npy")


@pytest.fixture
def arrays():
    source = np.random.default_rng(0)
    return source.standard_normal((N, D)).astype("f4"), source.random((N, O)), source.random(N)


@pytest.fixture
def members(arrays, tmp_path):
    """Return a function: kind -> X, Y and weights of that kind."""

    def make(kind):
        made = []
        for name, array in zip("XYw", arrays, strict=True):
            np.save(tmp_path / f"{name}.npy", array)
            made.append(KINDS[kind](tmp_path / f"{name}.npy", array))
        return tuple(made)

    return make


def opened(*members, dtype="float32"):
    source = ArraySource(members)
    source.count(dtype)
    return source


def check_equal(source, arrays):
    X, Y, *weights = arrays
    for first, last in [(0, N), (0, 1), (5, 1000), (N - 1, N), (7, 7)]:
        rows = source.read(first, last)
        np.testing.assert_array_equal(rows.X, X[first:last])
        np.testing.assert_array_equal(rows.Y, Y.reshape(N, -1)[first:last])
        assert rows.X.dtype == source.dtype
        assert all(array.dtype.isnative for array in rows if array is not None)
        if weights:
            np.testing.assert_array_equal(rows.weights, weights[0][first:last])
        else:
            assert rows.weights is None


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_all_kinds(kind, members, arrays):
    source = opened(*members(kind))
    assert (source.n, source.d, source.o, source.has_weights) == (N, D, O, True)
    assert source.dtype == ("float64" if kind == "list" else "float32")
    check_equal(source, arrays)
    assert source.total_weight == checks.total_weight(arrays[2].astype("float32"), N)
    assert source.fingerprint("float32") == opened(*arrays).fingerprint("float32")


def test_kinds_may_be_mixed(members, arrays):
    check_equal(opened(members("path")[0], arrays[1], members("map")[2]), arrays)
    check_equal(opened(arrays[0], members("text")[1]), arrays[:2])


@pytest.mark.parametrize("kind", ["array", "path", "map"])
def test_one_output_without_weights(kind, members, arrays, tmp_path):
    X, _, y = members(kind)
    for weights in ((), (None,)):
        source = opened(X, y, *weights)
        assert (source.o, source.has_weights, source.total_weight) == (1, False, float(N))
        check_equal(source, (arrays[0], arrays[2]))


MAPPED = hasattr(os, "preadv")  # elsewhere no map's file is read


@pytest.mark.parametrize(
    ("kind", "in_file"),
    [("path", True), ("map", MAPPED), ("writable map", MAPPED), ("private map", False), ("slice of a map", False)],
)
def test_what_is_read_from_its_file(kind, in_file, members):
    """A file that is cut short under a map kills the process: a map is used only where its file cannot be."""
    found = {type(member) for member in ArraySource(members(kind))._members.values()}
    assert found == {NpyFile if in_file else ArrayRows}


def test_map_of_a_raw_file(arrays, tmp_path):
    """The numbers begin where the map says, and need no header."""
    path = tmp_path / "raw"
    path.write_bytes(b"x" * 4100 + arrays[0].tobytes())
    mapped = np.memmap(path, "f4", "r", 4100, (N, D))
    source = opened(mapped, arrays[1])
    assert isinstance(source._members["X"], NpyFile if MAPPED else ArrayRows)
    check_equal(source, arrays[:2])


def test_map_in_columns(arrays, tmp_path):
    mapped = np.memmap(tmp_path / "raw", "f4", "w+", shape=(N, D), order="F")
    mapped[:] = arrays[0]
    check_equal(opened(mapped, arrays[1]), arrays[:2])


def test_what_has_been_written_to_a_map_is_read(arrays, tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", "f4", (N, D))
    mapped[:] = 7
    source = opened(mapped, arrays[1])
    mapped[:] = arrays[0]
    check_equal(source, arrays[:2])


@pytest.mark.parametrize("change", ["other file", "no file", "shorter file"])
def test_a_map_whose_file_is_another_one_is_used_itself(change, arrays, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, arrays[0])
    mapped = np.load(path, mmap_mode="r")
    path.rename(tmp_path / "elsewhere.npy")
    if change != "no file":
        np.save(path, arrays[0] + 1 if change == "other file" else arrays[0][:9])
    check_equal(opened(mapped, arrays[1]), arrays[:2])


def test_writable_array_is_not_changed(arrays):
    before = [array.copy() for array in arrays]
    source = opened(*arrays)
    source.read(0, N)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert np.shares_memory(source.read(3, 9).X, arrays[0])  # no copy, either


def test_places(members):
    X, Y, _ = members("path")
    source = opened(X, Y, np.ones(N))
    assert source.where("X", 1234, 3) == f"row 1,234 of {str(X)!r}, column 3"
    assert source.where("Y", 17) == f"row 17 of {str(Y)!r}"
    assert source.where("sample_weight", 17) == "row 17"


def test_a_relative_path_stays_when_the_folder_changes(members, arrays, tmp_path, monkeypatch):
    members("path")
    monkeypatch.chdir(tmp_path)
    source = opened("X.npy", "Y.npy")
    monkeypatch.chdir("/")
    check_equal(source, arrays[:2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_total_weight_beyond_a_slice(dtype, arrays, monkeypatch):
    """The sum is that of fit also where it has several slices, and weights are read in pieces that do not fit them."""
    monkeypatch.setattr(total_weight, "SLICE", 1000)
    monkeypatch.setattr(array_source, "WEIGHTS_AT_ONCE", 700)
    found = opened(*arrays, dtype=dtype).total_weight
    assert found == checks.total_weight(arrays[2].astype(dtype), N)


ALL_ZERO = "sample_weight is zero for all samples; expected at least one weight above 0"


@pytest.mark.parametrize(
    ("scale", "value", "message"),
    [
        (1, np.nan, "sample_weight has nan at {place}; expected finite numbers. Remove or replace it"),
        (1, -1, "sample_weight has -1.0 at {place}; expected weights of 0 or more"),
        (1, 1e39, "sample_weight has 1e+39 at {place}, too large for float32; scale it or use float64"),
        (0, 0, ALL_ZERO),
        (0, 1e-50, ALL_ZERO),  # 0 in float32
    ],
)
def test_bad_weights(scale, value, message, arrays, tmp_path, monkeypatch):
    monkeypatch.setattr(array_source, "WEIGHTS_AT_ONCE", 700)
    X, Y, weights = arrays
    weights *= scale
    weights[2000] = value
    np.save(tmp_path / "w.npy", weights)
    message = message.format(place=f"row 2,000 of {str(tmp_path / 'w.npy')!r}")
    source = ArraySource((X, Y, tmp_path / "w.npy"))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        source.count("float32")


@pytest.mark.parametrize("value", [1e-310, 1e308])
def test_weights_whose_sum_is_not_normal(value, arrays):
    source = ArraySource((arrays[0][:5], arrays[1][:5], np.full(5, value)))
    with pytest.raises(ValueError, match=r"^sample_weight sums to .*; expected a normal floating-point number. Divide"):
        source.count("float64")


def test_wrong_shapes_name_files(members, arrays):
    path = members("path")[0]
    with pytest.raises(ValueError, match=rf"^X \({re.escape(repr(str(path)))}\) has {N} samples \(rows\) and Y has 7"):
        ArraySource((path, arrays[1][:7]))
    with pytest.raises(
        ValueError, match=r"^sample_weight has shape \(7,\); expected \(3001,\), one weight for each row"
    ):
        ArraySource((path, arrays[1], arrays[2][:7]))
    with pytest.raises(ValueError, match=r"^X has shape \(0, 4\); expected at least one sample$"):
        ArraySource((arrays[0][:0], arrays[1][:0]))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1, 2], [3]], "X cannot be converted to an array of numbers"),
        ([["a"]], "X has dtype <U1; expected real numbers"),
        (None, "X is None; expected an array of numbers"),
        (np.array([[1j]]), "X has dtype complex128; expected real numbers"),
        (np.array([[None]]), "X has dtype object; expected real numbers"),
    ],
)
def test_what_is_no_array_of_numbers(X, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        ArraySource((X, [1.0]))


def test_paths_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"^X is .*, a folder; expected the path of a file$"):
        ArraySource((tmp_path, [1.0]))
    with pytest.raises(FileNotFoundError, match=r"Y\.npy"):
        ArraySource(([[1.0]], tmp_path / "Y.npy"))


def test_a_pass_after_the_file_has_changed(members):
    X, Y, _ = members("path")
    source = opened(X, Y)
    source.read(0, 10)
    Y.unlink()
    with pytest.raises(ValueError, match=r"Y\.npy' has vanished while its samples were in use$"):
        source.read(0, 10)
