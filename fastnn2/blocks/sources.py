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
    """

    d: int
    o: int
    dtype: np.dtype[Any]
    has_weights: bool
    n: int

    @abc.abstractmethod
    def count(self) -> None:
        """Find `n`, with a first pass where that is needed; raise ValueError for samples that cannot be used."""

    @abc.abstractmethod
    def where(self, row: int) -> str:
        """Return the place of a row for a message, such as "row 17 of 'X.npy'"."""


class RandomSource(Source):
    """A source of which any rows can be read: arrays, memory maps, files in NumPy's format."""

    @abc.abstractmethod
    def read(self, first: int, last: int) -> Rows:
        """Return the rows [first, last), which the caller does not change; the next call may overwrite them."""


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
        """Yield all blocks once; raise ValueError where they are not as in the pass before, in count or in form."""
