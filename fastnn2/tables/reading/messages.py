"""Parts of messages of one line: values, errors of other libraries, and names."""

import difflib
from collections.abc import Iterable, Sequence

MOST_VALUE = 40  # characters of a value
MOST_ERROR = 160  # characters of what another library says
MOST_NAMES = 10  # in a list of names
MOST_NEAR = 3  # names that a message offers for one that is not there


def shown(value: object, most: int = MOST_VALUE) -> str:
    """Return a value for a message, shortened if it is long.

    >>> shown("a" * 99, most=9)
    "'aaaaaaa…"
    """
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def in_one_line(error: BaseException) -> str:
    """Return the first line of what an error says, without what a terminal would obey, shortened if it is long."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = "".join(letter if letter.isprintable() else "?" for letter in lines[0])
    return line if len(line) <= MOST_ERROR else f"{line[: MOST_ERROR - 1]}…"


def near_names(name: str, names: Iterable[str]) -> str:
    """Return the names that are nearest to one that is not there, for the end of a message, or "".

    >>> near_names("Price", ["carat", "price"])
    "; did you mean 'price'?"
    """
    by_lower: dict[str, str] = {}
    for other in names:
        by_lower.setdefault(other.strip().lower(), other)
    found = difflib.get_close_matches(name.strip().lower(), by_lower, n=MOST_NEAR, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(by_lower[lower]) for lower in found)}?" if found else ""


def listed(names: Sequence[str]) -> str:
    """Return names for a message, the first ones of many.

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(map(repr, names[:MOST_NAMES])) + more
