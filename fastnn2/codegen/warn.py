"""Warnings that are given once in a process, and show the user's line."""

import os
import sys
import warnings

_given: dict[str, object] = {}  # each warning -> a token of the call that gave it


def warn_once(message: str) -> None:
    """Warn at the line outside this package that led here; again after a call in which the warning was an error."""
    token = object()
    if _given.setdefault(message, token) is not token:  # of threads at once, one warns
        return
    package = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    try:
        warnings.warn(message, stacklevel=level)
    except Warning:
        del _given[message]
        raise
