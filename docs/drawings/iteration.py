"""One iteration of a team, with one barrier for few parameters and with two for many."""

from style import GREY, INK, MARGIN, THREADS, WIDTH, Drawing

from fastnn2.kernels.shared.tuning import SHARED_PARAMS

CHUNKS_EACH, HEIGHT, GAP = 4, 26.0, 6.0
# How long each thread takes for a chunk, in points; and who takes chunk 11, which the slow thread 2 has left.
PACE, SLOW, LEFT_OVER, THIEF = (34.0, 35.0, 55.0, 36.0), 2, 11, 0
BEGIN = 32.0


def work(paper, top):
    """Draw what happens before the barrier; return where the barrier is."""
    ends = []
    for t, colour in enumerate(THREADS):
        y, x = top + t * (HEIGHT + GAP), BEGIN
        paper.text(MARGIN, y + HEIGHT / 2, str(t), colour, across="left", bold=True)
        chunks = [c for c in range(t * CHUNKS_EACH, (t + 1) * CHUNKS_EACH) if c != LEFT_OVER]
        for c in chunks + [LEFT_OVER] * (t == THIEF):
            paper.box(x, y, PACE[t], HEIGHT, THREADS[SLOW] if c == LEFT_OVER else colour, str(c))
            x += PACE[t]
        ends.append(x)
    return max(ends) + 6


def barrier(paper, x, top):
    """Draw a barrier at which all threads wait for each other."""
    bottom = top + len(THREADS) * (HEIGHT + GAP)
    paper.line([(x, top - 6), (x, bottom)], INK, 3.0)
    paper.text(x, bottom + 4, "barrier", down="top", bold=True)


def draw():
    """Draw it."""
    paper = Drawing(488)
    paper.text(MARGIN, 8, f"fewer than {SHARED_PARAMS:,} parameters: one barrier", across="left", down="top", bold=True)
    top = 36.0
    x = work(paper, top)
    barrier(paper, x, top)
    for t, colour in enumerate(THREADS):
        y = top + t * (HEIGHT + GAP)
        paper.box(x + 7, y, 130, HEIGHT, colour, "sum all, step")
    y = top + 4 * (HEIGHT + GAP) + 24
    paper.text(MARGIN, y, "each thread makes the whole step, for itself", across="left", down="top")
    second = y + 38
    paper.text(MARGIN, second, f"{SHARED_PARAMS:,} parameters or more: two", across="left", down="top", bold=True)
    top = second + 28
    x = work(paper, top)
    barrier(paper, x, top)
    for t, colour in enumerate(THREADS):
        y = top + t * (HEIGHT + GAP)
        paper.box(x + 7, y, 68, HEIGHT, colour, "a range")
    barrier(paper, x + 83, top)
    y = top + 4 * (HEIGHT + GAP) + 24
    paper.text(MARGIN, y, "each thread sums and steps a range of them", across="left", down="top")
    y += 26
    paper.arrow((MARGIN, y + 8), (WIDTH - 60, y + 8), GREY)
    paper.text(WIDTH - MARGIN, y + 8, "time", GREY, across="right")
    stolen = f"thread {THIEF} takes chunk {LEFT_OVER} of thread {SLOW}, which is slow"
    paper.text(MARGIN, y + 22, stolen, across="left", down="top")
    return paper.figure
