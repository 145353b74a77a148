"""Models of tables come back from a file: the same predictions for frames, and what the Pipeline says of its table."""

import json

import frame_data
import numpy as np
import pytest
from data import extra

import fastnn2

FRAMES = frame_data.frames()


@pytest.fixture(autouse=True)
def skops():
    return extra("skops.io", "files")


def there_and_back(model, folder):
    fastnn2.save(model, folder / "model")
    return fastnn2.load(folder / "model")


@pytest.mark.parametrize("converted", [False, True])
@pytest.mark.parametrize("name", FRAMES)
def test_predictions_are_the_same(name, converted, tmp_path):
    model = frame_data.fitted(FRAMES[name], converted=converted)
    loaded = there_and_back(model, tmp_path)
    assert loaded.feature_names_in_.tolist() == list(frame_data.values())
    assert loaded[:-1].get_feature_names_out().tolist() == model[:-1].get_feature_names_out().tolist()
    for frame in FRAMES.values():
        assert loaded.predict_proba(frame).tobytes() == model.predict_proba(frame).tobytes()
    fastnn2.save(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_models_that_are_not_fitted(dtype, tmp_path):
    loaded = there_and_back(frame_data.pipeline(dtype), tmp_path)
    frame_data.fit(loaded, FRAMES["polars"])
    model = frame_data.fitted(FRAMES["polars"], dtype=dtype)
    assert loaded.predict_proba(FRAMES["polars"]).tobytes() == model.predict_proba(FRAMES["polars"]).tobytes()


def test_output_containers_are_kept(tmp_path):
    model = frame_data.fit(frame_data.pipeline().set_output(transform="polars"), FRAMES["polars"])
    found = there_and_back(model, tmp_path)[:-1].transform(FRAMES["pandas"])
    np.testing.assert_array_equal(found.to_numpy(), model[:-1].transform(FRAMES["polars"]).to_numpy())


@pytest.mark.parametrize("is_fitted", [False, True])
def test_what_a_pipeline_says_of_its_table(is_fitted, tmp_path):
    """An attribute of the Pipeline that is a text in JSON, of any characters and length."""
    model = frame_data.fitted(FRAMES["polars"]) if is_fitted else frame_data.pipeline()
    model.table_ = json.dumps(
        {"columns": ["größe", '"a"', "\\", "\u2028", "😀"], "more": [1.5, None] * 10_000}, ensure_ascii=False
    )
    loaded = there_and_back(model, tmp_path)
    assert type(loaded.table_) is str
    assert loaded.table_ == model.table_
