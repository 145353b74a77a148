"""Pipelines as C: the bits of predict_proba on 100,000 rows, and every step that is refused says so by name."""

import re

import numpy as np
import pandas as pd
import pytest
from c_programs import Collection, compiler, same
from data import DTYPES
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.exceptions import NotFittedError
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler

import fastnn2

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_ROWS = 100_000
NUMBERS, COUNTS = [0, 1, 2, 3], [4, 5]  # columns of numbers, one of them constant, and of categories
CATEGORIES = [np.array([-1.0, 0.5, 2.0]), np.array([0.0, 7.0])]


def table(count, dtype, missing=np.nan, share=0.1):
    """Return a table of numbers, with `missing` in columns 0 and 2, and of categories."""
    source = np.random.default_rng(count)
    X = source.standard_normal((count, 6)) * [1, 1e3, 1e-3, 0, 0, 0] + [0, 5, 1e-3, 2.5, 0, 0]
    if missing is not None:
        for column in (0, 2):
            X[source.random(count) < share, column] = missing
    for column, categories in zip(COUNTS, CATEGORIES, strict=True):
        X[:, column] = source.choice(categories, count)
    return X.astype(dtype)


def mlp(**options):
    return fastnn2.MLPClassifier(5, **{"max_iter": 2, "random_state": 0, "n_threads": 1} | options)


def encoder(dtype, **options):
    return OneHotEncoder(dtype=dtype, sparse_output=False, **options)


def columns(dtype, numbers, **options):
    return ColumnTransformer([("n", numbers, NUMBERS), ("c", encoder(dtype, **options), COUNTS)])


# name -> (what makes the steps before the network from the dtype, what stands for a missing number)
PIPELINES = {
    "scaler": (lambda dtype: [StandardScaler()], None),
    "only_mean": (lambda dtype: [StandardScaler(with_std=False)], None),
    "only_scale": (lambda dtype: [StandardScaler(with_mean=False)], None),
    "neither": (lambda dtype: [StandardScaler(with_mean=False, with_std=False), "passthrough"], None),
    "imputer": (lambda dtype: [SimpleImputer(), StandardScaler()], np.nan),
    "median": (lambda dtype: [SimpleImputer(strategy="median", add_indicator=True)], np.nan),
    "frequent": (lambda dtype: [SimpleImputer(strategy="most_frequent", add_indicator=True), StandardScaler()], np.nan),
    "constant": (lambda dtype: [SimpleImputer(strategy="constant", fill_value=-7)], np.nan),
    "number": (lambda dtype: [SimpleImputer(missing_values=-999, add_indicator=True)], -999),
    "no_number": (lambda dtype: [SimpleImputer(missing_values=0.1, add_indicator=True)], 0.1),
    "no_single": (lambda dtype: [SimpleImputer(missing_values=np.float64(0.1))], 0.1),
    "encoder": (lambda dtype: [columns(dtype, StandardScaler())], None),
    "ignores": (lambda dtype: [columns(dtype, StandardScaler(), handle_unknown="ignore")], None),
    "first": (lambda dtype: [columns(dtype, StandardScaler(), drop="first")], None),
    "binary": (lambda dtype: [columns(dtype, "passthrough", drop="if_binary", handle_unknown="ignore")], None),
    "deep": (
        lambda dtype: [
            columns(dtype, make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())),
            FunctionTransformer(),
            Pipeline([("again", StandardScaler())]),
        ],
        np.nan,
    ),
    "order": (
        lambda dtype: [
            ColumnTransformer(
                [("b", StandardScaler(), [3, 0]), ("a", "drop", [1]), ("c", encoder(dtype), slice(4, 6))],
                remainder=SimpleImputer(strategy="constant"),
            ),
            StandardScaler(),
        ],
        None,
    ),
    "masks": (
        lambda dtype: [
            ColumnTransformer([("a", StandardScaler(), [True, False] * 3), ("b", encoder(dtype), [-1])]),
        ],
        None,
    ),
    "whole": (
        lambda dtype: [
            ColumnTransformer(
                [("c", OneHotEncoder(dtype=np.int8, sparse_output=False, handle_unknown="warn"), COUNTS)],
                remainder="passthrough",
            )
        ],
        None,
    ),
    "inner": (
        lambda dtype: [
            ColumnTransformer(
                [
                    ("o", ColumnTransformer([("i", StandardScaler(), [1, 0])], remainder="passthrough"), [5, 3, 1]),
                    ("twice", "passthrough", [1, 1]),
                    ("none", StandardScaler(), []),
                ]
            )
        ],
        None,
    ),
    "mixed": (
        lambda dtype: [
            ColumnTransformer([("a", StandardScaler(), [0, 1])], remainder="passthrough"),
            SimpleImputer(),
            StandardScaler(),
        ],
        None,
    ),
}


@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_are_those_of_pipelines(dtype, tmp_path):
    collection, expected = Collection(tmp_path), {}
    for name, (steps, missing) in PIPELINES.items():
        X, rows = table(200, dtype, missing), table(N_ROWS, dtype, missing)
        if name in ("ignores", "binary"):
            rows[::3, COUNTS] = 3.0
        model = make_pipeline(*steps(np.dtype(dtype).type), mlp()).fit(X, np.arange(200) % 3)
        assert model[-1].coefs_[0].dtype == dtype
        collection.add(name, model, 6, 3, dtype)
        expected[name] = rows, model.predict_proba(rows)
    call = collection.load(compiler("gcc"), "-O2", "-march=native")
    for name, (rows, results) in expected.items():
        assert np.isfinite(results).all(), name
        same(call(name, rows), results)


def call_once(model, X, tmp_path, n_results=2):
    collection = Collection(tmp_path)
    collection.add("net", model, X.shape[1], n_results, X.dtype.name)
    return collection.load(compiler("gcc"), "-O1")("net", X)


def text_of(model, tmp_path):
    fastnn2.to_c(model, tmp_path / "net.c")
    return (tmp_path / "net.c").read_text(encoding="ascii")


def test_names_of_columns(tmp_path):
    X = pd.DataFrame(table(200, "float64"), columns=[*"abcdef"])
    steps = ColumnTransformer(
        [
            ("few", SimpleImputer(), ["c", "a"]),
            ("kinds", encoder(float), make_column_selector("[ef]")),
            ("rest", StandardScaler(), slice("d", None)),
        ]
    )
    model = make_pipeline(steps, StandardScaler(), mlp()).fit(X, np.arange(200) % 2)
    same(call_once(model, X.to_numpy(), tmp_path), model.predict_proba(X))
    assert "    x[4]  e\n" in text_of(model, tmp_path)


EMPTY = [{}, {"keep_empty_features": True}, {"strategy": "constant", "keep_empty_features": True}]


@pytest.mark.filterwarnings("ignore:Skipping features:UserWarning")
@pytest.mark.parametrize("options", EMPTY)
def test_empty_columns(options, tmp_path):
    X = table(100, "float64")
    X[:, 2] = np.nan
    model = make_pipeline(SimpleImputer(add_indicator=True, **options), mlp()).fit(X, np.arange(100) % 2)
    same(call_once(model, X, tmp_path), model.predict_proba(X))


def test_categories_with_nan(tmp_path):
    X = np.array([[1.0], [np.nan], [3.0], [1.0]] * 10)
    for drop in (None, "first", [np.nan]):
        model = make_pipeline(encoder(float, drop=drop), mlp()).fit(X, np.arange(40) % 2)
        same(call_once(model, X, tmp_path), model.predict_proba(X))


def test_unknown_categories_where_the_model_raises(tmp_path):
    model = make_pipeline(columns(float, StandardScaler(), drop="first"), mlp())
    model.fit(table(100, "float64", None), np.arange(100) % 2)
    X = table(50, "float64", None)
    X[7, 4], X[8, 5] = 3.0, np.nan
    with pytest.raises(ValueError, match="unknown categories"):
        model.predict_proba(X)
    X[9, 5] = np.inf
    found = call_once(model, X, tmp_path)
    known = np.ones(50, dtype=bool)
    known[7:10] = False
    assert np.isnan(found[~known]).all()
    same(found[known], model.predict_proba(X[known]))
    assert "all of y is NaN" in text_of(model, tmp_path)


def test_integers(tmp_path):
    """A model that was fitted on integers computes in float64."""
    X = np.random.default_rng(0).integers(-1, 4, (100, 3))
    for step in (StandardScaler(), encoder(float), SimpleImputer(missing_values=-1, strategy="most_frequent")):
        model = make_pipeline(step, mlp()).fit(X, np.arange(100) % 2)
        same(call_once(model, X.astype(float), tmp_path), model.predict_proba(X.astype(float)))


def test_sparse_matrices(tmp_path):
    X = table(200, "float64", None)[:, COUNTS]
    for sparse in (True, False):
        steps = [("c", OneHotEncoder(sparse_output=sparse), [0, 1])]
        model = make_pipeline(ColumnTransformer(steps, sparse_threshold=float(sparse)), mlp()).fit(
            X, np.arange(200) % 2
        )
        np.testing.assert_allclose(call_once(model, X, tmp_path), model.predict_proba(X), rtol=1e-14)
        assert ("makes a sparse matrix" in text_of(model, tmp_path)) == sparse


# What is refused


def refused(model, error, message, tmp_path):
    file = tmp_path / "net.c"
    file.write_text("before")
    with pytest.raises(error, match=re.escape(message)):
        fastnn2.to_c(model, file)
    assert file.read_text() == "before"


@pytest.mark.parametrize("kind", ["MinMaxScaler", "KNNImputer", "FunctionTransformer", "Ours"])
def test_other_steps_are_refused_by_name(kind, tmp_path):
    class Ours(StandardScaler):
        pass

    step = {"MinMaxScaler": MinMaxScaler, "KNNImputer": KNNImputer, "Ours": Ours}.get(
        kind, lambda: FunctionTransformer(np.abs)
    )()
    X = table(50, "float64", None)
    model = Pipeline([("mine", step), ("net", mlp())]).fit(X, np.arange(50) % 2)
    words = "a FunctionTransformer with a function" if kind == "FunctionTransformer" else kind
    message = f"step 'mine' of the Pipeline is {words}, which to_c does not support; it supports StandardScaler, "
    refused(model, TypeError, message, tmp_path)
    inner = ColumnTransformer([("few", Pipeline([("mine", step)]), [0, 1])])
    model = Pipeline([("columns", inner), ("net", mlp())]).fit(X, np.arange(50) % 2)
    refused(model, TypeError, "step 'mine' of transformer 'few' of step 'columns' of the Pipeline is ", tmp_path)


REFUSED = {
    "transformer_weights": ColumnTransformer([("a", StandardScaler(), [0])], transformer_weights={"a": 2}),
    "infrequent categories": OneHotEncoder(max_categories=2),
    "gets a sparse matrix": make_pipeline(OneHotEncoder(), StandardScaler(with_mean=False)),
    "gets float32, and the network is float64": make_pipeline(encoder(np.float32), StandardScaler()),
}


@pytest.mark.parametrize("message", REFUSED)
def test_uses_that_are_refused(message, tmp_path):
    X = table(50, "float64", None)[:, [4, 5, 4]]
    model = make_pipeline(REFUSED[message], mlp()).fit(X, np.arange(50) % 3)
    model[-1].coefs_[0] = model[-1].coefs_[0].astype(np.float64)
    refused(model, ValueError, message, tmp_path)


def test_categories_that_are_refused(tmp_path):
    X = pd.DataFrame({"a": ["x", "y"] * 10, "b": [0.0, 1.0] * 10})
    model = make_pipeline(ColumnTransformer([("c", encoder(float), ["a"])]), mlp()).fit(X, [0, 1] * 10)
    refused(model, ValueError, "has categories of dtype object; to_c supports numbers", tmp_path)
    X = np.array([[0.1], [0.2]] * 10)
    model = make_pipeline(encoder(np.float32), mlp()).fit(X, [0, 1] * 10)
    refused(
        model, ValueError, "has the categories [0.1, 0.2]; to_c supports different, finite numbers in float32", tmp_path
    )


def test_dtypes_that_differ(tmp_path):
    X = table(50, "float32", None)
    model = make_pipeline(columns(np.float64, StandardScaler()), mlp()).fit(X, np.arange(50) % 2)
    model[-1].coefs_ = [array.astype(np.float32) for array in model[-1].coefs_]
    refused(model, ValueError, "gets float64, and its coefficients are float32; to_c supports one dtype", tmp_path)


def test_not_finite(tmp_path):
    X = table(50, "float64", None)
    model = make_pipeline(StandardScaler(), mlp()).fit(X, np.arange(50) % 2)
    model[0].mean_[1] = np.inf
    refused(model, ValueError, "the Pipeline has mean inf; expected finite numbers", tmp_path)


def test_not_fitted(tmp_path):
    refused(make_pipeline(StandardScaler(), mlp()), NotFittedError, "MLPClassifier instance is not fitted", tmp_path)
    model = mlp().fit(table(50, "float64", None), np.arange(50) % 2)
    refused(make_pipeline(StandardScaler(), model), NotFittedError, "StandardScaler instance is not fitted", tmp_path)


def test_steps_that_do_not_fit_each_other(tmp_path):
    X = table(50, "float64", None)
    model = mlp().fit(X, np.arange(50) % 2)
    scaler = StandardScaler().fit(X[:, :4])
    refused(make_pipeline(scaler, model), ValueError, "has coefficients for 6 columns and gets 4", tmp_path)
    message = "step 'standardscaler-2' of the Pipeline was fitted on 4 columns and gets 6"
    refused(make_pipeline(StandardScaler().fit(X), scaler, model), ValueError, message, tmp_path)
