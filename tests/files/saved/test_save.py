"""Models that go to a file and come back: the same bits, the same training, and what is refused by name."""

import os
import pathlib
import re
import sys
import tempfile
import warnings
import zipfile

import numpy as np
import pytest
from data import extra, problem
from sklearn.callback import ProgressBar
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

import fastnn2
from fastnn2 import MLPClassifier, MLPRegressor
from fastnn2.callbacks import Checkpoint

source = np.random.RandomState(0)
X = source.standard_normal((60, 3))
NUMBERS = X[:, 0] * 2 + X[:, 1]
TWO = X[:, 0] > 0
THREE = np.array(["a", "b", "c"], dtype=object)[source.randint(0, 3, 60)]
MANY = source.randint(0, 2, (60, 3))
MISSING = np.where(source.uniform(size=X.shape) < 0.1, np.nan, X)


@pytest.fixture
def skops():
    return extra("skops.io", "files")


def fitted(model, X, y, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return model.fit(X, y, **more)


def there_and_back(model, folder):
    fastnn2.save(model, folder / "model")
    return fastnn2.load(folder / "model")


def frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(MISSING, columns=["x", "y", "z"]).assign(kind=THREE)


# Parameters


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_parameters_come_back_exactly(dtype, tmp_path):
    params = problem(3, 5, 2, 10, dtype)[2]
    loaded = there_and_back(params, tmp_path)
    assert list(loaded) == ["W1", "b1", "W2", "b2"]
    for name, array in params.items():
        assert loaded[name].dtype == dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()
        assert loaded[name].flags.owndata
        assert loaded[name].flags.writeable


def test_parameters_of_any_layout_come_back(tmp_path):
    params = problem(3, 5, 2, 10)[2]
    params["W2"][0, 0] = np.nan
    others = {"W1": np.asfortranarray(params["W1"]), "b1": params["b1"].astype(">f8"), "W2": params["W2"][:, :]}
    loaded = there_and_back({**params, **others}, tmp_path)
    for name, array in params.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype.isnative


def test_safetensors_reads_the_parameters(tmp_path):
    safetensors = extra("safetensors.numpy", "test-extras")
    params = problem(3, 5, 2, 10)[2]
    fastnn2.save(params, tmp_path / "params")
    theirs = safetensors.load_file(tmp_path / "params")
    assert theirs.keys() == params.keys()
    assert all(theirs[name].tobytes() == params[name].tobytes() for name in params)


def test_parameters_need_no_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    params = problem(3, 5, 2, 10)[2]
    assert there_and_back(params, tmp_path).keys() == params.keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W1": np.ones((5, 3), dtype=np.int64)}, "W1 has int64.*expected float64 for all four, or float32 for all"),
        ({"W1": np.ones((5, 3), dtype=np.float32)}, "W1 has float32, b1 has float64"),
        ({"W1": np.ones((5, 3), dtype=np.float16)}, "W1 has float16"),
        ({"W1": np.ones((4, 3))}, "shape"),
        ({"W3": np.ones((4, 3))}, "W3.*expected a dict with W1, b1, W2 and b2"),
    ],
)
def test_parameters_that_are_refused(change, message, tmp_path):
    params = {**problem(3, 5, 2, 10)[2], **change}
    with pytest.raises(ValueError, match=message):
        fastnn2.save(params, tmp_path / "params")
    assert list(tmp_path.iterdir()) == []


# Estimators and Pipelines

MODELS = {
    "adam": (MLPClassifier(5, max_iter=5, random_state=0), X, TWO),
    "sgd": (MLPClassifier(5, max_iter=5, solver="sgd", learning_rate="invscaling"), X, THREE),
    "lbfgs": (MLPClassifier(5, max_iter=5, solver="lbfgs", activation="tanh"), X, THREE.astype(str)),
    "lbfgs of float32": (MLPClassifier(5, max_iter=5, solver="lbfgs"), X.astype(np.float32), TWO.astype(int)),
    "float32": (MLPClassifier(5, max_iter=5, activation="logistic"), X.astype(np.float32), TWO.astype(int)),
    "multilabel": (MLPClassifier(5, max_iter=5), X, MANY),
    "early stopping": (
        MLPClassifier(5, max_iter=5, early_stopping=True, random_state=np.random.RandomState(3)),
        X,
        TWO,
    ),
    "weights of classes": (MLPClassifier(5, max_iter=5, class_weight={False: 1.0, True: 2.5}), X, TWO),
    "balanced": (MLPClassifier(5, max_iter=5, class_weight="balanced"), X, source.randint(3, 7, 60)),
    "regressor": (MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, early_stopping=True), X, NUMBERS),
    "poisson": (MLPRegressor("poisson", [5], max_iter=5), X, abs(X[:, :2])),
    "NumPy's numbers": (MLPRegressor(hidden_layer_sizes=np.int64(5), max_iter=5, alpha=np.float32(0.5)), X, NUMBERS),
    "scaler": (make_pipeline(StandardScaler(), MLPClassifier(5, max_iter=5)), X, TWO),
    "imputers": (
        make_pipeline(SimpleImputer(add_indicator=True), KNNImputer(), MLPRegressor(max_iter=2)),
        MISSING,
        NUMBERS,
    ),
    "pipeline in a pipeline": (
        make_pipeline(PCA(2), MinMaxScaler(), make_pipeline(RobustScaler(), MLPRegressor(max_iter=2))),
        X,
        NUMBERS,
    ),
    "ufunc": (make_pipeline(FunctionTransformer(np.sinh), PolynomialFeatures(), MLPRegressor(max_iter=2)), X, NUMBERS),
    "quantiles": (
        make_pipeline(QuantileTransformer(n_quantiles=9), KBinsDiscretizer(encode="ordinal"), MLPRegressor(max_iter=2)),
        X,
        NUMBERS,
    ),
    "columns": (
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include=np.number)),
            (OneHotEncoder(handle_unknown="ignore", dtype=np.float32), ["kind"]),
        ),
        None,
        THREE,
    ),
    "encoders": (make_pipeline(OrdinalEncoder(min_frequency=15), TargetEncoder()), None, THREE),
}


def model_of(name):
    """Return a model that is not fitted, with its X and y."""
    from sklearn.base import clone

    model, samples, y = MODELS[name]
    if samples is None:
        samples = frame() if name == "columns" else frame().fillna(0)
        model = make_pipeline(model, MLPClassifier(5, max_iter=3))
    return clone(model), samples, y


@pytest.mark.parametrize("is_fitted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_models_come_back(name, is_fitted, skops, tmp_path):
    model, samples, y = model_of(name)
    if not is_fitted:
        loaded = there_and_back(model, tmp_path)
        assert type(loaded) is type(model)
        assert re.sub("at 0x.*?>|at 0x.*", "", repr(loaded)) == re.sub("at 0x.*?>|at 0x.*", "", repr(model))
        return
    fitted(model, samples, y)
    loaded = there_and_back(model, tmp_path)
    for method in ("predict", "predict_proba"):
        if hasattr(model, method):
            expected, found = getattr(model, method)(samples), getattr(loaded, method)(samples)
            assert found.dtype == expected.dtype
            assert found.tobytes() == expected.tobytes() or found.dtype == object
            np.testing.assert_array_equal(found, expected)
    fastnn2.save(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def assert_same_network(one, other):
    for mine, theirs in zip([*one.coefs_, *one.intercepts_], [*other.coefs_, *other.intercepts_], strict=True):
        assert mine.dtype == theirs.dtype
        assert mine.tobytes() == theirs.tobytes()
    for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_", "n_iter_", "t_", "best_loss_"):
        assert getattr(one, name, None) == getattr(other, name, None)
        assert type(getattr(one, name, None)) is type(getattr(other, name, None))


@pytest.mark.parametrize("features", [2, 3])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_what_lbfgs_leaves_of_an_earlier_fit(solver, features, skops, tmp_path):
    samples = X.astype(np.float32)
    model = fitted(MLPClassifier(5, solver=solver, max_iter=3, random_state=0), samples, TWO)
    model = fitted(model.set_params(solver="lbfgs"), samples[:, :features], TWO)
    loaded = there_and_back(model, tmp_path)
    assert hasattr(model, "_optimizer")
    assert hasattr(loaded, "_optimizer") == (features == 3)
    assert_same_network(model, loaded)
    if features == 3:
        for each in (model, loaded):
            each.set_params(solver=solver).partial_fit(samples, TWO)
        assert_same_network(model, loaded)


def test_errors_come_alone(skops, tmp_path):
    (tmp_path / "other").write_bytes(b"something else")
    for call, model in (
        (fastnn2.save, MLPClassifier().set_callbacks(Checkpoint(tmp_path / "a"))),
        (fastnn2.load, None),
    ):
        with pytest.raises(ValueError) as caught:
            call(*[tmp_path / "other"] if model is None else (model, tmp_path / "b"))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_goes_on(solver, dtype, skops, tmp_path):
    samples = X.astype(dtype)
    model = MLPClassifier(5, solver=solver, random_state=7).partial_fit(samples, THREE, classes=["a", "b", "c"])
    loaded = there_and_back(model.partial_fit(samples, THREE), tmp_path)
    for _ in range(3):
        model.partial_fit(samples, THREE)
        loaded.partial_fit(samples, THREE)
        assert_same_network(model, loaded)


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "adam"},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2},
        {"solver": "sgd", "early_stopping": True},
        {"solver": "lbfgs"},
        {"solver": "adam", "early_stopping": True, "random_state": np.random.RandomState(4)},
    ],
)
def test_warm_start_goes_on(options, skops, tmp_path):
    options = {"random_state": 3, **options}
    model = fitted(MLPClassifier(5, max_iter=6, warm_start=True, **options), X, TWO)
    loaded = there_and_back(model, tmp_path)
    assert_same_network(model, loaded)
    for _ in range(2):
        fitted(model, X, TWO)
        fitted(loaded, X, TWO)
        assert_same_network(model, loaded)


def test_saving_changes_no_model(skops, tmp_path):
    model, samples, y = model_of("weights of classes")
    fitted(model, samples, y)
    before = {name: (value, repr(value)) for name, value in vars(model).items()}
    fastnn2.save(model, tmp_path / "model")
    assert {name: (value, repr(value)) for name, value in vars(model).items()} == before


def test_curves_take_little_room(skops, tmp_path):
    """skops makes 150 bytes of each number in a list, and fastnn2.load reads 40,000 of them at most."""
    model, samples, y = model_of("regressor")
    fitted(model, samples, y)
    model.loss_curve_ = source.uniform(size=100_000).tolist()
    assert there_and_back(model, tmp_path).loss_curve_ == model.loss_curve_
    assert (tmp_path / "model").stat().st_size < 900_000


def test_a_file_has_arrays_and_json_only(skops, tmp_path):
    model, samples, y = model_of("columns")
    fastnn2.save(fitted(model, samples, y), tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model") as file:
        assert file.testzip() is None
        for name in file.namelist():
            start = file.read(name)[:6]
            assert start == b"\x93NUMPY" if name.endswith(".npy") else start.startswith(b"{")


def test_skops_reads_the_file(skops, tmp_path):
    """Who has no fastnn2.load of this version can read the model with skops and a list of trusted types."""
    model, samples, y = model_of("scaler")
    fastnn2.save(fitted(model, samples, y), tmp_path / "model")
    trusted = skops.get_untrusted_types(file=tmp_path / "model")
    theirs = skops.load(tmp_path / "model", trusted=trusted)
    assert theirs.predict_proba(samples).tobytes() == model.predict_proba(samples).tobytes()


# What is refused


def function_of_a_user(X):
    return X


def with_attribute(value):
    model = MLPClassifier(5)
    model.extra = value
    return model


def in_itself():
    things = []
    things.append(things)
    return with_attribute(things)


def before_a_network(*steps):
    return make_pipeline(*steps, MLPClassifier(5))


NO_ARRAY = "not an array of numbers or texts"


def that_goes_on():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "checkpoint")
        fitted(MLPClassifier(5, max_iter=2).set_callbacks(Checkpoint(file)), X, TWO)
        return Checkpoint.resume(file).set_callbacks()


OTHER_MODELS = {
    "another estimator": (lambda: LogisticRegression(), "it is sklearn.LogisticRegression; expected fastnn2's MLP"),
    "another network": (lambda: SklearnClassifier(5), "sklearn.MLPClassifier.*fastnn2.MLPClassifier.from_sklearn"),
    "a search": (lambda: fitted(GridSearchCV(MLPClassifier(5), {"alpha": [1]}), X, TWO), "its best_estimator_"),
    "another at the end": (lambda: make_pipeline(StandardScaler(), LogisticRegression()), "ends with sklearn.Logist"),
    "nothing at the end": (lambda: Pipeline([]), "a Pipeline that ends with builtins.NoneType"),
    "a number": (lambda: 5, "builtins.int"),
    "a subclass": (lambda: type("Mine", (MLPClassifier,), {})(5), "Mine"),
}
REFUSED = {
    "a function": (lambda: before_a_network(FunctionTransformer(function_of_a_user)), "function_of_a_user"),
    "a lambda": (lambda: before_a_network(FunctionTransformer(lambda X: X)), "lambda"),
    "trees": (
        lambda: before_a_network(SelectFromModel(RandomForestClassifier(2).fit(X, TWO))),
        "sklearn.tree._tree.Tree",
    ),
    "a callback": (lambda: MLPClassifier(5).set_callbacks(ProgressBar()), "the callbacks ProgressBar"),
    "what goes on from a checkpoint": (that_goes_on, "its next fit goes on from the checkpoint"),
    "a callback of a scaler": (lambda: before_a_network(with_callback(StandardScaler())), "ProgressBar"),
    "a cache": (lambda: Pipeline([("a", MLPClassifier(5))], memory="/tmp/x"), "Pipeline has a `memory`"),
    "a generator": (lambda: MLPClassifier(5, random_state=np.random.default_rng(0)), "random._generator.Generator"),
    "keys of bool": (lambda: with_attribute({True: 1}), "keys of type builtins.bool"),
    "keys that are alike": (lambda: with_attribute({1: 2, "1": 3}), "keys that are different as texts"),
    "itself": (in_itself, "RecursionError"),
    "dates": (lambda: with_attribute(np.array(["2020-01-01"], dtype="M8[D]")), NO_ARRAY),
    "complex numbers": (lambda: with_attribute(np.ones(2, dtype=complex)), NO_ARRAY),
    "bytes": (lambda: with_attribute(b"x"), "builtins.bytes"),
    "many texts": (lambda: with_attribute(["x"] * 50_000), "more than 40000|the most are"),
    "arrays that do not fit": (lambda: with_arrays(coefs_=[np.ones((3, 4)), np.ones((5, 1))]), "the shapes"),
    "lists of numbers": (lambda: with_arrays(coefs_=[[1.0], [1.0]]), "coefs_ and intercepts_ should be two arrays"),
    "arrays of integers": (lambda: with_arrays(coefs_=[np.ones((3, 5), int)] * 2), "coefs_"),
}


def with_callback(model):
    model._skl_callbacks = [ProgressBar()]
    return model


def with_arrays(**changes):
    model = fitted(MLPClassifier(5, max_iter=2), X, TWO)
    vars(model).update(changes)
    return model


@pytest.mark.parametrize("name", [*OTHER_MODELS, *REFUSED])
def test_models_that_are_refused(name, skops, tmp_path):
    error = TypeError if name in OTHER_MODELS else ValueError
    make, message = {**OTHER_MODELS, **REFUSED}[name]
    file = tmp_path / "model"
    file.write_text("as it was")
    with pytest.raises(error, match=message):
        fastnn2.save(make(), file)
    assert file.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [file]


def test_without_skops(tmp_path, monkeypatch, skops):
    model = MLPClassifier(5)
    fastnn2.save(model, tmp_path / "model")
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match=r"fastnn2.save needs skops for estimators: pip install 'fastnn2\[files\]'"):
        fastnn2.save(model, tmp_path / "other")
    with pytest.raises(ImportError, match=r"fastnn2.load needs skops for estimators: pip install 'fastnn2\[files\]'"):
        fastnn2.load(tmp_path / "model")
    assert not (tmp_path / "other").exists()


# Places


@pytest.mark.parametrize("function", [lambda file: fastnn2.save({}, file), fastnn2.load])
def test_what_is_no_path(function, tmp_path):
    with pytest.raises(TypeError, match="file is int; expected the path of a file"):
        function(5)
    with pytest.raises(ValueError, match="a folder; expected the path of a file"):
        function(tmp_path)


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(ValueError, match=r"cannot save .*nowhere.*is not a folder"):
        fastnn2.save(problem(3, 5, 2, 10)[2], tmp_path / "nowhere" / "params")


def test_where_nothing_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastnn2.load(tmp_path / "nothing")


def test_a_large_file_of_something_else_is_not_read(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 42)  # 4 TB, which take no room on the disk
    with pytest.raises(ValueError, match=r"cannot load .*large.*not a file of fastnn2\.save"):
        fastnn2.load(tmp_path / "large")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"cannot load .*pipe.*not a regular file"):
        fastnn2.load(tmp_path / "pipe")


@pytest.mark.skipif(not pathlib.Path("/dev/zero").exists(), reason="there is no device without an end")
def test_a_device_is_not_read():
    with pytest.raises(ValueError, match="not a regular file"):
        fastnn2.load("/dev/zero")
