"""Pictures of the results: a row of points for each shape, and lines for scaling, both on logarithmic axes.

Colours have a contrast of at least 4.5 to 1 against white, and peers differ by their markers, too.
"""

from bench import report

DTYPES = report.DTYPES
# Name -> colour and marker. Those who see no colours tell peers apart by the markers.
LOOKS = {
    "fastnn2": ("#111111", "|"), "JAX": ("#1a7a37", "o"), "torch.compile": ("#a8327f", "D"),
    "torch": ("#b3261e", "s"), "scikit-learn": ("#8a5200", "^"), "NumPy": ("#1f5fa8", "v"), "Numba": ("#6a3fa0", "X"),
}  # fmt: skip
# A picture is legible on a telephone, which is 350 pixels wide. In inches: width, height of a row, of titles and axes.
DPI, FONT = 150, 12
WIDTH, ROW, BESIDE = 6.0, 0.42, 1.7


def new_figure(rows, columns, size, **options):
    """Return a figure and its axes that need no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options).ravel()


def relative_times(cell, dtype):
    """Return for each peer the time of an iteration as a multiple of that of fastnn2, all cores (Numba: one thread)."""
    own = report.time_of(cell, "fastnn2", dtype, None)
    times = {title: report.time_of(cell, title, dtype, 1 if title == "Numba" else None) for title in LOOKS}
    return {title: us / own for title, us in times.items() if us and own}


def draw_points(axis, rows):
    """Draw a line of points for each row, the first on top.

    Parameters
    ----------
    axis : Axes
        Where to draw.
    rows : list of (str, dict)
        What a row is of, and for each peer its time as a multiple of that of fastnn2.
    """
    from matplotlib.ticker import LogLocator

    for place, (_, times) in enumerate(rows):
        axis.plot([min(times.values()), max(times.values())], [place, place], color="#999999", lw=1, zorder=1)
    for title, (colour, marker) in LOOKS.items():
        points = [(times[title], place) for place, (_, times) in enumerate(rows) if title in times]
        if points:
            size = 16 if marker == "|" else 8
            axis.plot(*zip(*points, strict=True), marker, color=colour, ms=size, mew=3 if size > 8 else 1, label=title)
    axis.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=FONT)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g} ×")
    axis.xaxis.set_minor_formatter("")
    axis.tick_params(axis="x", labelsize=FONT)
    axis.grid(axis="x", alpha=0.4)
    axis.set_axisbelow(True)


def add_legend(figure, axis):
    handles, titles = axis.get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside lower center", ncols=3, fontsize=FONT, markerscale=0.8)


def grid(results, path):
    """Draw the time of an iteration of all peers, fastnn2 = 1, for each shape and dtype, on all cores."""
    cells = results["grid"]
    figure, axes = new_figure(2, 1, (WIDTH, BESIDE + 1.3 + 2 * ROW * len(cells)), sharex=True)
    for axis, dtype in zip(axes, DTYPES, strict=True):
        rows = [(cell["title"].replace(" x ", " × "), relative_times(cell, dtype)) for cell in cells]
        draw_points(axis, [(name, times) for name, times in rows if times])
        axis.set_title(f"{dtype}: time of an iteration, fastnn2 = 1", fontsize=FONT)
    add_legend(figure, axes[0])
    figure.savefig(path, dpi=DPI)


def scaling(results, path):
    """Draw time per sample and iteration against the number of samples."""
    figure, (axis,) = new_figure(1, 1, (WIDTH, 4.5))
    rows = results["slope"]["rows"]
    for dtype, colour in zip(DTYPES, ("#1f5fa8", "#b3261e"), strict=True):
        for threads, style in ((1, "s--"), (None, "o-")):
            points = [(row["n"], row["ns"]) for row in rows if (row["dtype"], row["threads"]) == (dtype, threads)]
            label = f"{dtype}, {'1 thread' if threads else 'all cores'}"
            axis.plot(*zip(*points, strict=True), style, color=colour, label=label)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)  # whether a line is flat shows best from 0 on
    axis.tick_params(labelsize=FONT)
    axis.set_xlabel("samples", fontsize=FONT)
    axis.set_ylabel("ns", fontsize=FONT)
    axis.set_title("n × 2 × 5: time for each sample and iteration", fontsize=FONT)
    axis.grid(alpha=0.4)
    figure.legend(loc="outside lower center", ncols=2, fontsize=FONT)
    figure.savefig(path, dpi=DPI)
