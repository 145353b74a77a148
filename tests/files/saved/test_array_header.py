"""Headers of arrays: what NumPy writes is read, all else is refused before NumPy reads it."""

import io

import numpy as np
import pytest

from fastnn2.files.saved.array_header import read_header


def written(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def with_header(text, content=b"", version=b"\1\0"):
    text = text.encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize(
    "array",
    [
        np.ones((3, 5)),
        np.asfortranarray(np.ones((3, 5), dtype=np.float32)),
        np.array(5),
        np.array(["a", "bcd"]),
        np.array([b"x"]),
        np.zeros(0),
        np.zeros((0, 4), dtype=bool),
        np.zeros((2, 1, 3), dtype=">i4"),
        np.array(np.float16(1)),
        np.zeros((1,) * 8),
    ],
)
def test_what_numpy_writes(array):
    assert read_header("x", written(array)) == (array.dtype, array.shape)


FLOATS = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an array"),
        (written(np.ones(3))[:-1], "has 23 bytes of content; .* need 24"),
        (written(np.ones(3)) + b"\0", "has 25 bytes of content; .* need 24"),
        (written(np.ones(2, dtype=complex)), "not an array"),
        (written(np.zeros(2, dtype=[("a", "f8")])), "not an array"),
        (with_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "not an array"),
        (with_header("{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }", bytes(3)), "NumPy does not know"),
        (with_header("{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000,), }"), "without content"),
        (
            with_header("{'descr': '<U999999999', 'fortran_order': False, 'shape': (9,), }"),
            "has 0|NumPy does",
        ),
        (with_header(FLOATS % "(4294967296, 4294967296)"), "larger than arrays can be"),
        (with_header(FLOATS % "(1000000000, 1000000000)"), "has 0 bytes of content"),
        (with_header(FLOATS % "(0, 99999999999)"), "not an array"),
        (with_header(FLOATS % "(1, 1, 1, 1, 1, 1, 1, 1, 1)", bytes(8)), "larger than arrays can be"),
        (with_header(FLOATS % "(-1,)"), "not an array"),
        (with_header(FLOATS % "(1.0,)"), "not an array"),
        (with_header(FLOATS % "(1,) * 10 ** 9"), "not an array"),
        (with_header(FLOATS % "__import__('os').getpid()"), "not an array"),
        (with_header("(" * 500), "not an array"),
        (with_header(FLOATS % "(1,)", bytes(8), b"\2\0"), "not an array"),
        (with_header(FLOATS % "(1,)" + " " * 2000, bytes(8)), "not an array"),
        (b"\x80\4\x95" + bytes(100), "not an array"),
        (b"PK\3\4" + bytes(100), "not an array"),
    ],
)
def test_what_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        read_header("1.npy", content)
