"""The costs of training runs."""

import numbers
from typing import Any

import numpy as np

from fastnn2.displays import axes
from fastnn2.functional import checks

Array = np.ndarray[Any, Any]

MAX_COSTS = 10_000  # more take much memory and show no more
LARGEST_COST = 1e200  # matplotlib's ticks of larger ones overflow; a run with such costs has diverged


class CostDisplay:
    """The costs of one or several runs; :func:`plot_cost` makes and draws it.

    Parameters
    ----------
    costs : dict
        Name of the run -> costs (n_iterations,). The name of a single run may be "".
    validation_costs : dict, optional
        The same for losses on a validation set, of some or all of the runs.
    xlabel, ylabel : str
        Labels of the axes, where they have none.

    Attributes
    ----------
    lines_, validation_lines_ : list of Line2D
        One for each run, in the order of the dicts.
    legend_ : Legend or None
    ax_ : Axes
    figure_ : Figure
    """

    def __init__(
        self, *, costs: Any, validation_costs: Any = None, xlabel: str = "iteration", ylabel: str = "cost"
    ) -> None:
        self.costs = costs
        self.validation_costs = validation_costs or {}
        self.xlabel = xlabel
        self.ylabel = ylabel

    @classmethod
    def from_runs(cls, cost_: Any, ax: Any = None) -> "CostDisplay":
        """Draw what :func:`plot_cost` takes."""
        axes.check_matplotlib("plot_cost")
        if isinstance(cost_, dict):
            runs = dict(cost_)
        elif isinstance(cost_, list | tuple) and not all(isinstance(cost, numbers.Number) for cost in cost_):
            runs = {f"run {place}": run for place, run in enumerate(cost_, 1)}
        else:
            runs = {"": cost_}
        if not runs:
            raise ValueError(f"cost_ is an empty {type(cost_).__name__}; expected at least one run")
        costs, validation_costs, is_estimator = {}, {}, set()
        for key, run in runs.items():
            name, of_estimator = str(key), hasattr(run, "loss_curve_") or hasattr(run, "fit")
            what = f"cost_ ({name})" if name else "cost_"
            is_estimator.add(of_estimator)
            losses, validation_losses = _loss_curves(run, what) if of_estimator else (run, None)
            costs[name] = _as_costs(losses, what)
            if validation_losses:
                validation_costs[name] = _as_costs(validation_losses, f"{what}: validation_loss_curve_")
        xlabel = "iteration or epoch" if len(is_estimator) == 2 else "epoch" if True in is_estimator else "iteration"
        ylabel = "loss" if False not in is_estimator else "cost"
        display = cls(costs=costs, validation_costs=validation_costs, xlabel=xlabel, ylabel=ylabel)
        return display.plot(ax)

    def plot(self, ax: Any = None) -> "CostDisplay":
        """Draw the curves: on a log axis where all that the axes show is above 0, else on a linear one.

        Parameters
        ----------
        ax : Axes, optional
            A new figure's, by default.

        Returns
        -------
        self
        """
        ax = axes.check_axes(ax, "plot_cost")
        self.lines_: list[Any] = []
        self.validation_lines_: list[Any] = []
        for name, cost in self.costs.items():
            label = name or ("training" if self.validation_costs else "")
            (line,) = _draw_curve(ax, cost, label)
            self.lines_.append(line)
            if name in self.validation_costs:
                label = f"{name}, validation" if name else "validation"
                dashed = {"color": line.get_color(), "linestyle": "--"}
                self.validation_lines_ += _draw_curve(ax, self.validation_costs[name], label, **dashed)
        ax.set_yscale("log" if ax.dataLim.y0 > 0 else "linear")
        _set_iteration_ticks(ax)
        axes.set_labels(ax, self.xlabel, self.ylabel)
        ax.grid(visible=True, which="both", alpha=0.3)
        labelled = [line for line in self.lines_ + self.validation_lines_ if not line.get_label().startswith("_")]
        self.legend_ = axes.add_legend(ax, len(labelled)) if labelled else None
        self.ax_, self.figure_ = ax, ax.figure
        return self


def plot_cost(cost_: Any, ax: Any = None) -> CostDisplay:
    """Draw the costs of one or several training runs.

    The axis is logarithmic where all costs are above 0, else linear. At most 10,000 costs of a run are drawn, evenly
    spaced. Costs that are NaN, infinite or 1e200 and more are not drawn; where a run ends with them, the legend says
    how many came before.

    Parameters
    ----------
    cost_ : array_like, estimator, dict or list
        Costs of shape (n_iterations,), as :func:`fastnn2.fit` returns them; or a fitted model with ``loss_curve_``, or
        a Pipeline that ends with one. With early stopping, its ``validation_loss_curve_`` is a dashed line
        (``validation_scores_`` are no costs and not drawn). For several runs, a dict of name -> run, or a list of runs.
    ax : Axes, optional
        Where to draw; by default a new figure is made with ``matplotlib.pyplot``.

    Returns
    -------
    CostDisplay
        With ``ax_``, ``figure_``, ``lines_``, ``validation_lines_`` and ``legend_``.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid: for example, there are no costs, or none that can be drawn.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import fastnn2
    >>> from matplotlib.figure import Figure
    >>> X, Y = [[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1]
    >>> runs = {f"rate {rate}": fastnn2.fit(X, Y, rate, 5, 200)[1] for rate in (0.1, 0.3)}
    >>> display = fastnn2.plot_cost(runs, ax=Figure().subplots())
    >>> [line.get_label() for line in display.lines_]
    ['rate 0.1', 'rate 0.3']
    """
    return CostDisplay.from_runs(cost_, ax)


def _loss_curves(model: Any, what: str) -> tuple[Any, Any]:
    """Return the losses of a fitted model, and those on its validation set or None."""
    steps = getattr(model, "steps", None)
    if steps:  # a Pipeline
        model = steps[-1][1]
    if not hasattr(model, "loss_curve_"):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(model)
        solver = f" with solver {model.solver!r}" if hasattr(model, "solver") else ""
        raise ValueError(
            f"{what} is {type(model).__name__}{solver}, which has no loss_curve_; expected a model with it"
        )
    return model.loss_curve_, getattr(model, "validation_loss_curve_", None)


def _as_costs(value: Any, what: str) -> Array:
    """Return costs (n_iterations,), of which at least one can be drawn."""
    if isinstance(value, dict):
        raise TypeError(f"{what} is a dict; expected the costs of one run, the second result of fastnn2.fit")
    array = checks.as_real_array(value, what)
    if array.ndim != 1:
        remedy = ". Pass a list of runs for several" if array.ndim == 2 else ""
        raise ValueError(f"{what} has shape {array.shape}; expected (n_iterations,), one cost for each{remedy}")
    if array.size == 0:
        raise ValueError(f"{what} is empty; expected at least one cost")
    drawn = array[axes.evenly_spaced(len(array), MAX_COSTS)]
    if not _can_be_drawn(drawn).any():
        raise ValueError(f"{what} has no cost below {LARGEST_COST:g}, but {drawn[0]}; there is nothing to draw")
    return array


def _can_be_drawn(cost: Array) -> Array:
    return abs(cost.astype(np.float64)) < LARGEST_COST  # False for NaN


def _draw_curve(ax: Any, cost: Array, label: str, **style: Any) -> list[Any]:
    """Draw costs up to where they diverge; return the line in a list."""
    drawn = axes.evenly_spaced(len(cost), MAX_COSTS)
    shown = cost[drawn].astype(np.float64)
    drawable = np.flatnonzero(_can_be_drawn(shown))
    shown[~_can_be_drawn(shown)] = np.nan  # a gap
    last = drawn[drawable[-1]]
    if last < len(cost) - 1:
        after = cost[last : drawn[drawable[-1] + 1]]
        last += np.flatnonzero(_can_be_drawn(after))[-1]
        label = f"{label} (diverged after {last + 1:,})" if label else f"diverged after {last + 1:,}"
    marker = "o" if len(drawable) == 1 else None  # a line through one point cannot be seen
    lines: list[Any] = ax.plot(drawn + 1, shown, label=label or None, marker=marker, **style)
    return lines


def _set_iteration_ticks(ax: Any) -> None:
    """Put the ticks at round iterations, as many as their labels have room for."""
    from matplotlib.ticker import MaxNLocator

    longest = f"{ax.dataLim.x1:,.0f}"
    size = ax.xaxis.get_major_ticks(1)[0].label1.get_size()
    commas = longest.count(",")
    width = size * (0.64 * (len(longest) - commas) + 0.32 * commas + 0.5)  # of matplotlib's own font, and some space
    room = int(axes.inches_wide(ax) * 72 / width)
    ax.xaxis.set_major_locator(MaxNLocator(max(2, min(6, room)), steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter("{x:,.0f}")
