"""Lines on the terminal: errors on one line, and output that nobody reads is no traceback."""

import contextlib
import os
import sys
from typing import TextIO

INTERRUPTED = 130  # the exit code that shells report for a program ended by Ctrl-C


def printable(text: str, also: str = "") -> str:
    """Return a text with escapes for what is not printed, such as control characters, as a terminal would obey them.

    Parameters
    ----------
    text : str
        It may come from a file.
    also : str
        Characters to leave as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in also else each.encode("unicode_escape").decode() for each in text
    )


def one_line(message: object) -> str:
    """Return a message on one line; what a terminal would obey, such as the codes of colors, is written as escapes."""
    return printable(str(message))


def flush(stream: TextIO | None) -> None:
    """Flush a stream. If that fails, drop the output, as Python would try again at exit, and raise the error."""
    if stream is not None:
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            raise


def print_error(line: str) -> None:
    """Print a line to standard error, if there is one and it is open."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr)
        with contextlib.suppress(OSError):
            flush(sys.stderr)
