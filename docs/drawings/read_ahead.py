"""Samples in blocks: one thread reads into three buffers in turn, while the team computes."""

from style import BLUE, GREEN, GREY, INK, MARGIN, ORANGE, WIDTH, Drawing

from fastnn2.blocks.budget import BUFFERS

HEIGHT, READ, COMPUTE = 26.0, 22.0, 52.0
COLOURS, LETTERS = (BLUE, ORANGE, GREEN), "ABC"
BLOCKS = 5


def draw():
    """Draw it."""
    paper = Drawing(230)
    left = 62.0
    title = f"blocks 0 to {BLOCKS - 1} of an iteration, {BUFFERS} buffers"
    paper.text(MARGIN, 8, title, across="left", down="top", bold=True)
    reader, team = 46.0, 102.0
    paper.text(MARGIN, reader + HEIGHT / 2, "reader", across="left", bold=True)
    paper.text(MARGIN, team + HEIGHT / 2, "team", across="left", bold=True)
    read_until = computed_until = left
    ends = []  # of the computation of each block
    for block in range(BLOCKS):
        colour = COLOURS[block % BUFFERS]
        begin = max(read_until, ends[block - BUFFERS]) if block >= BUFFERS else read_until
        read_until = begin + READ
        name = f"{block}{LETTERS[block % BUFFERS]}"
        paper.box(begin, reader, READ, HEIGHT, colour, name)
        begin = max(read_until, computed_until)
        computed_until = begin + COMPUTE
        paper.box(begin, team, COMPUTE - 3, HEIGHT, colour, name)
        paper.arrow((read_until - READ / 2, reader + HEIGHT), (begin + READ / 2, team), GREY)
        ends.append(computed_until)
    assert computed_until < WIDTH
    last = LETTERS[BUFFERS - 1]
    buffers = f"0{LETTERS[0]}: block 0 in buffer {LETTERS[0]}, of {LETTERS[0]} to {last}"
    waits = f"block {BUFFERS} waits until block 0 leaves buffer {LETTERS[0]}"
    paper.text(MARGIN, 148, buffers, across="left", down="top")
    paper.text(MARGIN, 168, waits, across="left", down="top")
    paper.arrow((MARGIN, 206), (WIDTH - 52, 206), INK)
    paper.text(WIDTH - MARGIN, 206, "time", INK, across="right")
    return paper.figure
