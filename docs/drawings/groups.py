"""A matrix over samples, and the order in which it is stored: group after group."""

from style import BLUE, GREEN, GREY, MARGIN, ORANGE, Drawing

from fastnn2.kernels.shared.tuning import count_groups, group_size

DTYPE, ROWS, N = "float64", 3, 80


def draw():
    """Draw it."""
    paper = Drawing(306)
    lanes, groups = group_size(DTYPE), count_groups(N, DTYPE)
    colours = (BLUE, ORANGE, GREEN)
    left, width, height = 38.0, 104.0, 25.0
    paper.text(MARGIN, 8, f"X, {ROWS} rows over {N} samples", across="left", down="top", bold=True)
    for g in range(groups):
        first, last = g * lanes, min(N, (g + 1) * lanes)
        x, used = left + g * width, width * (last - first) / lanes
        paper.text(x + used / 2, 40, f"{first} … {last - 1}", colours[g])
        for i in range(ROWS):
            y = 52 + i * height
            if g == 0:
                paper.text(MARGIN, y + height / 2, f"x{i}", across="left")
            paper.box(x, y, used, height, colours[g])
            if used < width:
                paper.box(x + used, y, width - used, height, GREY, "0", filled=False)
    bottom = 52 + ROWS * height
    top = 196.0
    cell = (2 * left + groups * width - 2 * MARGIN - 30) / (groups * ROWS)
    for g in range(groups):
        begin = MARGIN + g * ROWS * cell
        x = left + g * width
        paper.zoom((x, x + width, bottom), (begin, begin + ROWS * cell, top), colours[g])
        for i in range(ROWS):
            paper.box(begin + i * cell, top, cell, 28, colours[g], f"x{i}")
        paper.text(begin + 1, top + 40, f"{g * ROWS * lanes}", across="left")
        paper.text(begin + ROWS * cell / 2, top - 12, f"group {g}", colours[g], bold=True)
    paper.text(MARGIN, 252, "↑ number in memory", across="left", down="top")
    paper.text(MARGIN, 276, f"row i of group g begins at (g·{ROWS} + i)·{lanes}", across="left", down="top", bold=True)
    return paper.figure
