"""Predictions for tables: those of the Pipeline, whatever the batches are."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from table_data import TARGETS, mixed, polars, run, trained

import fastnn2
from fastnn2.tables.models import predict
from fastnn2.tables.models.predict import columns_of, predictions, result_names
from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.summary import summary_of


def predicted(target, frame, folder, *options, proba=False, keep=()):
    """Return the predictions for a frame in a file, as one frame, and the Pipeline."""
    model = fastnn2.load(trained(target, *options))
    summary = summary_of(model)
    frame.write_parquet(folder / "new.parquet")
    table = open_table(folder / "new.parquet", columns_of(summary), keep)
    return polars.concat(predictions(model, summary, table, proba)), model


@pytest.mark.parametrize("options", [(), ("--dtype", "float32")])
@pytest.mark.parametrize("target", TARGETS)
def test_predictions_are_those_of_the_pipeline(target, options, tmp_path):
    found, model = predicted(target, mixed(), tmp_path, *options)
    expected = model.predict(mixed())
    assert found.columns == ["prediction"]
    assert_array_equal(found["prediction"].to_numpy(), expected)
    kinds = {"y": "f", "kind": "O", "rank": "i", "good": "b"}
    assert found["prediction"].to_numpy().dtype.kind == kinds[target]
    assert_array_equal(model.predict(mixed().to_pandas()), expected)


@pytest.mark.parametrize("target", ["kind", "rank", "good"])
def test_probabilities(target, tmp_path):
    found, model = predicted(target, mixed(), tmp_path, proba=True)
    labels = {"kind": ["high", "low"], "rank": ["3", "4", "5"], "good": ["false", "true"]}[target]
    assert found.columns == ["prediction", *(f"probability_{label}" for label in labels)]
    assert_array_equal(found.drop("prediction").to_numpy(), model.predict_proba(mixed()))
    assert_array_equal(found["prediction"].to_numpy(), model.predict(mixed()))


@pytest.mark.parametrize("size", [1, 8 * 1000, 8 * 10_000])
def test_batches_change_no_prediction(size, tmp_path, monkeypatch):
    expected, _ = predicted("rank", mixed(), tmp_path, proba=True, keep=["key", "count"])
    monkeypatch.setattr(predict, "BATCH_BYTES", size)
    found, _ = predicted("rank", mixed(), tmp_path, proba=True, keep=["key", "count"])
    assert found.equals(expected)


def test_a_batch_has_fewer_rows_of_a_wide_table():
    class Table:
        def batches(self, names, first=0, rows=None):
            asked.append(rows)
            return iter(())

    asked = []
    model = fastnn2.load(trained("y"))
    summary = summary_of(model)
    for inputs in (10, 10_000, 10**7):
        summary.network["inputs"] = inputs
        list(predictions(model, summary, Table(), False))
    assert asked[0] == 100_000
    assert 300 < asked[1] < 500
    assert asked[2] == 1


def test_kept_columns_are_as_in_the_file(tmp_path):
    frame = mixed().with_columns(number=polars.col("count").cast(polars.Int8))
    keep = ["number", "count", "sold", "city"]
    found, _ = predicted("y", frame, tmp_path, keep=keep)
    assert found.select(keep).equals(frame.select(keep))
    assert found.columns == [*keep, "prediction"]


@pytest.mark.parametrize(
    ("target", "proba", "keep", "message"),
    [
        ("y", True, (), "a regression, which has no probabilities; leave --proba out"),
        ("y", False, ("size", "size"), "--keep names the column 'size' twice"),
        ("y", False, ("prediction",), "--keep names the column 'prediction', which is the name of a result, too"),
        ("kind", True, ("probability_low",), "--keep names the column 'probability_low'"),
    ],
)
def test_names_of_results_that_cannot_be(target, proba, keep, message):
    summary = summary_of(fastnn2.load(trained(target)))
    with pytest.raises(TableError, match=message):
        result_names(summary, proba, keep)


def test_a_result_may_have_the_name_of_a_probability_that_is_not_asked_for():
    summary = summary_of(fastnn2.load(trained("kind")))
    assert result_names(summary, False, ["probability_low"]) == ["probability_low", "prediction"]


def test_ties_are_decided_as_by_the_pipeline(tmp_path):
    """With all weights 0, each class has the same probability."""
    model = fastnn2.load(trained("rank"))
    for array in (*model[-1].coefs_, *model[-1].intercepts_):
        array[...] = 0
    mixed().write_parquet(tmp_path / "new.parquet")
    summary = summary_of(model)
    table = open_table(tmp_path / "new.parquet", columns_of(summary))
    found = polars.concat(predictions(model, summary, table, False))["prediction"].to_numpy()
    assert_array_equal(found, model.predict(mixed()))
    assert np.unique(found).tolist() == [3]


CSV = """size,sold,city,y
1,TRUE,Oslo,1
2,FALSE,Rome,2
3, true,?,3
4,False,  ,4
5,NA,Oslo,5
6,?,None,6
7,-,Rome,7
8,,NA,8
9,TRUE ,Oslo,9
10,false,Rome,10
11,True,,11
12,FALSE,Oslo,12
"""


@pytest.mark.parametrize("markers", [[], ["NA"], ["NA", "?", "-", ""]])
def test_frames_of_a_text_file_have_the_predictions_of_the_command(markers, tmp_path, capsys):
    """Booleans in any case, blanks, and missing values of which the library that reads the frame knows some."""
    import pandas

    path, out = tmp_path / "new.csv", tmp_path / "out.csv"
    path.write_text(CSV)
    options = ("--target", "y", "--out", tmp_path / "model", "--task", "regression", "--max-iter", 9)
    assert run(capsys, "train", path, *options)[0] == 0
    assert run(capsys, "predict", tmp_path / "model", path, "--out", out)[0] == 0
    expected = polars.read_csv(out)["prediction"].to_numpy()
    model = fastnn2.load(tmp_path / "model")
    assert len(model[0].named_transformers_["booleans"][-1].categories_[0]) == 3
    assert_array_equal(model.predict(polars.read_csv(path, null_values=markers)), expected)
    assert_array_equal(model.predict(pandas.read_csv(path, na_values=markers, keep_default_na=False)), expected)
