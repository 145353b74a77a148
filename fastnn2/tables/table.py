"""A file as a table: rows with named columns, which are read in batches or all at once."""

import abc
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastnn2.tables.columns import Column

Array = np.ndarray[Any, Any]


class Batch(NamedTuple):
    """Some rows that follow each other.

    Attributes
    ----------
    frame : polars.DataFrame
        Columns of kind NUMBER are Float64, TEXT String, BOOLEAN Boolean, DATE Datetime (microseconds, without a time
        zone: UTC if the file has one). A missing value is null, also where the file has NaN.
    first : int
        The number of the first row; the first one of the table has number 0.
    """

    frame: Any
    first: int


class Table(abc.ABC):
    """A file that can be read again and again.

    Attributes
    ----------
    path : Path
    columns : list of Column
        In the order of the file. Their kinds are those of the values in the file (all rows are looked at, where the
        file does not say), or those that the caller of open_table expects.
    count : int or None
        The number of rows, where it is known. It is, if the caller gave no columns.
    notes : list of str
        What was found and needs no action, such as an unnamed index column, which is left out of `columns`.
    """

    path: pathlib.Path
    columns: list[Column]
    count: int | None
    notes: list[str]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @abc.abstractmethod
    def batches(self, names: Sequence[str], first: int = 0, rows: int = 100_000) -> Iterator[Batch]:
        """Yield the rows from number `first` on, about `rows` at a time, with the columns of these names.

        Raises
        ------
        TableError
            A value is not of its column's kind, or is infinite, or the file is damaged.
        """

    def read(self, names: Sequence[str]) -> Any:
        """Return all rows as one frame, as in a Batch."""
        import polars

        frames = [batch.frame for batch in self.batches(names)]
        return polars.concat(frames, rechunk=True)

    def where(self, row: int, name: str | None = None) -> str:
        """Return the place of a row, and of a column, for a message: "'cars.csv', row 18, column 'price'".

        A text file has its header in row 1, as spreadsheets count; the rows of other files begin with 1.
        """
        column = "" if name is None else f", column {name!r}"
        return f"{str(self.path)!r}, row {self.row_label(row):,}{column}"

    def row_label(self, row: int) -> int:
        """Return the number of a row as a user counts it."""
        return row + 1
