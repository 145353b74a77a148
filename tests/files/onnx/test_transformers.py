"""Each transformer in front of a network gives in ONNX Runtime what it gives in scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from data import DTYPES
from onnx_data import assert_equal_in_onnx, columns_of, fitted, session_of
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import (
    RFE,
    SelectFdr,
    SelectFromModel,
    SelectKBest,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

import fastnn2

N = 300
SOURCE = np.random.default_rng(0)
X0 = SOURCE.standard_normal((N, 5)) * [1, 3, 0.1, 2, 1] + [0, 1, 2000, -3, 5]
Y = np.digitize(X0[:, 0] + X0[:, 1], [-1.0, 1.0, 3.0])


def network():
    """Return a network whose outputs depend on its inputs strongly."""
    return fastnn2.MLPClassifier(8, activation="tanh", learning_rate_init=0.02, max_iter=20, random_state=0)


def columns(step):
    """Return a Pipeline whose transformer gets all columns of a frame one by one."""
    return make_pipeline(ColumnTransformer([("all", step, slice(0, None))]), network())


SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    MinMaxScaler(),
    MinMaxScaler((-3, 2), clip=True),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False),
    Normalizer(),
    Normalizer("l1"),
    Normalizer("max"),
]


@pytest.mark.parametrize("step", SCALERS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_scalers(dtype, step, tmp_path):
    """Also of samples beyond those of the fit, and of a row of zeros, and in float32 far from zero."""
    X = X0.astype(dtype)
    model = make_pipeline(step, network())
    if not getattr(step, "with_mean", True) or not getattr(step, "with_centering", True) or "td" in str(step):
        X = X - X.mean(axis=0, dtype=dtype)  # the network itself would lose digits in float32
    fitted(model, X[:200], Y[:200])
    X[-1] = 0
    assert_equal_in_onnx(model, X, tmp_path / "model.onnx")


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint16", "bool"])
@pytest.mark.parametrize("step", [StandardScaler(), MaxAbsScaler(), Normalizer(), SimpleImputer()], ids=str)
def test_scalers_of_integers(step, dtype, tmp_path):
    X = np.round(abs(X0) / [1, 1, 50, 1, 1]).astype(dtype)
    assert_equal_in_onnx(fitted(make_pipeline(step, network()), X, Y), X, tmp_path / "model.onnx", types=X)


@pytest.mark.parametrize(
    "step",
    [
        PolynomialFeatures(),
        PolynomialFeatures(3, interaction_only=True, include_bias=False),
        PolynomialFeatures((2, 3)),
        PolynomialFeatures(0),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_polynomials(dtype, step, tmp_path):
    X = (X0 - X0.mean(axis=0)).astype(dtype)
    model = make_pipeline(step, StandardScaler(), network())
    assert_equal_in_onnx(fitted(model, X, Y), X, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "step",
    [
        VarianceThreshold(0.5),
        SelectKBest(k=2),
        SelectFdr(),
        SelectFromModel(LogisticRegression()),
        RFE(LogisticRegression(), n_features_to_select=2),
        SequentialFeatureSelector(LogisticRegression(), n_features_to_select=1, cv=2),
    ],
    ids=lambda step: type(step).__name__,
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_selectors(dtype, step, tmp_path):
    X = (X0 - X0.mean(axis=0)).astype(dtype)
    assert_equal_in_onnx(fitted(make_pipeline(step, network()), X, Y), X, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "step", [PCA(2), PCA(2, whiten=True), IncrementalPCA(2), TruncatedSVD(2, random_state=0)], ids=str
)
@pytest.mark.parametrize("fitted_dtype", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_projections(dtype, fitted_dtype, step, tmp_path):
    X = X0 - [0, 1, 2001, -3, 4]
    model = fitted(make_pipeline(step, network()), X.astype(fitted_dtype), Y)
    X = X.astype(dtype)
    assert_equal_in_onnx(model, X, tmp_path / "model.onnx", types=X)


# Missing values


def with_gaps(value=np.nan):
    X = X0 - X0.mean(axis=0)
    X[SOURCE.random(X.shape) < 0.2] = value
    X[:, 4] = np.where(np.arange(N) % 2, X0[:, 4], X0[:, 0])  # without gaps
    return X


IMPUTERS = [
    SimpleImputer(**parameters)
    for parameters in (
        {},
        {"strategy": "median", "add_indicator": True},
        {"strategy": "most_frequent"},
        {"strategy": "constant", "fill_value": 0.3},
        {"strategy": "constant"},
        {"missing_values": -7, "add_indicator": True},
    )
]


@pytest.mark.parametrize("step", IMPUTERS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_imputers(dtype, step, tmp_path):
    X = with_gaps(step.missing_values).astype(dtype)
    model = make_pipeline(step, StandardScaler(), network())
    assert_equal_in_onnx(fitted(model, X, Y), X, tmp_path / "model.onnx")


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("strategy", ["mean", "constant"])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("indicator", [False, True])
def test_columns_without_values(indicator, keep, strategy, tmp_path):
    X = with_gaps()
    X[:, 1] = np.nan
    step = SimpleImputer(strategy=strategy, keep_empty_features=keep, add_indicator=indicator)
    assert_equal_in_onnx(fitted(make_pipeline(step, network()), X, Y), X, tmp_path / "model.onnx")


def test_columns_of_numbers_and_gaps_as_a_frame(tmp_path):
    """pandas' own types have NA, which is NaN in ONNX."""
    X = pd.DataFrame(
        {
            "a": pd.array(np.where(X0[:, 0] > 1, None, np.round(X0[:, 1])), dtype="Int64"),
            "b": X0[:, 3],
        }
    )
    X.loc[::3, "b"] = np.nan
    model = make_pipeline(SimpleImputer(add_indicator=True), network())
    fitted(model, X, Y)
    assert_equal_in_onnx(model, X.astype(float), tmp_path / "model.onnx", types=X)


def test_strings_are_imputed(tmp_path):
    X = pd.DataFrame({"a": SOURCE.choice(["", "x", "y"], N), "b": SOURCE.choice(["", "z"], N)})
    for strategy in ("most_frequent", "constant"):
        step = make_pipeline(SimpleImputer(missing_values="", strategy=strategy), OneHotEncoder())
        assert_equal_in_onnx(fitted(columns(step), X, Y), X, tmp_path / "model.onnx", types=X)


@pytest.mark.parametrize("missing", [None, np.nan], ids=str)
def test_missing_strings_are_refused(missing, tmp_path):
    X = pd.DataFrame({"a": np.array(["x", "y", missing], object)[np.arange(N) % 3]}, dtype=object)
    step = make_pipeline(SimpleImputer(missing_values=missing, strategy="most_frequent"), OneHotEncoder())
    with pytest.raises(ValueError, match=r"\(SimpleImputer\): its columns are strings, and strings of ONNX are never"):
        fastnn2.to_onnx(fitted(columns(step), X, Y), tmp_path / "model.onnx", X)
    with pytest.raises(ValueError, match=r"\(OneHotEncoder\): its column has strings and the category (None|nan)"):
        fastnn2.to_onnx(fitted(columns(OneHotEncoder()), X, Y), tmp_path / "model.onnx", X)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA], ids=str)
def test_all_that_is_missing_is_nan_in_onnx(missing, tmp_path):
    X = pd.DataFrame({"a": np.where(np.arange(N) % 3, X0[:, 1], missing), "b": X0[:, 3]}, dtype=object)
    model = fitted(columns(SimpleImputer(missing_values=missing, strategy="most_frequent")), X, Y)
    as_numbers = pd.DataFrame({name: [np.nan if value is missing else value for value in X[name]] for name in X})
    fastnn2.to_onnx(model, tmp_path / "model.onnx", X)
    session = session_of(tmp_path / "model.onnx")
    _, probabilities = session.run(None, columns_of(session, as_numbers))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-12)


def test_imputers_of_strings_refuse_numbers(tmp_path):
    X = pd.DataFrame({"a": np.array(["x", "y", ""], object)[np.arange(N) % 3]})
    imputer = SimpleImputer(missing_values="", strategy="most_frequent")
    model = fitted(columns(make_pipeline(imputer, OneHotEncoder())), X, Y)
    with pytest.raises(ValueError, match=r"\(SimpleImputer\): it imputes strings, and its columns are int64"):
        fastnn2.to_onnx(model, tmp_path / "model.onnx", X.assign(a=1))


def test_marks_of_missing_strings_are_refused(tmp_path):
    X = pd.DataFrame({"a": np.array(["x", "y", ""], object)[np.arange(N) % 3]})
    step = make_pipeline(
        SimpleImputer(missing_values="", strategy="most_frequent", add_indicator=True), OneHotEncoder()
    )
    with pytest.raises(ValueError, match=r"\(SimpleImputer\): it has add_indicator=True for strings"):
        fastnn2.to_onnx(fitted(columns(step), X, Y), tmp_path / "model.onnx", X)


# Categories

CATEGORIES = pd.DataFrame(
    {
        "words": SOURCE.choice(["a", "b", "c", "d", "größer"], N, p=[0.5, 0.3, 0.1, 0.05, 0.05]),
        "numbers": SOURCE.choice([2**60, -3, 2**60 + 1], N, p=[0.1, 0.8, 0.1]),
        "halves": SOURCE.choice([0.5, 1.5, np.nan], N, p=[0.1, 0.8, 0.1]),
        "flags": SOURCE.random(N) < 0.1,
    }
)
UNKNOWN = CATEGORIES.assign(words="e", numbers=5, halves=1.0)
GROUPS = [{}, {"min_frequency": 40}, {"max_categories": 2}, {"max_categories": 3}, {"min_frequency": 200}]


@pytest.mark.parametrize("dropped", [None, "first", "if_binary"])
@pytest.mark.parametrize("groups", GROUPS, ids=str)
@pytest.mark.parametrize("unknown", ["error", "ignore", "infrequent_if_exist", "warn"])
def test_encoders(unknown, groups, dropped, tmp_path):
    step = OneHotEncoder(drop=dropped, handle_unknown=unknown, **groups)
    X = CATEGORIES if unknown == "error" else pd.concat([CATEGORIES, UNKNOWN.head(50)])
    model = fitted(columns(step), CATEGORIES, Y)
    assert_equal_in_onnx(model, X, tmp_path / "model.onnx", types=CATEGORIES)


@pytest.mark.parametrize("encoded", ["float64", "float32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("dtype", [*DTYPES, "int32", "uint8"])
def test_categories_of_an_array(dtype, encoded, tmp_path):
    X = SOURCE.integers(0, 4, (N, 3)).astype(dtype)
    step = OneHotEncoder(dtype=encoded, handle_unknown="infrequent_if_exist", max_categories=3)
    model = fitted(make_pipeline(step, network()), X, Y)
    assert_equal_in_onnx(model, X, tmp_path / "model.onnx", types=X)


def test_fractions_are_no_integers(tmp_path):
    """ONNX's own OneHotEncoder rounds them."""
    X = SOURCE.integers(0, 3, (N, 2)).astype(float)
    model = fitted(make_pipeline(OneHotEncoder(handle_unknown="ignore"), network()), X, Y)
    assert_equal_in_onnx(model, X + np.tile([0, 0.5], (N, 1)), tmp_path / "model.onnx")


def test_strings_of_an_array(tmp_path):
    X = SOURCE.choice(np.array(["a", "b", "c"], object), (N, 3))
    model = fitted(make_pipeline(OneHotEncoder(), network()), X, Y)
    for types in (X, None):
        assert_equal_in_onnx(model, X, tmp_path / "model.onnx", types=types)


def test_columns_of_other_types_than_the_categories_are_refused(tmp_path):
    X = CATEGORIES[["words"]]
    model = fitted(columns(OneHotEncoder()), X, Y)
    with pytest.raises(ValueError, match=r"its categories \['a', 'b', 'c'\] are strings, and its column is int64"):
        fastnn2.to_onnx(model, tmp_path / "model.onnx", X.assign(words=3))
    model = fitted(columns(OneHotEncoder()), CATEGORIES[["numbers"]], Y)
    with pytest.raises(ValueError, match="its column has strings and the category -3"):
        fastnn2.to_onnx(model, tmp_path / "model.onnx", X.rename(columns={"words": "numbers"}))


def test_encoders_without_columns_are_refused(tmp_path):
    X = pd.DataFrame({"a": ["x"] * N, "b": X0[:, 0]})
    steps = ColumnTransformer([("a", OneHotEncoder(drop="first"), ["a"]), ("b", "passthrough", ["b"])])
    model = fitted(make_pipeline(steps, network()), X, Y)
    with pytest.raises(ValueError, match="it makes no columns; leave it out"):
        fastnn2.to_onnx(model, tmp_path / "model.onnx", X)


def test_encoders_of_other_precisions_are_refused(tmp_path):
    model = fitted(columns(OneHotEncoder(dtype=np.longdouble)), CATEGORIES, Y)
    with pytest.raises(ValueError, match=r"its dtype is \w+128; expected float32 or float64"):
        fastnn2.to_onnx(model, tmp_path / "model.onnx", CATEGORIES)


def test_strings_beside_numbers_are_refused(tmp_path):
    """SimpleImputer takes an array of both in scikit-learn."""
    X = CATEGORIES[["words", "numbers"]]
    model = fitted(columns(make_pipeline(SimpleImputer(strategy="constant"), OneHotEncoder())), X, Y)
    with pytest.raises(ValueError, match=r"takes strings and numbers together, .* to different transformers of"):
        fastnn2.to_onnx(model, tmp_path / "model.onnx", X)
