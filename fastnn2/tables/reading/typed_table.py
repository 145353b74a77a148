"""A file whose columns have types as a table: Parquet, Arrow or npz, by a query of polars."""

import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from fastnn2.blocks.file_status import Status, check_unchanged
from fastnn2.tables.reading.column_names import UNNAMED, check_names, find_expected, find_kept
from fastnn2.tables.reading.columns import UNSUPPORTED, Column, named
from fastnn2.tables.reading.messages import in_one_line
from fastnn2.tables.reading.parquet_footer import RowGroup, read_row_groups
from fastnn2.tables.reading.parquet_reads import plan_reads
from fastnn2.tables.reading.quiet_panics import quiet_panics
from fastnn2.tables.reading.table import Batch, Table
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.reading.typed_columns import check_expected, column_of, convert_frame, describe_unsupported

SAMPLE_TEXTS = 10_000  # that the size of a column's texts is estimated from
# What pandas calls an index that it keeps in a file.
PANDAS_INDEX = "__index_level_0__"


class TypedTable(Table):
    """A file that says what its values are.

    Parameters
    ----------
    path : Path
    scan : function
        Returns a polars.LazyFrame of the file.
    expected : sequence of Column or None
    kept : sequence of str
    """

    def __init__(
        self,
        path: pathlib.Path,
        scan: Callable[[pathlib.Path], Any],
        expected: Sequence[Column] | None,
        kept: Sequence[str] = (),
    ) -> None:
        super().__init__(path)
        self._status = Status.of(os.stat(path))
        self._text_bytes: dict[str, float] = {}
        self._query = self._run(lambda: scan(path))
        schema = dict(self._run(self._query.collect_schema))
        self.count = int(self._run(self._count_rows))
        if not schema or not self.count:
            raise TableError(f"{str(path)!r} has no {'rows' if schema else 'columns'}; expected at least one")
        names = [name.strip() for name in schema]
        self._stored = dict(zip(names, schema, strict=True))  # name -> name in the file
        self._dtypes = dict(zip(names, schema.values(), strict=True))
        find_kept(repr(str(path)), names, kept)
        self._kept = list(kept)
        if expected is not None:
            find_expected(repr(str(path)), names, expected)
            for column in expected:
                check_expected(repr(str(path)), column, self._dtypes[column.name])
            self.columns = list(expected)
            return
        left_out = self._find_index(names)
        check_names(repr(str(path)), names, left_out)
        for place, (name, dtype) in enumerate(zip(names, schema.values(), strict=True)):
            if place not in left_out:
                column = column_of(name, dtype)
                self.columns.append(column)
                if column.kind == UNSUPPORTED:
                    self._faults[name] = None, describe_unsupported(str(column.form))

    def text_bytes(self, name: str) -> float:
        """Return about how many bytes a value of a column of text has."""
        import polars

        if name not in self._text_bytes:
            frame = self._collect(self._select([self._stored[name]]).head(SAMPLE_TEXTS), None)
            texts = frame.to_series().alias("texts").cast(polars.String)
            self._text_bytes[name] = float(texts.str.len_bytes().sum() or 0) / max(1, len(texts))
        return self._text_bytes[name]

    def batches(self, names: Sequence[str], first: int = 0, rows: int = 100_000) -> Iterator[Batch]:
        """Yield the rows from number `first` on; see Table."""
        import polars

        self.check(names)
        wanted = list(dict.fromkeys([*names, *self._kept]))
        assert self.count is not None
        row_bytes = self.memory_bytes(names) / self.count + self._kept_bytes()
        stored = [self._stored[name] for name in wanted]
        by_name = polars.selectors.by_name
        for read in plan_reads(self._row_groups(), stored, row_bytes, first):
            queries = [self._select(columns).slice(read.first, read.rows) for columns in read.columns]
            frame = polars.concat([self._collect(query, read.rows) for query in queries], how="horizontal")
            frame.columns = wanted
            for begin in range(0, read.rows, rows):
                part = frame.slice(begin, rows)
                kept = part.select(by_name(*self._kept)) if self._kept else None
                number = read.first + begin
                yield Batch(self._convert(part.select(by_name(*names)), names, number), number, kept)

    def _kept_bytes(self) -> float:
        """Return about how many bytes a row of the kept columns takes."""
        if not self._kept:
            return 0.0
        sample = self._collect(self._select([self._stored[name] for name in self._kept]).head(SAMPLE_TEXTS), None)
        return float(sample.estimated_size() / max(1, sample.height))

    def slice(self, names: Sequence[str], first: int, rows: int) -> Batch:
        """Return some rows from number `first` on, fewer only at the end."""
        self.check(names)
        assert self.count is not None
        query = self._select([self._stored[name] for name in names]).slice(first, rows)
        frame = self._collect(query, min(rows, self.count - first))
        frame.columns = list(names)
        return Batch(self._convert(frame, names, first), first)

    def read(self, names: Sequence[str]) -> Any:
        """Return all rows as one frame, as in a Batch."""
        self.check(names)
        return self._convert(self._collect(self._select([self._stored[name] for name in names]), self.count), names, 0)

    def _convert(self, frame: Any, names: Sequence[str], first: int) -> Any:
        def fail(place: int, name: str, problem: str) -> NoReturn:
            raise TableError(f"{self.where(first + place, name)}: {problem}")

        return convert_frame(frame, named(self.columns, names), fail)

    def _count_rows(self) -> int:
        import polars

        return int(self._query.select(polars.len()).collect().item())

    def _select(self, names: Sequence[str]) -> Any:
        """Return a query of some columns, by their names in the file."""
        import polars

        # By numbers, as "*" and "^...$" are patterns of names.
        places = {name: place for place, name in enumerate(self._stored.values())}
        return self._query.select(polars.nth(*(places[name] for name in names)))

    def _row_groups(self) -> list[RowGroup]:
        """Return the row groups of a Parquet file; all rows of another file, or of one that does not say, are one."""
        groups = read_row_groups(self.path) or []
        if sum(group.rows for group in groups) == self.count and all(group.rows > 0 for group in groups):
            return groups
        return [RowGroup(self.count or 0, {name: self._status.size // len(self._stored) for name in self._stored})]

    def _collect(self, query: Any, rows: int | None) -> Any:
        """Return the frame of a query, which has to have some rows; None if any number of them is right."""
        frame = self._run(query.collect)
        self._check_unchanged()
        if rows is not None and frame.height != rows:
            raise TableError(
                f"{str(self.path)!r} cannot be read: found {frame.height:,} rows, expected {rows:,}; it is damaged. "
                "Write it anew"
            )
        return frame

    def _check_unchanged(self) -> None:
        try:
            check_unchanged(self.path, self._status)
        except (ValueError, OSError) as error:
            raise TableError(str(error)) from error

    def _run(self, query: Callable[[], Any]) -> Any:
        """Return the result of a query; raise TableError if polars cannot read the file."""
        import polars

        self._check_unchanged()
        try:
            with quiet_panics():
                return query()
        except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
            self._check_unchanged()
            raise TableError(
                f"{str(self.path)!r} cannot be read by polars: {in_one_line(error)}; it is cut off, damaged or of a "
                "kind that polars does not know. Write it anew"
            ) from error

    def _find_index(self, names: list[str]) -> set[int]:
        """Return the numbers of the columns that only count the rows."""
        left_out = {place for place, name in enumerate(names) if name == PANDAS_INDEX and len(names) > 1}
        if names[0] in ("", UNNAMED) and len(names) > 1 and self._dtypes[names[0]].is_integer():
            left_out |= {0} if self._counts_rows(names[0]) else set()
        if left_out:
            self.notes.append("the column of the index, which only counts the rows, is left out")
        return left_out

    def _counts_rows(self, name: str) -> bool:
        import polars

        numbers = self._collect(self._select([self._stored[name]]), self.count).to_series().cast(polars.Int64)
        count = polars.int_range(len(numbers), eager=True)
        return not numbers.null_count() and bool(((numbers - numbers[0]) == count).all()) and numbers[0] in (0, 1)
