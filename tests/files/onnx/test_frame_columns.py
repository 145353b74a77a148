"""Models of texts, booleans and dates in ONNX: two runtimes give what the Pipeline gives for frames."""

import datetime

import frame_data
import numpy as np
import pandas as pd
import polars as pl
import pytest
from data import DTYPES
from frame_data import DATES, NUMBERS, TEXTS
from onnx_data import MOST_DIFFERENCE, fitted, session_of
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import fastnn2
from fastnn2.estimators import DateColumns, TextColumns

FRAMES = frame_data.frames()
ONE, NONE = pl.DataFrame({"a": [1.5, 2.0]}), pl.DataFrame({"a": [1, None]})
EPOCH = datetime.datetime(1970, 1, 1)


def network():
    return fastnn2.MLPClassifier(3, max_iter=20, random_state=0)


def test_texts_that_mean_a_missing_value(tmp_path):
    from onnx.reference import ReferenceEvaluator

    frame = pl.DataFrame({"city": ["a", "NA", "b", "", "?", None], "rank": ["1", "2", "NA", "1", "2", "1"]})
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    network = fastnn2.MLPClassifier(3, solver="lbfgs", random_state=0)
    model = make_pipeline(TextColumns(("NA", "?")), encoder, network).fit(frame, [0, 1, 0, 1, 1, 1])
    path = tmp_path / "model.onnx"
    fastnn2.to_onnx(model, path, frame.fill_null(""))
    inputs = {name: frame[name].fill_null("").to_numpy().astype(object).reshape(-1, 1) for name in frame.columns}
    for runtime in (session_of(path), ReferenceEvaluator(str(path))):
        found = runtime.run(None, inputs)[1]
        np.testing.assert_allclose(found, model.predict_proba(frame), rtol=0, atol=MOST_DIFFERENCE["float64"])
    assert len(model[1].categories_[0]) == 3


def test_booleans_as_files_write_them(tmp_path):
    from onnx.reference import ReferenceEvaluator

    values = ["TRUE", "False", "true", "", "NA", "FALSE"]
    frame = pl.DataFrame({"sold": values})
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    network = fastnn2.MLPClassifier(3, solver="lbfgs", random_state=0)
    model = make_pipeline(TextColumns(("NA",), booleans=True), encoder, network).fit(frame, [0, 1, 0, 1, 1, 1])
    path = tmp_path / "model.onnx"
    fastnn2.to_onnx(model, path, frame)
    for runtime in (session_of(path), ReferenceEvaluator(str(path))):
        found = runtime.run(None, {"sold": np.array(values, dtype=object).reshape(-1, 1)})[1]
        np.testing.assert_allclose(found, model.predict_proba(frame), rtol=0, atol=MOST_DIFFERENCE["float64"])
    assert model[1].categories_[0].tolist() == ["", "false", "true"]


def as_input(name, column, kind):
    """Return a column of the table, as a list, as docs/guide/models.md says that a program writes it."""
    if kind == "tensor(string)":
        texts = {None: "", True: "true", False: "false"}
        column = [texts.get(value, value) for value in column]
        return np.array(column, dtype=object).reshape(-1, 1)
    if name == "sold":
        column = [None if value is None else value.toordinal() - EPOCH.toordinal() for value in column]
    if name == "seen":
        column = [None if value is None else (value - EPOCH) / datetime.timedelta(days=1) for value in column]
    if kind == "tensor(bool)":
        return np.array(column).reshape(-1, 1)
    return np.array([np.nan if value is None else value for value in column], dtype=float).reshape(-1, 1)


def assert_equal_in_runtimes(model, path, X, types):
    """Assert that ONNX Runtime and ONNX's interpreter give what a model predicts for X; return the types of inputs."""
    from onnx.reference import ReferenceEvaluator

    fastnn2.to_onnx(model, path, types)
    session = session_of(path)
    kinds = {value.name: value.type for value in session.get_inputs()}
    columns = frame_data.values()
    inputs = {name: as_input(name, columns[name], kind) for name, kind in kinds.items()}
    expected = model.predict_proba(X)
    for runtime in (session, ReferenceEvaluator(str(path))):
        labels, found = runtime.run(None, inputs)
        np.testing.assert_allclose(found, expected, rtol=0, atol=MOST_DIFFERENCE["float64"])
        np.testing.assert_array_equal(labels, model.predict(X))
    return kinds


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_of_all_types(name, tmp_path):
    frame = FRAMES[name]
    model = frame_data.fitted(FRAMES["polars"])
    kinds = assert_equal_in_runtimes(model, tmp_path / "model.onnx", FRAMES["polars"], frame)
    other = frame_data.fitted(FRAMES["polars"], converted=True)
    assert assert_equal_in_runtimes(other, tmp_path / "other.onnx", FRAMES["polars"], frame) == kinds
    expected = dict.fromkeys((*NUMBERS, *DATES), "tensor(double)") | dict.fromkeys(TEXTS, "tensor(string)")
    new = "tensor(string)" if name == "pandas, objects" else "tensor(bool)"
    assert kinds == expected | {"new": new}


def test_without_a_frame_texts_are_strings_and_dates_are_numbers(tmp_path):
    model = frame_data.fitted(FRAMES["pandas"])
    kinds = assert_equal_in_runtimes(model, tmp_path / "model.onnx", FRAMES["pandas"], None)
    assert [kinds[name] for name in (*TEXTS, *DATES)] == ["tensor(string)"] * 3 + ["tensor(double)"] * 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_dates_are_computed_in_float64(dtype, tmp_path):
    """The last step of a day, and dates far from 1970, count in float32, too; numbers are rounded first."""
    model = frame_data.fitted(FRAMES["polars"], dtype=dtype, columns=[*NUMBERS, *DATES], converted=True)
    assert model["network"].coefs_[0].dtype == dtype
    fastnn2.to_onnx(model, tmp_path / "model.onnx", FRAMES["polars"])
    session = session_of(tmp_path / "model.onnx")
    columns = frame_data.values()
    inputs = {name: as_input(name, columns[name], "tensor(double)") for name in (*NUMBERS, *DATES)}
    assert {value.type for value in session.get_inputs()} == {"tensor(double)"}
    expected = model.predict_proba(FRAMES["polars"])
    found = session.run(None, inputs)[1]
    assert found.dtype == expected.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=MOST_DIFFERENCE[dtype])


def test_dates_in_an_array(tmp_path):
    X = np.array([["2020-01-01T06", "2020-05-05"], ["NaT", "1999-09-09"]] * 20, "datetime64[s]")
    model = fitted(make_pipeline(DateColumns(), SimpleImputer(add_indicator=True), network()), X, [0, 1] * 20)
    days = np.where(np.isnat(X), np.nan, X.astype(np.int64) / 86_400)
    for types in (None, X[:1]):
        fastnn2.to_onnx(model, tmp_path / "model.onnx", types)
        session = session_of(tmp_path / "model.onnx")
        assert [(value.name, value.type, value.shape) for value in session.get_inputs()] == [
            ("X", "tensor(double)", [None, 2])
        ]
        found = session.run(None, {"X": days})[1]
        np.testing.assert_allclose(found, model.predict_proba(X), rtol=0, atol=1e-12)


def texts(frame):
    """Return a Pipeline of texts alone that is fitted to a frame of two rows."""
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    chosen = ColumnTransformer([("texts", make_pipeline(TextColumns(), encoder), list(frame.columns))])
    return fitted(make_pipeline(chosen, network()), frame, [0, 1])


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int8, pl.UInt8])
def test_integers_as_texts(dtype, tmp_path):
    frame = pl.DataFrame({"a": [7, 12], "b": ["x", None]}, schema_overrides={"a": dtype})
    model = texts(frame)
    fastnn2.to_onnx(model, tmp_path / "model.onnx", frame)
    session = session_of(tmp_path / "model.onnx")
    assert session.get_inputs()[0].type == f"tensor({dtype.__name__.lower()})"
    inputs = {"a": frame["a"].to_numpy().reshape(-1, 1), "b": np.array([["x"], [""]], dtype=object)}
    np.testing.assert_allclose(session.run(None, inputs)[1], model.predict_proba(frame), rtol=0, atol=1e-12)


@pytest.mark.parametrize("frame", [ONE, pd.DataFrame({"a": [1.5, 2.0]}), NONE], ids=["polars", "pandas", "integers"])
def test_floats_as_texts_are_refused(frame, tmp_path):
    with pytest.raises(ValueError, match=r"\(TextColumns\): its column is float64, which ONNX writes otherwise than"):
        fastnn2.to_onnx(texts(frame), tmp_path / "model.onnx", frame)
    assert list(tmp_path.iterdir()) == []


def test_dates_of_other_steps_are_refused(tmp_path):
    """Only DateColumns makes numbers of dates."""
    frame = pl.DataFrame({"a": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)]})
    model = fitted(make_pipeline(OneHotEncoder(), network()), frame, [0, 1])
    with pytest.raises(TypeError, match="the column 'a' of X has"):
        fastnn2.to_onnx(model, tmp_path / "model.onnx", frame)
