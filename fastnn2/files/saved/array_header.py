"""The headers of arrays in a file, as NumPy writes them: they are checked before NumPy reads them."""

import math
import re
from typing import Any, NamedTuple

import numpy as np

_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)"
    rb"\{'descr': '([<>|][biufUS][0-9]{1,9})', 'fortran_order': (?:True|False), "
    rb"'shape': \(((?:[0-9]{1,10}, )*[0-9]{0,10},?)\), \} *\n",
    re.DOTALL,
)
LONGEST = 1024
MOST_AXES = 8
LARGEST_AXIS = 1 << 31


class Header(NamedTuple):
    """What an array is."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def read_header(name: str, content: bytes | memoryview) -> Header:
    """Return the dtype and the shape of an array of numbers or texts.

    Raises
    ------
    ValueError
        It is another kind of array, or its size is not that of its content.
    """
    start = bytes(content[:LONGEST])
    match = _HEADER.match(start)
    if match is None or match.end() != 10 + int.from_bytes(match[1], "little"):
        raise ValueError(f"{name} is not an array of numbers or texts as NumPy writes it")
    shape = tuple(int(axis) for axis in match[3].replace(b",", b"").split())
    try:
        dtype = np.dtype(match[2].decode("ascii"))
    except TypeError as error:
        raise ValueError(f"{name} has the dtype {match[2].decode('ascii')}, which NumPy does not know") from error
    expected = math.prod(shape) * dtype.itemsize
    if len(shape) > MOST_AXES or any(axis > LARGEST_AXIS for axis in shape) or not dtype.itemsize:
        raise ValueError(f"{name} has shape {shape} and dtype {dtype}, larger than arrays can be, or without content")
    if len(content) - match.end() != expected:
        raise ValueError(
            f"{name} has {len(content) - match.end()} bytes of content; shape {shape} and dtype {dtype} need {expected}"
        )
    return Header(dtype, shape)
