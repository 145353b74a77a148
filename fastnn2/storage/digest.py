"""Digests of a run's data, by which a checkpoint knows whether it belongs to a run."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fastnn2.storage.tensors import bytes_of

Array = np.ndarray[Any, Any]

CHUNK = 1 << 22  # bytes that are copied at a time to be hashed
MOST_ROWS = 1024  # of samples that are too many to be read again


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
        yield bytes_of(np.ascontiguousarray(array[first : first + step]))


def sampled_rows(n: int) -> range:
    """Return the numbers of the rows that are taken of `n`: every k-th, at most MOST_ROWS, with k a power of two."""
    step = 1
    while n > MOST_ROWS * step:
        step *= 2
    return range(0, n, step)


def join_digests(found: Iterable[str], n: int, dtype: Any) -> str:
    """Return the digest of the digests of the sampled rows of `n`."""
    text = f"{np.dtype(dtype).name} {n} {' '.join(found)}"
    return digest(np.frombuffer(text.encode(), dtype=np.uint8))
