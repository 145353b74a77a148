"""Texts in lines for a terminal of 80 columns, behind labels in a column of their own."""

import textwrap

from fastnn2.commands.output import one_line

WIDTH = 80
LABEL = 11  # columns of a label
MOST_LINES = 4  # of a list
LONGEST_WORD = 40  # of a list


def shortened(name: object, most: int) -> str:
    """Return a name on one line, in at most so many columns."""
    text = one_line(name)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def labelled_lines(label: str, text: str) -> list[str]:
    """Return a text behind a label, in lines of at most WIDTH columns unless a word, such as a path, is longer."""
    parts = textwrap.wrap(text, WIDTH - LABEL, break_on_hyphens=False, break_long_words=False) or [""]
    return [f"{label if place == 0 else '':<{LABEL}}{part}" for place, part in enumerate(parts)]


def labelled_list(label: str, words: list[str], separator: str = ", ", rest: str = "in --json") -> list[str]:
    """Return words in at most MOST_LINES lines, and how many more there are; `rest` says where those are."""
    short = [shortened(word, LONGEST_WORD) for word in words]
    count = len(short)
    while len(lines := labelled_lines(label, separator.join(short[:count]))) > MOST_LINES:
        count = count * 3 // 4
    more = f"... and {len(words) - count:,} more, {rest}"
    return lines if count == len(words) else [*lines, *labelled_lines("", more)]
