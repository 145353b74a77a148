"""Pipelines around a network: the columns that each step gets, and the steps that are refused."""

import numpy as np
import pandas as pd
import pytest
from data import DTYPES
from onnx_data import assert_equal_in_onnx, columns_of, fitted, onnxruntime
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder, StandardScaler

import fastnn2

N = 300


def network():
    return fastnn2.MLPClassifier(8, max_iter=20, random_state=0)


def frame():
    """Return a frame of all types, with names that an identifier cannot have."""
    source = np.random.default_rng(0)
    income = source.standard_normal(N) * 1e3 + 5e4
    income[::7] = np.nan
    return pd.DataFrame(
        {
            "age (years)": source.integers(20, 80, N),
            "income": income,
            "city": source.choice(["a", "bc", "Zürich"], N),
            "kind": pd.Categorical(source.choice(["x", "y"], N)),
            "floor": source.integers(-1, 5, N).astype(np.int32),
            "weight": source.standard_normal(N).astype(np.float32),
            "heated": source.random(N) < 0.5,
        }
    )


FRAME = frame()
Y = np.array(["low", "middle", "high"])[np.digitize(FRAME["weight"] + FRAME["heated"], [0.0, 0.8])]


def numbers():
    return make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())


COLUMNS = {
    "names": [
        ("numbers", numbers(), ["income", "age (years)"]),
        ("categories", OneHotEncoder(), ["city", "kind", "floor"]),
        ("single", StandardScaler(), ["weight"]),
        ("flags", "passthrough", ["heated"]),
    ],
    "places": [("numbers", numbers(), [1, 0]), ("categories", OneHotEncoder(), [2, 3, 4])],
    "slices": [("numbers", numbers(), slice(0, 2)), ("categories", OneHotEncoder(), slice("city", "floor"))],
    "open slices": [("numbers", numbers(), slice(None, "income")), ("one", "passthrough", slice(4, None))],
    "masks": [("numbers", numbers(), [True, True, False, False, True, True, False])],
    "selectors": [
        ("numbers", numbers(), make_column_selector(dtype_include="number")),
        ("categories", OneHotEncoder(), make_column_selector(dtype_exclude="number")),
    ],
    "dropped and none": [("a", "drop", ["city"]), ("b", PCA(2), []), ("c", numbers(), ["age (years)", "income"])],
    "a column twice": [("a", numbers(), ["age (years)"]), ("b", OneHotEncoder(), ["age (years)", "city"])],
    "imputed categories": [
        ("a", make_pipeline(SimpleImputer(missing_values="bc", strategy="most_frequent"), OneHotEncoder()), ["city"]),
        ("b", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["floor"]),
    ],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_a_frame(name, tmp_path):
    model = fitted(make_pipeline(ColumnTransformer(COLUMNS[name]), network()), FRAME, Y)
    assert_equal_in_onnx(model, FRAME, tmp_path / "model.onnx", types=FRAME.head(20))


@pytest.mark.parametrize("remainder", ["passthrough", SimpleImputer()], ids=str)
def test_the_remainder(remainder, tmp_path):
    columns = make_column_transformer((OneHotEncoder(), ["kind", "city"]), remainder=remainder)
    X = FRAME.fillna(0).drop(columns="heated")
    assert_equal_in_onnx(fitted(make_pipeline(columns, network()), X, Y), X, tmp_path / "model.onnx", types=X)


def test_the_order_of_columns_does_not_matter(tmp_path):
    model = fitted(make_pipeline(ColumnTransformer(COLUMNS["names"]), network()), FRAME, Y)
    X = FRAME[FRAME.columns[::-1]]
    session = assert_equal_in_onnx(model, X, tmp_path / "model.onnx", types=X)
    assert [value.name for value in session.get_inputs()] == list(FRAME.columns)


@pytest.mark.parametrize("dtype", DTYPES)
def test_columns_of_an_array(dtype, tmp_path):
    """Also where a transformer gets all columns in another order."""
    X = np.random.default_rng(0).standard_normal((N, 4)).astype(dtype)
    X[:, 3] = np.round(X[:, 3])
    columns = ColumnTransformer(
        [
            ("a", StandardScaler(), [3, 2, 1, 0]),
            ("b", PCA(2, random_state=0), [2, 0]),
            ("c", OneHotEncoder(dtype=dtype), [3]),
            ("d", "passthrough", [0, -1]),
        ]
    )
    assert_equal_in_onnx(fitted(make_pipeline(columns, network()), X, Y), X, tmp_path / "model.onnx")


def test_columns_of_columns(tmp_path):
    inner = ColumnTransformer([("a", StandardScaler(), [2, 0]), ("b", "passthrough", [1])])
    outer = ColumnTransformer([("numbers", numbers(), ["income", "age (years)", "floor"])])
    model = fitted(make_pipeline(outer, inner, network()), FRAME, Y)
    assert_equal_in_onnx(model, FRAME, tmp_path / "model.onnx", types=FRAME)


@pytest.mark.parametrize("dtype", DTYPES)
def test_unions(dtype, tmp_path):
    X = np.random.default_rng(0).standard_normal((N, 4)).astype(dtype)
    union = FeatureUnion([("a", StandardScaler()), ("b", PCA(2)), ("c", "passthrough"), ("d", "drop")])
    assert_equal_in_onnx(fitted(make_pipeline(union, network()), X, Y), X, tmp_path / "model.onnx")


@pytest.mark.parametrize("step", ["passthrough", None, FunctionTransformer(), make_pipeline("passthrough")], ids=str)
def test_steps_that_do_nothing(step, tmp_path):
    X = np.random.default_rng(0).standard_normal((N, 4))
    model = fitted(make_pipeline(step, StandardScaler(), step, network()), X, Y)
    assert_equal_in_onnx(model, X, tmp_path / "model.onnx")


# Refusals


class Scaler(StandardScaler):
    """A subclass, which may do something else."""


REFUSED = {
    "an unknown transformer": (
        make_pipeline(KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), network()),
        r"cannot convert the step 'kbinsdiscretizer' of the model \(KBinsDiscretizer\): it is none of ColumnTr.*"
        "; fit a model without it, and apply it to X before",
    ),
    "a subclass": (make_pipeline(Scaler(), network()), r"the step 'scaler' of the model \(Scaler\): it is none of"),
    "a function": (make_pipeline(FunctionTransformer(np.sqrt), network()), "it is none of .* without a function"),
    "a part": (
        make_pipeline(ColumnTransformer([("root", FunctionTransformer(np.sqrt), [0])]), network()),
        r"the part 'root' of the step 'columntransformer' of the model \(ColumnTransformer\) \(FunctionTransformer\)",
    ),
    "a step of a part": (
        make_pipeline(make_union(make_pipeline(StandardScaler(), Scaler())), network()),
        r"the step 'scaler' of the part 'pipeline' of the step 'featureunion' of the model \(FeatureUnion\) \(Scaler\)",
    ),
    "weights of columns": (
        make_pipeline(ColumnTransformer([("a", StandardScaler(), [0])], transformer_weights={"a": 2}), network()),
        r"the step 'columntransformer' of the model \(ColumnTransformer\): it has transformer_weights; fit",
    ),
    "weights of a union": (
        make_pipeline(FeatureUnion([("a", StandardScaler())], transformer_weights={"a": 2}), network()),
        "it has transformer_weights",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_steps_that_are_refused(name, tmp_path):
    model, match = REFUSED[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    fitted(model, np.random.default_rng(0).random((N, 2)), Y)
    with pytest.raises(ValueError, match=match):
        fastnn2.to_onnx(model, path)
    assert path.read_bytes() == b"old"


def test_a_classifier_as_a_step_is_refused(tmp_path):
    """A step that skl2onnx would convert, to two outputs."""
    from sklearn.feature_selection import SelectFromModel

    X = np.random.default_rng(0).random((N, 2))
    model = fitted(make_pipeline(SelectFromModel(LogisticRegression()), network()), X, Y)
    assert_equal_in_onnx(model, X, tmp_path / "model.onnx")
    model.steps.insert(0, ("forest", LogisticRegression().fit(X, Y)))
    with pytest.raises(ValueError, match=r"the step 'forest' of the model \(LogisticRegression\)"):
        fastnn2.to_onnx(model, tmp_path / "model.onnx")


def test_unknown_categories_are_errors_in_onnx_too(tmp_path):
    columns = ColumnTransformer([("a", OneHotEncoder(), ["city", "floor"])])
    model = fitted(make_pipeline(columns, network()), FRAME, Y)
    session = assert_equal_in_onnx(model, FRAME, tmp_path / "model.onnx", types=FRAME)
    for name, value in (("city", "unknown"), ("floor", 77)):
        inputs = columns_of(session, FRAME)
        inputs[name][3] = value
        with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="out of data bounds"):
            session.run(None, inputs)
        with pytest.raises(ValueError, match="unknown categories"):
            model.predict(FRAME.assign(**{name: value}))
