"""A small mini-batch: the threads share the hidden units, in parts, and meet at one barrier."""

from style import GREY, INK, MARGIN, THREADS, WIDTH, Drawing

from fastnn2.kernels.shared.tuning import count_parts, first_unit

N, D, H, O, DTYPE = 200, 30, 100, 1, "float64"
TEAM = 4


def draw():
    """Draw it."""
    paper = Drawing(420)
    parts = count_parts(N, D, H, O, DTYPE)
    whole = WIDTH - 2 * MARGIN
    each = whole / parts
    colours = [THREADS[p * TEAM // parts] for p in range(parts)]

    def row(y, labels, height=26.0):
        for p, label in enumerate(labels):
            paper.box(MARGIN + p * each + 1, y, each - 2, height, colours[p], label)

    def arrows(y0, y1):
        for p in range(parts):
            x = MARGIN + (p + 0.5) * each
            paper.arrow((x, y0), (x, y1), GREY)

    paper.text(MARGIN, 8, f"{H} hidden units in {parts} parts, {TEAM} threads", across="left", down="top", bold=True)
    for t in range(TEAM):
        paper.text(MARGIN + (t + 0.5) * whole / TEAM, 40, f"thread {t}", THREADS[t], bold=True)
    ranges = [f"{first_unit(p, parts, H)}…" for p in range(parts)]
    row(52, ranges)
    paper.text(MARGIN, 90, f"units from …, for all {N} samples of the mini-batch", across="left")
    arrows(102, 120)
    row(124, ["z2"] * parts)
    paper.text(MARGIN, 162, "what each part adds to the outputs", across="left")
    paper.line([(MARGIN, 182), (WIDTH - MARGIN, 182)], INK, 3.0)
    paper.text(MARGIN, 196, "the only barrier", across="left", bold=True)
    half = parts // 2
    y = 214
    for i in range(2):
        terms = " + ".join(f"z{p}" for p in range(i * half, (i + 1) * half))
        x = MARGIN + i * whole / 2
        paper.box(x + 1, y, whole / 2 - 2, 26, GREY, f"{terms}")
    paper.text(MARGIN, y + 38, "each thread adds both halves: Z2, then the loss", across="left")
    arrows(y + 50, y + 68)
    row(y + 72, ["dW"] * parts)
    paper.text(MARGIN, y + 110, "the gradient of a part, whole at once", across="left")
    arrows(y + 122, y + 140)
    row(y + 144, ["step"] * parts)
    paper.text(MARGIN, y + 182, "no gradient is added across threads", across="left", bold=True)
    return paper.figure
