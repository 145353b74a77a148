"""A file as a table: rows with named columns, which are read in batches or all at once."""

import abc
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fastnn2.tables.reading.columns import TEXT, Column
from fastnn2.tables.reading.messages import listed, near_names
from fastnn2.tables.reading.table_error import TableError

# What polars keeps for a number and, in addition to its bytes, for a text.
NUMBER_BYTES, VIEW_BYTES = 8, 16


class Batch(NamedTuple):
    """Some rows that follow each other.

    Attributes
    ----------
    frame : polars.DataFrame
        Columns of kind NUMBER are Float64, TEXT String, BOOLEAN Boolean, DATE Datetime (microseconds, without a time
        zone: UTC if the file has one). A missing value is null, also where the file has NaN.
    first : int
        The number of the first row; the first one of the table has number 0.
    kept : polars.DataFrame or None
        The columns that the caller of open_table keeps, as the file has them: from a text file, texts.
    """

    frame: Any
    first: int
    kept: Any = None


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
    has_any_order : bool
        Whether rows can be read from any number on without reading those before.
    """

    path: pathlib.Path
    columns: list[Column]
    count: int | None
    notes: list[str]
    has_any_order = True

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.columns, self.count, self.notes = [], None, []
        # For a column of kind UNSUPPORTED, a row or None, and what is wrong with the column.
        self._faults: dict[str, tuple[int | None, str]] = {}

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    def check(self, names: Sequence[str], can_drop: bool = True) -> None:
        """Raise TableError if there is no column of one of these names, or its values cannot be used.

        `can_drop` says whether the message proposes to leave the column out, which the target cannot be.
        """
        there = dict.fromkeys(self.names)
        for name in names:
            if name not in there:
                near = near_names(name, self.names) or f"; it has {listed(self.names)}"
                raise TableError(f"{str(self.path)!r} has no column {name!r}{near}")
            if name in self._faults:
                row, problem = self._faults[name]
                place = f"{str(self.path)!r}, column {name!r}" if row is None else self.where(row, name)
                to_drop = f"; or leave the column out (--drop {name!r})" if can_drop else ""
                raise TableError(f"{place}: {problem}{to_drop}")

    @abc.abstractmethod
    def batches(self, names: Sequence[str], first: int = 0, rows: int = 100_000) -> Iterator[Batch]:
        """Yield the rows from number `first` on, about `rows` at a time, with the columns of these names.

        Raises
        ------
        TableError
            There is no such column, a value is not of its column's kind, or is infinite, or the file is damaged or has
            changed.
        """

    def slice(self, names: Sequence[str], first: int, rows: int) -> Batch | None:
        """Return some rows from number `first` on, fewer only at the end, and read no others; None if batches do it."""
        return None

    def read(self, names: Sequence[str]) -> Any:
        """Return all rows as one frame, as in a Batch."""
        import polars

        frames = [batch.frame for batch in self.batches(names)]
        return polars.concat(frames, rechunk=True)

    @abc.abstractmethod
    def text_bytes(self, name: str) -> float:
        """Return about how many bytes a value of a column of text has."""

    def memory_bytes(self, names: Sequence[str]) -> int:
        """Return about how many bytes ``read(names)`` takes; 0 if the number of rows is not known."""
        kinds = {column.name: column.kind for column in self.columns}
        each = sum(VIEW_BYTES + self.text_bytes(name) if kinds[name] == TEXT else NUMBER_BYTES for name in names)
        return int((self.count or 0) * each)

    def where(self, row: int, name: str | None = None) -> str:
        """Return the place of a row, and of a column, for a message: "'cars.csv', row 18, column 'price'".

        A text file has its header in row 1, as spreadsheets count; the rows of other files begin with 1.
        """
        column = "" if name is None else f", column {name!r}"
        return f"{str(self.path)!r}, row {self.row_label(row):,}{column}"

    def row_label(self, row: int) -> int:
        """Return the number of a row as a user counts it."""
        return row + 1
