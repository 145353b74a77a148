"""polars is written in Rust, which prints the text of a panic before it becomes an exception of Python."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator

STDERR = 2
# After an error other threads of polars may still be on their way to the same one.
QUIET_SECONDS, MOST_SECONDS = 0.2, 2.0


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
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                _wait_until_quiet(kept.fileno())
            raise
        finally:
            os.dup2(own, STDERR)
        kept.seek(0)
        os.write(STDERR, kept.read())


def _wait_until_quiet(file: int) -> None:
    """Return when a file has not grown for a while."""
    size, waited = -1, 0.0
    while os.fstat(file).st_size != size and waited < MOST_SECONDS:
        size = os.fstat(file).st_size
        time.sleep(QUIET_SECONDS)
        waited += QUIET_SECONDS
