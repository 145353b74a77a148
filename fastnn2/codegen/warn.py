"""Warnings that are given once in a process, and show the user's line."""

import functools
import pathlib
import sys
import warnings


@functools.cache
def warn_once(message: str) -> None:
    """Warn at the line outside this package that led here."""
    package = str(pathlib.Path(__file__).parents[1])
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
