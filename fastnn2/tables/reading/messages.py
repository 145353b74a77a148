"""Values and errors of others in messages of one line."""

MOST_VALUE = 40  # characters of a value
MOST_ERROR = 160  # characters of what another library says


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
