"""A text file with a header and separated values as a table."""

import array
import bisect
import datetime
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from fastnn2.blocks.file_status import Status, check_unchanged
from fastnn2.tables.reading.column_names import UNNAMED, check_names, check_no_numbers, find_expected, find_kept
from fastnn2.tables.reading.columns import DATE, NUMBER, TEXT, Column, named
from fastnn2.tables.reading.messages import in_one_line, shown
from fastnn2.tables.reading.table import Batch, Table
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.reading.text_frames import convert_at_once, find_kinds
from fastnn2.tables.reading.text_header import read_header
from fastnn2.tables.reading.text_kinds import KIND_NAMES, KindFinder, convert
from fastnn2.tables.reading.text_records import Chunk, Fault, Shape, parse_records, read_chunks
from fastnn2.tables.reading.text_stream import TextStream
from fastnn2.tables.reading.text_values import ISO, PLAIN_FORMS

SAMPLE_TEXTS = 10_000  # that the size of a column's texts is estimated from


class Start(NamedTuple):
    """A place of a text file where reading can begin: the row's number, the byte, and the line."""

    row: int
    place: int
    line: int


class CsvTable(Table):
    """A CSV or TSV file, which may be compressed by gzip.

    Parameters
    ----------
    path : Path
    is_compressed : bool
    separator : str or None
        None finds it.
    expected : sequence of Column or None
    kept : sequence of str
    """

    def __init__(
        self,
        path: pathlib.Path,
        is_compressed: bool,
        separator: str | None,
        expected: Sequence[Column] | None,
        kept: Sequence[str] = (),
    ) -> None:
        super().__init__(path)
        self._is_expected = expected is not None
        self._is_compressed = is_compressed
        self._status = Status.of(os.stat(path))
        self._header = read_header(path, is_compressed, separator)
        self._shape = Shape(ord(self._header.separator), len(self._header.names))
        # The numbers of rows that blank lines come after, and how many blank lines there are up to each of these;
        # both grow as the file is read for the first time.
        self._blank_places, self._blank_counts = array.array("q"), array.array("q", [0])
        self._lines_seen = 0
        self._starts = [Start(0, self._header.size, self._header.line + 1)]
        self.has_any_order = not is_compressed
        self._text_bytes: dict[str, float] = {}
        where = f"{str(path)!r}, row {self._header.line}"
        names = self._header.names
        self._kept = dict(zip(kept, find_kept(repr(str(path)), names, kept), strict=True))  # name -> place
        if expected is not None:
            places = find_expected(repr(str(path)), names, expected)
            self.columns = list(expected)
            self._places = {column.name: place for column, place in zip(expected, places, strict=True)}
            return
        check_no_numbers(where, names)
        self._find_columns(where, names)

    def row_label(self, row: int) -> int:
        """Return the number of a row as a spreadsheet counts, with the header and blank lines."""
        return self._header.line + 1 + row + self._blank_counts[bisect.bisect_right(self._blank_places, row)]

    def text_bytes(self, name: str) -> float:
        """Return about how many bytes a value of a column of text has."""
        return self._text_bytes.get(name, 0.0)

    def batches(self, names: Sequence[str], first: int = 0, rows: int = 100_000) -> Iterator[Batch]:
        """Yield the rows from number `first` on; see Table."""
        self.check(names)
        columns = named(self.columns, names)
        start = self._start_before(first)
        row = start.row
        for chunk in self._chunks(start):
            skipped = max(0, first - row)
            if skipped < chunk.rows:
                places = [self._places[column.name] for column in columns]
                frame = self._parse(chunk, [*places, *self._kept.values()])
                frame = frame.slice(skipped)
                for begin in range(0, len(frame), rows):
                    part = frame.slice(begin, rows)
                    kept = self._select_kept(part)
                    number = row + skipped + begin
                    yield Batch(self._convert(part, columns, number), number, kept)
            row += chunk.rows
        if self.count is None:
            self.count = row
        if not row:
            raise TableError(f"{str(self.path)!r} has a header and no rows; expected rows of values after it")

    def _start_before(self, row: int) -> Start:
        """Return the last place before a row where reading can begin; a file that is compressed has its beginning."""
        if not self.has_any_order:
            return self._starts[0]
        return self._starts[bisect.bisect_right(self._starts, row, key=lambda start: start.row) - 1]

    def _chunks(self, start: Start | None = None) -> Iterator[Chunk]:
        """Yield the rows of the file from some place on; raise TableError where it is not as it should be."""
        self._check_unchanged()
        start = start or self._starts[0]
        row, line = start.row, start.line

        def fail(fault: Fault) -> NoReturn:
            raise TableError(f"{str(self.path)!r}, row {start.line + fault.line:,}: {fault.problem}")

        with TextStream(self.path, self._is_compressed, self._header.old_lines) as stream:
            stream.seek(start.place)
            for chunk in read_chunks(stream, self._shape, fail):
                if line - self._header.line - 1 == self._lines_seen:
                    self._lines_seen += chunk.rows + len(chunk.blank)
                    places, counts = np.unique(row + chunk.blank, return_counts=True)
                    self._blank_places.extend(places.tolist())
                    self._blank_counts.extend((self._blank_counts[-1] + counts.cumsum()).tolist())
                if chunk.rows:  # else it has blank lines alone
                    yield chunk
                row += chunk.rows
                line += chunk.rows + len(chunk.blank)
                if row > self._starts[-1].row and chunk.size:
                    self._starts.append(Start(row, start.place + chunk.size, line))
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        try:
            check_unchanged(self.path, self._status)
        except (ValueError, OSError) as error:
            raise TableError(str(error)) from error

    def _parse(self, chunk: Chunk, places: list[int]) -> Any:
        """Return columns of a chunk as texts, by their numbers."""
        import polars

        wanted = sorted(set(places))
        try:
            frame = parse_records(chunk.data, self._header.separator, wanted)
        except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
            raise TableError(f"{str(self.path)!r} cannot be read by polars: {in_one_line(error)}") from error
        if frame.shape != (chunk.rows, len(wanted)):
            raise TableError(f"{str(self.path)!r} cannot be read: its quotes are not as polars expects them")
        frame.columns = [str(place) for place in wanted]
        return frame

    def _select_kept(self, frame: Any) -> Any:
        """Return the texts of the columns to keep, or None if there are none."""
        import polars

        if not self._kept:
            return None
        return polars.DataFrame([frame[str(place)].alias(name) for name, place in self._kept.items()])

    def _convert(self, frame: Any, columns: list[Column], first: int) -> Any:
        """Return texts as values of the columns' kinds."""
        import polars

        converted = []
        chosen = frame.select(str(self._places[column.name]) for column in columns)
        at_once = convert_at_once(chosen, [column.kind for column in columns])
        for column, found in zip(columns, at_once, strict=True):
            if found is not None:
                converted.append(found.alias(column.name))
                continue
            texts = chosen[str(self._places[column.name])]
            values, wrong = convert(texts, column.kind, column.form)
            for form in self._other_forms(column) if wrong.any() else ():
                others = convert(texts, column.kind, form)
                if not others.wrong.any():
                    values, wrong = others
                    break
            if column.kind == NUMBER and not wrong.any():
                wrong = values.is_infinite().fill_null(False)
            if wrong.any():
                place = int(wrong.arg_max())
                raise TableError(
                    f"{self.where(first + place, column.name)}: found {shown(texts[place])}, expected "
                    f"{_called(column)}; correct it, or leave it empty if it is missing"
                )
            converted.append(values.alias(column.name))
        return polars.DataFrame(converted)

    def _other_forms(self, column: Column) -> list[str | None]:
        """Return how else a file may write the values that a model expects: each file has its own way."""
        if not self._is_expected:
            return []
        if column.kind == NUMBER:
            return [None] if self._header.separator == "," else [None, ","]
        return list(PLAIN_FORMS) if column.kind == DATE else []

    def _find_columns(self, where: str, names: list[str]) -> None:
        """Look at all values to find kinds; leave out columns without a name that have none of their own."""
        import polars

        finders = [KindFinder(name, self._header.separator) for name in names]
        counts_rows = [names[0] in ("", UNNAMED)] * 2  # from 0 on, from 1 on
        is_last_empty = len(names) > 1 and not names[-1]
        left_out = {0} if any(counts_rows) else set()
        check_names(where, names, left_out | ({len(names) - 1} if is_last_empty else set()))  # before the long work
        row = 0
        lengths = [0] * len(names)
        for chunk in self._chunks():
            frame = self._parse(chunk, list(range(len(names))))
            find_kinds(finders, frame, row)
            if row < SAMPLE_TEXTS:
                sums = frame.head(SAMPLE_TEXTS - row).select(polars.all().str.len_bytes().sum()).row(0)
                lengths = [length + found for length, found in zip(lengths, sums, strict=True)]
            counts_rows = [is_so and _counts(frame["0"], row + k) for k, is_so in enumerate(counts_rows)]
            is_last_empty = is_last_empty and frame[str(len(names) - 1)].null_count() == len(frame)
            row += chunk.rows
        if not row:
            raise TableError(f"{str(self.path)!r} has a header and no rows; expected rows of values after it")
        self.count = row
        left_out = {0} if any(counts_rows) and len(names) > 1 else set()
        if left_out:
            self.notes.append("the first column, which only counts the rows, is left out")
        if is_last_empty:
            left_out.add(len(names) - 1)
            self.notes.append("the last column, which has no name and no values, is left out")
        check_names(where, names, left_out)
        self._places = {name: place for place, name in enumerate(names) if place not in left_out}
        for name, place in self._places.items():
            column, fault, note = finders[place].find()
            self.columns.append(column)
            if fault:
                self._faults[name] = fault
            if note:
                self.notes.append(note)
            if column.kind == TEXT:
                self._text_bytes[name] = lengths[place] / min(row, SAMPLE_TEXTS)


def _counts(texts: Any, first: int) -> bool:
    """Return whether texts are the numbers from `first` on."""
    import polars

    numbers = texts.cast(polars.Int64, strict=False)
    return bool((numbers == polars.int_range(first, first + len(texts), eager=True)).all()) and not numbers.null_count()


def _called(column: Column) -> str:
    """Return what a message calls the values of a column."""
    if column.kind == DATE:
        return f"dates such as {datetime.date(2024, 12, 31):{column.form or ISO}}"
    return f"finite {KIND_NAMES[NUMBER]}" if column.kind == NUMBER else KIND_NAMES[column.kind]
