"""Models of tables as C: numbers of a frame bit for bit; texts and dates are refused with the names of the columns."""

import re

import frame_data
import numpy as np
import polars as pl
import pytest
from c_programs import Collection, compiler, same
from data import DTYPES
from frame_data import DATES, NUMBERS, TEXTS
from sklearn.pipeline import make_pipeline

import fastnn2
from fastnn2.estimators import DateColumns

FRAMES = frame_data.frames()
FRAME = FRAMES["polars"]


# scikit-learn's transformers compute in float64 with any frame of polars, and with a frame of pandas in its own dtype.
@pytest.mark.parametrize(
    ("frame", "dtype"),
    [
        (FRAME.select(NUMBERS), "float64"),
        (FRAME.select(pl.col(NUMBERS).cast(pl.Float32)), "float64"),
        (FRAMES["pandas, nullable"][NUMBERS], "float64"),
        (FRAMES["pandas"][NUMBERS].astype("float32"), "float32"),
    ],
    ids=["polars", "polars, float32", "pandas", "pandas, float32"],
)
def test_numbers_of_a_frame(frame, dtype, tmp_path):
    """A column with an indicator of missing ones, integers with missing ones, and one that has all its numbers."""
    model = frame_data.fitted(frame, columns=NUMBERS)
    assert model["network"].coefs_[0].dtype == dtype
    collection = Collection(tmp_path)
    collection.add("table", model, 3, 3, dtype)
    rows = np.column_stack([np.array(frame[name].to_numpy(), dtype) for name in NUMBERS])
    assert np.isnan(rows).sum() > 20
    same(collection.load(compiler("gcc"), "-O2", "-march=native")("table", rows), model.predict_proba(frame))
    fastnn2.to_c(model, tmp_path / "table.c")
    assert "    x[1]  rooms\n" in (tmp_path / "table.c").read_text(encoding="ascii")


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_in_the_dtype_that_was_asked_for(dtype, tmp_path):
    model = frame_data.fitted(FRAME, dtype=dtype, columns=NUMBERS, converted=True)
    collection = Collection(tmp_path)
    collection.add("table", model, 3, 3, dtype)
    rows = FRAME.select(NUMBERS).to_numpy().astype(dtype)
    same(collection.load(compiler("gcc"), "-O2", "-march=native")("table", rows), model.predict_proba(FRAME))


def refused(model, message, tmp_path):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}; to_c supports models of numbers alone"):
        fastnn2.to_c(model, tmp_path / "table.c")
    assert list(tmp_path.iterdir()) == []


def test_other_columns_are_refused_by_name(tmp_path):
    every = "columns 'city', 'garden', 'new', 'sold', 'seen' are not numbers"
    refused(frame_data.fitted(FRAME), every, tmp_path)
    refused(frame_data.fitted(FRAME, columns=[*NUMBERS, TEXTS[0]]), "column 'city' is not a number", tmp_path)
    refused(frame_data.fitted(FRAME, columns=DATES), "columns 'sold', 'seen' are not numbers", tmp_path)
    wide = FRAME.select(pl.col("sold").fill_null(strategy="mean").alias(f"d{number}") for number in range(7))
    model = make_pipeline(DateColumns(), fastnn2.MLPClassifier(2, max_iter=500, random_state=0))
    message = "columns 'd0', 'd1', 'd2', 'd3', 'd4' and 2 more are not numbers"
    refused(model.fit(wide, frame_data.targets()), message, tmp_path)
    array = model.fit(wide.to_numpy()[:, :1], frame_data.targets())
    refused(array, "column 'x[0]' is not a number", tmp_path)
