"""What both displays need: matplotlib, where they draw, and how they pick from many points."""

import subprocess
import sys

import numpy as np
import pytest
from data import HAND_PARAMS, HAND_X, HAND_Y, PATIENCE
from matplotlib.figure import Figure

import fastnn2
from fastnn2.displays import axes

DRAW = {
    "plot_cost": lambda ax=None: fastnn2.plot_cost([0.7, 0.5], ax),
    "plot_decision": lambda ax=None: fastnn2.plot_decision(HAND_PARAMS, HAND_X, HAND_Y, ax),
}
WITHOUT_GLOBAL_STATE = """
import sys
import fastnn2, fastnn2.displays
def imported(*names): return [name for name in names if name in sys.modules]
assert imported("matplotlib", "sklearn") == []
fastnn2.plot_cost
assert imported("matplotlib", "sklearn") == []
from matplotlib.figure import Figure
X, Y = [[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]], [0, 1, 1, 0]
params, cost_ = fastnn2.fit(X, Y, 1.0, 4, 5)
left, right = Figure().subplots(1, 2)
fastnn2.plot_cost(cost_, left)
fastnn2.plot_decision(params, X, Y, right)
assert imported("matplotlib.pyplot", "sklearn") == []
"""


@pytest.mark.parametrize(("count", "maximum", "length"), [(1, 10, 1), (9, 10, 9), (10, 10, 10), (1000, 10, 10)])
def test_evenly_spaced(count, maximum, length):
    spaced = axes.evenly_spaced(count, maximum)
    assert len(spaced) == length
    assert (spaced[0], spaced[-1]) == (0, count - 1)
    assert (np.diff(spaced) > 0).all()


def test_libraries_are_imported_where_they_are_needed():
    command = [sys.executable, "-c", WITHOUT_GLOBAL_STATE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", DRAW)
def test_without_matplotlib(name, monkeypatch):
    """The error comes before any work: the arguments are wrong, too."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=rf"^fastnn2\.{name} needs matplotlib: pip install 'fastnn2\[plot\]'$"):
        getattr(fastnn2, name)(*[{}] * (1 if name == "plot_cost" else 3))


@pytest.mark.parametrize("name", DRAW)
def test_a_new_figure_by_default(name):
    from matplotlib import pyplot

    before, backend = pyplot.get_fignums(), pyplot.get_backend()
    pyplot.switch_backend("agg")
    display = DRAW[name]()
    try:
        assert pyplot.gcf() is display.figure_
        assert display.ax_ in display.figure_.axes
    finally:
        pyplot.close(display.figure_)
        pyplot.switch_backend(backend)
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize("name", DRAW)
def test_given_axes(name):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    display = DRAW[name](right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.has_data()
    assert display.plot(left) is display  # a display can be drawn again
    assert display.ax_ is left


@pytest.mark.parametrize("name", DRAW)
def test_in_a_subfigure(name):
    subfigure = Figure().subfigures(1, 2)[0]
    assert DRAW[name](subfigure.subplots()).figure_ is subfigure


@pytest.mark.parametrize("name", DRAW)
def test_wrong_axes(name):
    with pytest.raises(TypeError, match=r"ax is str; expected one matplotlib Axes or None$"):
        DRAW[name]("axes")
    with pytest.raises(TypeError, match=r"ax is ndarray; expected .*; pass one of the array's elements$"):
        DRAW[name](Figure().subplots(1, 2))


@pytest.mark.parametrize("name", DRAW)
def test_labels_that_the_axes_have_are_kept(name):
    ax = Figure().subplots()
    ax.set_xlabel("mine")
    display = DRAW[name](ax)
    assert display.ax_.get_xlabel() == "mine"
    assert display.ax_.get_ylabel() == display.ylabel != ""


@pytest.mark.parametrize(("width", "count", "size"), [(6, 2, 10), (6, 6, 8.33), (6, 30, 8.33), (2, 2, 6.94)])
def test_legends_are_smaller_in_narrow_axes_and_with_many_entries(width, count, size):
    ax = Figure(figsize=(width, 3)).subplots()
    for number in range(count):
        ax.plot([0, 1], [0, number], label=f"line {number}")
    legend = axes.add_legend(ax, count)
    assert legend.get_texts()[0].get_fontsize() == pytest.approx(size)
    ax.figure.draw_without_rendering()
    inside, outside = legend.get_window_extent(), ax.get_window_extent()
    assert outside.x0 < inside.x0 < inside.x1 < outside.x1
