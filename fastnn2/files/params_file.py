"""Dicts of parameters in files of the safetensors format.

The header of such a file is JSON, which can say one thing in many ways. Here one form is written, and no other is read:
the header is computed again from what it says, and compared. All readers of safetensors read these files; fastnn2
reads no others, as those have no digest.
"""

import hashlib
import json
import re
import reprlib
import struct
from typing import Any

import numpy as np

from fastnn2._version import __version__
from fastnn2.engine.layout import PARAM_NAMES
from fastnn2.exceptions import Params
from fastnn2.files.versions import check_version
from fastnn2.functional.checks import as_params

FORMAT, VERSION = "fastnn2 params", 1
DTYPES = {"float32": "F32", "float64": "F64"}
MOST_HEADER = 4096  # bytes; ours have 500
NO_DIGEST = "0" * 64


def to_bytes(params: Any) -> bytes:
    """Return the file of a dict of parameters.

    Raises
    ------
    TypeError, ValueError
        They are not the parameters of a network, or not all float32 or all float64.
    """
    arrays, d, h, o = as_params(params)
    dtypes = {key: array.dtype.newbyteorder("=") for key, array in arrays.items()}
    names = {dtype.name for dtype in dtypes.values()}
    if len(names) > 1 or not names <= set(DTYPES):
        found = ", ".join(f"{key} has {dtype}" for key, dtype in dtypes.items())
        raise ValueError(
            f"params[...]: {found}; expected float64 for all four, or float32 for all. Convert them first, for example "
            "{key: array.astype(float) for key, array in params.items()}"
        )
    dtype = dtypes["W1"]
    content = b"".join(
        np.ascontiguousarray(arrays[key], dtype=dtype.newbyteorder("<")).tobytes() for key in PARAM_NAMES
    )
    digest = _digest(_header(__version__, dtype.name, (d, h, o), NO_DIGEST), content)
    return _header(__version__, dtype.name, (d, h, o), digest) + content


def _shapes(d: int, h: int, o: int) -> dict[str, tuple[int, int]]:
    return {"W1": (h, d), "b1": (h, 1), "W2": (o, h), "b2": (o, 1)}


def _header(version: str, dtype: str, sizes: tuple[int, int, int], digest: str) -> bytes:
    """Return the file up to the first parameter: the length of the JSON, and the JSON, filled up with spaces."""
    metadata = {"format": FORMAT, "version": str(VERSION), "fastnn2": version, "dtype": dtype, "sha256": digest}
    header: dict[str, Any] = {"__metadata__": metadata}
    start = 0
    for key, shape in _shapes(*sizes).items():
        end = start + shape[0] * shape[1] * np.dtype(dtype).itemsize
        header[key] = {"dtype": DTYPES[dtype], "shape": shape, "data_offsets": (start, end)}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _digest(header: bytes, content: bytes | memoryview) -> str:
    """Return the SHA-256 of a file; `header` is the one with zeros in the place of the digest."""
    state = hashlib.sha256(header)
    state.update(content)
    return state.hexdigest()


def from_bytes(data: bytes) -> Params:
    """Return the parameters in a file.

    Raises
    ------
    ValueError
        The file is not as :func:`to_bytes` wrote it.
    """
    end, header = _read_header(data)
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError("it is not a file of fastnn2.save: its metadata has no format of fastnn2")
    version = metadata.get("version")  # safetensors has texts only
    check_version(
        int(version) if isinstance(version, str) and re.fullmatch("[0-9]{1,9}", version) else version, VERSION
    )
    version, dtype, digest = (str(metadata.get(name)) for name in ("fastnn2", "dtype", "sha256"))
    if dtype not in DTYPES:
        raise ValueError(
            f"its metadata has dtype {dtype!r}, written by fastnn2 {version!r}; expected float32 or float64"
        )
    d, h, o = _read_sizes(header)
    content = memoryview(data)[end:]
    if _header(version, dtype, (d, h, o), digest) != data[:end]:
        raise ValueError("its header is not as fastnn2.save writes it")
    expected = (h * d + h + o * h + o) * np.dtype(dtype).itemsize
    if len(content) != expected:
        raise ValueError(f"it has {len(content)} bytes of numbers; its shapes need {expected}")
    if _digest(_header(version, dtype, (d, h, o), NO_DIGEST), content) != digest:
        raise ValueError("its content has another SHA-256 digest than its metadata says")
    little = np.dtype(dtype).newbyteorder("<")
    params, start = {}, 0
    for key, shape in _shapes(d, h, o).items():
        flat = np.frombuffer(content, little, shape[0] * shape[1], start)
        params[key] = flat.reshape(shape).astype(dtype)  # a copy
        start += flat.nbytes
    return params


def _read_header(data: bytes) -> tuple[int, dict[str, Any]]:
    """Return where the header of a safetensors file ends, and what it says."""
    length = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else 0
    if data[8:9] != b"{":
        raise ValueError("it is not a file of fastnn2.save")
    if not 2 <= length <= min(MOST_HEADER, len(data) - 8):
        raise ValueError(
            f"its header should have {length} bytes, of {len(data)} in the file; at most {MOST_HEADER} can be"
        )
    try:
        header = json.loads(data[8 : 8 + length].decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    return 8 + length, header


def _read_sizes(header: dict[str, Any]) -> tuple[int, int, int]:
    """Return d, h and o; that the header says the same of all four parameters is seen when it is computed again."""
    sizes = []
    for key in ("W1", "W2"):
        shape = header[key].get("shape") if isinstance(header.get(key), dict) else None
        if not isinstance(shape, list) or len(shape) != 2 or any(type(n) is not int or n < 1 for n in shape):
            raise ValueError(f"its {key} has shape {reprlib.repr(shape)}; expected two numbers above 0")
        sizes.append(shape)
    (h, d), (o, _) = sizes
    return d, h, o
