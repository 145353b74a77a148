"""Pictures of the results: bars for the grid, lines for scaling, both on log axes."""

DTYPES = ("float64", "float32")
COLOURS = {
    "NumPy": "#4c72b0", "Numba": "#8172b3", "scikit-learn": "#937860", "torch": "#c44e52", "torch.compile": "#da8bc3",
    "JAX": "#55a868", "fastnn2": "#222222",
}  # fmt: skip


def new_figure(rows, columns, size):
    """Return a figure and its axes that need no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False).ravel()


def bars(results, path):
    """Draw time an iteration for each cell and peer, all cores (Numba: one thread)."""
    figure, axes = new_figure(2, 1, (11, 8))
    cells = results["grid"]
    for axis, dtype in zip(axes, DTYPES, strict=True):
        measured = {row["title"] for cell in cells for row in cell["rows"]}
        titles = [title for title in COLOURS if title in measured]
        width = 0.8 / len(titles)
        for position, title in enumerate(titles):
            threads = 1 if title == "Numba" else None
            points = [
                (index + (position - len(titles) / 2 + 0.5) * width, row["us_per_iteration"])
                for index, cell in enumerate(cells)
                for row in cell["rows"]
                if (row["title"], row["dtype"], row["threads"]) == (title, dtype, threads)
            ]
            if points:
                axis.bar(*zip(*points, strict=True), width=width, color=COLOURS[title], label=title)
        axis.set_yscale("log")
        axis.set_axisbelow(True)
        axis.set_title(f"{dtype}: µs an iteration (less is better)")
        axis.set_xticks(range(len(cells)), [cell["title"].replace(" x ", "×") for cell in cells], rotation=20)
        axis.grid(axis="y", alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(COLOURS))
    figure.savefig(path, dpi=120)


def scaling(results, path):
    """Draw time per sample and iteration against the number of samples."""
    figure, (axis,) = new_figure(1, 1, (7, 4.5))
    rows = results["slope"]["rows"]
    for dtype in DTYPES:
        for threads, style in ((1, "--"), (None, "-")):
            points = [(row["n"], row["ns"]) for row in rows if (row["dtype"], row["threads"]) == (dtype, threads)]
            label = f"{dtype}, {'1 thread' if threads else 'all cores'}"
            axis.plot(*zip(*points, strict=True), style, marker="o", label=label)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)  # whether a line is flat shows best from 0 on
    axis.set_xlabel("samples")
    axis.set_ylabel("ns")
    axis.set_title("n × 2 × 5: time for each sample and iteration")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=120)
