"""What is said on a terminal while kernels are compiled, or waited for."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any


def is_terminal(stream: Any) -> bool:
    """Return whether somebody looks at a stream, which may be closed or any object."""
    try:
        return stream is not None and bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False


@contextlib.contextmanager
def shown(message: str, wanted: bool = True) -> Iterator[None]:
    """Show a line on a terminal until the ``with`` statement ends."""
    show = wanted and is_terminal(sys.stderr)
    if show:
        print(message, end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if show:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
