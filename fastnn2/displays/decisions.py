"""What a network with two inputs decides, and samples."""

import numbers
from typing import Any

import numpy as np

from fastnn2.displays import axes
from fastnn2.functional import checks
from fastnn2.functional.predictor import predictor

Array = np.ndarray[Any, Any]

MAX_SAMPLES = 2000  # more would hide the boundary
MAX_CLASSES = 100  # nobody tells more colors apart, and each class takes a megabyte
GRID_COLUMNS, GRID_ROWS = 400, 300
MARGIN = 0.12  # of the samples' range, on each side
CLASS_COLORS = ("#c2410c", "#1d4ed8")  # distinguishable with every kind of color blindness
MANY_COLORS = (*CLASS_COLORS, "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#6b7280", "#111827")


class DecisionDisplay:
    """The decisions of a network with two inputs, and samples; :func:`plot_decision` makes and draws it.

    Parameters
    ----------
    xx0, xx1 : ndarray (rows, columns)
        The points of a grid, as :func:`numpy.meshgrid` returns them.
    response : ndarray (rows, columns) or (rows, columns, n_classes)
        The probability of the second of two classes, or the prediction of a regressor; or a score for each class.
    X : ndarray (n, 2)
        The samples.
    y : ndarray (n,)
        The number of each sample's class, or the target of a regressor.
    classes : list, optional
        The labels; None for a regressor.
    xlabel, ylabel : str
        Labels of the axes, where they have none.

    Attributes
    ----------
    surface_ : QuadContourSet, or a list of them
        The areas: probabilities or predictions; for more than two classes the region of each class that has one.
    boundary_ : list of QuadContourSet
        The lines where the decision changes.
    points_ : list of PathCollection
        The samples of each class, or all samples of a regressor.
    colorbar_ : Colorbar or None
    legend_ : Legend or None
    ax_ : Axes
    figure_ : Figure
    """

    def __init__(
        self, *, xx0: Array, xx1: Array, response: Array, X: Array, y: Array, classes: Any = None,
        xlabel: str = "feature 0", ylabel: str = "feature 1",
    ) -> None:  # fmt: skip
        self.xx0 = xx0
        self.xx1 = xx1
        self.response = response
        self.X = X
        self.y = y
        self.classes = classes
        self.xlabel = xlabel
        self.ylabel = ylabel

    @classmethod
    def from_params(cls, params: Any, X: Any, y: Any, ax: Any = None) -> "DecisionDisplay":
        """Draw the decisions of :func:`fastnn2.fit`'s parameters; X is (2, n) and y (o, n) or (n,)."""
        axes.check_matplotlib("plot_decision")
        names = _feature_names(getattr(X, "index", None))
        X = checks.as_matrix(X, "X")
        arrays, d, _, o = checks.as_params(params)
        _check_two_features(X, 0, d, "params")
        checks.check_finite(X, "X", np.float64)
        y = checks.as_targets(y, "y", X.shape[1], X)
        checks.check_in_unit_interval(y, "y")
        if len(y) != o:
            raise ValueError(f"y has {len(y)} rows; expected {o}, as W2 has {o} rows")
        if o > 1 and ((y > 0.5).sum(axis=0) != 1).any():
            at = int(np.argmax((y > 0.5).sum(axis=0) != 1))
            raise ValueError(
                f"y has {y[:, at]} at sample {at}; expected one target above 0.5 for each sample, as plot_decision "
                "draws one class for each. Draw one output: pass its row of W2, b2 and y"
            )
        class_numbers = y.argmax(axis=0) if o > 1 else (y[0] > 0.5).astype(int)
        xx0, xx1, points = _grid(X.T)
        response = predictor(arrays, "float64")(np.ascontiguousarray(points.T)).T
        response = response.reshape(*xx0.shape, o) if o > 1 else response.reshape(xx0.shape)
        classes = list(range(max(o, 2)))
        return cls(
            xx0=xx0, xx1=xx1, response=response, X=X.T, y=class_numbers, classes=classes, xlabel=names[0],
            ylabel=names[1],
        ).plot(ax)  # fmt: skip

    @classmethod
    def from_estimator(cls, model: Any, X: Any, y: Any, ax: Any = None) -> "DecisionDisplay":
        """Draw the decisions of a fitted classifier, or the predictions of a regressor; X is (n, 2) and y (n,)."""
        axes.check_matplotlib("plot_decision")
        from sklearn.base import is_classifier, is_regressor
        from sklearn.utils.validation import check_is_fitted

        has_tags = hasattr(model, "__sklearn_tags__") and not isinstance(model, type)
        if not has_tags or not (is_classifier(model) or is_regressor(model)):
            found = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
            raise TypeError(
                f"model_or_params is {found}; expected a dict of parameters, or a fitted classifier or regressor"
            )
        check_is_fitted(model)
        samples = checks.as_matrix(X, "X")
        _check_two_features(samples, 1, getattr(model, "n_features_in_", 2), "the model")
        checks.check_finite(samples, "X", np.float64, ("sample", "feature"))
        names = _feature_names(getattr(model, "feature_names_in_", getattr(X, "columns", None)))
        y = np.asarray(y)
        if y.shape not in ((len(samples),), (len(samples), 1)):
            raise ValueError(f"y has shape {y.shape}; expected ({len(samples)},), one class or target for each sample")
        y, (xx0, xx1, points) = y.ravel(), _grid(samples)
        if model.predict(_in_a_frame_like(X, points[:1])).ndim > 1:
            raise ValueError("the model has several outputs; expected one, as plot_decision draws one")
        classes = None
        if is_classifier(model):
            classes = model.classes_.tolist()
            y, response = _class_numbers(y, classes), _class_scores(model, _in_a_frame_like(X, points))
        else:
            y = checks.as_real_array(y, "y")
            checks.check_finite(y, "y")
            response = np.asarray(model.predict(_in_a_frame_like(X, points)))
        return cls(
            xx0=xx0, xx1=xx1, response=response.reshape(*xx0.shape, *response.shape[1:]), X=samples, y=y,
            classes=classes, xlabel=names[0], ylabel=names[1],
        ).plot(ax)  # fmt: skip

    def plot(self, ax: Any = None) -> "DecisionDisplay":
        """Draw areas, boundary and at most 2,000 samples, evenly spaced in their order.

        Parameters
        ----------
        ax : Axes, optional
            A new figure's, by default.

        Returns
        -------
        self
        """
        ax = axes.check_axes(ax, "plot_decision")
        shown = axes.evenly_spaced(len(self.X), MAX_SAMPLES)
        self.boundary_: list[Any] = []
        self.colorbar_ = self.legend_ = None
        edge = {"s": 9, "edgecolor": "white", "linewidth": 0.3}
        if self.classes is None:
            levels = _levels(self.response, self.y[shown])
            self.surface_: Any = ax.contourf(self.xx0, self.xx1, self.response, levels=levels, cmap="viridis")
            edge.update(c=self.y[shown], norm=self.surface_.norm, cmap="viridis", s=16, linewidth=0.6)
            self.points_ = [ax.scatter(*self.X[shown].T, **edge)]
            self.colorbar_ = ax.figure.colorbar(self.surface_, ax=ax, label="prediction, target")
        else:
            colors = _class_colors(len(self.classes))
            labels = [f"class {name}" if isinstance(name, numbers.Number) else str(name) for name in self.classes]
            if self.response.ndim == 2:
                self._draw_probability(ax, labels[1])
            else:
                self._draw_regions(ax, colors)
            self.points_ = []
            for number, (label, color) in enumerate(zip(labels, colors, strict=True)):
                chosen = shown[self.y[shown] == number]
                self.points_.append(ax.scatter(*self.X[chosen].T, color=color, label=label, **edge))
            self.legend_ = axes.add_legend(ax, len(labels))
        axes.set_labels(ax, self.xlabel, self.ylabel)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_probability(self, ax: Any, label: str) -> None:
        levels = np.linspace(0, 1, 21)
        self.surface_ = ax.contourf(self.xx0, self.xx1, self.response, levels=levels, cmap="coolwarm_r", alpha=0.5)
        if self.response.min() < 0.5 < self.response.max():
            line = {"levels": [0.5], "colors": "black", "linewidths": 1.5}
            self.boundary_.append(ax.contour(self.xx0, self.xx1, self.response, **line))
        ticks = [0, 0.25, 0.5, 0.75, 1]
        self.colorbar_ = ax.figure.colorbar(self.surface_, ax=ax, label=f"probability of {label}", ticks=ticks)

    def _draw_regions(self, ax: Any, colors: list[Any]) -> None:
        """Draw each region from its class's lead over the others: numbers of classes would give false strips."""
        winners = self.response.argmax(axis=2)
        floor = self.response.min() - 1
        self.surface_ = []
        for number, color in enumerate(colors):
            others = np.delete(self.response, number, axis=2).max(axis=2, initial=floor)
            lead = self.response[:, :, number] - others
            tiny = np.finfo(np.float64).tiny  # the first of equal classes wins
            lead = np.where(winners == number, np.maximum(lead, tiny), np.minimum(lead, -tiny))
            if lead.max() > 0:
                area = {"levels": [0, lead.max() + 1], "colors": [color], "alpha": 0.35}
                self.surface_.append(ax.contourf(self.xx0, self.xx1, lead, **area))
            if lead.min() < 0 < lead.max():
                line = {"levels": [0], "colors": "black", "linewidths": 1}
                self.boundary_.append(ax.contour(self.xx0, self.xx1, lead, **line))


def plot_decision(model_or_params: Any, X: Any, y: Any, ax: Any = None) -> DecisionDisplay:
    """Draw what a network with two inputs decides, and samples.

    For two classes, the probability of the second one is drawn, with a line at 0.5; for more, the region of each class;
    for a regressor, its predictions. At most 2,000 samples are drawn, evenly spaced in their order.

    Parameters
    ----------
    model_or_params : estimator or dict
        A fitted classifier or regressor of two features, or a Pipeline; or W1, b1, W2 and b2 of :func:`fastnn2.fit`.
    X : array_like or data frame
        Samples of shape (n, 2) for an estimator; of shape (2, n) for parameters.
    y : array_like
        Labels or targets of shape (n,) for an estimator. For parameters targets of shape (n,) or (o, n), where a
        target above 0.5 is class 1 and, with several outputs, one output of each sample has such a target.
    ax : Axes, optional
        Where to draw; by default a new figure is made with ``matplotlib.pyplot``.

    Returns
    -------
    DecisionDisplay
        With ``ax_``, ``figure_``, ``surface_``, ``boundary_``, ``points_``, ``colorbar_`` and ``legend_``.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid: for example, there are not two features, or the model is not fitted.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import fastnn2
    >>> from matplotlib.figure import Figure
    >>> X, Y = [[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]], [0, 1, 1, 0]
    >>> params, _ = fastnn2.fit(X, Y, 1.0, 4, 500)
    >>> display = fastnn2.plot_decision(params, X, Y, ax=Figure().subplots())
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['class 0', 'class 1']
    """
    if isinstance(model_or_params, dict):
        return DecisionDisplay.from_params(model_or_params, X, y, ax)
    return DecisionDisplay.from_estimator(model_or_params, X, y, ax)


def _check_two_features(X: Array, axis: int, d: int, what: str) -> None:
    """Raise ValueError unless X has two features along `axis`, and the network takes two."""
    if X.shape[axis] != 2:
        expected = ("(2, n), one column for each sample", "(n, 2), one row for each sample")[axis]
        hint = ". Pass X.T" if X.shape[1 - axis] == 2 else ""
        raise ValueError(f"X has shape {X.shape}; plot_decision draws two features: expected {expected}{hint}")
    if d != 2:
        raise ValueError(f"{what} has {d} inputs; plot_decision draws two features: expected a network of two")


def _grid(samples: Array) -> tuple[Array, Array, Array]:
    """Return a grid around the samples (n, 2): its coordinates, as of meshgrid, and its points (rows * columns, 2)."""
    low, high = samples.min(axis=0).astype(np.float64), samples.max(axis=0).astype(np.float64)
    margin = np.where(high > low, MARGIN * (high - low), np.maximum(1, abs(low)) / 2)
    low, high = low - margin, high + margin
    xx0, xx1 = np.meshgrid(np.linspace(low[0], high[0], GRID_COLUMNS), np.linspace(low[1], high[1], GRID_ROWS))
    return xx0, xx1, np.stack([xx0.ravel(), xx1.ravel()], axis=1)


def _feature_names(names: Any) -> list[str]:
    """Return two names for the axes: those given, if they are strings."""
    found = [name for name in names if isinstance(name, str)] if hasattr(names, "__iter__") else []
    if len(found) == 2:
        return found
    return ["feature 0", "feature 1"]


def _in_a_frame_like(X: Any, points: Array) -> Any:
    """Return points in a data frame if X is one, so that a model that knows names of features finds them."""
    if hasattr(X, "columns"):
        return type(X)(dict(zip(X.columns, points.T, strict=True)))
    return points


def _class_numbers(y: Array, classes: list[Any]) -> Array:
    """Return the number of each sample's class."""
    if len(classes) > MAX_CLASSES:
        raise ValueError(f"the model has {len(classes)} classes; plot_decision draws at most {MAX_CLASSES}")
    numbers_of = {label: number for number, label in enumerate(classes)}
    labels = y.tolist()
    unknown = set(labels) - set(classes)
    if unknown:
        raise ValueError(f"y has {sorted(unknown, key=str)[:5]}; expected some of the model's classes {classes[:10]}")
    return np.array([numbers_of[label] for label in labels])


def _class_scores(model: Any, points: Any) -> Array:
    """Return the probability of the second of two classes (n,), or a score for each class (n, n_classes)."""
    if hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(points))
        return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    scores: Array = np.asarray(model.predict(points))[:, np.newaxis] == model.classes_
    return scores.astype(float)


def _class_colors(count: int) -> list[Any]:
    if count <= len(MANY_COLORS):
        return list(MANY_COLORS[:count])
    import matplotlib as mpl

    return list(mpl.colormaps["turbo"](np.linspace(0, 1, count)))


def _levels(response: Array, targets: Array) -> Array:
    """Return the borders of a regressor's bands of color, round numbers over its predictions and the targets."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(response.min(), targets.min()), max(response.max(), targets.max())
    if low == high:  # else bands would be narrower than the digits that the colorbar shows
        low, high = low - 0.5 * max(1, abs(low)), high + 0.5 * max(1, abs(high))
    return np.asarray(MaxNLocator(20).tick_values(low, high))
