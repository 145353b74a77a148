"""The memory that a run on blocks may use."""

import math
import numbers
import re
from typing import Any

from fastnn2.threads.memory import available_memory

DEFAULT = 10**9  # where the system does not say how much memory is available
UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
EXPECTED = "a number of bytes above 0, as an integer or a text such as '500MB' or '1.5GiB', or None"


def as_memory_limit(value: Any) -> int:
    """Return a limit in bytes.

    Parameters
    ----------
    value : int, str or None
        None is half of what this process may still use, or 1 GB where the system does not say.

    Raises
    ------
    TypeError
        It is something else.
    ValueError
        It is not above 0, or a text that is no number of bytes.
    """
    if value is None:
        available = available_memory()
        return DEFAULT if available is None else max(1, available // 2)
    if isinstance(value, str):
        return _parsed(value)
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"memory_limit is {value!r}; expected {EXPECTED}")
    if value <= 0:
        raise ValueError(f"memory_limit is {value!r}; expected {EXPECTED}")
    return int(value)


def _parsed(text: str) -> int:
    """Return the bytes that a text gives: MB is a million, MiB 2**20."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z]*)\s*", text)
    factor = UNITS.get(found[2].lower()) if found else None
    size = float(found[1]) * factor if found and factor else math.nan
    if not 1 <= size < math.inf:
        raise ValueError(f"memory_limit is {text!r}; expected {EXPECTED}")
    return int(size)
