"""A number, a vector, a pair and a group, at one scale, and the registers that a vector takes."""

import numpy as np
from style import BLUE, GREEN, GREY, MARGIN, ORANGE, VIOLET, WIDTH, Drawing

from fastnn2.kernels.shared.tuning import GROUP_VECTORS, VECTOR_BYTES, group_size

DTYPE = "float64"
REGISTERS = (("AVX-512", 64), ("AVX2", 32), ("Neon, SSE", 16))  # bytes


def draw():
    """Draw it."""
    paper = Drawing(332)
    itemsize, lanes = np.dtype(DTYPE).itemsize, group_size(DTYPE)
    per_vector = VECTOR_BYTES // itemsize
    cell = (WIDTH - 2 * MARGIN) / lanes
    rows = (
        ("number", 1, GREY, f"number: {itemsize} bytes in {DTYPE}"),
        ("vector", per_vector, BLUE, f"vector: {per_vector} numbers, {VECTOR_BYTES} bytes"),
        ("pair", 2 * per_vector, GREEN, f"pair: {2} vectors, {2 * VECTOR_BYTES} bytes"),
        ("group", lanes, VIOLET, f"group: {GROUP_VECTORS} vectors, {lanes} samples, {lanes * itemsize} bytes"),
    )
    for i, (_, count, colour, label) in enumerate(rows):
        y = 8 + i * 46
        paper.text(MARGIN, y, label, colour, across="left", down="top", bold=True)
        paper.cells(MARGIN, y + 18, count * cell, 18, count, colour)
        if count == lanes:
            for edge in range(per_vector, lanes, per_vector):
                x = MARGIN + edge * cell
                paper.axes.plot([x, x], [y + 18, y + 38], color=colour, linewidth=2.6, zorder=4)
    y = 206
    paper.text(MARGIN, y, "a vector in the registers of a processor:", across="left", down="top", bold=True)
    for i, (name, size) in enumerate(REGISTERS):
        top = y + 26 + i * 33
        count = VECTOR_BYTES // size
        paper.text(MARGIN, top + 12, name, across="left")
        paper.cells(96, top, 256, 24, count, ORANGE, [f"{size // itemsize} lanes"] * count)
    return paper.figure
