"""The file of a checkpoint: named arrays and a description, in the format of safetensors.

A file is the length of its header (8 bytes, little-endian), the header (JSON), and the bytes of the arrays, one after
the other. The header has, for each array, its dtype, shape and place, and under ``__metadata__`` strings: the kind of
run, its description as JSON, and the SHA-256 of all other bytes. The library safetensors reads these files, too. They
are written and read here because a checkpoint must not need an extra, and this is all there is to the format.

A file may come from a stranger or from a damaged disk. Before an array is made, it is checked that the header is
byte for byte what :func:`write` makes of its content, that arrays fill the file without a gap, and the SHA-256.
"""

import hashlib
import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.storage.atomic import replacing

Array = np.ndarray[Any, Any]

FORMAT = 1
MOST_HEADER_BYTES = 1 << 20
LENGTH_BYTES = 8  # also what the bytes of arrays are aligned to
DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U32": "<u4", "U8": "|u1", "BOOL": "|b1"}
CHUNK = 1 << 22  # bytes that are copied at a time to be hashed
SUFFIX_OF_TEMPORARY = ".tmp"


def write(path: pathlib.Path, kind: str, description: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        The caller has the lock of this file (:class:`fastnn2.storage.lock.FileLock`).
    kind : str
        Of the run, "fit" or "estimator".
    description : dict
        What JSON can hold.
    arrays : dict of ndarray
        With dtypes among DTYPES.

    Raises
    ------
    OSError
        The file cannot be written; the one before is as it was.
    """
    items = [(name, np.asarray(array, order="C")) for name, array in sorted(arrays.items(), key=_alignment)]
    header: dict[str, Any] = {"__metadata__": _metadata(kind, json.dumps(description))}
    begin = 0
    for name, array in items:
        header[name] = {
            "dtype": _code(array.dtype), "shape": list(array.shape), "data_offsets": [begin, begin + array.nbytes],
        }  # fmt: skip
        begin += array.nbytes
    pieces = [_bytes(array) for _, array in items if array.nbytes]
    header["__metadata__"]["sha256"] = _hash(header, pieces)
    encoded = _encoded(header)
    if len(encoded) > LENGTH_BYTES + MOST_HEADER_BYTES:
        raise ValueError(
            f"the description of a checkpoint has {len(encoded)} bytes; at most {MOST_HEADER_BYTES} are read"
        )
    with replacing(path, f".{path.name}{SUFFIX_OF_TEMPORARY}") as file:
        file.write(encoded)
        for piece in pieces:
            file.write(piece)


def read(path: pathlib.Path, kind: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the description and the arrays, which are views of the file's bytes and cannot be written.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is not a checkpoint of this kind, or is damaged; the message names the file and the fault.
    """
    content = path.read_bytes()
    try:
        return _parsed(content, kind)
    except _Fault as fault:
        raise ValueError(f"{str(path)!r} {fault}") from None


class _Fault(Exception):
    """What is wrong with a file; the message goes on from the file's name."""


def _parsed(content: bytes, kind: str) -> tuple[dict[str, Any], dict[str, Array]]:
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    begin = LENGTH_BYTES + length
    if not len(content) > LENGTH_BYTES or length > MOST_HEADER_BYTES or begin > len(content):
        raise _Fault("is not a checkpoint of fastnn2, or its end is missing")
    header = _json(content[LENGTH_BYTES:begin], "is not a checkpoint of fastnn2: it begins with no header")
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or metadata.get("fastnn2") != "checkpoint":
        raise _Fault("is not a checkpoint of fastnn2")
    if metadata.get("format") != str(FORMAT):
        raise _Fault(f"is a checkpoint of format {metadata.get('format')!r}; expected {FORMAT}. Upgrade fastnn2")
    if metadata.get("kind") != kind:
        raise _Fault(f"is a checkpoint of kind {metadata.get('kind')!r}; expected {kind!r}")
    data = memoryview(content)[begin:]
    arrays, end = {}, 0
    for name, entry in header.items():
        arrays[name] = _view(data, entry, end)
        end += arrays[name].nbytes
    text, digest = metadata.get("description"), metadata.get("sha256")
    if end != len(data) or not isinstance(text, str) or not isinstance(digest, str):
        raise _Fault("is damaged: its arrays do not fill it")
    header = {"__metadata__": {**_metadata(kind, text), "sha256": digest}, **header}
    if _encoded(header) != content[:begin] or _hash(header, [data]) != digest:
        raise _Fault("is damaged: its SHA-256 is not that of its content")
    return _json(text, "is damaged: its description is no JSON"), arrays


def _json(text: str | bytes, fault: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _Fault(fault) from None
    if not isinstance(value, dict):
        raise _Fault(fault)
    return value


def _view(data: memoryview, entry: Any, begin: int) -> Array:
    """Return an array, whose bytes begin where those of the one before end."""
    fault = _Fault("is damaged: an array is not where its header says")
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


def _metadata(kind: str, description: str) -> dict[str, str]:
    """Return all that a file says of itself, but for its SHA-256."""
    return {
        "fastnn2": "checkpoint", "format": str(FORMAT), "kind": kind, "description": description, "sha256": "",
    }  # fmt: skip


def _encoded(header: dict[str, Any]) -> bytes:
    """Return a header with its length before it, and spaces after it, which align the arrays."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def _hash(header: dict[str, Any], pieces: list[memoryview]) -> str:
    """Return the SHA-256 of a file in whose header it is left empty."""
    found = hashlib.sha256(_encoded({**header, "__metadata__": {**header["__metadata__"], "sha256": ""}}))
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def _code(dtype: np.dtype[Any]) -> str:
    for code, name in DTYPES.items():
        if dtype == np.dtype(name):
            return code
    raise TypeError(f"a checkpoint cannot hold {dtype}; expected one of {', '.join(DTYPES.values())}")


def _alignment(item: tuple[str, Array]) -> tuple[int, str]:
    """Sort the widest dtypes first, so that each array is aligned."""
    name, array = item
    return -array.dtype.itemsize, name


def digest(*arrays: Array | None) -> str:
    """Return the SHA-256 of dtypes, shapes and numbers of arrays, the same for any order in memory."""
    found = hashlib.sha256()
    for array in arrays:
        if array is None:
            found.update(b"none")
            continue
        found.update(f"{array.dtype.str} {array.shape}".encode())
        for rows in _chunks(array):
            found.update(rows)
    return found.hexdigest()


def _chunks(array: Array) -> Iterator[memoryview]:
    """Yield the bytes of an array in C order, without a copy of the whole."""
    if array.size == 0:
        return
    step = len(array) if array.flags.c_contiguous else max(1, CHUNK * len(array) // array.nbytes)
    for first in range(0, len(array), step):
        yield _bytes(np.ascontiguousarray(array[first : first + step]))


def _bytes(array: Array) -> memoryview:
    """Return the bytes of an array that is contiguous and not empty."""
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
