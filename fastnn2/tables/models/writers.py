"""Frames that are written one after the other: to CSV, TSV or Parquet, whole or not at all, or as CSV to a stream."""

import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from fastnn2.storage.atomic import replacing
from fastnn2.tables.reading.messages import in_one_line
from fastnn2.tables.reading.table_error import TableError

Write = Callable[[Any], None]  # takes a polars.DataFrame

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PARQUET = (".parquet", ".pq")
PART_BYTES = 1 << 25  # of frames in memory that become a part of a Parquet file


def check_ending(path: pathlib.Path) -> None:
    """Raise TableError if the name of a file does not end as one that can be written."""
    if path.suffix.lower() not in (*SEPARATORS, *PARQUET):
        raise TableError(
            f"cannot write {str(path)!r}: expected a name that ends with {', '.join((*SEPARATORS, *PARQUET[:-1]))} or "
            f"{PARQUET[-1]}"
        )


@contextlib.contextmanager
def open_writer(path: pathlib.Path) -> Iterator[Write]:
    """Yield a function that writes a frame to a file, which replaces an old one when all are written.

    Parameters
    ----------
    path : Path
        Of :func:`check_ending`.

    Raises
    ------
    OSError
        It cannot be written, as on a full disk.
    """
    ending = path.suffix.lower()
    try:
        with replacing(path) as file:
            if ending in PARQUET:
                with _parquet_writer(path, file) as write:
                    yield write
            else:
                yield text_writer(lambda text: file.write(text.encode()), SEPARATORS[ending])
    except OSError as error:
        raise OSError(f"cannot write {str(path)!r}: {error.strerror or error}; the file is as it was") from error


def text_writer(put: Callable[[str], object], separator: str = ",") -> Write:
    """Return a function that writes a frame as separated values, the first one with a header.

    Parameters
    ----------
    put : callable
        Takes the text. polars has no part in writing to a file: it would hide which error that raises.
    separator : str
    """
    import polars

    is_first = True

    def write(frame: Any) -> None:
        nonlocal is_first
        try:
            text = frame.write_csv(include_header=is_first, separator=separator)
        except polars.exceptions.PolarsError as error:
            nested = [repr(name) for name, dtype in frame.schema.items() if dtype.is_nested()]
            if not nested:
                raise
            raise TableError(
                f"text cannot have lists or records, which {', '.join(nested)} has; write .parquet, or leave it out "
                "of --keep"
            ) from error
        put(text)
        is_first = False

    return write


@contextlib.contextmanager
def _parquet_writer(path: pathlib.Path, file: Any) -> Iterator[Write]:
    """Yield a function that takes the frames of a Parquet file; at the end they are written to `file`.

    polars writes a Parquet file in one call. So that not all frames have to be in memory for it, they go to files
    first, which it then reads and writes as a stream. A query with a generator as its source needs no such files, but
    polars runs the generator in another thread, where Ctrl-C does not reach it and errors change their type.
    """
    import polars

    with tempfile.TemporaryDirectory(prefix=".fastnn2-", dir=path.resolve().parent) as folder:
        parts: list[pathlib.Path] = []
        frames: list[Any] = []
        held = 0

        def write_part() -> None:
            part = pathlib.Path(folder, f"{len(parts)}.parquet")
            _run(lambda: polars.concat(frames).write_parquet(part))
            parts.append(part)
            frames.clear()

        def write(frame: Any) -> None:
            nonlocal held
            frames.append(frame)
            held += frame.estimated_size()
            if held >= PART_BYTES:
                write_part()
                held = 0

        yield write
        if frames:
            write_part()
        whole = parts[0]
        if len(parts) > 1:
            whole = pathlib.Path(folder, "whole.parquet")
            _run(lambda: polars.scan_parquet(parts, glob=False).sink_parquet(whole))
        with open(whole, "rb") as source:
            shutil.copyfileobj(source, file)


def _run(query: Callable[[], Any]) -> None:
    """Let polars write a file; an error of the system, such as a full disk, is an OSError however polars wraps it."""
    import polars

    try:
        query()
    except polars.exceptions.PolarsError as error:
        raise OSError(in_one_line(error)) from error
