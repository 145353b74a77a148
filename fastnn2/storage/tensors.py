"""Named arrays in the format of safetensors, with a SHA-256 of all bytes.

A file is the length of its header (8 bytes, little-endian), the header (JSON), and the bytes of the arrays, one after
the other. The header has, for each array, its dtype, shape and place, and under ``__metadata__`` texts by name; one of
them is the SHA-256 of the file in whose header it is left empty. The library safetensors reads these files, too. They
are written and read here because checkpoints must not need an extra, and this is all there is to the format.

A file may come from a stranger or from a damaged disk. The header of a format that can say one thing in many ways is
written in one form, and no other is read. Before an array is made, it is checked that arrays fill the file without a
gap, and that every byte is what :func:`encode` makes of what the file says.
"""

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MOST_HEADER_BYTES = 1 << 20
LENGTH_BYTES = 8  # also what the bytes of arrays are aligned to
DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U32": "<u4", "U8": "|u1", "BOOL": "|b1"}
METADATA, SHA256 = "__metadata__", "sha256"


def encode(metadata: dict[str, str], arrays: dict[str, Array]) -> list[bytes | memoryview]:
    """Return the pieces of a file, one after the other.

    Parameters
    ----------
    metadata : dict of str
    arrays : dict of ndarray
        With dtypes among DTYPES. The widest come first in the file, so that each is aligned.

    Raises
    ------
    TypeError
        An array has another dtype.
    ValueError
        The header would be larger than what is read.
    """
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    items = [(name, _native(array)) for name, array in ordered]
    header: dict[str, Any] = {METADATA: {**metadata, SHA256: ""}}
    begin = 0
    for name, array in items:
        end = begin + array.nbytes
        header[name] = {"dtype": _code(array.dtype), "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    pieces = [bytes_of(array) for _, array in items if array.nbytes]
    header[METADATA][SHA256] = _hash(header, pieces)
    encoded = _encoded(header)
    if len(encoded) > LENGTH_BYTES + MOST_HEADER_BYTES:
        raise ValueError(f"the header of a file has {len(encoded)} bytes; at most {MOST_HEADER_BYTES} are read")
    return [encoded, *pieces]


def begins(start: bytes) -> bool:
    """Return whether a file that begins with these bytes may be one of :func:`encode`."""
    return start[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{"


def decode(content: bytes, check: Callable[[dict[str, Any]], None]) -> tuple[dict[str, str], dict[str, Array]]:
    """Return the metadata and the arrays of a file; these are views of its bytes and cannot be written.

    Parameters
    ----------
    content : bytes
        The whole file.
    check : callable
        Gets the metadata before all else is checked, and raises ValueError if the file is not what the caller reads.

    Raises
    ------
    ValueError
        The file is not as :func:`encode` wrote it. The message goes on from the file's name.
    """
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    begin = LENGTH_BYTES + length
    if not begins(content[: LENGTH_BYTES + 1]) or length > MOST_HEADER_BYTES or begin > len(content):
        raise ValueError("does not begin with a header of fastnn2, or its end is missing")
    try:
        header = json.loads(content[LENGTH_BYTES:begin].decode("ascii"))
    except (ValueError, RecursionError):
        raise ValueError("does not begin with a header of fastnn2") from None
    metadata = header.pop(METADATA, None)
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("has no metadata of fastnn2")
    check(metadata)
    data = memoryview(content)[begin:]
    arrays: dict[str, Array] = {}
    end = 0
    for name, entry in header.items():
        arrays[name] = _view(data, entry, end)
        end += arrays[name].nbytes
    if end != len(data):
        raise ValueError(f"is damaged: it has {len(data)} bytes of arrays; its header says {end}")
    header = {METADATA: metadata, **header}
    if _encoded(header) != content[:begin]:
        raise ValueError("is damaged: its header is not as fastnn2 writes it")
    if SHA256 not in metadata or _hash(header, [data]) != metadata.pop(SHA256):
        raise ValueError("is damaged: its SHA-256 is not that of its content")
    return metadata, arrays


def _native(array: Array) -> Array:
    """Return an array in C order and little-endian."""
    dtype = array.dtype.newbyteorder("<") if array.dtype.kind in "fiu" else array.dtype
    return np.asarray(array, dtype=dtype, order="C")


def _code(dtype: np.dtype[Any]) -> str:
    for code, name in DTYPES.items():
        if dtype == np.dtype(name):
            return code
    raise TypeError(f"a file cannot hold {dtype}; expected one of {', '.join(DTYPES.values())}")


def _view(data: memoryview, entry: Any, begin: int) -> Array:
    """Return an array, whose bytes begin where those of the one before end."""
    fault = ValueError("is damaged: an array is not where its header says")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise fault
    shape, offsets, dtype = entry["shape"], entry["data_offsets"], entry["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPES or not isinstance(shape, list) or len(shape) > 3:
        raise fault
    if not all(type(size) is int and size >= 0 for size in shape):
        raise fault
    end = begin + math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if offsets != [begin, end] or any(type(offset) is not int for offset in offsets) or end > len(data):
        raise fault
    try:
        return np.frombuffer(data[begin:end], dtype=DTYPES[dtype]).reshape(shape)
    except (ValueError, OverflowError):  # no element, and a size beyond what NumPy can count
        raise fault from None


def _encoded(header: dict[str, Any]) -> bytes:
    """Return a header with its length before it, and spaces after it, which align the arrays."""
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % LENGTH_BYTES)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def _hash(header: dict[str, Any], pieces: list[memoryview]) -> str:
    """Return the SHA-256 of a file in whose header it is left empty."""
    found = hashlib.sha256(_encoded({**header, METADATA: {**header[METADATA], SHA256: ""}}))
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def bytes_of(array: Array) -> memoryview:
    """Return the bytes of an array that is contiguous and not empty."""
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
