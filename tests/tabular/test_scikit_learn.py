"""Both tabular estimators among those of scikit-learn: its checks, copies, Pipelines, searches, inspection."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from data import assert_same_bits
from numpy.testing import assert_array_equal
from sklearn import config_context, set_config
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.inspection import PartialDependenceDisplay, permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from tabular_fits import FRAME, TARGETS, both, fit_bits, fitted, outputs, quick

from fastnn2 import TabularClassifier, TabularRegressor

# scikit-learn's own checks


WEIGHTS = {
    "check_sample_weight_equivalence_on_dense_data": "the quantiles and the mini-batches do not know of weights",
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [TabularClassifier(), TabularRegressor()], expected_failed_checks=lambda _: WEIGHTS, xfail_strict=True
)
def test_scikit_learns_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@both
def test_tags(kind):
    tags = kind().__sklearn_tags__()
    assert tags.input_tags.allow_nan
    assert tags.input_tags.categorical
    assert tags.input_tags.string
    assert not tags.input_tags.sparse
    assert tags.target_tags.required
    assert not tags.target_tags.multi_output
    assert tags.estimator_type == ("classifier" if kind is TabularClassifier else "regressor")


# As an estimator of scikit-learn


@both
def test_copies(kind):
    model = fitted(kind(hidden_size=7, categorical_features=["city"]), FRAME.drop(columns="old"), TARGETS[kind])
    X = FRAME.drop(columns="old")
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert_same_bits(outputs(other, X), outputs(model, X))
    new = clone(model)
    assert not hasattr(new, "params_")
    assert new.get_params() == model.get_params()
    assert fit_bits(new.fit(X, TARGETS[kind])) == fit_bits(model)
    assert fit_bits(kind().set_params(**model.get_params()).fit(X, TARGETS[kind])) == fit_bits(model)
    assert b"fastnn2.tabular\n" in pickle.dumps(model, protocol=0)


@both
def test_repr(kind):
    assert repr(kind(hidden_size=7)) == f"{kind.__name__}(hidden_size=7)"
    assert kind.__name__ in kind()._repr_html_()


@both
def test_in_a_pipeline_with_frames(kind):
    scaler = make_column_transformer((StandardScaler(), ["a", "count"]), remainder="passthrough")
    model = make_pipeline(scaler, quick(kind())).set_output(transform="pandas").fit(FRAME, TARGETS[kind])
    names = ["standardscaler__a", "standardscaler__count", "remainder__city", "remainder__old"]
    assert model[-1].feature_names_in_.tolist() == names
    assert model[-1].encoder_.q == 2
    assert len(model.predict(FRAME)) == 120


@both
def test_searches_and_cross_validation(kind):
    y = TARGETS[kind]
    search = GridSearchCV(quick(kind()), {"n_bins": [0, 8], "hidden_size": [4, 16]}, cv=2).fit(FRAME, y)
    assert set(search.best_params_) == {"n_bins", "hidden_size"}
    assert len(cross_val_predict(quick(kind()), FRAME, y, cv=3)) == 120
    scores = cross_val_score(quick(kind()), FRAME, y, cv=2, n_jobs=2)
    assert_array_equal(scores, cross_val_score(quick(kind()), FRAME, y, cv=2))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_calibration():
    model = CalibratedClassifierCV(quick(TabularClassifier()), cv=2).fit(FRAME, TARGETS[TabularClassifier])
    np.testing.assert_allclose(model.predict_proba(FRAME).sum(axis=1), 1)


@both
def test_inspection(kind):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    model = quick(kind(), max_iter=20).fit(FRAME, TARGETS[kind])
    importance = permutation_importance(model, FRAME, TARGETS[kind], n_repeats=2, random_state=0).importances_mean
    assert importance.shape == (4,)
    target = {"target": "a"} if kind is TabularClassifier else {}
    frame = FRAME.dropna().astype({"count": float})
    display = PartialDependenceDisplay.from_estimator(model, frame, ["a", "count", ("a", "count")], **target)
    assert display.axes_.size >= 3
    matplotlib.pyplot.close("all")


@both
def test_metadata_routing(kind):
    weights = np.random.default_rng(0).uniform(0.5, 2, 120)
    expected = fitted(kind(), FRAME, TARGETS[kind], sample_weight=weights)
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(quick(kind()).set_fit_request(sample_weight=True).set_score_request(sample_weight=False))
        model.fit(FRAME, TARGETS[kind], sample_weight=weights)
        assert fit_bits(model[-1]) == fit_bits(expected)
    set_config(enable_metadata_routing=False)
