"""Partitions as they are on the workers: whether they are what their collection says, and some of their rows."""

import dataclasses
from typing import Any

from fastnn2.functional import checks


@dataclasses.dataclass(frozen=True)
class Form:
    """What a collection says of each of its partitions.

    Attributes
    ----------
    name : str
        Of the collection, for messages.
    columns : int or None
        None for one dimension.
    dtypes : tuple of str
        Of an array or a series; of each column of a dataframe.
    labels : tuple or None
        The names of the columns of a dataframe.
    is_real : bool
        Whether it has real numbers only.
    """

    name: str
    columns: int | None
    dtypes: tuple[str, ...]
    labels: tuple[Any, ...] | None
    is_real: bool

    def check(self, partition: Any, index: int) -> None:
        """Raise ValueError or TypeError if partition number `index` has another form; one without rows may have any."""
        if count_rows(partition) == 0:
            return
        columns, dtypes, labels = columns_of(partition), dtypes_of(partition), labels_of(partition)
        if columns != self.columns:
            self._refuse(index, _number_of_columns(columns), _number_of_columns(self.columns))
        if labels != self.labels:
            self._refuse(index, f"the columns {labels}", f"{self.labels}")
        if self.is_real:  # of any dtype: all numbers are cast to that of the run
            try:
                checks.as_real_array(cut(partition, 0, 1), self.name)
            except (TypeError, ValueError) as error:
                raise type(error)(f"partition {index} of {self.name}: {error}") from error
        elif dtypes != self.dtypes:
            found, expected = next(
                pair for pair in zip(dtypes, self.dtypes, strict=True) if pair[0] != pair[1]
            )  # fmt: skip
            self._refuse(index, f"dtype {found}", expected)

    def _refuse(self, index: int, found: str, expected: str) -> None:
        raise ValueError(
            f"partition {index} of {self.name} has {found}; expected {expected}, as the collection says. Correct what "
            "makes the partition, or the meta (dtype, shape, columns) that its collection was made with"
        )


def _number_of_columns(columns: int | None) -> str:
    return "one dimension" if columns is None else "two dimensions, 1 column" if columns == 1 else f"{columns} columns"


def count_rows(partition: Any) -> int:
    """Return the number of rows of a partition; 0 for what has no dimension."""
    shape = getattr(partition, "shape", ())
    return int(shape[0]) if shape else 0


def columns_of(partition: Any) -> int | None:
    """Return the number of columns; None for one dimension."""
    return int(partition.shape[1]) if len(partition.shape) == 2 else None


def labels_of(partition: Any) -> tuple[Any, ...] | None:
    """Return the names of the columns of a dataframe; None for anything else."""
    return tuple(partition.columns) if hasattr(partition, "columns") else None


def dtypes_of(partition: Any) -> tuple[str, ...]:
    """Return the dtype of an array or a series, or those of the columns of a dataframe: in any order of bytes, and
    strings of any length.
    """
    dtypes = partition.dtypes if hasattr(partition, "columns") else (partition.dtype,)
    names = [str(dtype.newbyteorder("=") if hasattr(dtype, "newbyteorder") else dtype) for dtype in dtypes]
    return tuple(name.rstrip("0123456789") if name.startswith(("<U", ">U", "|S")) else name for name in names)


def cut(partition: Any, first: int, last: int) -> Any:
    """Return the rows [first, last) of an array, a dataframe or a series, as a view if it can be one."""
    return partition.iloc[first:last] if hasattr(partition, "iloc") else partition[first:last]


def count_checked_rows(partition: Any, form: Form, index: int) -> int:
    """Return the number of rows of a partition; raise an error if it has another form."""
    form.check(partition, index)
    return count_rows(partition)


def take_rows(partition: Any, form: Form, index: int, first: int, last: int, length: int) -> Any:
    """Return the rows [first, last) of partition number `index`, which is to have `length` rows and a certain form."""
    found = count_rows(partition)
    if found != length:
        raise ValueError(
            f"partition {index} of {form.name} has {found} rows; expected {length}, as its collection says or as they "
            "were counted before. A partition must have the same rows whenever it is computed"
        )
    form.check(partition, index)
    if last - first == length:
        return partition
    return cut(partition, first, last).copy()  # a view would keep the whole partition in memory
