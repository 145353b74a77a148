"""Where samples come from: what is known of all rows, and how to get some of them."""

import abc
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Rows(NamedTuple):
    """Some samples, as rows."""

    X: Array  # (m, d)
    Y: Array  # (m, o)
    weights: Array | None  # (m,)


class Source(abc.ABC):
    """Samples as rows, which may be read again and again.

    Attributes
    ----------
    d, o : int
        The numbers of features and outputs.
    dtype : dtype
        Of X.
    has_weights : bool
    n : int
        The number of samples, known after :meth:`count`.
    total_weight : float
        The sum of the weights in the dtype of the run, or `n` without weights; known after :meth:`count`.
    """

    d: int
    o: int
    dtype: np.dtype[Any]
    has_weights: bool
    n: int
    total_weight: float

    @abc.abstractmethod
    def count(self, dtype: Any) -> None:
        """Find `n` and `total_weight`, with a first pass where that is needed.

        Parameters
        ----------
        dtype : dtype
            Of the run.

        Raises
        ------
        ValueError
            The samples cannot be used.
        """

    @abc.abstractmethod
    def fingerprint(self, dtype: Any) -> str:
        """Return a digest of the shapes, the dtype of the run and some of the rows, after :meth:`count`.

        It is the same however the rows are cut into blocks: a checkpoint knows the samples of its run by it.
        """

    @abc.abstractmethod
    def where(self, name: str, row: int, column: int | None = None) -> str:
        """Return where a number is, for a message, such as "row 17 of '/data/X.npy', column 3".

        Parameters
        ----------
        name : {'X', 'Y', 'sample_weight'}
        row : int
            Of all rows.
        column : int, optional
        """


class RandomAccessSource(Source):
    """A source of which any rows can be read: arrays, memory maps, files in NumPy's format.

    `n` is known at once.

    Attributes
    ----------
    row_bytes : int
        The bytes of a row of X, Y and weights, as it is stored.
    """

    row_bytes: int

    @abc.abstractmethod
    def read_into(self, first: int, last: int, out: Rows) -> None:
        """Write the rows [first, last) to C-contiguous arrays in place, cast to their dtype, without checks."""

    @abc.abstractmethod
    def reads_directly(self, dtype: Any) -> bool:
        """Return whether :meth:`read_into` arrays of a dtype needs no memory of its own, for as many rows."""


class OrderedSource(Source):
    """A source whose rows come in their order only: an iterable, Parquet files.

    Attributes
    ----------
    largest_bytes : int
        The bytes of the largest block, known after :meth:`count`.
    """

    largest_bytes: int

    @abc.abstractmethod
    def blocks(self) -> Iterator[Rows]:
        """Yield all blocks once; raise ValueError where they are not as in the first pass, or a number is not valid."""


def copy_cast(array: Array, out: Array) -> None:
    """Write an array to another one of the same shape in place; numbers too large for its dtype become infinite."""
    if array.dtype == out.dtype:
        out[...] = array
        return
    with np.errstate(over="ignore"):
        np.copyto(out, array, casting="unsafe")
