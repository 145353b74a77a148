"""Texts, categories and booleans as texts: each value of each library by hand."""

import datetime
import decimal
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from frame_data import as_frame
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from fastnn2.estimators import TextColumns

TEXTS = ["b", None, "", "NaN", "b", "ä ö"]
AS_TEXTS = ["b", "", "", "NaN", "b", "ä ö"]
ARRAY_TYPES = [(), (np.dtypes.StringDType(),)] if hasattr(np.dtypes, "StringDType") else [()]
# What the values are -> columns that have them, and the texts.
COLUMNS = {
    "texts": (
        [pd.Series(TEXTS, dtype=kind) for kind in ("str", "string", object, "category")]
        + [pl.Series(TEXTS, dtype=kind) for kind in (pl.String, pl.Categorical, pl.Enum(["ä ö", "NaN", "", "b"]))]
        + [pl.Series(TEXTS, dtype=pl.Object), np.array(TEXTS, dtype=object)],
        AS_TEXTS,
    ),
    "texts without missing ones": ([np.array(AS_TEXTS, *kind) for kind in ARRAY_TYPES], AS_TEXTS),
    "booleans": (
        [pd.Series([True, False], dtype=kind) for kind in (bool, "boolean", object, "category")]
        + [make([True, False]) for make in (pl.Series, np.array)],
        ["true", "false"],
    ),
    "booleans with missing ones": (
        [pd.Series([None, True, False], dtype=kind) for kind in ("boolean", object, "category")]
        + [pd.Series([np.nan, True, np.False_], dtype=object), pl.Series([None, True, False])],
        ["", "true", "false"],
    ),
    "integers": (
        [pd.Series([3, -1, 0, 3], dtype=kind) for kind in ("int64", "Int64", "int8", object, "category", float)]
        + [pl.Series([3, -1, 0, 3], dtype=kind) for kind in (pl.Int64, pl.Int16, pl.Int128, pl.Float64, pl.Float32)],
        ["3", "-1", "0", "3"],
    ),
    "integers with missing ones": (
        [pd.Series([None, 2**53 - 1], dtype=kind) for kind in ("Int64", float, object)]
        + [pl.Series([None, 2**53 - 1], dtype=kind) for kind in (pl.Int64, pl.Float64, pl.UInt64)],
        ["", "9007199254740991"],
    ),
    "floats": (
        [pd.Series([0.5, None, -0.0, 1e-7, np.inf], dtype=kind) for kind in (float, "Float64", object)]
        + [pl.Series([0.5, None, -0.0, 1e-7, np.inf]), pl.Series([0.5, np.nan, -0.0, 1e-7, np.inf])],
        ["0.5", "", "0", "1e-07", "inf"],
    ),
    "floats of 32 bits": ([np.array([0.1, 2.0], np.float32), pl.Series([0.1, 2.0], dtype=pl.Float32)], ["0.1", "2"]),
    "times": (
        [make([datetime.datetime(2020, 1, 2, 3, 4), None]) for make in (pl.Series, pd.Series)]
        + [np.array(["2020-01-02T03:04", "NaT"], "datetime64[s]")],
        ["2020-01-02 03:04:00", ""],
    ),
    "dates": (
        [pd.Series([datetime.date(2020, 1, 2), pd.NaT], dtype=object), pl.Series([datetime.date(2020, 1, 2), None])],
        ["2020-01-02", ""],
    ),
    "of several types": (
        [pd.Series(["x", 3.0, None, True, pd.NA, decimal.Decimal("1.50"), np.str_("y")], dtype=object)],
        ["x", "3", "", "true", "", "1.50", "y"],
    ),
    "lists": ([pl.Series([[1, 2], [3, 4], None]), pd.Series([[1, 2], [3, 4], None])], ["[1, 2]", "[3, 4]", ""]),
    "missing ones alone": (
        [pd.Series([None, None], dtype=kind) for kind in (float, object, "str", "boolean", "category")]
        + [pl.Series([None, None]), pl.Series([None, None], dtype=pl.String)],
        ["", ""],
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_texts_of_values(name):
    columns, expected = COLUMNS[name]
    for column in columns:
        found = TextColumns().fit_transform(as_frame(column))
        assert found.dtype == object
        assert found.shape == (len(expected), 1)
        assert found[:, 0].tolist() == expected, column.dtype
        assert {type(text) for text in found[:, 0]} == {str}, column.dtype


def test_several_columns():
    frame = pl.DataFrame({"a": ["x", None], "b": [True, False]})
    step = TextColumns().fit(frame)
    assert step.transform(frame).tolist() == [["x", "true"], ["", "false"]]
    assert step.get_feature_names_out().tolist() == ["a", "b"]


def test_clones_and_pickles():
    frame = pl.DataFrame({"a": ["x", None]})
    step = TextColumns().fit(frame)
    assert b"fastnn2.estimators" in pickle.dumps(step)
    assert b"text_columns" not in pickle.dumps(step)
    assert pickle.loads(pickle.dumps(step)).transform(frame).tolist() == [["x"], [""]]
    assert not hasattr(clone(step), "n_features_in_")


NO_DIFFERENCES = "the check subtracts results, which are texts"
EXPECTED_FAILURES = dict.fromkeys(
    [
        "check_estimators_pickle",
        "check_fit_idempotent",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_pipeline_consistency",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
    ],
    NO_DIFFERENCES,
)


def test_checks_of_scikit_learn():
    results = check_estimator(TextColumns(), expected_failed_checks=EXPECTED_FAILURES, on_skip=None)
    assert {result["check_name"] for result in results if result["status"] == "xfail"} == set(EXPECTED_FAILURES)
    assert sum(result["status"] == "passed" for result in results) > 30


@pytest.mark.parametrize("library", [pl, pd])
def test_texts_that_mean_a_missing_value(library):
    frame = library.DataFrame({"a": ["NA", " ? ", "b", "NA b"], "b": [True, False, None, True]})
    texts = TextColumns(missing_texts=("NA", "?", "true")).fit_transform(frame)
    assert texts.tolist() == [["", ""], ["", "false"], ["b", ""], ["NA b", ""]]
    assert clone(TextColumns(("NA",))).missing_texts == ("NA",)
    blanks = library.DataFrame({"a": ["", "  ", " b "]})
    assert TextColumns(("NA",)).fit_transform(blanks).ravel().tolist() == ["", "  ", " b "]
    assert TextColumns(("NA", "")).fit_transform(blanks).ravel().tolist() == ["", "", " b "]


@pytest.mark.parametrize("library", [pl, pd])
def test_booleans_as_files_write_them(library):
    frame = library.DataFrame({"a": ["TRUE", " False", "NA", None, "truth"], "b": [True, False, None, True, None]})
    texts = TextColumns(("NA",), booleans=True).fit_transform(frame)
    assert texts.T.tolist() == [["true", "false", "", "", "truth"], ["true", "false", "", "true", ""]]
    assert TextColumns().fit_transform(frame)[0].tolist() == ["TRUE", "true"]
