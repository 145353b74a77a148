"""Versions of the formats: a file of a later version says so before anything else of it is read."""

import reprlib
from typing import Any


def check_version(found: Any, expected: int) -> None:
    """Raise ValueError if a file has another version of its format than `expected`, the newest that this one reads."""
    if type(found) is not int or found < 1:
        raise ValueError(f"it has a format of version {reprlib.repr(found)}; expected {expected}")
    if found > expected:
        raise ValueError(
            f"it has a format of version {found}, and this fastnn2 reads versions up to {expected}; upgrade fastnn2: "
            "pip install --upgrade fastnn2"
        )
