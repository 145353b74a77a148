"""Pictures, made with matplotlib's object interface: no window is opened and no global state changed."""

import argparse
import pathlib
from typing import Any

import numpy as np

from fastnn2.functional.steps import forward
from fastnn2.storage.atomic import check_writable

Array = np.ndarray[Any, Any]

SUFFIXES = (".png", ".svg", ".pdf", ".jpg")
CLASS_COLORS = ("#c2410c", "#1d4ed8")  # distinguishable with every kind of color blindness
MAX_SAMPLES, MAX_COSTS = 2000, 10_000  # more samples would hide the boundary, more costs take much memory


def picture_path(options: argparse.Namespace, default: str) -> pathlib.Path | None:
    """Return the path of a command's picture, or None for no picture.

    If it cannot be saved, raise ValueError for a path that the user gave, and print a line for the default one.
    """
    if options.no_plot:
        return None
    path: pathlib.Path = options.plot or pathlib.Path(default)
    try:
        check_picture_writable(path)
    except ValueError as error:
        if options.plot is not None:
            raise
        print(f"no picture: {error}")
        return None
    return path


def check_picture_writable(path: pathlib.Path) -> None:
    """Raise ValueError if a picture cannot be saved: matplotlib is missing, or the suffix or the file is wrong."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ValueError("a picture needs matplotlib: pip install 'fastnn2[plot]', or use --no-plot") from error
    check_writable(path)
    if path.suffix.lower() not in SUFFIXES:
        expected = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise ValueError(f"cannot save {str(path)!r}: its name must end with {expected}")


def save_scaling(path: pathlib.Path, rows: list[dict[str, Any]], dtype: str) -> None:
    """Save a plot of time against number of samples on log axes, with the NumPy reference where it was run.

    Parameters
    ----------
    path : Path
    rows : list of dict
        Each with samples, seconds (per iteration) and numpy_seconds (or None).
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
    axes.set(xscale="log", yscale="log", xlabel="samples", ylabel="seconds per iteration", title="moons, full batch")
    axes.grid(visible=True, which="major", alpha=0.4)
    axes.legend()
    figure.savefig(path, dpi=110)


@np.errstate(over="ignore")  # costs near 1e300 overflow where matplotlib computes the ticks of the log axis
def save_training(path: pathlib.Path, X: Array, Y: Array, params: dict[str, Array], cost_: Array, title: str) -> None:
    """Save a picture with the cost curve on a log axis, and the samples with the decision boundary.

    Parameters
    ----------
    path : Path
        The suffix chooses the file format.
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

    drawn = _evenly_spaced(len(cost_), MAX_COSTS)
    left.plot(drawn + 1, cost_[drawn], color="#0f766e")
    max_ticks = 6 if len(cost_) < 100_000 else 4  # longer labels need more room
    left.xaxis.set_major_locator(MaxNLocator(max_ticks, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    left.xaxis.set_major_formatter("{x:,.0f}")
    left.set(xlabel="iteration", ylabel="cost (cross-entropy)", yscale="log", title="cost")
    left.grid(visible=True, which="both", alpha=0.3)

    low, high = X.min(axis=1) - 0.4, X.max(axis=1) + 0.4
    x, y = np.meshgrid(np.linspace(low[0], high[0], 400), np.linspace(low[1], high[1], 300))
    probability = forward(np.stack([x.ravel(), y.ravel()]), params)[0].reshape(x.shape)
    contours = right.contourf(x, y, probability, levels=np.linspace(0, 1, 21), cmap="coolwarm_r", alpha=0.5)
    right.contour(x, y, probability, levels=[0.5], colors="black", linewidths=1.5)
    shown = _evenly_spaced(X.shape[1], MAX_SAMPLES)
    for label, color in enumerate(CLASS_COLORS):
        chosen = shown[Y[0, shown] == label]
        right.scatter(*X[:, chosen], s=9, color=color, edgecolor="white", linewidth=0.3, label=f"class {label}")
    right.set(xlabel="feature 0", ylabel="feature 1", title="samples and decision boundary")
    right.legend(loc="upper right")
    figure.colorbar(contours, ax=right, label="probability of class 1", ticks=[0, 0.25, 0.5, 0.75, 1])
    figure.savefig(path, dpi=110)


def _evenly_spaced(count: int, maximum: int) -> Array:
    """Return at most `maximum` evenly spaced integers from 0 to ``count - 1``, both included."""
    return np.linspace(0, count - 1, min(count, maximum)).astype(int)
