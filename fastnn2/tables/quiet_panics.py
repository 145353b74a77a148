"""polars is written in Rust, which prints the text of a panic before it becomes an exception of Python."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

STDERR = 2


@contextlib.contextmanager
def quiet_panics() -> Iterator[None]:
    """Hold back what is written to stderr, by code in other languages too; write it later, unless there is an error."""
    with contextlib.ExitStack() as stack:
        try:
            kept = stack.enter_context(tempfile.TemporaryFile())
            own = os.dup(STDERR)
            stack.callback(os.close, own)
        except OSError:  # there is no stderr, or no space
            yield
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(kept.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(own, STDERR)
        kept.seek(0)
        os.write(STDERR, kept.read())
