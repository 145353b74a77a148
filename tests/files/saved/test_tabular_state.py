"""Tabular estimators come back from a file: the same bits, alone and in a Pipeline, and what is refused by name."""

import json
import zipfile

import mutated_files
import numpy as np
import pytest
from data import assert_same_bits, extra
from hostile_nodes import listed, mapping, node, value
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tabular_fits import classes_of, fitted, mixed_frame, numbers_of

import fastnn2
from fastnn2 import TabularClassifier, TabularRegressor
from fastnn2.files.saved import plain_zip
from fastnn2.files.saved.tabular_state import check_tabular

FRAME = mixed_frame(90)
NUMBERS, TWO, THREE = numbers_of(FRAME), classes_of(FRAME, 2), classes_of(FRAME, 3)
MODELS = {
    "two classes": (TabularClassifier(), FRAME, TWO),
    "three classes": (TabularClassifier(class_weight={"a": 2.0, "b": 1.0, "c": 0.5}), FRAME, THREE),
    "weights of booleans": (TabularClassifier(class_weight={True: 2.0, False: 1.0}), FRAME, TWO == "a"),
    "numbers": (TabularRegressor(random_state=np.random.RandomState(3)), FRAME, NUMBERS),
    "poisson": (TabularRegressor("poisson", keep_best=False), FRAME, np.floor(abs(NUMBERS))),
    "float64": (TabularRegressor(dtype="float64", n_bins=0), FRAME, NUMBERS),
    "few rows": (TabularRegressor(), FRAME[:20], NUMBERS[:20]),
    "categories by name": (TabularClassifier(categorical_features=["city", "count"]), FRAME, TWO),
    "no names": (TabularClassifier(categorical_features=[False, True]), FRAME[["a", "count"]].to_numpy(), TWO),
    "a pipeline": (make_pipeline(StandardScaler(), TabularClassifier()), FRAME[["a", "count"]].to_numpy(), TWO),
}


@pytest.fixture(autouse=True)
def skops():
    return extra("skops.io", "files")


def there_and_back(model, folder):
    fastnn2.save(model, folder / "model")
    return fastnn2.load(folder / "model")


def outputs(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@pytest.mark.parametrize("name", MODELS)
def test_models_come_back(name, tmp_path):
    model, X, y = MODELS[name]
    model = fitted(model, X, y)
    loaded = there_and_back(model, tmp_path)
    assert_same_bits(outputs(loaded, X), outputs(model, X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    for ours, theirs in [(loaded, model)] if not hasattr(model, "steps") else [(loaded[-1], model[-1])]:
        assert vars(ours).keys() == vars(theirs).keys()
        assert ours.loss_curves_ == theirs.loss_curves_
        assert ours.validation_loss_curves_ == theirs.validation_loss_curves_
        assert repr(ours) == repr(theirs) or "RandomState" in repr(theirs)
        for attribute, expected in vars(theirs.encoder_).items():
            found = getattr(ours.encoder_, attribute)
            assert type(found) is type(expected)
            assert found.tobytes() == expected.tobytes() if isinstance(expected, np.ndarray) else found == expected
    fastnn2.save(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_not_fitted_come_back(name, tmp_path):
    model, X, y = MODELS[name]
    loaded = there_and_back(model, tmp_path)
    if name != "numbers":  # its generator is drawn from
        assert_same_bits(outputs(fitted(loaded, X, y), X), outputs(fitted(model, X, y), X))


def test_a_file_names_the_estimator_alone(tmp_path):
    fastnn2.save(fitted(*MODELS["three classes"]), tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model") as file:
        schema = file.read("schema.json").decode()
    assert "fastnn2.tabular" in schema
    assert "TableEncoder" not in schema
    info = json.loads(zipfile.ZipFile(tmp_path / "model").read("fastnn2.json"))
    assert (info["class"], info["dtype"], info["version"]) == ("TabularClassifier", "float32", 1)


def test_many_categories_take_little_room(tmp_path):
    X = np.array([f"category {k}" for k in range(50_000)], dtype=object)[:, np.newaxis]
    model = TabularRegressor(max_categories=50_000, hidden_size=1, n_estimators=1, max_iter=1)
    model.fit(X, np.arange(50_000.0))
    loaded = there_and_back(model, tmp_path)
    assert loaded.encoder_.categories == model.encoder_.categories


def without(model, name):
    delattr(model, name)


def change_encoder(**changes):
    return lambda model: vars(model.encoder_).update(changes)


def change_params(**changes):
    return lambda model: [params.update(changes) for params in model.params_]


def replace(**changes):
    return lambda model: vars(model).update(changes)


FAULTS = {
    "another attribute": (replace(predict=5), "predict should be left out; it is no attribute"),
    "no parameter": (lambda model: without(model, "n_bins"), "n_bins should be there"),
    "threads": (replace(n_threads=0), "n_threads should be None or a number above 0"),
    "no params": (lambda model: without(model, "params_"), "params_ should be there, as encoder_ is"),
    "no encoder": (lambda model: without(model, "encoder_"), "encoder_ should be an encoder of tables"),
    "other encoder": (replace(encoder_={}), "encoder_ should be an encoder of tables"),
    "features": (replace(n_features_in_=3), "names should be 3 names"),
    "no feature": (replace(n_features_in_=0), "n_features_in_ should be a number above 0"),
    "bins": (change_encoder(n_bins=15), "edges should be a row"),
    "many bins": (change_encoder(n_bins=10**9), "n_bins should be a number from 0 to 255"),
    "max_categories": (change_encoder(max_categories=0), "max_categories"),
    "dtype": (change_encoder(dtype="float16"), "dtype should be float32 or float64"),
    "other dtype": (change_encoder(dtype="float64"), "params_ should be arrays"),
    "names": (change_encoder(names=[1, 2, 3, 4]), "names"),
    "place": (change_encoder(number_columns=np.array([0, 99])), "number_columns should be different places"),
    "negative place": (change_encoder(binned_columns=np.array([0, -1])), "binned_columns should be different places"),
    "place twice": (change_encoder(number_columns=np.array([0, 0])), "number_columns should be different places"),
    "places as floats": (change_encoder(category_columns=np.array([0.0])), "category_columns should be an array of"),
    "centres": (change_encoder(centres=np.zeros(2)), "centres should be 4 numbers"),
    "exponents": (change_encoder(exponents=np.full(4, 10**9)), "exponents"),
    "edges that fall": (change_encoder(edges=np.zeros((2, 17))), "edges should be rising"),
    "one edge": (change_encoder(edges=np.array([[0.0] + [np.nan] * 16] * 2)), "edges should be rising"),
    "categories": (change_encoder(categories=[["Rome"]]), "categories should be a list of texts for each"),
    "more categories": (change_encoder(categories=[["a"] * 50, ["b"] * 50]), "params_ C should be of shape"),
    "numbers as categories": (change_encoder(categories=[[1], [2]]), "categories should be a list of texts"),
    "choice": (change_encoder(categorical_features="all"), "categorical_features should be"),
    "no classes": (lambda model: without(model, "classes_"), "classes_ should be an array of two classes or more"),
    "one class": (replace(classes_=np.array(["a"])), "classes_ should be an array of two classes or more"),
    "more classes": (replace(classes_=np.arange(40)), "_loss should be one of"),
    "loss": (replace(_loss=99), "_loss should be one of"),
    "params": (replace(params_=[]), "params_ should be dicts"),
    "params as array": (replace(params_=np.ones(3)), "params_ should be dicts"),
    "params without": (replace(params_=[{"W1": np.ones(3)}]), "params_ should be dicts"),
    "params as lists": (change_params(b1=[1.0]), "params_ should be arrays"),
    "W1": (change_params(W1=np.ones((9, 128), dtype="f4")), "params_ W1 should be of shape"),
    "V": (change_params(V=np.ones((2, 3, 128), dtype="f4")), "params_ V should be of shape"),
    "b1": (change_params(b1=np.ones(3, dtype="f4")), "params_ W1 should be of shape"),
    "no units": (change_params(b1=np.ones(0, dtype="f4")), "at least one hidden unit"),
    "b2": (change_params(b2=np.ones(3, dtype="f4")), "params_ b2 should be of shape"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name, tmp_path):
    change, message = FAULTS[name]
    model = fitted(TabularClassifier(), FRAME, TWO)
    check_tabular(model)
    change(model)
    with pytest.raises(ValueError, match=message):
        check_tabular(model)
    with pytest.raises(ValueError, match=message):
        fastnn2.save(model, tmp_path / "model")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"predict": node("FunctionNode", "numpy.sin")}, "its predict should be left out"),
        ({"encoder_": value(5)}, "its encoder_ should be arrays and a text"),
        ({"encoder_": mapping(rest=value("{}"), __id__=10**6)}, "its encoder_ should be arrays and a text"),
        ({"params_": value(None)}, "its params_ should be dicts"),
        ({"n_features_in_": value("4")}, "its n_features_in_ should be a number above 0"),
        ({"_loss": value(10**9)}, "its _loss should be one of"),
        ({"n_threads": value(-1)}, "its n_threads should be"),
        ({"loss_curves_": value(3)}, "its loss_curves_ should be lists of numbers"),
        ({"class_weight": listed("ListNode", "builtins.list", value(1), __id__=10**6)}, "is not complete"),
    ],
)
def test_attributes_that_a_stranger_writes(attributes, message, tmp_path):
    tabular = mutated_files.FORMATS["tabular"]
    tabular.original(tmp_path)
    members = {name: bytes(content) for name, content in plain_zip.unpack((tmp_path / "original").read_bytes()).items()}
    schema = json.loads(members["schema.json"])
    content = schema["content"]
    for name, state in attributes.items():
        if name not in content["content"]:
            content["key_types"]["content"].append(node("TypeNode", "builtins.str"))
        content["content"][name] = state
    (tmp_path / "changed").write_bytes(tabular.signed(mutated_files.with_schema(members, schema)))
    assert tabular.read(tmp_path / "original").n_features_in_ == 3
    with pytest.raises(ValueError, match=message):
        fastnn2.load(tmp_path / "changed")


@pytest.mark.parametrize("name", ["target_mean_", "target_scale_"])
@pytest.mark.parametrize("value", [None, np.nan, "1", np.ones(2)])
def test_faults_of_targets(name, value):
    model = fitted(TabularRegressor(), FRAME, NUMBERS)
    setattr(model, name, value)
    with pytest.raises(ValueError, match=f"{name} should be a finite number"):
        check_tabular(model)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (5, "encoder_ should be arrays and a text"),
        ({"rest": "{}"}, "encoder_ should be arrays and a text"),
        ("not JSON", "text that is not JSON"),
        ("[" * 100_000, "text that is not JSON"),
        ("[]", "encoder_ should be with"),
        ('{"n_bins": 16}', "encoder_ should be with"),
    ],
)
def test_faults_of_what_a_file_keeps_of_an_encoder(stored, message):
    from fastnn2.files.saved.tabular_state import from_stored, to_stored

    attributes = dict(vars(fitted(TabularClassifier(), FRAME, TWO)))
    to_stored(attributes)
    attributes["encoder_"] = attributes["encoder_"] | {"rest": stored} if isinstance(stored, str) else stored
    with pytest.raises(ValueError, match=message):
        from_stored(attributes)


@pytest.mark.parametrize("curves", [5, [5], [np.ones((2, 2))], [np.ones(2, dtype=int)]])
def test_curves_that_are_none(curves):
    from fastnn2.files.saved.tabular_state import from_stored

    with pytest.raises(ValueError, match="loss_curves_ should be lists of numbers"):
        from_stored({"loss_curves_": curves})


def test_a_function_is_refused(tmp_path):
    model = make_pipeline(FunctionTransformer(lambda X: X), TabularClassifier())
    with pytest.raises(ValueError, match="lambda"):
        fastnn2.save(model, tmp_path / "model")


@pytest.mark.parametrize("function", [fastnn2.to_onnx, fastnn2.to_c])
def test_other_formats_are_refused_by_name(function, tmp_path):
    model = fitted(TabularClassifier(), FRAME, TWO)
    message = "fastnn2.TabularClassifier; expected .*kept by fastnn2.save alone"
    for each in (model, make_pipeline(StandardScaler(), model)):
        with pytest.raises(TypeError, match=message):
            function(each, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
