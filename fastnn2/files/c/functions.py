"""Text of C: numbers, tables, comments, and the functions of ``float32.c`` and ``float64.c``."""

import pathlib
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LINE = 120  # characters
C_TYPES = {"float32": "float", "float64": "double"}


def constant(value: Any, dtype: np.dtype[Any]) -> str:
    """Return a finite number as a constant of C, which has exactly the number's bits."""
    digits, exponent = float(dtype.type(value)).hex().split("p")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return f"{digits}p{exponent}" + ("f" if dtype == np.float32 else "")


def table(name: str, values: Iterable[str], element: str) -> str:
    """Return the definition of a constant array, with lines of about LINE characters."""
    lines, line = [f"static const {element} {name}[] = {{"], ""
    for value in values:
        if len(line) + len(value) + 6 > LINE:
            lines.append("    " + line.rstrip())
            line = ""
        line += value + ", "
    lines.append("    " + line.rstrip(" ,"))
    return "\n".join([*lines, "};"]) + "\n"


def numbers(name: str, values: Array, dtype: np.dtype[Any]) -> str:
    """Return the definition of a constant array of numbers."""
    return table(name, (constant(value, dtype) for value in values.ravel().tolist()), C_TYPES[dtype.name])


def in_comment(text: str, most: int = 200) -> str:
    r"""Return text for a comment: ASCII only, without what ends or begins a comment, or is another character to C.

    >>> in_comment("*/ café\n")
    '*\\x2f caf\\xe9\\n'
    """
    text = text.encode("unicode_escape").decode("ascii")
    for end in ("*/", "/*", "??"):
        while end in text:
            text = text.replace(end, f"{end[0]}\\x{ord(end[1]):02x}")
    return text if len(text) <= most else text[: most - 3] + "..."


def functions(dtype: np.dtype[Any], code: str) -> str:
    """Return the functions that `code` uses, with ``NAME`` for its name, and what they use."""
    path = pathlib.Path(__file__).with_name(f"{dtype.name}.c")
    _, *parts = re.split(r"^/\* --- (\w+) --- \*/\n", path.read_text(encoding="ascii"), flags=re.MULTILINE)
    used: list[str] = []
    for name, text in reversed(list(zip(parts[::2], parts[1::2], strict=True))):
        if any(re.search(rf"\b{name}\b", other) for other in (code, *used)):
            used.insert(0, text.strip() + "\n")
    return "\n".join(used)
