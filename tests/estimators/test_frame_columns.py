"""Frames of pandas and polars with the same content make the same model and the same predictions."""

import subprocess
import sys

import frame_data
import numpy as np
import pandas as pd
import polars as pl
import pytest
from data import DTYPES, PATIENCE
from frame_data import DATES, NUMBERS, TEXTS
from sklearn.exceptions import NotFittedError

from fastnn2.estimators import DateColumns, NumberColumns, TextColumns

FRAMES = frame_data.frames()


@pytest.fixture(scope="module")
def model():
    return frame_data.fitted(FRAMES["polars"])


@pytest.mark.parametrize("name", FRAMES)
def test_a_model_takes_frames_of_either_library(name, model):
    """Also where it was fitted to a frame of the other one."""
    expected = model.predict_proba(FRAMES["polars"])
    assert len(np.unique(expected[:, 0])) > 50
    assert model.predict_proba(FRAMES[name]).tobytes() == expected.tobytes()
    other = frame_data.fitted(FRAMES[name])
    assert other.feature_names_in_.tolist() == [*NUMBERS, *TEXTS, *DATES]
    assert other.predict_proba(FRAMES["polars"]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FRAMES)
def test_a_model_has_the_dtype_that_was_asked_for(name, dtype):
    """Behind NumberColumns, which round once: the same model from either library."""
    model = frame_data.fitted(FRAMES[name], dtype=dtype, converted=True)
    assert model["network"].coefs_[0].dtype == dtype
    expected = frame_data.fitted(FRAMES["polars"], dtype=dtype, converted=True).predict_proba(FRAMES["polars"])
    assert expected.dtype == dtype
    assert model.predict_proba(FRAMES[name]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", FRAMES)
def test_order_and_more_columns_do_not_matter(name, model):
    frame = FRAMES[name]
    turned = frame[[*reversed(list(frame.columns))]]
    turned = turned.with_columns(more=pl.lit("x")) if name.startswith("polars") else turned.assign(more="x")
    assert model.predict_proba(turned).tobytes() == model.predict_proba(frame).tobytes()
    with pytest.raises(ValueError, match=r"columns are missing: \{'city'\}"):
        model.predict(turned[[column for column in turned.columns if column != "city"]])


@pytest.mark.parametrize("step", [TextColumns(), DateColumns()], ids=str)
def test_names_and_numbers_of_columns_are_checked(step):
    frame = FRAMES["polars"][DATES]
    with pytest.raises(NotFittedError):
        step.transform(frame)
    step.fit(frame)
    assert step.feature_names_in_.tolist() == DATES
    assert step.n_features_in_ == 2
    for other in (frame, FRAMES["pandas"][DATES]):
        with pytest.raises(ValueError, match="feature names"):
            step.transform(other[DATES[::-1]])
        with pytest.raises(ValueError, match="feature names"):
            step.transform(other[DATES[:1]])
        with pytest.raises(ValueError, match=f"X has 0 rows; {type(step).__name__} expects at least one"):
            step.transform(other[:0])


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_results_as_frames(container):
    for step, names in ((TextColumns(), TEXTS), (DateColumns(), DATES), (NumberColumns(), NUMBERS)):
        frame = FRAMES["polars"][names]
        expected = step.fit_transform(frame)
        found = step.set_output(transform=container).transform(frame)
        assert type(found).__module__.split(".")[0] == container
        assert list(found.columns) == step.get_feature_names_out().tolist()
        np.testing.assert_array_equal(found.to_numpy(), expected)


def test_neither_library_is_imported():
    """Nor needed: arrays and lists of rows are taken, too."""
    code = (
        "import sys\n"
        "sys.modules['pandas'] = sys.modules['polars'] = None\n"
        "from fastnn2.estimators import DateColumns, NumberColumns, TextColumns\n"
        "assert NumberColumns().fit_transform([[1, None], [3.5, True]]).tolist()[1] == [3.5, 1.0]\n"
        "assert TextColumns().fit_transform([['a', None], [3.0, True]]).tolist() == [['a', ''], ['3', 'true']]\n"
        "assert DateColumns().fit_transform([['1970-01-02'], [None]])[0, 0] == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)


@pytest.mark.parametrize("step", [TextColumns(), NumberColumns()], ids=str)
def test_frames_without_columns_and_columns_of_one_name_are_refused(step):
    for frame in (pd.DataFrame(index=range(3)), pl.DataFrame()):
        with pytest.raises(ValueError, match=f"X has 0 (rows|columns); {type(step).__name__} expects at least one"):
            step.fit(frame)
    with pytest.raises(ValueError, match="X has 2 columns of the name 'b'; expected a name for each column: rename"):
        step.fit(pd.DataFrame(np.ones((1, 3)), columns=["b", "a", "b"]))


def test_lazy_frames_are_refused():
    for step in (TextColumns(), DateColumns(), NumberColumns()):
        with pytest.raises(TypeError, match=r"X is a LazyFrame, .*: pass X\.collect\(\)"):
            step.fit(FRAMES["polars"].lazy())


def test_arrays_of_one_axis_are_refused():
    for step in (TextColumns(), DateColumns(), NumberColumns()):
        for X in (pd.Series(["2020-01-01"]), pl.Series(["2020-01-01"]), np.array(["2020-01-01"]), ["2020-01-01"]):
            with pytest.raises(ValueError, match=r"2D array, got 1D array instead|2-dimensional container"):
                step.fit(X)
