"""The bytes of a text file: decompressed, and with line feeds at the ends of lines."""

import gzip
import io
import pathlib
import zlib
from typing import IO, Any

from fastnn2.tables.reading.messages import in_one_line
from fastnn2.tables.reading.table_error import TableError

UTF8_MARK = b"\xef\xbb\xbf"
# The longer ones first: the mark of UTF-16 begins that of UTF-32.
OTHER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


class TextStream:
    """A text file that is read from some place on. Use it in a ``with`` statement.

    Parameters
    ----------
    path : Path
    is_compressed : bool
        By gzip.
    old_lines : bool
        Lines end with a carriage return alone, as those of old Macs.
    """

    def __init__(self, path: pathlib.Path, is_compressed: bool, old_lines: bool = False) -> None:
        self._path, self._old_lines = path, old_lines
        self._file: IO[bytes] | Any = self._run(lambda: (gzip.open if is_compressed else io.open)(path, "rb"))

    def __enter__(self) -> "TextStream":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _run(self, action: Any) -> Any:
        try:
            return action()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TableError(
                f"{str(self._path)!r} cannot be decompressed: {in_one_line(error)}; it is cut off or damaged. Copy it "
                "again, or compress it again by gzip"
            ) from error
        except OSError as error:
            raise TableError(f"{str(self._path)!r} cannot be read: {error.strerror or error}") from error

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer than `size` only at the end of the file."""
        parts, missing = [], size
        while missing:
            part = self._run(lambda: self._file.read(missing))  # noqa: B023 - called at once
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        data = b"".join(parts)
        return data.replace(b"\r", b"\n") if self._old_lines else data

    def seek(self, place: int) -> None:
        """Go on from some byte of the decompressed file."""
        self._run(lambda: self._file.seek(place))


def check_encoding(path: pathlib.Path, head: bytes) -> int:
    """Return how many bytes of a file's head are a mark of UTF-8; raise TableError if they are that of another one."""
    for mark, name in OTHER_MARKS.items():
        if head.startswith(mark):
            raise TableError(f"{str(path)!r} is text in {name}; expected UTF-8. Save it as 'CSV UTF-8'")
    return len(UTF8_MARK) if head.startswith(UTF8_MARK) else 0
