"""A file of the kernel store: its name, its line of JSON, its machine code."""

from style import BLUE, GREEN, GREY, MARGIN, ORANGE, VIOLET, WIDTH, Drawing

from fastnn2.codegen.store_files import ALLOWED_SYMBOLS, SUFFIX

NAME = (
    ("train", BLUE, "the entry"),
    ("float64", BLUE, "its dtype"),
    ("SOURCES", ORANGE, "hash of sources and compiler"),
    (f"PROCESSOR{SUFFIX}", GREEN, "hash of the processor"),
)
HEADER = ("triple, cpu, features", "entry, length, keep", "sha256 of all else")


def draw():
    """Draw it."""
    paper = Drawing(356)
    whole = WIDTH - 2 * MARGIN
    paper.text(MARGIN, 8, "the name", across="left", down="top", bold=True)
    letters = sum(len(word) for word, _, _ in NAME) + len(NAME) * 2 - 1
    x = MARGIN
    for i, (word, colour, what) in enumerate(NAME):
        width = whole * (len(word) + 1.75) / letters
        paper.box(x, 30, width - 3, 26, colour, word)
        y = 76 + (len(NAME) - 1 - i) * 19
        paper.line([(x + 8, 56), (x + 8, y)], colour)
        paper.text(x + 13, y, what, colour, across="left")
        x += width
    y = 168
    paper.text(MARGIN, y, "the content", across="left", down="top", bold=True)
    paper.box(MARGIN, y + 22, whole, 66, VIOLET)
    paper.text(18, y + 36, "a line of JSON:", VIOLET, across="left", bold=True)
    for i, line in enumerate(HEADER):
        paper.text(140, y + 36 + i * 19, line, across="left")
    paper.box(MARGIN, y + 88, whole, 50, GREY)
    paper.text(18, y + 103, "an object file (ELF):", GREY, across="left", bold=True)
    paper.text(18, y + 122, "machine code and constants of one entry", across="left")
    some = ", ".join(name for name in ("sched_yield", "memset", "fma") if name in ALLOWED_SYMBOLS)
    called = f"it may call {len(ALLOWED_SYMBOLS)} functions of the C library,"
    paper.text(MARGIN, y + 150, called, across="left", down="top")
    paper.text(MARGIN, y + 168, f"such as {some}", across="left", down="top")
    return paper.figure
