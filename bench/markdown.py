"""Numbers, times, paragraphs and tables as Markdown."""

import re
import textwrap

WIDTH = 120  # of a line of a page, but for those of tables


def format_number(value, digits=3):
    """Return a number with at least this many significant digits, without an exponent."""
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:#.{digits}g}".rstrip(".")


def time_text(seconds):
    """Return a time with three digits and its unit.

    >>> time_text(1.3229e-6), time_text(0.1207), time_text(1.24)
    ('1.32 µs', '121 ms', '1.24 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{format_number(seconds / size)} {unit}"
    return f"{format_number(seconds * 1e6)} µs"


def times_text(times):
    """Return how many times faster fastnn2 is, with two decimals where the two are close."""
    return f"{times:.1f}" if times >= 1.15 else f"{times:.2f}"


def table(header, rows, texts=(0,)):
    """Return a Markdown table; all columns but those of `texts` are aligned to the right."""
    marks = ["---" if column in texts else "---:" for column in range(len(header))]
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join(marks) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def filled(text, width=WIDTH):
    """Return a paragraph in lines of at most this width."""
    return textwrap.fill(text, width=width, break_long_words=False, break_on_hyphens=False)


def item(text):
    """Return an item of a list."""
    return textwrap.fill(
        f"- {text}", width=WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def wrapped(text):
    """Return the same paragraphs, each filled, but for tables and lists."""
    return "\n\n".join(part if part.startswith(("|", "- ")) else filled(part) for part in text.split("\n\n"))


def between(text, name, content):
    """Return `text` with `content` between ``<!-- name:start -->`` and ``<!-- name:end -->``."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no place for the figures: expected the lines {start} and {end}")
    return pattern.sub(lambda _: f"{start}\n{content}\n{end}", text)
