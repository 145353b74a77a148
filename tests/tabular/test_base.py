"""Weights, hold-outs, batches, tables at prediction and arguments of both tabular estimators."""

import numpy as np
import pytest
from data import assert_same_bits
from scipy import sparse
from sklearn.exceptions import NotFittedError
from tabular_fits import FRAME, NUMBERS, TARGETS, both, fit_bits, fitted, outputs, quick

from fastnn2 import TabularClassifier, TabularRegressor

# Weights


@both
def test_constant_weights_are_no_weights(kind):
    expected = fit_bits(fitted(kind(), FRAME, TARGETS[kind]))
    for weight in (1, 0.3, 1e-320, 1e308):
        weights = np.full(len(FRAME), weight)
        assert fit_bits(fitted(kind(), FRAME, TARGETS[kind], sample_weight=weights)) == expected


@both
def test_scaled_weights_are_about_the_same(kind):
    weights = np.random.default_rng(0).uniform(0.5, 2, len(FRAME))
    expected = fitted(kind(), FRAME, TARGETS[kind], sample_weight=weights)
    for scale in (2.0, 1e-3, 1e300):
        model = fitted(kind(), FRAME, TARGETS[kind], sample_weight=weights * scale)
        np.testing.assert_allclose(outputs(model, FRAME), outputs(expected, FRAME), rtol=1e-2, atol=1e-2)
    assert fit_bits(fitted(kind(), FRAME, TARGETS[kind], sample_weight=weights * 4)) == fit_bits(expected)


@both
def test_weights_change_the_model_and_its_losses(kind):
    """The model of the rows with large weights."""
    y = TARGETS[kind]
    heavy = np.random.default_rng(0).uniform(size=len(FRAME)) < 0.5
    weights = np.where(heavy, 1.0, 1e-6)
    model = quick(kind(), max_iter=20).fit(FRAME, y, sample_weight=weights)
    assert model.score(FRAME[heavy], y[heavy]) > model.score(FRAME[~heavy], y[~heavy])
    assert model.loss_curves_ != quick(kind(), max_iter=20).fit(FRAME, y).loss_curves_


@both
def test_weights_that_float32_does_not_hold_beside_the_largest_are_zero(kind):
    weights = np.ones(len(FRAME))
    weights[::2] = 1e-60
    expected = fitted(kind(), FRAME[1::2], TARGETS[kind][1::2])
    assert fit_bits(fitted(kind(), FRAME, TARGETS[kind], sample_weight=weights)) == fit_bits(expected)
    assert fit_bits(fitted(kind(dtype="float64"), FRAME, TARGETS[kind], sample_weight=weights)) != fit_bits(
        fitted(kind(dtype="float64"), FRAME[1::2], TARGETS[kind][1::2])
    )


@both
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(120), "Sample weights must contain at least one non-zero number"),
        (np.full(120, -1.0), "Negative values in data passed to `sample_weight`"),
        (np.full(120, np.nan), "sample_weight contains NaN"),
        (np.full(120, np.inf), "sample_weight contains infinity"),
        (np.ones(119), r"sample_weight.shape == \(119,\), expected \(120,\)"),
        (np.ones((120, 1)), "Sample weights must be 1D"),
    ],
)
def test_weights_that_are_refused(kind, weights, message):
    with pytest.raises(ValueError, match=message):
        kind().fit(FRAME, TARGETS[kind], sample_weight=weights)


# What is held out, batches, dropout, dtype


@both
@pytest.mark.parametrize("n", [2, 3, 7, 49, 50, 51])
def test_few_rows_are_all_trained_on(kind, n):
    y = TARGETS[kind][:n] if kind is TabularRegressor else np.arange(n) % 2
    model = fitted(kind(), FRAME[:n], y)
    assert (model.validation_loss_curves_ is None) == (n < 50)
    assert [len(curve) for curve in model.loss_curves_] == [4] * 4
    assert np.isfinite(outputs(model, FRAME)).all()


def test_one_row():
    model = TabularRegressor(random_state=0).fit([[1.0]], [3.0])
    assert model.predict([[1.0], [5.0]]).tolist() == [3.0, 3.0]
    assert model.encoder_.d == 0


@both
def test_the_parameters_of_the_best_epoch_are_kept(kind):
    """With noise alone to learn, held-out losses rise: the parameters are those of a training that is shorter."""
    source = np.random.default_rng(0)
    X = source.standard_normal((80, 5))
    y = source.integers(0, 2, 80) if kind is TabularClassifier else source.standard_normal(80)
    model = kind(random_state=0, n_estimators=1, max_iter=100).fit(X, y)
    curve = model.validation_loss_curves_[0]
    assert np.argmin(curve) < 90
    assert fit_bits(kind(random_state=0, n_estimators=1, max_iter=100, keep_best=True).fit(X, y)) == fit_bits(model)
    last = kind(random_state=0, n_estimators=1, max_iter=100, keep_best=False).fit(X, y)
    assert last.validation_loss_curves_ is None
    assert last.score(X, y) > model.score(X, y)


@both
def test_every_network_holds_out_rows_of_its_own(kind):
    model = fitted(kind(n_estimators=3), FRAME, TARGETS[kind])
    assert len({tuple(curve) for curve in model.validation_loss_curves_}) == 3
    more = fitted(kind(n_estimators=5), FRAME, TARGETS[kind])
    assert fit_bits(more).startswith(fit_bits(model))


@both
def test_nothing_to_hold_out_is_an_error_if_it_is_asked_for(kind):
    y = TARGETS[kind][:6] if kind is TabularRegressor else np.arange(6) % 3
    with pytest.raises(ValueError, match=r"keep_best is True, and validation_fraction, 0.05, of 6 samples holds"):
        kind(keep_best=True, validation_fraction=0.05).fit(FRAME[:6], y)
    assert fitted(kind(keep_best=True, validation_fraction=0.5), FRAME[:12], np.arange(12) % 2).validation_loss_curves_


@both
def test_a_fraction_of_nearly_all_leaves_rows_to_train_on(kind):
    model = fitted(kind(keep_best=True, validation_fraction=0.999), FRAME, TARGETS[kind])
    assert np.isfinite(outputs(model, FRAME)).all()


@both
def test_a_batch_has_at_most_all_rows(kind):
    y = TARGETS[kind]
    expected = fit_bits(fitted(kind(batch_size=120, keep_best=False), FRAME, y))
    assert fit_bits(fitted(kind(batch_size=10**9, keep_best=False), FRAME, y)) == expected
    assert fit_bits(fitted(kind(batch_size=119, keep_best=False), FRAME, y)) != expected


@pytest.mark.parametrize(("n", "batch"), [(20, 20), (33, 32), (1024, 32), (1600, 50), (6399, 199), (100_000, 200)])
def test_automatic_batches_are_a_32nd_of_the_rows_within_32_and_200(n, batch):
    assert TabularRegressor()._batch(n, n) == batch


@pytest.mark.parametrize("dropout", [0.0, 0.5, 0.999, 0.9999999])
@both
def test_dropout(kind, dropout):
    model = fitted(kind(dropout=dropout), FRAME, TARGETS[kind])
    assert np.isfinite(outputs(model, FRAME)).all()
    assert fit_bits(fitted(kind(dropout=0.25), FRAME, TARGETS[kind])) != fit_bits(model)


def test_automatic_dropout_is_that_of_classifiers_with_bins():
    y = TARGETS[TabularClassifier]
    with_bins, without = (fitted(TabularClassifier(n_bins=bins), FRAME, y) for bins in (16, 0))
    assert fit_bits(with_bins) == fit_bits(fitted(TabularClassifier(dropout=0.15), FRAME, y))
    assert fit_bits(without) == fit_bits(fitted(TabularClassifier(n_bins=0, dropout=0.0), FRAME, y))
    two_values = FRAME[["a"]].map(np.sign)  # and missing ones, which are looked up, but in no bins
    expected = fit_bits(fitted(TabularClassifier(dropout=0.0), two_values, y))
    assert fit_bits(fitted(TabularClassifier(), two_values, y)) == expected
    y = TARGETS[TabularRegressor]
    assert fit_bits(fitted(TabularRegressor(), FRAME, y)) == fit_bits(fitted(TabularRegressor(dropout=0.0), FRAME, y))


@both
@pytest.mark.parametrize("n_bins", [0, 1, 2, 255])
def test_numbers_of_bins(kind, n_bins):
    model = fitted(kind(n_bins=n_bins), FRAME, TARGETS[kind])
    assert model.params_[0]["V"].shape == (1 if n_bins == 0 else 2, n_bins + 1, 128)
    assert np.isfinite(outputs(model, FRAME)).all()


@both
def test_float64(kind):
    model, other = (fitted(kind(dtype=dtype), FRAME, TARGETS[kind]) for dtype in ("float64", "float32"))
    assert {array.dtype for params in model.params_ for array in params.values()} == {np.dtype("float64")}
    if kind is TabularClassifier:
        assert (outputs(model, FRAME).dtype, outputs(other, FRAME).dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(outputs(model, FRAME), outputs(other, FRAME), rtol=0.05, atol=0.05)


@both
def test_missing_values_never_seen_in_training_change_nothing(kind):
    X = NUMBERS[~np.isnan(NUMBERS).any(axis=1)]
    model = fitted(kind(), X, TARGETS[kind][: len(X)])
    for params in model.params_:
        assert not params["V"][:, -1].any()
    seen = fitted(kind(), NUMBERS, TARGETS[kind])
    assert all(params["V"][0, -1].any() for params in seen.params_)
    assert not any(params["V"][1, -1].any() for params in seen.params_)


@both
def test_a_fit_whose_numbers_are_not_finite(kind):
    with pytest.raises(ValueError, match=r"network 0 has numbers that are not finite in epoch 1; learning_rate_init"):
        kind(learning_rate_init=1e30, random_state=0).fit(FRAME, TARGETS[kind])


# Tables at prediction


@both
def test_a_fit_that_fails_leaves_no_model_of_two_fits(kind):
    y = TARGETS[kind]
    for X, options in ((FRAME.assign(a=np.inf), {}), (FRAME[["a"]], {"learning_rate_init": 1e30})):
        model = fitted(kind(), FRAME, y)
        with pytest.raises(ValueError, match=r"column 'a' has inf|numbers that are not finite"):
            model.set_params(**options).fit(X, y)
        assert not hasattr(model, "encoder_")
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            model.predict(FRAME)


@both
def test_predict_before_fit(kind):
    for method in ("predict", *(["predict_proba"] if kind is TabularClassifier else [])):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(kind(), method)(FRAME)


@both
def test_other_columns_at_prediction(kind):
    model = fitted(kind(), FRAME, TARGETS[kind])
    with pytest.raises(ValueError, match="Feature names unseen at fit time:\n- more"):
        model.predict(FRAME.assign(more=1.0))
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing:\n- count"):
        model.predict(FRAME.drop(columns="count"))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(FRAME[["city", "a", "count", "old"]])
    with pytest.raises(ValueError, match="column 'count' has 'many' in row 0"):
        model.predict(FRAME.assign(count="many"))
    with pytest.raises(ValueError, match="column 'city' has numbers"):
        model.predict(FRAME.assign(city=1.5))
    with pytest.raises(ValueError, match="column 'a' has inf in row 3"):
        model.predict(FRAME.assign(a=np.where(np.arange(120) == 3, np.inf, 0.0)))
    with pytest.raises(ValueError, match=r"X has 0 rows; .* expects at least one"):
        model.predict(FRAME[:0])
    numbers = fitted(kind(), NUMBERS, TARGETS[kind])
    with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 2 features"):
        numbers.predict(np.ones((4, 3)))


@both
def test_new_categories_and_missing_columns_are_predicted(kind):
    model = fitted(kind(), FRAME, TARGETS[kind])
    new = outputs(model, FRAME.assign(city="Atlantis"))
    assert_same_bits(new, outputs(model, FRAME.assign(city="Utopia")))
    missing = outputs(model, FRAME.assign(a=np.nan, city=None, old=None, count=None))
    assert np.isfinite(missing).all()
    assert len(np.unique(missing, axis=0)) == 1


@both
def test_sparse_tables_are_refused(kind):
    for X in (sparse.csr_matrix(np.eye(120)), sparse.csr_array(np.eye(120))):
        with pytest.raises(TypeError, match=r"X is a sparse csr_.*pass X.toarray\(\)"):
            kind().fit(X, TARGETS[kind])
    weights = np.arange(120) % 2  # rows of weight 0 are dropped first, which this format does not allow
    with pytest.raises(TypeError, match=r"X is a sparse coo_.*pass X.toarray\(\)"):
        kind().fit(sparse.coo_matrix(np.eye(120)), TARGETS[kind], weights)


@both
@pytest.mark.parametrize("X", [None, 5.0, np.float64(5)])
def test_what_is_no_table(kind, X):
    with pytest.raises(TypeError, match=r"Expected sequence or array-like|got scalar"):
        kind().fit(X, TARGETS[kind], sample_weight=np.arange(120))


@both
def test_lengths_that_differ(kind):
    with pytest.raises(ValueError, match="X has 120 rows, and y has 119; expected a target for each row"):
        kind().fit(FRAME, TARGETS[kind][:119])


# Arguments


WRONG = {
    "n_estimators": [0, 1.5, "4", None],
    "hidden_size": [0, 1.5, (128,)],
    "n_bins": [-1, 256, 2.5, None],
    "categorical_features": ["all", 5, [9], ["nothing"], [True], [[0]], [0.5]],
    "max_categories": [0, 1.5],
    "learning_rate_init": [0, -1.0, "auto"],
    "beta_2": [1.0, -0.1, None],
    "max_iter": [0, 2.5],
    "batch_size": [0, 1.5, "all", None],
    "dropout": [1.0, -0.1, "none", None],
    "keep_best": ["yes", None, 2],
    "validation_fraction": [0.0, 1.0, 2, None],
    "dtype": ["float16", np.float32, None],
    "random_state": [-1, "seed", 1.5],
    "n_threads": [0, -1, 1.5],
    "progress": ["yes", 2],
}


@both
def test_the_wrong_arguments_are_those_of_all_parameters(kind):
    own = {"class_weight"} if kind is TabularClassifier else {"loss"}
    assert set(kind().get_params()) == set(WRONG) | own


@both
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_argument_is_named(kind, name, value):
    with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b"):
        kind(**{name: value}).fit(FRAME, TARGETS[kind])


@both
def test_methods_and_arguments_that_there_are_not(kind):
    model = kind()
    with pytest.raises(AttributeError, match="partial_fit"):
        model.partial_fit(FRAME, TARGETS[kind])
    with pytest.raises(TypeError, match="warm_start"):
        kind(warm_start=True)
    with pytest.raises(ValueError, match="Invalid parameter 'warm_start'"):
        model.set_params(warm_start=True)


@both
def test_random_states(kind):
    y = TARGETS[kind]
    assert fit_bits(kind(max_iter=1).fit(FRAME, y)) != fit_bits(kind(max_iter=1).fit(FRAME, y))
    state = np.random.RandomState(3)
    first, second = (fit_bits(kind(max_iter=1, random_state=state).fit(FRAME, y)) for _ in range(2))
    assert first == fit_bits(kind(max_iter=1, random_state=3).fit(FRAME, y))
    assert first != second
    np.random.seed(3)
    assert fit_bits(kind(max_iter=1).fit(FRAME, y)) == first
