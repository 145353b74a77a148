"""Models in ONNX Runtime give what ours give, and what cannot be converted is refused by name."""

import builtins
import json
import os

import numpy as np
import pandas as pd
import pytest
from data import DTYPES
from onnx_data import assert_equal_in_onnx, fitted, session_of
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastnn2

N = 300
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


def samples(dtype):
    return (np.random.default_rng(0).standard_normal((N, 5)) * 3 + 1).astype(dtype)


X0 = samples("float64")
GRADES = np.digitize(X0[:, 0], [-1.0, 1.0, 3.0])
CLASS_TARGETS = {
    "binary": (X0[:, 0] > 1).astype(int),
    "binary strings": np.array(["no", "yes"])[(X0[:, 0] > 1).astype(int)],
    "booleans": X0[:, 0] > 1,
    "floats": (X0[:, 0] > 1) + 1.0,
    "multiclass": GRADES * 2**40 - 7,
    "unsigned": GRADES.astype(np.uint8),
    "strings": np.array(["a", "bc", "", "größer"])[GRADES],
    "objects": np.array(["a", "bc", "d", "e"], object)[GRADES],
    "two labels": (X0[:, :2] > 1).astype(int),
    "three labels": (X0[:, :3] > 1).astype(int),
    "one class": np.full(N, 3),
}
RATES = np.exp(X0[:, :2] / 4)
VALUE_TARGETS = {"one output": RATES[:, 0], "two outputs": RATES}


def classifier(**parameters):
    return fastnn2.MLPClassifier(**{"hidden_layer_sizes": 12, "max_iter": 20, "random_state": 0, **parameters})


def regressor(**parameters):
    return fastnn2.MLPRegressor(**{"hidden_layer_sizes": 12, "max_iter": 20, "random_state": 0, **parameters})


def with_columns(model, dtype):
    """Return a Pipeline around a model, and a frame with categories and missing values for it."""
    X = pd.DataFrame(samples(dtype), columns=list("abcde")).assign(
        city=np.array(["x", "y", "größer"], object)[GRADES % 3]
    )
    X.loc[::5, "b"] = np.nan
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["e", "b", "a"]),
        (OneHotEncoder(dtype=dtype), ["city"]),
        (SimpleImputer(strategy="median"), ["c", "d"]),
    )
    return make_pipeline(columns, model), X


WAYS = {
    "alone": lambda model, dtype: (model, samples(dtype)),
    "scaled": lambda model, dtype: (make_pipeline(StandardScaler(), model), samples(dtype)),
    "columns": with_columns,
}


# Numbers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("target", CLASS_TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_classifiers(dtype, target, activation, way, tmp_path):
    model, X = WAYS[way](classifier(activation=activation), dtype)
    assert_equal_in_onnx(fitted(model, X, CLASS_TARGETS[target]), X, tmp_path / "model.onnx", types=X)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("target", VALUE_TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_regressors(dtype, target, activation, loss, way, tmp_path):
    model, X = WAYS[way](regressor(activation=activation, loss=loss), dtype)
    assert_equal_in_onnx(fitted(model, X, VALUE_TARGETS[target]), X, tmp_path / "model.onnx", types=X)


@pytest.mark.parametrize(
    "parameters",
    [{"solver": "lbfgs"}, {"solver": "sgd"}, {"early_stopping": True}, {"class_weight": "balanced"}],
    ids=str,
)
def test_ways_to_fit(parameters, tmp_path):
    model = fitted(classifier(**parameters), X0, GRADES)
    assert_equal_in_onnx(model, X0, tmp_path / "model.onnx")


def test_magnitudes_of_any_size(tmp_path):
    """Outputs that saturate, and ones that are far above 1."""
    model = fitted(classifier(activation="tanh", solver="lbfgs", max_iter=500, alpha=0), X0, CLASS_TARGETS["binary"])
    assert model.predict_proba(X0).max() > 1 - 1e-6
    assert_equal_in_onnx(model, X0, tmp_path / "model.onnx")
    model = fitted(regressor(), X0, X0[:, 0])
    model.coefs_[1] *= 1e9
    assert abs(model.predict(X0)).max() > 1e9
    assert_equal_in_onnx(model, X0, tmp_path / "model.onnx")


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool", "float64", "float32"])
@pytest.mark.parametrize("model_dtype", DTYPES)
def test_samples_of_another_dtype_than_the_model(model_dtype, dtype, tmp_path):
    """The model computes in the dtype that ours computes in."""
    model = fitted(classifier(), samples(model_dtype), GRADES)
    X = samples("float64").astype(dtype)
    assert_equal_in_onnx(model, X, tmp_path / "model.onnx", types=X[:1])


def test_one_sample_and_none(tmp_path):
    session = assert_equal_in_onnx(fitted(classifier(), X0, GRADES), X0[:1], tmp_path / "model.onnx")
    label, probabilities = session.run(None, {"X": X0[:0]})
    assert label.shape == (0,)
    assert probabilities.shape == (0, 4)


def test_ties_go_to_the_first_class(tmp_path):
    for target in ("binary", "multiclass", "two labels"):
        model = fitted(classifier(), X0, CLASS_TARGETS[target])
        for array in (*model.coefs_, *model.intercepts_):
            array[:] = 0
        fastnn2.to_onnx(model, tmp_path / "model.onnx")
        label, _ = session_of(tmp_path / "model.onnx").run(None, {"X": X0})
        np.testing.assert_array_equal(label, model.predict(X0))


def test_a_pipeline_in_a_pipeline(tmp_path):
    model = make_pipeline("passthrough", make_pipeline(StandardScaler(), None), make_pipeline(classifier()))
    assert_equal_in_onnx(fitted(model, X0, GRADES), X0, tmp_path / "model.onnx")


# The file


def test_what_the_file_says(tmp_path):
    import onnx

    path = tmp_path / "model.onnx"
    assert (
        fastnn2.to_onnx(fitted(make_pipeline(StandardScaler(), classifier()), X0, CLASS_TARGETS["strings"]), path)
        is None
    )
    converted = onnx.load(path)
    onnx.checker.check_model(converted, full_check=True)
    assert (converted.producer_name, converted.producer_version) == ("fastnn2", fastnn2.__version__)
    assert converted.doc_string == (
        "StandardScaler, MLPClassifier: a network of 5 inputs, 12 hidden units (relu) and 4 outputs (softmax), made by "
        f"fastnn2 {fastnn2.__version__}"
    )
    assert {entry.key: json.loads(entry.value) for entry in converted.metadata_props} == {
        "classes": ["", "a", "bc", "größer"]
    }
    assert {node.op_type for node in converted.graph.node}.isdisjoint({"ZipMap", "Cast"})


def test_the_same_model_makes_the_same_file(tmp_path):
    model = fitted(classifier(), X0, GRADES)
    for name in ("a", "b"):
        fastnn2.to_onnx(model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_skl2onnx_is_as_it_was(tmp_path):
    """Its tables of converters are those of the whole process."""
    from skl2onnx import supported_converters

    before = supported_converters()
    fastnn2.to_onnx(fitted(classifier(), X0, GRADES), tmp_path / "model.onnx")
    assert supported_converters() == before


def test_a_file_is_overwritten(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    fastnn2.to_onnx(fitted(classifier(), X0, GRADES), str(path))
    assert session_of(path).get_inputs()[0].name == "X"
    assert os.listdir(tmp_path) == ["model.onnx"]


# Refusals


class OurSubclass(fastnn2.MLPClassifier):
    pass


FITTED = fitted(classifier(), X0, GRADES)
REFUSED_MODELS = {
    "sklearn's classifier": (
        SklearnClassifier(),
        r"model is sklearn.MLPClassifier; .*fastnn2.MLPClassifier.from_sklearn",
    ),
    "sklearn's regressor": (SklearnRegressor(), "model is sklearn.MLPRegressor; .*fastnn2.MLPRegressor.from_sklearn"),
    "another model": (
        LogisticRegression(),
        "model is sklearn.LogisticRegression; expected fastnn2's MLPClassifier or MLPRegressor",
    ),
    "a Pipeline": (make_pipeline(StandardScaler(), LogisticRegression()), "a Pipeline that ends with sklearn.Logistic"),
    "an empty Pipeline": (Pipeline([]), "model is a Pipeline that ends with builtins.NoneType"),
    "a subclass": (OurSubclass(), r"model is \w+\.OurSubclass"),
    "parameters": ({"W1": X0}, "model is builtins.dict"),
    "nothing": (None, "model is builtins.NoneType"),
}


def assert_refused(error, match, model, path, X=None):
    """Assert that to_onnx raises the error before it touches a file."""
    path.write_bytes(b"old")
    with pytest.raises(error, match=match):
        fastnn2.to_onnx(model, path, X)
    assert path.read_bytes() == b"old"
    assert len(os.listdir(path.parent)) == 1


@pytest.mark.parametrize("name", REFUSED_MODELS)
def test_other_models_are_refused(name, tmp_path):
    model, match = REFUSED_MODELS[name]
    assert_refused(TypeError, match, model, tmp_path / "model.onnx")


def test_a_search_is_refused_and_its_model_is_not(tmp_path):
    search = fitted(GridSearchCV(classifier(), {"alpha": [1e-4]}, cv=2), X0, GRADES)
    assert_refused(TypeError, "is sklearn.GridSearchCV; .*Pass its best_estimator_", search, tmp_path / "model.onnx")
    assert_equal_in_onnx(search.best_estimator_, X0, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "model", [classifier(), make_pipeline(StandardScaler(), regressor())], ids=["alone", "Pipeline"]
)
def test_unfitted_models_are_refused(model, tmp_path):
    assert_refused(NotFittedError, "is not fitted", model, tmp_path / "model.onnx")


def test_unfitted_steps_are_refused(tmp_path):
    assert_refused(NotFittedError, "StandardScaler", make_pipeline(StandardScaler(), FITTED), tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "classes", [np.array([1, 2**63], np.uint64), np.array([1, "a"], object), np.array([1j, 2j])], ids=str
)
def test_labels_that_onnx_does_not_have_are_refused(classes, tmp_path):
    model = fitted(classifier(), X0, CLASS_TARGETS["binary"])
    model.classes_ = classes
    assert_refused(
        ValueError, "cannot convert the classes .* fit the model to such labels", model, tmp_path / "model.onnx"
    )


def test_files_that_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="a folder; expected the path of a file"):
        fastnn2.to_onnx(FITTED, tmp_path)
    with pytest.raises(ValueError, match=r"cannot save .* is not a folder"):
        fastnn2.to_onnx(FITTED, tmp_path / "missing" / "model.onnx")
    with pytest.raises(TypeError, match="file is int; expected the path"):
        fastnn2.to_onnx(FITTED, 3)


@pytest.mark.parametrize("missing", ["onnx", "skl2onnx"])
def test_a_missing_extra_is_named(missing, tmp_path, monkeypatch):
    theirs = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.split(".")[0] == missing:
            raise ImportError(f"No module named {name!r}")
        return theirs(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"^fastnn2.to_onnx needs onnx and skl2onnx: pip install 'fastnn2\[onnx\]'$"):
        fastnn2.to_onnx(FITTED, tmp_path / "model.onnx")


def test_parameters_that_no_file_has(tmp_path, monkeypatch):
    monkeypatch.setattr("fastnn2.files.onnx.to_onnx.MOST_BYTES", 100)
    assert_refused(ValueError, "more than 2 GB", FITTED, tmp_path / "model.onnx")
