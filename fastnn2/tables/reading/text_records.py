"""The records of a text file, in chunks of whole ones.

A line end or a separator inside quotes belongs to a value. It is inside if the number of quotes before it is odd; a
quote that neither begins nor ends a value is an error, so this is always right.
"""

import dataclasses
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from fastnn2.tables.reading.text_stream import TextStream

Array = np.ndarray[Any, Any]

# Read at a time: what a reader of text takes is a multiple of it, and smaller chunks take longer.
CHUNK_BYTES = 1 << 23
# More for so many columns, each of which takes time for itself, and this many times as much at most.
MANY_COLUMNS, MOST_TIMES = 1000, 8
LONGEST_RECORD = 1 << 26
QUOTE, LINE_END, RETURN = b'"\n\r'


@dataclasses.dataclass(frozen=True)
class Shape:
    """What is the same in all records: the separator as a byte, and the number of values."""

    separator: int
    values: int


class Chunk(NamedTuple):
    """Whole records.

    Attributes
    ----------
    data : bytes
        Every record ends with a line end; there are no blank lines, but those that are a missing value.
    rows : int
        The number of records.
    blank : array (blank lines,)
        For each blank line that was left out, the number of records before it.
    size : int
        The bytes of the stream up to the end of the chunk, from where reading began.
    """

    data: bytes
    rows: int
    blank: Array
    size: int = 0


class Fault(NamedTuple):
    """What is wrong in a chunk: the number of lines (records and blank ones) before it, and what was found."""

    line: int
    problem: str


NO_LINES: Array = np.zeros(0, dtype=np.int64)


def read_chunks(stream: TextStream, shape: Shape, fail: Callable[[Fault], NoReturn]) -> Iterator[Chunk]:
    """Yield the records of a stream, from where it is.

    A blank line is left out. In a file of one column it is a missing value, unless no value follows.

    Parameters
    ----------
    stream : TextStream
    shape : Shape
    fail : function
        Is called with what is wrong, and raises TableError.
    """
    rest, lines, size = b"", 0, 0
    block_size = CHUNK_BYTES * min(MOST_TIMES, 1 + shape.values // MANY_COLUMNS)
    waiting = 0  # blank lines of a single column, which count if a value follows
    while True:
        block = stream.read(block_size)
        data = rest + block
        if data and not block and not data.endswith(b"\n"):
            data += b"\n"
        end = last_record_end(data)
        if end:
            chunk = check_records(data[:end], shape)
            if isinstance(chunk, Fault):
                fail(Fault(lines + chunk.line, chunk.problem))
            lines += chunk.rows + len(chunk.blank)
            size += end
            if shape.values > 1:
                yield chunk._replace(size=size)
            else:
                body = chunk.data.rstrip(b"\r\n")
                ended = body + b"\n" if body else b""
                after = chunk.data[len(body) :].count(b"\n") - len(ended[len(body) :])
                if body:
                    yield from _blank_chunks(waiting)
                    yield Chunk(ended, chunk.rows - after, NO_LINES)
                    waiting = 0
                waiting += after
        rest = data[end:]
        if rest and (not block or len(rest) > LONGEST_RECORD):
            fail(Fault(lines, _unclosed(rest, is_end=not block)))
        if not block:
            return


def _blank_chunks(count: int) -> Iterator[Chunk]:
    """Yield some blank lines, each of which is a missing value."""
    for first in range(0, count, CHUNK_BYTES):
        rows = min(CHUNK_BYTES, count - first)
        yield Chunk(b"\n" * rows, rows, NO_LINES)


def _unclosed(rest: bytes, is_end: bool) -> str:
    within = "before the end of the file" if is_end else f"within {LONGEST_RECORD >> 20} MB"
    if rest.count(b'"') % 2:
        return f'a quote (") opens and is not closed {within}; close it, or write each quote in a value as ""'
    return f"the row does not end {within}; expected one row in a line"


def last_record_end(data: bytes) -> int:
    """Return the number of bytes up to the last line end that is outside quotes, with it."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    ends = line_ends(data)
    return int(ends[-1]) + 1 if len(ends) else 0


def line_ends(data: bytes) -> Array:
    """Return the places of the line ends that are outside quotes."""
    codes = np.frombuffer(data, np.uint8)
    return np.flatnonzero((codes == LINE_END) & ~_inside(codes == QUOTE))


def _inside(quotes: Array) -> Array:
    """Return for each byte whether the number of quotes up to it is odd."""
    inside: Array = np.bitwise_xor.accumulate(quotes.view(np.uint8)).view(np.bool_)
    return inside


def check_records(data: bytes, shape: Shape) -> Chunk | Fault:
    """Return whole records without blank lines, or the first thing that is wrong with them."""
    codes = np.frombuffer(data, np.uint8)
    delimiters = (codes == shape.separator) | (codes == LINE_END)
    quotes, inside = NO_LINES, None
    if b'"' in data:
        is_quote = codes == QUOTE
        inside = _inside(is_quote)
        delimiters &= ~inside
        quotes = np.flatnonzero(is_quote)
    places = np.flatnonzero(delimiters)
    last_values = np.flatnonzero(codes[places] == LINE_END)  # of each line, among all values
    ends = places[last_values]
    values = np.diff(last_values, prepend=-1)
    blank = np.zeros(len(ends), np.bool_)
    if shape.values > 1 and (values == 1).any():
        lengths = np.diff(ends, prepend=-1) - 1
        blank = (lengths == 0) | ((lengths == 1) & (codes[ends - 1] == RETURN))
    ragged = (values != shape.values) & ~blank
    faults = [*_encoding_faults(data), *_quote_faults(codes, quotes, shape)]
    if data.count(b"\r") != data.count(b"\r\n"):
        faults += _return_faults(codes, inside)
    if ragged.any():
        line = int(ragged.argmax())
        count = f"{values[line]:,} value{'s' if values[line] > 1 else ''}"
        # At the end of the line, so that a wrong quote in it comes first.
        remedy = "correct the row" if shape.values > 1 else "remove a title above the names of the columns"
        faults.append((int(ends[line]), f"found {count}, expected {shape.values:,} as in the header; {remedy}"))
    if faults:
        place, problem = min(faults)
        return Fault(int(np.searchsorted(ends, place)), problem)
    if not blank.any():
        return Chunk(data, len(ends), NO_LINES)
    lines = np.flatnonzero(blank)
    kept = np.repeat(~blank, np.diff(ends, prepend=-1))
    return Chunk(codes[kept].tobytes(), len(ends) - len(lines), lines - np.arange(len(lines)))


def _encoding_faults(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the places of bytes that are no text, and what to say of them."""
    zero = data.find(b"\0")
    if zero >= 0:
        yield zero, "found a zero byte, expected text; the file is damaged, or is not a text file"
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"found the byte 0x{data[error.start]:02x}, which is not UTF-8"
            yield error.start, f"{found}; save the file as 'CSV UTF-8'"


def _return_faults(codes: Array, inside: Array | None) -> Iterator[tuple[int, str]]:
    """Yield the place of the first carriage return that is neither in quotes nor before a line feed."""
    alone = (codes == RETURN) & (np.append(codes[1:], LINE_END) != LINE_END)
    places = np.flatnonzero(alone if inside is None else alone & ~inside)
    if len(places):
        yield (
            int(places[0]),
            "found a carriage return without a line feed; end all lines in the same way, or put the value in quotes",
        )


def _quote_faults(codes: Array, quotes: Array, shape: Shape) -> Iterator[tuple[int, str]]:
    """Yield the place of the first quote that neither begins nor ends a value, and is not one of two in a value."""
    if not len(quotes):
        return
    opening, closing = quotes[0::2], quotes[1::2]  # as many of both, as whole records have an even number
    before = codes[opening - 1]  # of the first byte, the last one, which is a line end
    begins = (before == shape.separator) | (before == LINE_END)
    begins[1:] |= opening[1:] == closing[:-1] + 1
    after = codes[closing + 1]
    ends = (after == shape.separator) | (after == LINE_END)
    ends |= (after == RETURN) & (codes[np.minimum(closing + 2, len(codes) - 1)] == LINE_END)
    ends[:-1] |= opening[1:] == closing[:-1] + 1
    wrong = np.concatenate([opening[~begins][:1], closing[~ends][:1]])
    if len(wrong):
        yield (
            int(wrong.min()),
            'found a quote (") inside a value; put the whole value in quotes, and write each quote in it as ""',
        )


def parse_records(data: bytes, separator: str, columns: Sequence[int] | None = None) -> Any:
    """Return the values of whole records without faults as a frame of texts, null where there is nothing.

    Parameters
    ----------
    data : bytes
    separator : str
    columns : sequence of int, optional
        The numbers of those that are wanted, in their order; without them all are.
    """
    import polars

    if not data.strip(b"\r\n"):  # blank lines of a single column, which versions of polars read in different ways
        return polars.DataFrame({"0": polars.repeat(None, data.count(b"\n"), dtype=polars.String, eager=True)})
    return polars.read_csv(
        io.BytesIO(data),
        has_header=False,
        infer_schema=False,
        separator=separator,
        quote_char='"' if b'"' in data else None,
        columns=columns,
    )
