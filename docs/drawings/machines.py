"""Chunks on two machines: each adds the branches that it has whole, and the client adds the rest of the tree."""

import itertools

import numpy as np
from style import BLUE, GREY, INK, MARGIN, ORANGE, WIDTH, Drawing

from fastnn2.engine.chunk_sums import of_chunks

CHUNKS, HELD = 8, (3, 5)  # how many chunks each machine has
NAMES, COLOURS = ("machine A", "machine B"), (BLUE, ORANGE)
HEIGHT = 26.0


def name_of(branch):
    """Return what a branch is the sum of."""
    first, size = branch
    return f"g{first}" if size == 1 else f"g{first}…g{first + size - 1}"


def draw():
    """Draw it."""
    paper = Drawing(282)
    each = (WIDTH - 2 * MARGIN) / CHUNKS
    first = 0
    centres, branches = {}, []
    for name, colour, count in zip(NAMES, COLOURS, HELD, strict=True):
        x = MARGIN + first * each
        paper.text(x + count * each / 2, 16, name, colour, bold=True)
        paper.cells(x + 1, 28, count * each - 2, HEIGHT, count, colour, [f"g{first + i}" for i in range(count)])
        for begin, size in of_chunks(first, np.zeros((count, 2))).branches:
            branches.append((begin, size))
            left = MARGIN + begin * each
            for i in range(size):
                paper.line([(left + (i + 0.5) * each, 28 + HEIGHT), (left + size * each / 2, 84)], colour, 1.3)
            paper.box(left + 3, 84, size * each - 6, HEIGHT, colour, name_of((begin, size)), round=6)
            centres[begin, size] = left + size * each / 2
        first += count
    paper.text(MARGIN, 128, f"{len(branches)} branches travel to the client, which adds:", across="left", bold=True)
    y = 150.0
    while len(branches) > 1:
        begin, size = next((a, n) for (a, n), (_, m) in itertools.pairwise(branches) if n == m and a % (2 * n) == 0)
        left, right = (begin, size), (begin + size, size)
        at = branches.index(left)
        whole = (begin, 2 * size)
        branches[at : at + 2] = [whole]
        x = (centres[left] + centres[right]) / 2
        label = f"{name_of(left)}  +  {name_of(right)}"
        width = 70.0 if size == 1 else 140.0
        paper.box(x - width / 2, y, width, HEIGHT, GREY, label, round=6)
        centres[whole] = x
        y += 34
    paper.text(MARGIN, y + 10, "whatever machine has a chunk, the tree is the same", INK, across="left")
    return paper.figure
