"""What all drawings have in common: paper, colours, boxes, arrows and text.

A drawing is measured in points from its upper left corner. It is as wide as a telephone's screen allows, so that its
text, of at least TEXT points, is legible there. `tests/test_drawings.py` checks sizes, contrast, and that no text
overlaps another.
"""

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

WIDTH = 360.0  # points: 480 pixels
SCREEN = 358.0  # pixels that a page gives to a picture on a screen of 390
SMALLEST = 9.0  # points, as shown on that screen
TEXT = 12.2  # points: a little more than SMALLEST when the drawing is shrunk to SCREEN
MARGIN = 8.0
CREATOR = f"matplotlib {mpl.__version__}"  # another version may draw the same in other bytes

INK = "#1b2430"
BLUE, ORANGE, GREEN, VIOLET, GREY = "#0b5fa5", "#b83c08", "#0b655e", "#6d28d9", "#4b5563"
PALE = {BLUE: "#d3e6f8", ORANGE: "#fde0cf", GREEN: "#cdeee6", VIOLET: "#e6dcfb", GREY: "#e9ecf1"}
THREADS = (BLUE, ORANGE, GREEN, VIOLET)  # the colour of each thread


class Drawing:
    """A sheet of paper, `height` points high.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    """

    def __init__(self, height):
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=144, facecolor="white")
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        self.axes.set_axis_off()

    def text(self, x, y, text, colour=INK, across="center", down="center", bold=False, mono=False):
        """Write text at a point; `across` and `down` say which side of the text is there."""
        self.axes.text(
            x, y, text, color=colour, fontsize=TEXT, ha=across, va=down, weight="bold" if bold else "normal",
            family="DejaVu Sans Mono" if mono else "DejaVu Sans", zorder=5,
        )  # fmt: skip

    def box(self, x, y, width, height, colour=GREY, label=None, round=0.0, filled=True, **text):
        """Draw a box whose upper left corner is (x, y), with a label in its middle."""
        fill = PALE[colour] if filled else "white"
        looks = {"facecolor": fill, "edgecolor": colour, "linewidth": 1.1, "zorder": 2}
        if round:
            shape = FancyBboxPatch(
                (x + round, y + round), width - 2 * round, height - 2 * round, boxstyle=f"round,pad={round}", **looks
            )
        else:
            shape = Rectangle((x, y), width, height, **looks)
        self.axes.add_patch(shape)
        if label is not None:
            self.text(x + width / 2, y + height / 2, label, **text)

    def cells(self, x, y, width, height, count, colour=GREY, labels=None, **looks):
        """Draw `count` boxes side by side, which are `width` wide together; return the width of one."""
        each = width / count
        for i in range(count):
            self.box(x + i * each, y, each, height, colour, labels[i] if labels else None, **looks)
        return each

    def line(self, points, colour=INK, width=1.1, style="-"):
        """Draw a line through points."""
        self.axes.plot(*zip(*points, strict=True), color=colour, linewidth=width, linestyle=style, zorder=1)

    def arrow(self, begin, end, colour=INK):
        """Draw an arrow between two points."""
        self.axes.add_patch(
            FancyArrowPatch(
                begin, end, arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.3, shrinkA=0, shrinkB=0,
                zorder=3,
            )
        )  # fmt: skip

    def zoom(self, upper, lower, colour=GREY):
        """Shade the way from a part of one row, (x0, x1, y), to the whole of a lower row."""
        (a, b, top), (c, d, bottom) = upper, lower
        self.axes.add_patch(
            Polygon([(a, top), (b, top), (d, bottom), (c, bottom)], facecolor="#f3f5f8", edgecolor="none", zorder=0)
        )
        for begin, end in (((a, top), (c, bottom)), ((b, top), (d, bottom))):
            self.line([begin, end], colour, 0.8, (0, (3, 2)))


def save(figure, path):
    """Write a drawing as SVG; the same drawing gives the same bytes."""
    with mpl.rc_context(mpl.rcParamsDefault | {"svg.hashsalt": "fastnn2", "svg.fonttype": "path"}):
        figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None, "Creator": CREATOR})
