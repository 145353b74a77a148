"""From a caller's argument `blocks` to the blocks of partial_fit_blocks."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastnn2.blocks.labelled_arrays import ArrayBlocks
from fastnn2.blocks.labelled_blocks import FORM, IterableBlocks, LabelledBlocks, SequenceBlocks
from fastnn2.blocks.open_source import check_no_columns, is_tuple_of_arrays

EXPECTED = (
    f"a tuple {FORM} of arrays or paths of .npy files, the path of a Parquet file or folder, or a sequence or iterable "
    f"of tuples {FORM}"
)


def open_blocks(blocks: Any, target: Any = None, weight: Any = None) -> LabelledBlocks:
    """Return the blocks that a caller names; see :func:`fastnn2.partial_fit_blocks`.

    Raises
    ------
    TypeError
        `blocks` is something else; `target` is missing for a Parquet file, or given for others.
    ValueError
        The blocks cannot be used, as far as this is known without reading them.
    """
    if isinstance(blocks, str | os.PathLike):
        from fastnn2.blocks.labelled_parquet import ParquetBlocks

        return ParquetBlocks(blocks, target, weight)
    check_no_columns(blocks, target, weight)
    if is_tuple_of_arrays(blocks, EXPECTED):
        return ArrayBlocks(blocks)
    is_no_block = isinstance(blocks, Mapping | set | bytes) or hasattr(blocks, "shape")
    if is_no_block or not (isinstance(blocks, Iterable) or _is_sequence(blocks)):
        raise TypeError(f"blocks is {type(blocks).__name__}; expected {EXPECTED}")
    if _is_sequence(blocks):
        return SequenceBlocks(blocks)
    if isinstance(blocks, Iterator):
        raise TypeError(
            f"blocks is {type(blocks).__name__}, which can be iterated over only once; pass a list of its blocks, or "
            "an object whose __iter__ begins anew each time"
        )
    return IterableBlocks(blocks)


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")
