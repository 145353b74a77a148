"""What the beginning of a text file tells: its separator, its line ends, and the names of its columns."""

import pathlib
from typing import NamedTuple

from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.reading.text_records import Fault, Shape, check_records, line_ends, parse_records
from fastnn2.tables.reading.text_stream import TextStream, check_encoding

HEAD_BYTES = 1 << 20
SEPARATORS = ",;\t|"
MOST_LINES = 20  # that are looked at to find the separator


class Header(NamedTuple):
    """What the beginning of a file tells.

    Attributes
    ----------
    names : list of str
        Without blanks at both ends.
    separator : str
    old_lines : bool
        Lines end with a carriage return alone.
    size : int
        The number of bytes up to the first row.
    line : int
        The number of the header's line, from 1 on.
    """

    names: list[str]
    separator: str
    old_lines: bool
    size: int
    line: int


def read_header(path: pathlib.Path, is_compressed: bool, separator: str | None) -> Header:
    """Return the header of a text file; raise TableError if there is none, or no row after it."""
    with TextStream(path, is_compressed) as stream:
        head = stream.read(HEAD_BYTES)
    mark = check_encoding(path, head)
    old_lines = b"\n" not in head and b"\r" in head
    if old_lines:
        head = head.replace(b"\r", b"\n")
    is_whole = len(head) < HEAD_BYTES
    data = head[mark:] if head.endswith(b"\n") or not is_whole else head[mark:] + b"\n"
    if not data.strip():
        raise TableError(f"{str(path)!r} is empty; expected a row with the names of the columns, and rows of values")
    lines = _first_lines(data)
    blank = next((k for k, line in enumerate(lines) if line.strip(b"\r\n")), 0)
    if not lines:
        problem = 'a quote (") opens and is not closed' if b'"' in data else f"is longer than {HEAD_BYTES:,} bytes"
        raise TableError(f"{str(path)!r}, row 1: {problem}; expected the names of the columns in one line")
    rows = [line for line in lines[blank:] if line.strip(b"\r\n")]
    separator = separator or _find_separator(rows)
    found = check_records(rows[0], Shape(ord(separator), _count_values(rows[0], separator)))
    if isinstance(found, Fault):
        raise TableError(f"{str(path)!r}, row {blank + 1}: {found.problem}")
    names = [(name or "").strip() for name in parse_records(rows[0], separator).row(0)]
    _check_blanks(path, names, rows, separator)
    size = mark + sum(map(len, lines[: blank + 1]))
    if is_whole and not data[size - mark :].strip(b"\r\n"):
        raise TableError(f"{str(path)!r} has a header and no rows; expected rows of values after it")
    return Header(names, separator, old_lines, size, blank + 1)


def _first_lines(data: bytes) -> list[bytes]:
    """Return the first whole records, and blank lines, up to some records."""
    lines: list[bytes] = []
    begin = records = 0
    for end in line_ends(data).tolist():
        lines.append(data[begin : end + 1])
        begin = end + 1
        records += bool(lines[-1].strip(b"\r\n"))
        if records == MOST_LINES:
            break
    return lines


def _outside_quotes(line: bytes) -> bytes:
    return b"".join(line.split(b'"')[0::2])


def _count_values(line: bytes, separator: str) -> int:
    return _outside_quotes(line).count(separator.encode()) + 1


def _find_separator(rows: list[bytes]) -> str:
    """Return the separator that makes most values of the header, of those that make as many of each row if any do."""
    counts = {one: [_count_values(row, one) for row in rows] for one in SEPARATORS}
    regular = {one: found for one, found in counts.items() if found[0] > 1 and len(set(found)) == 1}
    found = regular or counts
    return max(found, key=lambda one: found[one][0])


def _check_blanks(path: pathlib.Path, names: list[str], rows: list[bytes], separator: str) -> None:
    """Raise TableError if values are separated by blanks."""
    if len(names) > 1 or len(rows) < 2 or b'"' in rows[0] + rows[1]:
        return
    counts = {len(row.split()) for row in rows}
    if len(counts) == 1 and counts != {1}:
        raise TableError(
            f"{str(path)!r} has one column, {names[0]!r}: its values seem to be separated by blanks; expected a comma, "
            "a semicolon, a tab or |"
        )
