"""What both displays need: matplotlib or an error, axes to draw in, and their labels."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def check_matplotlib(function: str) -> None:
    """Raise ImportError, which says what to install, where matplotlib is missing."""
    try:
        import matplotlib.axes  # noqa: F401
    except ImportError as error:
        raise ImportError(f"fastnn2.{function} needs matplotlib: pip install 'fastnn2[plot]'") from error


def check_axes(ax: Any, function: str) -> Any:
    """Return the axes to draw in: `ax`, or those of a new figure."""
    check_matplotlib(function)
    from matplotlib.axes import Axes

    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots()[1]
    if not isinstance(ax, Axes):
        hint = "; pass one of the array's elements" if isinstance(ax, np.ndarray) else ""
        raise TypeError(f"ax is {type(ax).__name__}; expected one matplotlib Axes or None{hint}")
    return ax


def set_labels(ax: Any, xlabel: str, ylabel: str) -> None:
    """Set the labels that the axes do not have yet, as scikit-learn's displays do."""
    if not ax.get_xlabel():
        ax.set_xlabel(xlabel)
    if not ax.get_ylabel():
        ax.set_ylabel(ylabel)


def inches_wide(ax: Any) -> float:
    """Return the width of the axes as they are now; a later layout may change it a little."""
    return float(ax.get_window_extent().width / ax.figure.dpi)


def add_legend(ax: Any, count: int) -> Any:
    """Add a legend of `count` entries, in a smaller font where they are many or the axes narrow; return it."""
    narrow = inches_wide(ax) < 2.5
    size = "x-small" if narrow else "small" if count > 5 else None
    # Not "best", which takes seconds for long curves, with a warning.
    return ax.legend(loc="upper right", ncols=-(-count // 12), fontsize=size, handlelength=1 if narrow else None)


def evenly_spaced(count: int, maximum: int) -> Array:
    """Return at most `maximum` evenly spaced integers from 0 to ``count - 1``, both included."""
    return np.linspace(0, count - 1, min(count, maximum)).astype(int)
