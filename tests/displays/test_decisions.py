"""Decisions: what is drawn for parameters, classifiers and regressors, the samples, and errors."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from data import problem
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import fastnn2
from fastnn2.displays import DecisionDisplay, decisions

X, y = make_moons(200, noise=0.2, random_state=0)
BLOBS, BLOB_CLASSES = make_blobs(90, centers=3, random_state=0)
LAYERS = {"hidden_layer_sizes": 5, "solver": "lbfgs", "random_state": 0, "max_iter": 15000}


@pytest.fixture(scope="module")
def params():
    return fastnn2.fit(X.T, y, 0.3, 5, 300)[0]


def draw(model, X, y):
    figure = Figure()
    FigureCanvasAgg(figure)
    display = fastnn2.plot_decision(model, X, y, figure.subplots())
    figure.canvas.draw()  # the suite makes errors of matplotlib's warnings
    return display


def labels(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def axis_labels(display):
    return display.ax_.get_xlabel(), display.ax_.get_ylabel()


def points(display):
    """Return the grid's points as rows."""
    return np.stack([display.xx0.ravel(), display.xx1.ravel()], axis=1)


def drawn_samples(display):
    return [collection.get_offsets().data.tolist() for collection in display.points_]


def count_pixels(display, color):
    """Return how many pixels have this color, as a region that is 35 % opaque on white has it."""
    expected = [round(255 * 0.65 + 0.35 * int(color[i : i + 2], 16)) for i in (1, 3, 5)]
    image = np.asarray(display.figure_.canvas.buffer_rgba())[:, :, :3].astype(int)
    return (abs(image - expected).max(axis=2) <= 2).sum()


def test_parameters(params):
    display = draw(params, X.T, y)
    probability = fastnn2.forward(points(display).T, params)[0]
    np.testing.assert_array_equal(display.response.ravel(), probability[0])
    (line,) = display.boundary_
    for vertices in line.allsegs[0][0][::50]:
        assert abs(fastnn2.forward(vertices[:, np.newaxis], params)[0] - 0.5) < 0.01
    assert drawn_samples(display) == [X[y == label].tolist() for label in (0, 1)]
    assert labels(display) == ["class 0", "class 1"]
    assert axis_labels(display) == ("feature 0", "feature 1")
    assert display.colorbar_.ax.get_ylabel() == "probability of class 1"


@pytest.mark.parametrize("targets", [y, y[np.newaxis], y * 0.5 + 0.25, list(y), pd.Series(y)])
def test_targets_of_parameters(targets, params):
    assert list(draw(params, X.T, targets).y) == list(y)


def test_single_precision_parameters(params):
    single = {name: value.astype("float32") for name, value in params.items()}
    display = draw(single, X.T.astype("float32"), y)
    np.testing.assert_array_equal(display.response.ravel(), fastnn2.forward(points(display).T, single)[0][0])


def test_parameters_with_several_outputs():
    Y = np.eye(3)[BLOB_CLASSES].T
    params, _ = fastnn2.fit(BLOBS.T, Y, 0.1, 6, 500)
    display = draw(params, BLOBS.T, Y)
    assert labels(display) == ["class 0", "class 1", "class 2"]
    assert list(display.y) == list(BLOB_CLASSES)
    np.testing.assert_array_equal(display.response.reshape(-1, 3), fastnn2.forward(points(display).T, params)[0].T)
    assert len(display.surface_) == 3
    assert display.colorbar_ is None


@pytest.mark.parametrize("names", [[0, 1], ["no", "yes"], [False, True]])
def test_a_classifier_of_two_classes(names):
    targets = np.array(names)[y]
    model = fastnn2.MLPClassifier(**LAYERS).fit(X, targets)
    display = draw(model, X, targets)
    np.testing.assert_array_equal(display.response.ravel(), model.predict_proba(points(display))[:, 1])
    expected = ["no", "yes"] if names == ["no", "yes"] else [f"class {name}" for name in names]
    assert labels(display) == expected
    assert display.colorbar_.ax.get_ylabel() == f"probability of {expected[1]}"
    assert drawn_samples(display) == [X[y == label].tolist() for label in (0, 1)]


@pytest.mark.parametrize("model", [fastnn2.MLPClassifier(**LAYERS), LogisticRegression(), SVC()], ids=repr)
def test_regions_of_three_classes(model):
    model.fit(BLOBS, BLOB_CLASSES)
    display = draw(model, BLOBS, BLOB_CLASSES)
    predicted = model.predict(points(display))
    np.testing.assert_array_equal(display.response.argmax(axis=2).ravel(), predicted)
    assert len(display.boundary_) == 3
    pixels = [count_pixels(display, color) for color in decisions.MANY_COLORS[:3]]
    shares = np.bincount(predicted) / len(predicted)
    np.testing.assert_allclose(pixels / np.sum(pixels), shares, atol=0.05)


def response_display(scores):
    """Return a display of scores (n_classes, columns), the same in both of two rows."""
    columns = np.arange(len(scores[0]), dtype=float)
    xx0, xx1 = np.meshgrid(columns, [0.0, 1.0])
    response = np.stack([np.stack([row, row]) for row in scores], axis=2).astype(float)
    display = DecisionDisplay(
        xx0=xx0, xx1=xx1, response=response, X=np.zeros((1, 2)), y=np.zeros(1, int), classes=list(range(len(scores)))
    )
    figure = Figure()
    FigureCanvasAgg(figure)
    display.plot(figure.subplots())
    figure.canvas.draw()
    return display


def test_no_strip_of_a_third_class_between_two():
    """Contours of the numbers of classes, 0 and 2, would have 1 between them."""
    display = response_display([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]])
    assert len(display.surface_) == 2
    assert count_pixels(display, decisions.MANY_COLORS[1]) == 0
    assert count_pixels(display, decisions.MANY_COLORS[2]) > 10_000


def test_the_first_of_equal_classes_wins():
    display = response_display([[1, 1], [1, 1], [0, 1]])
    assert len(display.surface_) == 1
    assert count_pixels(display, decisions.MANY_COLORS[0]) > 100_000
    assert display.boundary_ == []


@pytest.mark.parametrize("labels_", [[0, 1], [0, 1, 2], [5]])
def test_a_constant_classifier_has_no_boundary(labels_):
    targets = np.resize(labels_, len(X))
    display = draw(DummyClassifier(strategy="prior").fit(X, targets), X, targets)
    assert display.boundary_ == []
    assert labels(display) == [f"class {label}" for label in labels_]


def test_many_classes():
    samples, targets = make_blobs(1000, centers=30, random_state=0)
    display = draw(LogisticRegression(max_iter=5000).fit(samples, targets), samples, targets)
    assert len({tuple(collection.get_facecolor()[0]) for collection in display.points_}) == 30


@pytest.mark.parametrize("targets", [X[:, 0] * 3 - X[:, 1], (X[:, 0] > 0).astype(int), np.full(len(X), 7.0)])
def test_a_regressor(targets):
    model = LinearRegression().fit(X, targets)
    display = draw(model, X, targets)
    np.testing.assert_array_equal(display.response.ravel(), model.predict(points(display)))
    levels = display.surface_.levels
    assert levels[0] <= min(display.response.min(), targets.min())
    assert levels[-1] >= max(display.response.max(), targets.max())
    (collection,) = display.points_
    np.testing.assert_array_equal(collection.get_array(), targets)
    assert collection.norm is display.surface_.norm  # equal numbers have equal colors
    assert display.legend_ is None
    assert display.colorbar_.ax.get_ylabel() == "prediction, target"


def test_a_constant_regressor():
    """The bands have widths that the colorbar's labels can tell."""
    display = draw(DummyRegressor().fit(X, np.full(len(X), 7.0)), X, np.full(len(X), 7.0))
    assert display.surface_.levels[0] < 6 < 8 < display.surface_.levels[-1]


def test_our_regressor():
    model = fastnn2.MLPRegressor(**LAYERS).fit(X, X[:, 0])
    display = draw(model, X, X[:, 0])
    np.testing.assert_array_equal(display.response.ravel(), model.predict(points(display)))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_data_frame(frame, scaled):
    table = frame({"width": X[:, 0], "height": X[:, 1]})
    model = fastnn2.MLPClassifier(**LAYERS)
    model = make_pipeline(StandardScaler(), model) if scaled else model
    display = draw(model.fit(table, y), table, pd.Series(y))
    assert axis_labels(display) == ("width", "height")


def test_columns_without_names():
    table = pd.DataFrame(X)
    display = draw(fastnn2.MLPClassifier(**LAYERS).fit(table, y), table, y)
    assert axis_labels(display) == ("feature 0", "feature 1")


def test_a_data_frame_with_samples_as_columns(params):
    table = pd.DataFrame(X, columns=["width", "height"]).T
    assert axis_labels(draw(params, table, y)) == ("width", "height")


@pytest.mark.parametrize("samples", [X[:1], np.repeat(X[:1], 5, axis=0), np.full((2, 2), 1e9), np.zeros((1, 2))])
def test_samples_at_one_place(samples, params):
    display = draw(params, samples.T, np.zeros(len(samples)))
    assert display.xx0.min() < samples[0, 0] < display.xx0.max()
    assert display.xx1.min() < samples[0, 1] < display.xx1.max()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_margin_follows_the_scale_of_each_feature(scale, params):
    samples = X * [scale, 1.0]
    display = draw(params, samples.T, y)
    low, high = samples.min(axis=0), samples.max(axis=0)
    for feature, grid in enumerate((display.xx0, display.xx1)):
        margin = decisions.MARGIN * (high - low)[feature]
        np.testing.assert_allclose([grid.min(), grid.max()], [low[feature] - margin, high[feature] + margin])


def test_many_samples_are_thinned(params):
    samples, targets = make_moons(5001, noise=0.2, random_state=0)
    display = draw(params, samples.T, targets)
    drawn = [point for group in drawn_samples(display) for point in group]
    assert len(drawn) == decisions.MAX_SAMPLES
    assert samples[0].tolist() in drawn
    assert samples[-1].tolist() in drawn
    assert display.xx0.max() > samples[:, 0].max()  # of all samples


def classifier():
    return fastnn2.MLPClassifier(**LAYERS).fit(X, y)


WRONG_PARAMETERS = {
    "three features": (np.ones((3, 9)), np.ones(9), r"^X has shape \(3, 9\); plot_decision draws two features: "
                       r"expected \(2, n\), one column for each sample$"),
    "rows": (X, y, r"^X has shape \(200, 2\); .*one column for each sample\. Pass X\.T$"),
    "NaN": (np.full((2, 3), np.nan), np.ones(3), r"^X has nan at row 0, sample 0; expected finite numbers"),
    "targets": (X.T, y * 2, r"^y has 2 at row 0, sample \d+; expected targets from 0 to 1"),
    "count": (X.T, y[:-1], r"^X has 200 samples \(columns\) and y has 199; expected the same number in both$"),
    "outputs": (X.T, np.stack([y, y]), r"^y has 2 rows; expected 1, as W2 has 1 rows$"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_PARAMETERS)
def test_errors_with_parameters(name, params):
    samples, targets, message = WRONG_PARAMETERS[name]
    ax = Figure().subplots()
    with pytest.raises(ValueError, match=message):
        fastnn2.plot_decision(params, samples, targets, ax)
    assert not ax.has_data()


def test_a_network_of_three_inputs():
    _, _, params, _ = problem(3, 4, 1, 5)
    with pytest.raises(ValueError, match=r"^params has 3 inputs; plot_decision draws two features"):
        draw(params, X.T, y)


@pytest.mark.parametrize("targets", [[1, 1, 0], [0, 0, 0], [0.5, 0.5, 0.5]])
def test_several_outputs_need_one_class_for_each_sample(targets):
    _, _, params, _ = problem(2, 4, 3, 5)
    Y = np.eye(3)[:, [0, 1, 2, 0, 1]]
    Y[:, 3] = targets
    with pytest.raises(ValueError, match=r"^y has \[.*\] at sample 3; expected one target above 0\.5 for each sample"):
        draw(params, np.zeros((2, 5)), Y)


WRONG_SAMPLES = {
    "three features": (np.ones((9, 3)), np.ones(9), r"^X has shape \(9, 3\); plot_decision draws two features: "
                       r"expected \(n, 2\), one row for each sample$"),
    "columns": (X.T, y, r"^X has shape \(2, 200\); .*one row for each sample\. Pass X\.T$"),
    "infinity": (np.full((3, 2), np.inf), np.ones(3), r"^X has inf at sample 0, feature 0; expected finite numbers"),
    "class": (X, y + 1, r"^y has \[2\]; expected some of the model's classes \[0, 1\]$"),
    "words": (X, y.astype(str), r"^y has \['0', '1'\]; expected some of the model's classes \[0, 1\]$"),
    "count": (X, y[:-1], r"^y has shape \(199,\); expected \(200,\), one class or target for each sample$"),
    "none": (X, None, r"^y has shape \(\); expected \(200,\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_SAMPLES)
def test_errors_with_a_model(name):
    samples, targets, message = WRONG_SAMPLES[name]
    ax = Figure().subplots()
    with pytest.raises(ValueError, match=message):
        fastnn2.plot_decision(classifier(), samples, targets, ax)
    assert not ax.has_data()


def test_targets_of_a_regressor_are_finite():
    with pytest.raises(ValueError, match=r"^y has nan at sample 1; expected finite numbers"):
        draw(LinearRegression().fit(X, y), X[:3], [0.0, np.nan, 1.0])


def test_models_of_three_features():
    with pytest.raises(ValueError, match=r"^the model has 3 inputs; plot_decision draws two features"):
        draw(LinearRegression().fit(np.ones((5, 3)), np.ones(5)), X, y)


@pytest.mark.parametrize("model", [LinearRegression(), fastnn2.MLPClassifier(**LAYERS)], ids=repr)
def test_models_of_several_outputs(model):
    with pytest.raises(ValueError, match=r"^the model has several outputs; expected one"):
        draw(model.fit(X, np.stack([y, 1 - y, y], axis=1)), X, y)


def test_too_many_classes():
    samples, targets = X[:101], np.arange(101)
    with pytest.raises(ValueError, match=r"^the model has 101 classes; plot_decision draws at most 100$"):
        draw(DummyClassifier().fit(samples, targets), samples, targets)


@pytest.mark.parametrize("model", [fastnn2.MLPClassifier(), make_pipeline(StandardScaler(), LogisticRegression())])
def test_a_model_that_is_not_fitted(model):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        draw(model, X, y)


@pytest.mark.parametrize(
    ("model", "found"),
    [(None, "NoneType"), ([1.0], "list"), (KMeans(2), "KMeans"), (fastnn2.MLPClassifier, "the class MLPClassifier")],
)
def test_not_a_model(model, found):
    message = rf"^model_or_params is {found}; expected a dict of parameters, or a fitted classifier or regressor$"
    with pytest.raises(TypeError, match=message):
        draw(model, X, y)


def test_a_dict_that_is_not_of_parameters():
    with pytest.raises(ValueError, match=r"^params has the keys \['W1'\]; expected a dict with W1, b1, W2 and b2$"):
        draw({"W1": [[1.0, 1.0]]}, X.T, y)
