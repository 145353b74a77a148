"""The tree in which the gradients of chunks are added, and what of it a thread adds before the barrier."""

from style import BLUE, GREY, INK, MARGIN, THREADS, WIDTH, Drawing

from fastnn2.kernels.shared.tuning import count_shares

CHUNKS, TEAMS = 8, (1, 2, 4, 3)


def node(paper, x, y, label, colour=GREY):
    """Draw a sum."""
    paper.box(x - 13, y - 12, 26, 24, colour, label, round=8)


def draw():
    """Draw it."""
    paper = Drawing(442)
    each = (WIDTH - 2 * MARGIN) / CHUNKS
    levels = CHUNKS.bit_length() - 1
    step, top = 48.0, 52.0
    centres = [MARGIN + (c + 0.5) * each for c in range(CHUNKS)]
    paper.text(MARGIN, 8, "gradient of all samples", across="left", down="top", bold=True)
    y = top + levels * step
    below = centres
    for c, x in enumerate(centres):
        paper.box(x - 17, y - 12, 34, 24, BLUE, f"g{c}")
    for _ in range(levels):
        above = [(a + b) / 2 for a, b in zip(below[::2], below[1::2], strict=True)]
        for i, x in enumerate(above):
            paper.line([(below[2 * i], y - 12), (x, y - step + 12)], INK, 1.4)
            paper.line([(below[2 * i + 1], y - 12), (x, y - step + 12)], INK, 1.4)
            node(paper, x, y - step, "+")
        below, y = above, y - step
    y = top + levels * step + 26
    paper.text(MARGIN, y, "who adds what of it before the barrier:", across="left", down="top", bold=True)
    for row, threads in enumerate(TEAMS):
        top = y + 44 + row * 48
        shares = count_shares(CHUNKS, threads, False)
        for t in range(threads):
            first, last = t * CHUNKS // threads, (t + 1) * CHUNKS // threads
            paper.box(MARGIN + first * each + 1, top, (last - first) * each - 2, 22, THREADS[t], f"thread {t}")
        added = CHUNKS // shares
        what = f"a branch of {added} chunks each"
        if threads == 1:
            what = "the whole tree"
        elif added == 1:
            what = "nothing, as not all have whole branches"
        paper.text(MARGIN, top - 12, f"{threads} thread{'s' * (threads > 1)}: {what}", across="left")
    return paper.figure
