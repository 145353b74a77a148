"""The error for what is wrong with a file or with what is asked of it."""

import contextlib
import pathlib
from collections.abc import Iterator


class TableError(ValueError):
    """A fault of a file or of a column; the message is one line that says where it is, what it is, and what to do."""


@contextlib.contextmanager
def naming(*paths: pathlib.Path) -> Iterator[None]:
    """Let each TableError name a file: the first one, if it names none of these."""
    try:
        yield
    except TableError as error:
        if any(repr(str(path)) in str(error) for path in paths):
            raise
        raise TableError(f"{str(paths[0])!r}: {error}") from error
