"""Files that fastnn2 0.1 wrote are read by every later version: one of each kind is kept here.

The functions at the end wrote them. They are never written again: a new form of a format gets files of its own, beside
these.
"""

import json
import pathlib
import warnings
import zipfile

import numpy as np
import pytest
from data import extra

import fastnn2

FOLDER = pathlib.Path(__file__).parent / "data"
X = np.arange(24.0).reshape(8, 3) % 7
WITH_GAPS = np.where(X == 3, np.nan, X)
CLASSES = np.array(["no", "yes", "maybe", "yes"] * 2)


def table():
    """Return a frame of numbers, texts, booleans and dates, each with a missing value."""
    import pandas as pd

    return pd.DataFrame(
        {
            "size": [80.0, None, 120.0, 65.0] * 2,
            "city": ["Oslo", None, "Rome", "Oslo"] * 2,
            "garden": pd.array([True, False, None, True] * 2, dtype="boolean"),
            "sold": pd.Series(["2024-02-29 18:30", "2023-08-01", None, "1969-12-24"] * 2, dtype="datetime64[us]"),
        }
    )


def expected(name):
    """Return what the model predicted when it was written, in its dtype."""
    numbers = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))[name]
    return np.array([[float.fromhex(number) for number in row] for row in numbers])


def read(name):
    """Load a file; scikit-learn warns if another version of it wrote its transformers."""
    import sklearn
    from sklearn.exceptions import InconsistentVersionWarning

    extra("skops.io", "files")
    with zipfile.ZipFile(FOLDER / name) as file:
        info = json.loads(file.read("fastnn2.json"))
    with warnings.catch_warnings():
        if info["scikit-learn"] != sklearn.__version__:
            warnings.simplefilter("ignore", InconsistentVersionWarning)
        return info, fastnn2.load(FOLDER / name)


def test_parameters():
    params = fastnn2.load(FOLDER / "params.safetensors")
    assert {name: array.dtype for name, array in params.items()} == dict.fromkeys(("W1", "b1", "W2", "b2"), np.float32)
    found, _ = fastnn2.forward(X.T.astype(np.float32), params)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected("params.safetensors"))


def test_a_classifier():
    info, model = read("classifier.skops")
    assert (info["format"], info["version"], info["class"]) == ("fastnn2 estimator", 1, "MLPClassifier")
    assert model.classes_.tolist() == ["maybe", "no", "yes"]
    np.testing.assert_array_equal(model.predict_proba(X), expected("classifier.skops"))
    assert len(model.loss_curve_) == 30
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        model.fit(X, CLASSES)  # warm_start: it goes on
    np.testing.assert_array_equal(model.predict_proba(X), expected("classifier.skops, 30 epochs later"))


def test_a_pipeline():
    info, model = read("pipeline.skops")
    assert (info["class"], info["dtype"]) == ("Pipeline", "float64")
    # Between them and the kernels are scikit-learn's scaler and imputer, whose versions may differ in rounding.
    np.testing.assert_allclose(model.predict(WITH_GAPS), expected("pipeline.skops").ravel(), rtol=1e-12)


def test_a_table():
    _, model = read("table.skops")
    assert model.feature_names_in_.tolist() == ["size", "city", "garden", "sold"]
    assert json.loads(model.table_) == {"target": "price"}
    np.testing.assert_allclose(model.predict(table()), expected("table.skops").ravel(), rtol=1e-12)


def test_a_tabular_ensemble():
    info, model = read("tabular.skops")
    assert (info["class"], info["dtype"]) == ("TabularClassifier", "float32")
    assert model.feature_names_in_.tolist() == ["size", "city", "garden"]
    assert model.classes_.tolist() == ["maybe", "no", "yes"]
    frame = table()[["size", "city", "garden"]]
    np.testing.assert_array_equal(model.predict_proba(frame), expected("tabular.skops"))
    frame.loc[0, "city"] = "Paris"  # never seen
    assert np.isfinite(model.predict_proba(frame)).all()


@pytest.mark.parametrize("name", ["classifier.skops", "pipeline.skops", "table.skops", "tabular.skops"])
def test_no_file_has_a_pickle(name):
    with zipfile.ZipFile(FOLDER / name) as file:
        assert {member.rpartition(".")[2] for member in file.namelist()} == {"json", "npy"}


def write_table():
    """Write the file of a table, which came later, and add what its model predicts."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from fastnn2.estimators import DateColumns, TextColumns

    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (scaled, ["size"]),
        (make_pipeline(TextColumns(("NA",)), encoder), ["city", "garden"]),
        (make_pipeline(DateColumns(), scaled), ["sold"]),
    )
    network = fastnn2.MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", random_state=0, max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(columns, network).fit(table(), np.arange(8.0))
    model.table_ = '{"target": "price"}'
    fastnn2.save(model, FOLDER / "table.skops")
    write_expected({"table.skops": model.predict(table()).reshape(-1, 1)})


def write_tabular():
    """Write the file of a tabular ensemble, which came last, and add what it predicts."""
    import pandas as pd

    frame = table()[["size", "city", "garden"]]
    model = fastnn2.TabularClassifier(n_estimators=2, hidden_size=5, n_bins=3, max_iter=20, random_state=0)
    model.fit(pd.concat(5 * [frame], ignore_index=True), np.tile(CLASSES, 5))
    fastnn2.save(model, FOLDER / "tabular.skops")
    write_expected({"tabular.skops": model.predict_proba(frame)})


def write_expected(results):
    """Add what models predict to the file that has it."""
    file = FOLDER / "expected.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    rows |= {name: [[float(number).hex() for number in row] for row in result] for name, result in results.items()}
    file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def write():
    """Write the first files and what their models predict."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    warnings.simplefilter("ignore")
    params, _ = fastnn2.fit(X.T.astype(np.float32), X[:, 0] / 7, 0.3, 4, 50)
    classifier = fastnn2.MLPClassifier(
        4, random_state=0, max_iter=30, warm_start=True, class_weight={"no": 1.0, "yes": 2.0, "maybe": 0.5}
    ).fit(X, CLASSES)
    scaled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = make_column_transformer((scaled, [0, 1]), (OneHotEncoder(handle_unknown="ignore"), [2]))
    network = fastnn2.MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", random_state=0, max_iter=30)
    pipeline = make_pipeline(columns, network).fit(WITH_GAPS, X[:, 0] + X[:, 2])
    fastnn2.save(params, FOLDER / "params.safetensors")
    fastnn2.save(classifier, FOLDER / "classifier.skops")
    fastnn2.save(pipeline, FOLDER / "pipeline.skops")
    write_expected({
        "params.safetensors": fastnn2.forward(X.T.astype(np.float32), params)[0],
        "classifier.skops": classifier.predict_proba(X),
        "classifier.skops, 30 epochs later": classifier.fit(X, CLASSES).predict_proba(X),
        "pipeline.skops": pipeline.predict(WITH_GAPS).reshape(-1, 1),
    })  # fmt: skip


if __name__ == "__main__":
    write()
    write_table()
    write_tabular()
