"""What names a message can offer for one that is not there."""

import difflib
from collections.abc import Iterable, Sequence

MOST_NAMES = 10  # in a list of names
MOST_NEAR = 3


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
