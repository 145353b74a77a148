"""X, Y and sample weights as the partitions of dask collections: arrays, dataframes and series, samples as rows."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import dask.array
import dask.dataframe
import numpy as np
from dask import delayed

from fastnn2.dask.partitions import Form, columns_of, count_checked_rows, dtypes_of, labels_of, take_rows
from fastnn2.dask.requests import Cluster
from fastnn2.functional import checks


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
        That of the numbers; of a dataframe, the one that all its columns are cast to. It is object if not all are
        numbers.
    is_matrix : bool
        Whether it has two dimensions.
    columns : int
        1 for a series or an array with one dimension.
    names : list or None
        Of the columns of a dataframe.
    partitions : list of Delayed
    lengths : list of int
        The rows of each partition, known after :meth:`find_lengths`.
    """

    def __init__(self, value: Any, name: str) -> None:
        self.name = name
        if isinstance(value, dask.array.Array):
            value = whole_rows(value, name)
            self._example = value._meta
            self._known: list[float] = list(value.chunks[0])
            self.partitions = value.to_delayed().ravel().tolist()
        elif isinstance(value, dask.dataframe.DataFrame | dask.dataframe.Series):
            self._example = value._meta_nonempty
            self.partitions = list(value.to_delayed())
            # They may be fewer than the dataframe says: Dask reads several small files of Parquet as one partition.
            self._known = [float("nan")] * len(self.partitions)
        else:
            raise TypeError(
                f"{name} is {type(value).__name__}; expected a dask array, DataFrame or Series, with samples as rows. "
                f"Make one first, for example {_conversion(value, name)}"
            )
        self.collection = value
        self.is_matrix = value.ndim == 2
        columns, labels = columns_of(value), labels_of(self._example)
        self.columns = 1 if columns is None else columns
        if self.columns == 0:
            raise ValueError(f"{name} has no columns; expected at least one")
        self.names = None if labels is None else list(labels)
        self.dtype = _dtype_of_numbers(self._example)
        self._form = Form(name, columns, dtypes_of(self._example), labels, _are_numbers(self._example))
        self.lengths: list[int] = []
        self._starts = np.zeros(1, dtype=np.int64)  # the first row of each partition, and the number of rows
        if not np.isnan(self._known).any():
            self._set_lengths()

    @classmethod
    def of_parts(cls, parts: list[Any], lengths: list[int], dtype: Any, name: str) -> "Collection":
        """Return the collection of parts of one dimension, which are delayed objects, with known lengths."""
        empty = np.zeros(0, dtype)
        found = cls(dask.array.from_array(empty), name)
        found.collection, found.partitions, found._known = (), parts, list(lengths)
        found._set_lengths()
        return found

    def _set_lengths(self) -> None:
        self.lengths = [int(length) for length in self._known]
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    def check_numbers(self) -> None:
        """Raise TypeError unless these are real numbers, by what the collection says."""
        remedy = f"{self.name}.astype(float)"
        if self.names is not None:
            others = [name for name in self.names if not _are_numbers(self._example[name])]
            remedy = f"{self.name}.astype({dict.fromkeys(others, 'float')})"
        checks.as_real_array(self._example, self.name, remedy)

    def find_lengths(self, cluster: Cluster) -> None:
        """Find how many rows each partition has; where that is not known, the cluster computes the partitions once."""
        unknown = [index for index, length in enumerate(self._known) if np.isnan(length)]
        tasks = [
            delayed(count_checked_rows, pure=False)(self.partitions[index], self._form, index) for index in unknown
        ]
        for index, length in zip(unknown, cluster.compute(tasks), strict=True):
            self._known[index] = length
        self._set_lengths()

    @property
    def n(self) -> int:
        """Return the number of rows."""
        return sum(self.lengths)

    @property
    def shape(self) -> str:
        """Return the shape, for messages."""
        rows = str(self.n) if self.lengths else "samples"
        return f"({rows}, {self.columns})" if self.is_matrix else f"({rows},)"

    def rows(self, first: int, last: int) -> list[Part]:
        """Return the tasks that make the rows [first, last), in their order, with the places of these rows.

        A task checks its partition, and takes the rows out of it.
        """
        found = []
        for partition, start, begin, end in self._overlaps(first, last):
            rows = delayed(take_rows, pure=False)(
                self.partitions[partition], self._form, partition, begin - start, end - start,
                self.lengths[partition])  # fmt: skip
            found.append(Part(partition, begin - start, rows))
        return found

    def parts(self, first: int, last: int) -> list[tuple[int, int, Any]]:
        """Return :meth:`rows` as plain tuples: Dask looks for tasks in those."""
        return [tuple(part) for part in self.rows(first, last)]

    def rows_in_partitions(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the partitions of the rows [first, last), each with how many of these rows it has."""
        return [(partition, end - begin) for partition, _, begin, end in self._overlaps(first, last)]

    def _overlaps(self, first: int, last: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield each partition that has some of the rows [first, last): its number, its first row, and these rows."""
        starts = self._starts
        partition = int(np.searchsorted(starts, first, side="right")) - 1
        while partition < len(self.lengths) and starts[partition] < last:
            start, end = int(starts[partition]), int(starts[partition + 1])
            begin, end = max(start, first), min(end, last)
            if begin < end:
                yield partition, start, begin, end
            partition += 1


def whole_rows(value: Any, name: str) -> Any:
    """Return a dask array whose chunks have all columns, or raise ValueError."""
    if value.ndim not in (1, 2):
        raise ValueError(f"{name} has {value.ndim} dimensions; expected one or two, samples as rows")
    if value.ndim == 2 and np.isnan(value.shape[1]):
        raise ValueError(
            f"{name} has an unknown number of columns; expected a known one: call {name}.compute_chunk_sizes() first"
        )
    if value.ndim == 2 and value.shape[1] == 0:
        raise ValueError(f"{name} has no columns; expected at least one")
    return value.rechunk({1: -1}) if value.ndim == 2 and len(value.chunks[1]) > 1 else value


def _conversion(value: Any, name: str) -> str:
    """Return the code that makes a collection of what is none."""
    module = type(value).__module__.split(".")[0]
    if module == "pandas":
        return f"dask.dataframe.from_pandas({name}, chunksize=100_000)"
    if module == "dask":
        return f"dask.array.from_delayed(part, shape, dtype) of each part of {name}, and dask.array.concatenate"
    array = name if module == "numpy" else f"numpy.asarray({name})"
    chunks = "100_000" if getattr(value, "ndim", 2) == 1 else "(100_000, -1)"
    return f"dask.array.from_array({array}, chunks={chunks})"


def _dtype_of_numbers(example: Any) -> np.dtype[Any]:
    """Return the dtype that numbers of a partition have as an array; object if they are no real numbers."""
    try:
        array = checks.as_real_array(example, "")
    except (TypeError, ValueError):
        return np.dtype(object)
    dtype: np.dtype[Any] = array.dtype
    return dtype


def _are_numbers(example: Any) -> bool:
    return _dtype_of_numbers(example).kind in "biuf"


def check_forms(
    X: Collection, Y: Collection, weights: Collection | None, *, of_any_kind: tuple[Collection, ...] = ()
) -> None:
    """Raise TypeError or ValueError unless these can be features, targets and weights, as far as is known.

    Those `of_any_kind` need not be numbers.
    """
    for collection in (X, Y, weights):
        if collection is not None and collection not in of_any_kind:
            collection.check_numbers()
    if not X.is_matrix:
        remedy = "X.to_frame()" if hasattr(X.collection, "to_frame") else "X.reshape(-1, 1)"
        raise ValueError(
            f"X has shape {X.shape}; expected two dimensions, (samples, features). For one feature pass {remedy}"
        )
    if weights is not None and weights.is_matrix:
        raise ValueError(
            f"sample_weight has shape {weights.shape}; expected (samples,), one weight for each row of X"
        )  # fmt: skip
    known = [other for other in (Y, weights) if other is not None and other.lengths]
    if X.lengths:
        check_same_rows(X, *known)


def check_same_rows(X: Collection, *others: Collection | None) -> None:
    """Raise ValueError unless all have as many rows as X, and at least one."""
    for other in others:
        if other is not None and other.n != X.n:
            message = f"X has {X.n} samples (rows) and {other.name} has {other.n}; expected the same number in both"
            for one, n in ((X, other.n), (other, X.n)):
                if one.is_matrix and one.columns == n:
                    message += f". {one.name} of shape {one.shape} looks like one column per sample: pass {one.name}.T"
                    break
            raise ValueError(message)
    if X.n == 0:
        raise ValueError(f"X has no rows in its {len(X.partitions)} partitions; expected at least one sample")
