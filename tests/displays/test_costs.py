"""Costs: one or several runs, what is drawn of them, the axes, and errors."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn2
from fastnn2.displays import costs

X = np.random.default_rng(0).standard_normal((60, 2))
y = (X.sum(axis=1) > 0).astype(int)


def model(**options):
    """Return a classifier that is stopped before it converges, fitted without a warning."""
    fitted = fastnn2.MLPClassifier(5, random_state=0, max_iter=400, tol=0.01, n_threads=1, **options)
    return fitted.fit(X, y)


def draw(cost_, ax=None):
    display = fastnn2.plot_cost(cost_, Figure().subplots() if ax is None else ax)
    display.figure_.draw_without_rendering()  # places the labels; the suite makes errors of warnings
    return display


def labels(display):
    return [text.get_text() for text in display.legend_.get_texts()]


@pytest.mark.parametrize("as_given", [list, tuple, np.array, pd.Series, lambda cost: np.array(cost, "float32")])
def test_one_run(as_given):
    display = draw(as_given([0.75, 0.5, 0.25]))
    (line,) = display.lines_
    np.testing.assert_array_equal(line.get_xydata(), [[1, 0.75], [2, 0.5], [3, 0.25]])
    assert display.validation_lines_ == []
    assert display.legend_ is None
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("iteration", "cost")
    assert display.ax_.get_yscale() == "log"


@pytest.mark.parametrize("costs_", [[0.5, 0.0], [0.5, -1.0], [0, 0], [0.5, np.nan, 0.0]])
def test_costs_of_zero_or_less_are_drawn_on_a_linear_axis(costs_):
    assert draw(costs_).ax_.get_yscale() == "linear"


def test_earlier_curves_of_the_axes_count():
    ax = draw([0.5, 0.0]).ax_
    assert draw([0.5, 0.25], ax).ax_.get_yscale() == "linear"
    assert len(ax.lines) == 2


def test_several_runs_by_name():
    display = draw({"slow": [0.7, 0.6], 2: np.array([0.7, 0.3, 0.2])})
    assert labels(display) == ["slow", "2"]
    assert [len(line.get_xdata()) for line in display.lines_] == [2, 3]
    assert len({line.get_color() for line in display.lines_}) == 2


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_runs_in_a_list(kind):
    assert labels(draw(kind([[0.7, 0.6], np.array([0.5])]))) == ["run 1", "run 2"]


def test_a_model():
    fitted = model()
    display = draw(fitted)
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), fitted.loss_curve_)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("epoch", "loss")
    assert display.legend_ is None


def test_validation_losses_are_dashed_lines_of_the_same_color():
    fitted = model(early_stopping=True)
    display = draw(fitted)
    (line,), (dashed,) = display.lines_, display.validation_lines_
    np.testing.assert_array_equal(dashed.get_ydata(), fitted.validation_loss_curve_)
    assert dashed.get_color() == line.get_color()
    assert (line.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
    assert labels(display) == ["training", "validation"]


def test_runs_of_all_kinds():
    pipeline = make_pipeline(StandardScaler(), fastnn2.MLPClassifier(5, random_state=0, max_iter=400, tol=0.01))
    display = draw({"a": model(early_stopping=True), "b": pipeline.fit(X, y), "c": [0.7, 0.6]})
    assert labels(display) == ["a", "a, validation", "b", "c"]
    np.testing.assert_array_equal(display.lines_[1].get_ydata(), pipeline[-1].loss_curve_)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("iteration or epoch", "cost")


@pytest.mark.parametrize("count", [100, 10_000, 10_001, 1_000_000])
def test_many_costs_are_thinned(count):
    cost_ = np.linspace(1, 0.5, count)
    (line,) = draw(cost_).lines_
    at, drawn = line.get_data()
    assert len(at) == min(count, costs.MAX_COSTS)
    assert (at[0], at[-1]) == (1, count)
    np.testing.assert_array_equal(drawn, cost_[at - 1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300, -np.inf])
@pytest.mark.parametrize(("count", "finite"), [(100, 60), (100_000, 59_999), (100_000, 60_003)])
def test_the_finite_part_of_a_diverged_run(bad, count, finite):
    cost_ = np.linspace(1, 0.5, count)
    cost_[finite:] = bad
    display = draw(cost_)
    assert labels(display) == [f"diverged after {finite:,}"]
    at, drawn = display.lines_[0].get_data()
    shown = np.isfinite(drawn)
    assert finite - count / costs.MAX_COSTS <= at[shown].max() <= finite
    assert display.ax_.get_yscale() == "log"
    assert labels(draw({"fast": cost_, "slow": [1.0]})) == [f"fast (diverged after {finite:,})", "slow"]


def test_what_diverged_training_carries():
    with pytest.raises(fastnn2.TrainingDiverged) as error:
        fastnn2.fit(X.T, y, 1e10 * len(X), 5, 40, alpha=1.0)  # the penalty multiplies weights by -1e10 each time
    display = draw(error.value.cost_)
    drawable = error.value.cost_ < costs.LARGEST_COST
    assert 2 < drawable.sum() < len(drawable)
    np.testing.assert_array_equal(display.lines_[0].get_ydata()[drawable], error.value.cost_[drawable])
    assert labels(display) == [f"diverged after {drawable.sum()}"]


def test_a_gap():
    display = draw([0.9, np.nan, 0.7])
    assert display.legend_ is None
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), [0.9, np.nan, 0.7])


@pytest.mark.parametrize(("cost_", "marker"), [([0.7], "o"), ([0.7, np.nan], "o"), ([0.7, 0.6], "None")])
def test_one_cost_can_be_seen(cost_, marker):
    assert draw(cost_).lines_[0].get_marker() == marker


def test_constant_costs():
    ax = draw([0.7] * 5).ax_
    assert ax.get_ylim()[0] < 0.7 < ax.get_ylim()[1]


@pytest.mark.parametrize("width", [2.0, 3.0, 6.4, 15.0])
@pytest.mark.parametrize("count", [1, 3, 77, 5_000, 99_999, 500_000, 1_000_000, 1_000_000_000])
def test_labels_of_iterations_do_not_overlap(width, count):
    display = draw(np.broadcast_to(0.7, count), Figure(figsize=(width, 3)).subplots())
    axis = display.ax_.xaxis
    low, high = sorted(axis.get_view_interval())
    shown = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    ends = [label.get_window_extent() for label in shown]
    assert 1 <= len(ends) <= 8
    assert all(left.x1 < right.x0 for left, right in pairwise(ends))


@pytest.mark.parametrize(
    ("cost_", "error", "message"),
    [
        ([], ValueError, r"^cost_ is empty; expected at least one cost$"),
        (np.array([]), ValueError, r"^cost_ is empty; expected at least one cost$"),
        ({}, ValueError, r"^cost_ is an empty dict; expected at least one run$"),
        ({"a": []}, ValueError, r"^cost_ \(a\) is empty; expected at least one cost$"),
        ([[0.5], []], ValueError, r"^cost_ \(run 2\) is empty"),
        ([np.nan, np.nan], ValueError, r"^cost_ has no cost below 1e\+200, but nan; there is nothing to draw$"),
        (np.ones((2, 3)), ValueError, r"^cost_ has shape \(2, 3\); expected .*Pass a list of runs for several$"),
        (0.5, ValueError, r"^cost_ has shape \(\); expected \(n_iterations,\), one cost for each$"),
        (None, TypeError, r"^cost_ is None; expected an array of numbers$"),
        ("0.5", TypeError, r"^cost_ has dtype <U3; expected real numbers"),
        (({"W1": 0}, [0.5]), TypeError, r"^cost_ \(run 1\) is a dict; .*the second result of fastnn2.fit$"),
        (fastnn2.MLPClassifier(), NotFittedError, "not fitted yet"),
        (make_pipeline(StandardScaler(), fastnn2.MLPClassifier()), NotFittedError, "not fitted yet"),
    ],
)
def test_errors(cost_, error, message):
    ax = Figure().subplots()
    with pytest.raises(error, match=message):
        fastnn2.plot_cost(cost_, ax)
    assert not ax.has_data()


def test_lbfgs_keeps_no_losses():
    message = r"^cost_ is MLPClassifier with solver 'lbfgs', which has no loss_curve_; expected a model with it$"
    with pytest.raises(ValueError, match=message):
        draw(fastnn2.MLPClassifier(5, solver="lbfgs", random_state=0).fit(X, y))
