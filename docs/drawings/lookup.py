"""What a binned feature adds to a hidden unit: two look-ups give a line in each bin."""

import itertools

import numpy as np
from style import BLUE, GREEN, GREY, INK, ORANGE, Drawing

BINS = 6
EDGES = np.array([0.0, 1.1, 1.9, 3.2, 4.0, 5.2, 6.0])  # between bins: not evenly, as quantiles are
V = np.array([1.0, 1.6, -0.9, -1.4, 0.5, 1.5])  # what a whole bin adds
VALUE = 2.7
LEFT, RIGHT, BOTTOM, UNIT = 30.0, 344.0, 214.0, 50.0


def across(value):
    """Return where a value of the feature is on the paper."""
    return LEFT + (RIGHT - LEFT) * value / EDGES[-1]


def up(added):
    """Return where what is added to the unit is on the paper."""
    return BOTTOM - UNIT * added


def draw():
    """Draw it."""
    paper = Drawing(322)
    E = np.concatenate([[0.0], np.cumsum(V)])
    t = int(np.searchsorted(EDGES, VALUE, side="right")) - 1
    f = (VALUE - EDGES[t]) / (EDGES[t + 1] - EDGES[t])
    added = E[t] + f * V[t]
    paper.text(8, 8, "what is added to a hidden unit", BLUE, across="left", down="top", bold=True)
    for k, (begin, end) in enumerate(itertools.pairwise(EDGES)):
        paper.box(across(begin), BOTTOM, across(end) - across(begin), 24, ORANGE if k == t else GREY, str(k))
    paper.line([(across(x), up(y)) for x, y in zip(EDGES, E, strict=True)], BLUE, 2.4)
    paper.axes.plot(across(EDGES), up(E), "o", color=BLUE, markersize=5, zorder=4)
    paper.line([(across(VALUE), BOTTOM), (across(VALUE), up(added))], ORANGE, 1.8)
    paper.axes.plot([across(VALUE)], [up(added)], "o", color=ORANGE, markersize=8, zorder=4)
    paper.text(across(EDGES[t]) - 6, up(E[t]) - 10, f"E[{t}]", BLUE, across="right", bold=True)
    paper.text(across(VALUE) - 6, BOTTOM - 24, f"E[{t}] + f V[{t}]", ORANGE, across="right", bold=True)
    corner = (across(EDGES[t + 1]), up(E[t]))
    paper.line([(across(EDGES[t]), up(E[t])), corner], GREEN, 1.0, (0, (3, 2)))
    paper.arrow(corner, (corner[0], up(E[t + 1]) - 4), GREEN)
    paper.text(corner[0] + 7, up((E[t] + E[t + 1]) / 2), f"V[{t}]", GREEN, across="left", bold=True)
    paper.text(across(EDGES[t + 1]) + 4, BOTTOM + 38, f"← bin {t}, f = {f:.2f}", ORANGE, across="left", bold=True)
    paper.text(8, BOTTOM + 38, "bins of the feature", INK, across="left")
    paper.text(8, BOTTOM + 62, "V[t]: what the whole of bin t adds", GREEN, across="left", bold=True)
    paper.text(8, BOTTOM + 82, "E[t]: what all bins below t add", BLUE, across="left", bold=True)
    return paper.figure
