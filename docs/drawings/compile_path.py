"""Where a kernel comes from: a library, the store, or the compiler."""

from style import BLUE, GREEN, GREY, MARGIN, ORANGE, VIOLET, WIDTH, Drawing


def draw():
    """Draw it."""
    paper = Drawing(400)
    whole = WIDTH - 2 * MARGIN
    paper.box(MARGIN, 8, whole, 28, GREY, 'kernel("train", "float64")', mono=True)
    questions = (
        ("in a library of the package?", "load it", BLUE),
        ("in this process already?", "take it", BLUE),
        ("in the store?", "check and load it", GREEN),
    )
    y = 62.0
    for question, answer, colour in questions:
        paper.arrow((80, y - 26 if y == 62 else y - 24), (80, y))
        paper.box(MARGIN, y, 196, 28, colour, question, filled=False, round=8)
        paper.arrow((204, y + 14), (234, y + 14), colour)
        paper.box(236, y, WIDTH - MARGIN - 236, 28, colour, answer)
        y += 52
    paper.text(90, y - 12, "no: compile it, once", ORANGE, across="left", bold=True)
    paper.arrow((80, y - 24), (80, y))
    steps = (
        ("Numba", "types the entry and all it calls"),
        ("LLVM", "optimizes, writes an object file"),
        ("store", "keeps the file for other processes"),
    )
    for name, what in steps:
        paper.box(MARGIN, y, 62, 28, ORANGE, name, bold=True)
        paper.box(MARGIN + 62, y, whole - 62, 28, ORANGE, what, filled=False)
        y += 28
    paper.arrow((80, y), (80, y + 24))
    y += 24
    paper.box(MARGIN, y, whole, 28, VIOLET, "the address of a function")
    paper.text(MARGIN, y + 40, "ctypes calls it, without the GIL and with one", across="left", down="top")
    paper.text(MARGIN, y + 58, "argument: the address of a record", across="left", down="top")
    return paper.figure
