"""Rows of files in NumPy's format: all orders and dtypes, and files that are not what they should be."""

import errno
import gc
import os
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn2.blocks import npy_file
from fastnn2.blocks.npy_file import NpyFile

DTYPES = ["<f4", ">f4", "<f8", ">f8", "<f2", ">i2", "u1", "?", "<i8", ">u4"]


def numbers(shape, dtype="f4"):
    return (np.random.default_rng(0).standard_normal(shape) * 50).astype(dtype)


def saved(folder, array, name="X.npy"):
    np.save(folder / name, array)
    return folder / name


def check_equal(found, expected):
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(57,), (57, 1), (57, 5)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_those_of_the_array(dtype, order, shape, tmp_path):
    array = np.asarray(numbers(shape, dtype), order=order)
    file = NpyFile(saved(tmp_path, array), "X")
    assert file.shape == shape
    for first, last in [(0, 57), (3, 4), (10, 40), (56, 57), (0, 57), (5, 5)]:
        found = file.read(first, last)
        check_equal(found, array[first:last])
        assert found.flags[f"{order}_CONTIGUOUS"]
    assert (tmp_path / "X.npy").read_bytes()[-array.nbytes :] == array.tobytes("A")  # swapped in the buffer only


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_versions_of_the_format(version, tmp_path):
    array = numbers((9, 2))
    with open(tmp_path / "X.npy", "wb") as file:
        np.lib.format.write_array(file, array, version)
    check_equal(NpyFile(tmp_path / "X.npy", "X").read(0, 9), array)


@given(st.data(), st.integers(1, 60), st.integers(1, 4), st.sampled_from("CF"))
@settings(max_examples=40, deadline=None)
def test_any_rows(tmp_path_factory, data, n, d, order):
    array = np.asarray(numbers((n, d)), order=order)
    file = NpyFile(saved(tmp_path_factory.mktemp("any"), array), "X")
    for _ in range(5):
        first = data.draw(st.integers(0, n))
        last = data.draw(st.integers(first, n))
        check_equal(file.read(first, last), array[first:last])


def test_reads_that_end_early_go_on(tmp_path, monkeypatch):
    """The system may return fewer bytes than it was asked for, as it does beyond 2 GB."""
    array = numbers((50, 3))
    file = NpyFile(saved(tmp_path, array), "X")
    counts = []

    def read_some(descriptor, memory, place):
        counts.append(read_into(descriptor, memory[: len(memory) // 2 + 1], place))
        return counts[-1]

    read_into = npy_file._read_into
    monkeypatch.setattr(npy_file, "_read_into", read_some)
    check_equal(file.read(3, 45), array[3:45])
    assert len(counts) > 3


def test_systems_without_preadv(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "preadv")
    for order in "CF":
        array = np.asarray(numbers((50, 3)), order=order)
        check_equal(NpyFile(saved(tmp_path, array), "X").read(3, 45), array[3:45])


def test_one_buffer_serves_all_reads(tmp_path):
    file = NpyFile(saved(tmp_path, numbers((50, 3))), "X")
    large = file.read(0, 50)
    assert np.shares_memory(large, file.read(7, 20))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs the list of open files of /proc")
def test_the_file_is_closed_with_the_object(tmp_path):
    def is_open():
        return any(os.path.realpath(f"/proc/self/fd/{name}") == str(path) for name in os.listdir("/proc/self/fd"))

    path = saved(tmp_path, numbers((5, 3)))
    file = NpyFile(path, "X")
    rows = file.read(0, 5)
    assert is_open()
    del file
    gc.collect()
    assert not is_open()
    assert rows.shape == (5, 3)  # the numbers stay
    saved(tmp_path, np.array(["text"]))
    with pytest.raises(ValueError):
        NpyFile(path, "X")
    gc.collect()
    assert not is_open()


def header(text, version=b"\x01\x00"):
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text


NO_ARRAY = "X ({path!r}) is not a file in NumPy's format (.npy) with an array of numbers; save one by np.save"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", NO_ARRAY),
        (b"\x93NUMPY", NO_ARRAY),
        (b"1.0,2.0\n" * 99, NO_ARRAY),
        (header(b"{'descr': '<f4'"), NO_ARRAY),
        (header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), 'more': 1}\n"), NO_ARRAY),
        (header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, '2')}\n"), NO_ARRAY),
        (header(b"{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os').getpid()}\n"), NO_ARRAY),
        (header(b"(" * 5000), NO_ARRAY),
        (header(b"{[]: 1}"), NO_ARRAY),
        (header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2)}\n", b"\x03\x00"), NO_ARRAY),
        (b"PK\x03\x04" + bytes(99), "X ({path!r}) is an archive (.npz?); save each of its arrays by np.save"),
        (b"PAR1" + bytes(99), "X ({path!r}) is a Parquet file; pass its path alone, with target= and the name of a"),
        (
            header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-4, 2)}\n"),
            "X ({path!r}) has shape (-4, 2) and dtype float32; expected real numbers",
        ),
        (
            header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2)}\n") + bytes(31),
            "X ({path!r}) is cut short: it has 99 bytes; expected 100",
        ),
    ],
)
def test_files_of_something_else(content, message, tmp_path):
    path = tmp_path / "X.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="^" + re.escape(message.format(path=str(path)))):
        NpyFile(path, "X")


@pytest.mark.parametrize(
    "array",
    [
        np.array([["a", "b"]]),
        np.array([[1j]]),
        np.array([["2020-01-01"]], dtype="datetime64[D]"),
        np.zeros(3, dtype=[("a", "f4"), ("b", "f4")]),
        np.array([[None, 1]], dtype=object),
    ],
    ids=["text", "complex", "dates", "structured", "objects"],
)
def test_arrays_that_are_not_of_numbers(array, tmp_path):
    """An array of objects is a pickle, which is never loaded."""
    path = tmp_path / "X.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(ValueError, match=r"^X \('.*X.npy'\) has shape .* and dtype .*; expected real numbers"):
        NpyFile(path, "X")


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "X.npy"))):
        NpyFile(tmp_path / "X.npy", "X")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "X.npy")
    with pytest.raises(ValueError, match=r"^X '.*X.npy' is not a regular file$"):
        NpyFile(tmp_path / "X.npy", "X")


def longer(path):
    with open(path, "ab") as file:
        file.write(bytes(12))


def shorter(path):
    os.truncate(path, path.stat().st_size - 12)


def rewritten(path):
    content = path.read_bytes()
    before = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(before, before + 1))  # the clock of files may be too coarse for a test


def replaced(path):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)


@pytest.mark.parametrize("change", [longer, shorter, rewritten, replaced])
def test_a_file_that_changes(change, tmp_path):
    path = saved(tmp_path, numbers((50, 3)))
    file = NpyFile(path, "X")
    file.read(0, 5)
    change(path)
    for _ in range(2):
        with pytest.raises(ValueError, match=f"^{re.escape(repr(str(path)))} has changed while its samples were in"):
            file.read(0, 5)


def test_a_file_that_vanishes(tmp_path):
    path = saved(tmp_path, numbers((50, 3)))
    file = NpyFile(path, "X")
    path.unlink()
    with pytest.raises(ValueError, match=f"^{re.escape(repr(str(path)))} has vanished while its samples were in use"):
        file.read(0, 5)


def test_a_file_that_is_cut_short_amid_a_read(tmp_path, monkeypatch):
    path = saved(tmp_path, numbers((50, 3)))
    file = NpyFile(path, "X")

    def read_and_cut(descriptor, memory, place):
        shorter(path)
        return read_into(descriptor, memory, place)

    read_into = npy_file._read_into
    monkeypatch.setattr(npy_file, "_read_into", read_and_cut)
    with pytest.raises(ValueError, match=r"X.npy' has been cut short while its samples were in use"):
        file.read(0, 50)


def test_an_error_of_the_disk_names_the_file(tmp_path, monkeypatch):
    path = saved(tmp_path, numbers((50, 3)))
    file = NpyFile(path, "X")

    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(npy_file, "_read_into", fail)
    with pytest.raises(OSError, match=re.escape(str(path))) as caught:
        file.read(0, 50)
    assert caught.value.errno == errno.EIO
