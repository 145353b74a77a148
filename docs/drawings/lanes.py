"""The sum over the lanes of a vector: the second half is added to the first, until one lane is left."""

import numpy as np
from style import BLUE, GREEN, MARGIN, WIDTH, Drawing

from fastnn2.kernels.shared.tuning import VECTOR_BYTES

DTYPE = "float64"


def draw():
    """Draw it."""
    lanes = VECTOR_BYTES // np.dtype(DTYPE).itemsize
    levels = lanes.bit_length()
    paper = Drawing(62 + (levels - 1) * 68)
    each = (WIDTH - 2 * MARGIN) / lanes
    terms = [[i] for i in range(lanes)]
    for level in range(levels):
        count, y = lanes >> level, 30 + level * 68
        if level == 0:
            paper.text(MARGIN, y - 14, f"a vector of {count} lanes", across="left", bold=True)
        else:
            label = f"{count} sums of {lanes // count}" if count > 1 else "the sum, in the same order everywhere"
            paper.text(MARGIN + count * each + 10, y + 12, label, across="left", bold=True)
        half = count // 2
        for i in range(count):
            name = f"v{i}" if level == 0 else "+".join(map(str, terms[i])) if len(terms[i]) < 4 else ""
            paper.box(MARGIN + i * each, y, each, 24, BLUE if i < half or count == 1 else GREEN, name)
        for i in range(half):
            x = MARGIN + (i + 0.5) * each
            paper.arrow((x + half * each, y + 24), (x + 8, y + 67), GREEN)
            paper.arrow((x, y + 24), (x, y + 67), BLUE)
        terms = [terms[i] + terms[i + half] for i in range(half)]
    return paper.figure
