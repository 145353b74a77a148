"""Pictures, made with matplotlib's object interface: no window is opened and no global state changed."""

import argparse
import pathlib
from typing import Any

import numpy as np

from fastnn2.displays import plot_cost, plot_decision
from fastnn2.storage.atomic import check_writable

Array = np.ndarray[Any, Any]

SUFFIXES = (".png", ".svg", ".pdf", ".jpg")


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


def check_picture_writable(path: pathlib.Path, otherwise: str = "use --no-plot") -> None:
    """Raise ValueError if a picture cannot be saved: matplotlib is missing, or the suffix or the file is wrong.

    Parameters
    ----------
    path : Path
    otherwise : str
        How to run the command without a picture.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ValueError(f"a picture needs matplotlib: pip install 'fastnn2[plot]', or {otherwise}") from error
    check_writable(path)
    if path.suffix.lower() not in SUFFIXES:
        expected = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise ValueError(f"cannot save {str(path)!r}: its name must end with {expected}")


def save_scaling(path: pathlib.Path, rows: list[dict[str, Any]], dtype: str) -> None:
    """Save a plot of time against number of samples on log axes, with files and the NumPy reference where they were.

    Parameters
    ----------
    path : Path
    rows : list of dict
        Each with samples, seconds (per iteration, or None), numpy_seconds (or None) and, optionally, files, which has
        seconds.
    dtype : str
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    trained = [row for row in rows if row["seconds"] is not None]
    points = [row["samples"] for row in trained], [row["seconds"] for row in trained]
    axes.plot(*points, "o-", color="#0f766e", label=f"fastnn2, {dtype}")
    on_files = [row for row in rows if "files" in row]
    if on_files:
        points = [row["samples"] for row in on_files], [row["files"]["seconds"] for row in on_files]
        axes.plot(*points, "d:", color="#1d4ed8", label=f"fastnn2 on files, {dtype}")
    compared = [row for row in rows if row["numpy_seconds"] is not None]
    if compared:
        points = [row["samples"] for row in compared], [row["numpy_seconds"] for row in compared]
        axes.plot(*points, "s--", color="#c2410c", label="NumPy reference, float64")
    axes.set(xscale="log", yscale="log", xlabel="samples", ylabel="seconds per iteration", title="moons, full batch")
    axes.grid(visible=True, which="major", alpha=0.4)
    axes.legend()
    figure.savefig(path, dpi=110)


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

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)

    left.set(ylabel="cost (cross-entropy)", title="cost")
    display = plot_cost(cost_, ax=left)
    display.lines_[0].set_color("#0f766e")
    right.set(title="samples and decision boundary")
    plot_decision(params, X, Y, ax=right)
    figure.savefig(path, dpi=110)
