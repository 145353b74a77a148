"""A pause: thread 0 leaves the kernel, the workers wait in it at the barrier of the next iteration."""

from style import BLUE, GREEN, GREY, MARGIN, ORANGE, WIDTH, Drawing

HEIGHT = 28.0


def draw():
    """Draw it."""
    paper = Drawing(236)
    rows = (("caller", 40.0), ("thread 0", 96.0), ("worker", 152.0))
    left, end = 76.0, WIDTH - MARGIN
    for name, y in rows:
        paper.text(MARGIN, y + HEIGHT / 2, name, across="left", bold=True)
    leaves, comes = 164.0, 270.0
    (_, caller), (_, first), (_, worker) = rows
    paper.box(left, caller, leaves - left, HEIGHT, GREY, "waits", filled=False)
    paper.box(leaves, caller, comes - leaves, HEIGHT, ORANGE, "callback")
    paper.box(comes, caller, end - comes, HEIGHT, GREY, "waits", filled=False)
    paper.box(left, first, leaves - left, HEIGHT, BLUE, "iteration j")
    paper.box(comes, first, end - comes, HEIGHT, BLUE, "j + 1")
    paper.text((leaves + comes) / 2, first + HEIGHT / 2, "(not in it)", GREY)
    paper.box(left, worker, leaves - left, HEIGHT, GREEN, "iteration j")
    paper.box(leaves, worker, 50, HEIGHT, GREEN, "j + 1")
    paper.box(leaves + 50, worker, 122, HEIGHT, GREY, "waits: barrier", filled=False)
    paper.arrow((leaves, first - 2), (leaves, caller + HEIGHT + 2), BLUE)
    paper.arrow((comes, caller + HEIGHT + 2), (comes, first - 2), ORANGE)
    paper.text(leaves + 4, (caller + HEIGHT + first) / 2, "returns", BLUE, across="left")
    paper.text(comes + 4, (caller + HEIGHT + first) / 2, "calls", ORANGE, across="left")
    paper.text(MARGIN, 8, "a pause after iteration j", across="left", down="top", bold=True)
    paper.text(MARGIN, 194, "the parameters that the callback reads are in one", across="left", down="top")
    paper.text(MARGIN, 212, "set; the next step writes the other", across="left", down="top")
    return paper.figure
