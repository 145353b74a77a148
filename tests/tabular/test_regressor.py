"""TabularRegressor: targets of any size, counts, and the spread of the networks."""

import numpy as np
import pytest
from data import assert_same_bits
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_poisson_deviance
from tabular_fits import fit_bits, fitted, mixed_frame, numbers_of, quick

from fastnn2 import TabularRegressor

FRAME = mixed_frame(120)
NUMBERS = numbers_of(FRAME)
COUNTS = np.floor(abs(NUMBERS))
ONE_STEP = {
    "n_estimators": 1, "keep_best": False, "batch_size": 120, "max_iter": 1, "learning_rate_init": 1e-30,
}  # fmt: skip


def test_it_learns():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    model = TabularRegressor(random_state=0).fit(X[::2], y[::2])
    assert model.score(X[1::2], y[1::2]) > LinearRegression().fit(X[::2], y[::2]).score(X[1::2], y[1::2]) - 0.05
    bumps = np.linspace(-3, 3, 600)[:, np.newaxis]
    model = TabularRegressor(random_state=0).fit(bumps, np.sin(3 * bumps[:, 0]))
    assert model.score(bumps, np.sin(3 * bumps[:, 0])) > 0.98


def test_the_mean_and_the_spread_of_the_networks():
    model = fitted(TabularRegressor(n_estimators=5), FRAME, NUMBERS)
    mean, spread = model.predict(FRAME, return_std=True)
    assert mean.dtype == spread.dtype == np.float64
    assert_same_bits(model.predict(FRAME), mean)
    values = model._outputs(FRAME)[:, :, 0].astype(float) * model.target_scale_ + model.target_mean_
    assert_allclose(mean, values.mean(axis=0), rtol=1e-12)
    assert_allclose(spread, values.std(axis=0), rtol=1e-9)
    assert (spread > 0).all()
    one = fitted(TabularRegressor(n_estimators=1), FRAME, NUMBERS)
    assert not one.predict(FRAME, return_std=True)[1].any()


def test_targets_are_standardised_with_weights():
    weights = np.random.default_rng(0).uniform(0.5, 2, 120)
    model = fitted(TabularRegressor(), FRAME, NUMBERS, sample_weight=weights)
    mean = np.average(NUMBERS, weights=weights)
    assert model.target_mean_ == pytest.approx(mean)
    assert model.target_scale_ == pytest.approx(np.sqrt(np.average((NUMBERS - mean) ** 2, weights=weights)))
    assert type(model.target_mean_) is type(model.target_scale_) is float


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_half_the_squared_error_of_standardised_targets(weighted):
    weights = np.random.default_rng(0).uniform(0.5, 2, 120) if weighted else None
    model = quick(TabularRegressor(), **ONE_STEP).fit(FRAME, NUMBERS, sample_weight=weights)
    errors = (model.predict(FRAME) - NUMBERS) / model.target_scale_
    assert model.loss_curves_[0][0] == pytest.approx(np.average(errors**2 / 2, weights=weights), rel=1e-5)


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-30, 1e30, 1e300, 1e307])
def test_targets_of_any_magnitude(scale):
    expected = quick(TabularRegressor(), max_iter=20).fit(FRAME, NUMBERS)
    model = quick(TabularRegressor(), max_iter=20).fit(FRAME, NUMBERS * scale)
    mean, spread = model.predict(FRAME, return_std=True)
    rtol = 0.05 if scale == 1e-320 else 0.01  # subnormal numbers have few bits
    bound = rtol * abs(NUMBERS).max()
    assert_allclose(mean / scale, expected.predict(FRAME), atol=bound)
    assert_allclose(spread / scale, expected.predict(FRAME, return_std=True)[1], atol=bound)


def test_targets_far_from_0():
    model = quick(TabularRegressor(), max_iter=30).fit(FRAME, NUMBERS + 1e12)
    assert_allclose(model.predict(FRAME) - 1e12, quick(TabularRegressor(), max_iter=30).fit(FRAME, NUMBERS).predict(
        FRAME), atol=0.01 * abs(NUMBERS).max())  # fmt: skip


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 1e300, 5e-324])
def test_constant_targets_are_predicted_exactly(value):
    model = fitted(TabularRegressor(), FRAME, np.full(120, value))
    mean, spread = model.predict(FRAME, return_std=True)
    assert (mean == value).all()
    assert not spread.any()
    assert (model.target_mean_, model.target_scale_) == (value, 0.0)


def test_integers_and_booleans_are_numbers():
    whole = NUMBERS.round()
    expected = fit_bits(fitted(TabularRegressor(), FRAME, whole))
    assert fit_bits(fitted(TabularRegressor(), FRAME, whole.astype(int))) == expected
    assert fit_bits(fitted(TabularRegressor(), FRAME, whole.astype(int).tolist())) == expected
    flags = NUMBERS > 1
    assert fit_bits(fitted(TabularRegressor(), FRAME, flags)) == fit_bits(
        fitted(TabularRegressor(), FRAME, flags.astype(float))
    )


# Counts


def test_counts():
    source = np.random.default_rng(0)
    X = source.uniform(0, 3, (800, 2))
    y = source.poisson(np.exp(X[:, 0] - 1))
    model = TabularRegressor("poisson", random_state=0).fit(X, y)
    predicted = model.predict(X)
    assert (predicted > 0).all()
    assert mean_poisson_deviance(y, predicted) < 1.2
    assert np.corrcoef(predicted, np.exp(X[:, 0] - 1))[0, 1] > 0.98
    assert predicted.mean() == pytest.approx(y.mean(), rel=0.05)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_of_counts_is_half_the_deviance(weighted):
    weights = np.random.default_rng(0).uniform(0.5, 2, 120) if weighted else None
    model = quick(TabularRegressor("poisson"), **ONE_STEP).fit(FRAME, COUNTS, sample_weight=weights)
    mean = np.average(COUNTS, weights=weights)
    assert (model.target_mean_, model.target_scale_) == (0.0, pytest.approx(mean))
    expected = mean_poisson_deviance(COUNTS / mean, model.predict(FRAME) / mean, sample_weight=weights) / 2
    assert model.loss_curves_[0][0] == pytest.approx(expected, rel=1e-5)


def test_zeros_are_counts_and_scales_do_not_matter():
    expected = fitted(TabularRegressor("poisson"), FRAME, COUNTS)
    assert (COUNTS == 0).any()
    for scale in (2.0**-1000, 2.0**1000):
        model = fitted(TabularRegressor("poisson"), FRAME, COUNTS * scale)
        assert fit_bits(model) == fit_bits(expected)
        assert_allclose(model.predict(FRAME) / scale, expected.predict(FRAME), rtol=1e-12)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (NUMBERS - 100, "loss is 'poisson', and y has -1.*; expected numbers of 0 or more, not all of them 0"),
        (np.where(np.arange(120) == 3, -1e300, 1), r"y has -1e\+300"),
        (np.zeros(120), "loss is 'poisson', and y has only zeros; expected numbers of 0 or more"),
    ],
)
def test_what_is_no_count(y, message):
    with pytest.raises(ValueError, match=message):
        TabularRegressor("poisson").fit(FRAME, y)


def test_negative_numbers_of_weight_zero_are_no_matter():
    y = np.where(np.arange(120) == 3, -5, COUNTS)
    model = fitted(TabularRegressor("poisson"), FRAME, y, sample_weight=y >= 0)
    assert fit_bits(model) == fit_bits(fitted(TabularRegressor("poisson"), FRAME[y >= 0], y[y >= 0]))


# What is refused


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(np.arange(120) == 3, np.nan, 1.0), "Input y contains NaN"),
        (np.where(np.arange(120) == 3, np.inf, 1.0), "Input y contains infinity"),
        (np.full(120, "a"), "could not convert string to float"),
        (np.ones((120, 2)), r"y should be a 1d array, got an array of shape \(120, 2\)"),
        ([], "0 sample"),
        (None, "y"),
    ],
)
def test_targets_that_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        TabularRegressor().fit(FRAME, y)


@pytest.mark.parametrize("loss", ["absolute_error", None, 5])
def test_losses_that_are_refused(loss):
    with pytest.raises(ValueError, match="The 'loss' parameter of TabularRegressor must be"):
        TabularRegressor(loss).fit(FRAME, NUMBERS)
