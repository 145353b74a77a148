"""Frames that are written one after the other: to CSV or Parquet, whole or not at all, or as CSV to the terminal."""

import contextlib
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from fastnn2.storage.atomic import replacing


@contextlib.contextmanager
def open_writer(path: pathlib.Path | None) -> Iterator[Callable[[Any], None]]:
    """Yield a function that writes a frame; None writes to standard output."""
    with contextlib.ExitStack() as stack:
        file: Any = sys.stdout.buffer if path is None else stack.enter_context(replacing(path))
        is_first = True

        def write(frame: Any) -> None:
            nonlocal is_first
            frame.write_csv(file, include_header=is_first)
            is_first = False

        yield write
