"""X, Y and sample weights as the partitions of dask collections: arrays, dataframes and series, samples as rows."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import dask.array
import dask.dataframe
import numpy as np
from dask import delayed

from fastnn2.dask.requests import Cluster
from fastnn2.dask.worker_tasks import form_of, rows_of


class Part(NamedTuple):
    """Some rows of a partition, which are known to a worker: where they are, for messages, and what they are."""

    partition: int
    first_row: int  # in the partition
    rows: Any  # an array or a dataframe; for the client, the task that makes it


class Collection:
    """One collection, as a list of partitions.

    Parameters
    ----------
    value : dask Array, DataFrame or Series
    name : str
        For messages.

    Attributes
    ----------
    dtype : dtype
        That of an array; of a dataframe, the one that all its columns can be cast to.
    columns : int
        1 for a series or an array with one dimension.
    names : list or None
        Of the columns of a dataframe.
    partitions : list of Delayed
    lengths : list of int
        The rows of each partition, known after :meth:`find_lengths`.
    """

    def __init__(self, value: Any, name: str) -> None:
        self.name, self.names = name, None
        if isinstance(value, dask.array.Array):
            if value.ndim not in (1, 2):
                raise ValueError(f"{name} has {value.ndim} dimensions; expected one or two, samples as rows")
            self.is_matrix = value.ndim == 2
            self.dtype, self.columns = value.dtype, value.shape[1] if self.is_matrix else 1
            if self.is_matrix and np.isnan(self.columns):
                raise ValueError(
                    f"{name} has an unknown number of columns; expected a known one: call compute_chunk_sizes()"
                )
            if self.is_matrix and len(value.chunks[1]) > 1:
                value = value.rechunk({1: -1})
            self._known: list[float] = list(value.chunks[0])
        elif isinstance(value, dask.dataframe.DataFrame | dask.dataframe.Series):
            self.is_matrix = value.ndim == 2
            meta = value._meta
            if self.is_matrix:
                self.names = list(value.columns)
            self.columns = len(self.names) if self.names is not None else 1
            self.dtype = _common_dtype(meta)
            self._known = [float("nan")] * value.npartitions
        else:
            raise TypeError(
                f"{name} is {type(value).__name__}; expected a dask array, DataFrame or Series, with samples as rows. "
                f"Make one first, for example dask.array.from_array({name}, chunks=(100_000, -1))"
            )
        if self.columns == 0:
            raise ValueError(f"{name} has no columns; expected at least one")
        self.collection = value
        self.partitions = list(np.ravel(value.to_delayed()))
        self.lengths: list[int] = []

    def find_lengths(self, cluster: Cluster) -> None:
        """Find how many rows each partition has; where that is not known, the cluster computes the partitions once."""
        unknown = [index for index, length in enumerate(self._known) if np.isnan(length)]
        tasks = [delayed(form_of, pure=False)(self.partitions[index]) for index in unknown]
        for index, (length, columns) in zip(unknown, cluster.compute(tasks), strict=True):
            if columns != self.columns:
                raise ValueError(
                    f"partition {index} of {self.name} has {columns} columns; expected {self.columns}, as the "
                    "collection says"
                )
            self._known[index] = length
        self.lengths = [int(length) for length in self._known]

    @property
    def n(self) -> int:
        """Return the number of rows."""
        return sum(self.lengths)

    def rows(self, first: int, last: int) -> list[Part]:
        """Return the tasks that make the rows [first, last), in their order, with the places of these rows."""
        found = []
        for partition, start, begin, end in self._overlaps(first, last):
            rows = self.partitions[partition]
            if end - begin < self.lengths[partition]:  # cut where the partition is: only these rows travel
                rows = delayed(rows_of, pure=False)(rows, begin - start, end - start, self.lengths[partition])
            found.append(Part(partition, begin - start, rows))
        return found

    def rows_in_partitions(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the partitions of the rows [first, last), each with how many of these rows it has."""
        return [(partition, end - begin) for partition, _, begin, end in self._overlaps(first, last)]

    def _overlaps(self, first: int, last: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield each partition that has some of the rows [first, last): its number, its first row, and these rows."""
        starts = np.concatenate([[0], np.cumsum(self.lengths)])
        partition = int(np.searchsorted(starts, first, side="right")) - 1
        while partition < len(self.lengths) and starts[partition] < last:
            start, end = int(starts[partition]), int(starts[partition + 1])
            begin, end = max(start, first), min(end, last)
            if begin < end:
                yield partition, start, begin, end
            partition += 1


def _common_dtype(meta: Any) -> np.dtype[Any]:
    """Return the dtype of the numbers of a dataframe; object if some columns have none."""
    dtypes = list(meta.dtypes) if meta.ndim == 2 else [meta.dtype]
    plain = [getattr(dtype, "numpy_dtype", dtype) for dtype in dtypes]
    if not all(isinstance(dtype, np.dtype) for dtype in plain):
        return np.dtype(object)
    return np.result_type(*plain) if plain else np.dtype(float)


def check_same_rows(X: Collection, *others: Collection | None) -> None:
    """Raise ValueError unless all have as many rows as X, and at least one."""
    for other in others:
        if other is not None and other.n != X.n:
            raise ValueError(
                f"X has {X.n} samples (rows) and {other.name} has {other.n}; expected the same number in both"
            )
    if X.n == 0:
        raise ValueError(f"X has no rows in its {len(X.partitions)} partitions; expected at least one sample")
