"""From a caller's argument `blocks` to a source of samples."""

import os
from typing import Any

import numpy as np

from fastnn2.blocks.array_source import ArraySource
from fastnn2.blocks.iterable_source import FORM, IterableSource
from fastnn2.blocks.sources import Source

EXPECTED = (
    f"a tuple {FORM} of arrays or paths of .npy files, the path of a Parquet file or folder, or an iterable of tuples "
    f"{FORM}"
)


def open_source(blocks: Any, target: Any = None, weight: Any = None) -> Source:
    """Return the source of the samples that a caller names.

    Parameters
    ----------
    blocks : tuple, str, path or iterable
        A tuple of two or three arrays, memory maps or paths of .npy files is X (n, d), Y (n,) or (n, o), and weights
        (n,). A path alone is that of a Parquet file, or of a folder of them. Anything else that can be iterated over
        more than once yields blocks, tuples of X (m, d), Y and optionally weights. So does a tuple whose first member
        is a block: a tuple or list whose own first member has two dimensions.
    target : str or list of str, optional
        The columns of Y in a Parquet file, which needs it.
    weight : str, optional
        The column of the weights in a Parquet file.

    Raises
    ------
    TypeError
        `blocks` is something else; `target` is missing for a Parquet file, or given for others.
    ValueError
        The samples cannot be used, as far as this is known without reading them.
    """
    if isinstance(blocks, str | os.PathLike):
        from fastnn2.blocks.parquet_source import ParquetSource

        return ParquetSource(blocks, target, weight)
    check_no_columns(blocks, target, weight)
    if is_tuple_of_arrays(blocks, EXPECTED):
        return ArraySource(blocks)
    if isinstance(blocks, np.ndarray | dict | set | bytes) or not _is_iterable(blocks):
        raise TypeError(f"blocks is {type(blocks).__name__}; expected {EXPECTED}")
    return IterableSource(blocks)


def check_no_columns(blocks: Any, target: Any, weight: Any) -> None:
    """Raise TypeError if columns are named of what is not a Parquet file."""
    for value, name in ((target, "target"), (weight, "weight")):
        if value is not None:
            raise TypeError(f"{name} names a column of a Parquet file; blocks is {type(blocks).__name__}, not a path")


def is_tuple_of_arrays(blocks: Any, expected: str) -> bool:
    """Return whether `blocks` is X, Y and perhaps weights, not blocks; raise TypeError if they are fewer or more."""
    if not isinstance(blocks, tuple) or _begins_with_a_block(blocks):
        return False
    if len(blocks) not in (2, 3):
        raise TypeError(f"blocks is a tuple of {len(blocks)}; expected {expected}")
    return True


def _begins_with_a_block(blocks: tuple[Any, ...]) -> bool:
    """Return whether the first member is a block, not X: a list of rows is a matrix, a list of matrices is a block."""
    first = blocks[0] if blocks else None
    if not isinstance(first, tuple | list) or not first:
        return False
    try:
        return np.ndim(first[0]) == 2
    except ValueError:  # rows of different lengths
        return True


def _is_iterable(value: Any) -> bool:
    try:
        iter(value)
    except TypeError:
        return False
    return True
