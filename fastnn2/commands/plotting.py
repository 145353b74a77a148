"""Pictures, with matplotlib's object interface: no window, no global state."""

import argparse
import contextlib
import os
import pathlib
from typing import Any

import numpy as np

from fastnn2.functional.steps import forward

Array = np.ndarray[Any, Any]

KINDS = (".png", ".svg", ".pdf", ".jpg")
CLASS_COLOURS = ("#c2410c", "#1d4ed8")  # apart for every kind of colour blindness
MOST_SAMPLES, MOST_COSTS = 2000, 10_000  # more samples would hide the boundary, more costs fill the memory


def place(options: argparse.Namespace, default: str) -> pathlib.Path | None:
    """Return where a command saves its picture, or None; refuse what could not be saved before any work is done."""
    if options.no_plot:
        return None
    path: pathlib.Path = options.plot or pathlib.Path(default)
    try:
        check_writable(path)
    except ValueError as error:
        if options.plot is not None:
            raise
        print(f"no picture: {error}")
        return None
    return path


def check_writable(path: pathlib.Path) -> None:
    """Raise ValueError where a picture could not be saved: matplotlib, the kind of file, or the file itself."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ValueError("a picture needs matplotlib: pip install 'fastnn2[plot]', or use --no-plot") from error
    check_file_writable(path)
    if path.suffix.lower() not in KINDS:
        raise ValueError(f"cannot save {str(path)!r}: its name must end with {', '.join(KINDS[:-1])} or {KINDS[-1]}")


def check_file_writable(path: pathlib.Path) -> None:
    """Raise ValueError where a file could not be written, without touching it."""
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.stat()  # is_dir() may say no where a name is too long
        if not path.parent.is_dir():
            problem = f"{str(path.parent)!r} is not a folder"
        elif path.is_dir():
            problem = "it is a folder"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            problem = "permission denied"
        else:
            return
    except OSError as error:
        problem = str(error.strerror)
    raise ValueError(f"cannot save {str(path)!r}: {problem}")


def save_scaling(path: pathlib.Path, rows: list[dict[str, Any]], dtype: str) -> None:
    """Save time against number of samples, both on log axes; beside it the NumPy reference where it was run.

    Parameters
    ----------
    path : Path
    rows : list of dict
        With samples, seconds (an iteration), numpy_seconds (or None).
    dtype : str
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    samples = [row["samples"] for row in rows]
    axes.plot(samples, [row["seconds"] for row in rows], "o-", color="#0f766e", label=f"fastnn2, {dtype}")
    compared = [row for row in rows if row["numpy_seconds"] is not None]
    if compared:
        points = [row["samples"] for row in compared], [row["numpy_seconds"] for row in compared]
        axes.plot(*points, "s--", color="#c2410c", label="NumPy reference, float64")
    axes.set(xscale="log", yscale="log", xlabel="samples", ylabel="seconds an iteration", title="moons, full batch")
    axes.grid(visible=True, which="major", alpha=0.4)
    axes.legend()
    figure.savefig(path, dpi=110)


@np.errstate(over="ignore")  # a cost of 1e300 overflows in the ticks of the log axis
def save_training(path: pathlib.Path, X: Array, Y: Array, params: dict[str, Array], cost_: Array, title: str) -> None:
    """Save the cost curve on a log axis beside the decision boundary with the samples.

    Parameters
    ----------
    path : Path
        Where to; the ending says which kind of picture.
    X : ndarray (2, n)
    Y : ndarray (1, n)
    params : dict
    cost_ : ndarray
    title : str
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)

    drawn = _spread(len(cost_), MOST_COSTS)
    left.plot(drawn + 1, cost_[drawn], color="#0f766e")
    most = 6 if len(cost_) < 100_000 else 4  # so few that long labels keep apart
    left.xaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    left.xaxis.set_major_formatter("{x:,.0f}")
    left.set(xlabel="iteration", ylabel="cost (cross-entropy)", yscale="log", title="cost")
    left.grid(visible=True, which="both", alpha=0.3)

    low, high = X.min(axis=1) - 0.4, X.max(axis=1) + 0.4
    x, y = np.meshgrid(np.linspace(low[0], high[0], 400), np.linspace(low[1], high[1], 300))
    probability = forward(np.stack([x.ravel(), y.ravel()]), params)[0].reshape(x.shape)
    colours = right.contourf(x, y, probability, levels=np.linspace(0, 1, 21), cmap="coolwarm_r", alpha=0.5)
    right.contour(x, y, probability, levels=[0.5], colors="black", linewidths=1.5)
    shown = _spread(X.shape[1], MOST_SAMPLES)
    for label, colour in enumerate(CLASS_COLOURS):
        chosen = shown[Y[0, shown] == label]
        right.scatter(*X[:, chosen], s=9, color=colour, edgecolor="white", linewidth=0.3, label=f"class {label}")
    right.set(xlabel="feature 0", ylabel="feature 1", title="samples and decision boundary")
    right.legend(loc="upper right")
    figure.colorbar(colours, ax=right, label="probability of class 1", ticks=[0, 0.25, 0.5, 0.75, 1])
    figure.savefig(path, dpi=110)


def _spread(count: int, most: int) -> Array:
    """Return the numbers below `count`, or `most` of them, the first and the last included."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)
