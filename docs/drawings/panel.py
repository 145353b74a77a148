"""A panel: columns of a matrix that lie along samples are transposed, so that they lie in the lanes."""

import numpy as np
from style import BLUE, GREEN, MARGIN, ORANGE, Drawing

from fastnn2.kernels.shared.tuning import PANEL_SAMPLES, PANEL_VECTORS, VECTOR_BYTES

DTYPE, COLUMNS, SAMPLES = "float64", 4, 6  # those that are drawn
CELL, HEIGHT = 30.0, 22.0


def draw():
    """Draw it."""
    width = PANEL_VECTORS * VECTOR_BYTES // np.dtype(DTYPE).itemsize
    paper = Drawing(398)
    left, top = MARGIN, 52.0
    paper.text(left, 8, "B in groups", BLUE, across="left", down="top", bold=True)
    paper.text(left, 26, "samples in the lanes", across="left", down="top")
    for j in range(COLUMNS):
        for s in range(SAMPLES):
            paper.box(left + s * CELL, top + j * HEIGHT, CELL, HEIGHT, BLUE, f"{j},{s}")
    right = left + SAMPLES * CELL + 40
    paper.arrow((left + SAMPLES * CELL + 6, top + 44), (right - 6, top + 44))
    paper.text(right, 8, "the panel", GREEN, across="left", down="top", bold=True)
    paper.text(right, 26, "columns in lanes", across="left", down="top")
    for s in range(SAMPLES):
        for j in range(COLUMNS):
            paper.box(right + j * CELL, top + s * HEIGHT, CELL, HEIGHT, GREEN, f"{j},{s}")
    y = top + SAMPLES * HEIGHT + 12
    size = f"{width} columns × {PANEL_SAMPLES} samples, {width * PANEL_SAMPLES * np.dtype(DTYPE).itemsize // 1024} kB"
    paper.text(MARGIN, y, f"in {DTYPE}: {size}", across="left", down="top", bold=True)
    y += 40
    paper.text(MARGIN, y, "then, for each sample s in its order:", across="left", down="top", bold=True)
    y += 28
    paper.box(MARGIN, y, 64, 26, ORANGE, "A[i, s]")
    paper.text(84, y + 13, "×")
    paper.cells(98, y, COLUMNS * 42, 26, COLUMNS, GREEN, [f"{j},s" for j in range(COLUMNS)])
    paper.text(100 + COLUMNS * 42 + 6, y + 13, "row s", GREEN, across="left")
    paper.arrow((98 + 84, y + 30), (98 + 84, y + 50))
    y += 54
    paper.text(84, y + 13, "+=", across="right")
    paper.cells(98, y, COLUMNS * 42, 26, COLUMNS, BLUE, [f"dW{j}" for j in range(COLUMNS)])
    paper.text(100 + COLUMNS * 42 + 6, y + 13, "row i", BLUE, across="left")
    paper.text(MARGIN, y + 38, "no sum over lanes is left", across="left", down="top")
    return paper.figure
