"""The same bits for threads, reruns, containers of the same values, and processors."""

import os
import subprocess
import sys

import numpy as np
import pandas
import pytest
from data import PATIENCE, STORE_KERNELS, assert_same_bits, extra
from tabular_fits import FRAME, NUMBERS, TARGETS, as_polars, both, fit_bits, fitted, outputs

from fastnn2.codegen.processor import Processor


@both
def test_threads_and_reruns_change_no_bit(kind):
    expected = fitted(kind(n_threads=1), FRAME, TARGETS[kind])
    for n_threads in (1, 2, 7, None):
        model = fitted(kind(n_threads=n_threads), FRAME, TARGETS[kind])
        assert fit_bits(model) == fit_bits(expected)
        assert model.loss_curves_ == expected.loss_curves_
        assert model.validation_loss_curves_ == expected.validation_loss_curves_
        assert_same_bits(outputs(model, FRAME), outputs(expected, FRAME))


@both
def test_a_second_fit_is_the_first(kind):
    model = fitted(kind(), FRAME, TARGETS[kind])
    before = fit_bits(model)
    assert fit_bits(model.fit(FRAME, TARGETS[kind])) == before


@both
def test_rows_alone_have_the_bits_that_they_have_among_others(kind):
    model = fitted(kind(n_estimators=11, hidden_size=5), FRAME, TARGETS[kind])
    whole = outputs(model, FRAME)
    for row in (0, 5, 119):
        assert_same_bits(outputs(model, FRAME[row : row + 1]), whole[row : row + 1])


def same_numbers():
    """Return name -> the same numbers in other containers."""
    polars = extra("polars", "tables")
    X = np.where(np.isnan(NUMBERS), np.nan, np.float32(NUMBERS).astype(float))
    return {
        "float64": X,
        "float32": X.astype(np.float32),
        "in columns": np.asfortranarray(X),
        "not contiguous": np.repeat(X, 2, axis=0)[::2],
        "read-only": np.frombuffer(X.tobytes()).reshape(X.shape),
        "lists": X.tolist(),
        "objects": np.array([[None if np.isnan(value) else value for value in row] for row in X], dtype=object),
        "pandas": pandas.DataFrame(X),
        "nullable": pandas.DataFrame(X).convert_dtypes(),
        "polars": polars.DataFrame(X, nan_to_null=True),
        "polars, float32": polars.DataFrame(X.astype(np.float32)),
    }


@both
def test_the_same_numbers_in_any_container_are_the_same_model(kind):
    containers = same_numbers()
    expected = fitted(kind(), containers["float64"], TARGETS[kind])
    assert expected.encoder_.d == expected.encoder_.p == 2
    for name, X in containers.items():
        options = {"categorical_features": None} if name == "objects" else {}
        model = fitted(kind(**options), X, TARGETS[kind])
        assert fit_bits(model) == fit_bits(expected), name
        assert_same_bits(outputs(model, X), outputs(expected, containers["float64"]))


@both
def test_the_same_frame_of_pandas_and_polars_is_the_same_model(kind):
    polars = extra("polars", "tables")
    other = as_polars(FRAME)
    expected = fitted(kind(), FRAME, TARGETS[kind])
    assert (expected.encoder_.d, expected.encoder_.q) == (2, 2)
    targets = TARGETS[kind], polars.Series(TARGETS[kind].tolist()), pandas.Series(TARGETS[kind])
    for X in (FRAME, other):
        for y in targets:
            model = fitted(kind(), X, y)
            assert fit_bits(model) == fit_bits(expected)
            assert_same_bits(outputs(model, X), outputs(expected, FRAME))
            assert model.feature_names_in_.tolist() == list(FRAME)


@both
def test_weights_of_zero_in_each_container(kind):
    weights = np.arange(120) % 3 > 0
    frames = FRAME, as_polars(FRAME)
    expected = fitted(kind(), FRAME[weights], TARGETS[kind][weights])
    for X in frames:
        assert fit_bits(fitted(kind(), X, TARGETS[kind], sample_weight=weights)) == fit_bits(expected)
    numbers = fitted(kind(), NUMBERS.tolist(), TARGETS[kind], sample_weight=weights)
    assert fit_bits(numbers) == fit_bits(fitted(kind(), NUMBERS[weights], TARGETS[kind][weights]))


PROCESSORS = """
import sys
import numpy as np
from tabular_fits import as_polars, classes_of, fit_bits, fitted, mixed_frame, numbers_of
from fastnn2 import TabularClassifier, TabularRegressor
from fastnn2.codegen.processor import Processor
frame = mixed_frame(300)
digest = {"cpu": np.array(Processor.here().cpu)}
for name, model, y in [
    ("two", TabularClassifier(), classes_of(frame, 2)),
    ("three", TabularClassifier(dtype="float64", n_threads=2), classes_of(frame, 3)),
    ("numbers", TabularRegressor(hidden_size=50), numbers_of(frame)),
    ("poisson", TabularRegressor("poisson", n_bins=5), np.floor(abs(numbers_of(frame)))),
]:
    model = fitted(model, frame, y)
    predicted = model.predict_proba(frame) if hasattr(model, "predict_proba") else model.predict(frame)
    curves = np.array([model.loss_curves_, model.validation_loss_curves_])
    digest |= {name: np.frombuffer(fit_bits(model), np.uint8), name + " predicted": predicted, name + " curves": curves}
np.savez(sys.argv[1], **digest)
"""


def digest_in_process(path, environment):
    tests = os.path.dirname(os.path.dirname(__file__))
    paths = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROCESSORS, str(path)], capture_output=True, text=True, timeout=PATIENCE,
        env=os.environ | {"PYTHONPATH": paths, **environment}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(path) as arrays:
        return dict(arrays)


def test_processors_change_no_bit(tmp_path):
    level, here = Processor.level("x86-64-v3"), Processor.here()
    if not here.runs(level):
        pytest.skip(f"this processor, {here.cpu}, cannot run kernels for x86-64-v3")
    other = {
        "NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": level.feature_string(),
        "FASTNN2_CACHE_DIR": str(tmp_path), **STORE_KERNELS,
    }  # fmt: skip
    expected = digest_in_process(tmp_path / "native.npz", {})
    found = digest_in_process(tmp_path / "v3.npz", other)
    assert found.pop("cpu") == "x86-64-v3"
    expected.pop("cpu")
    assert_same_bits(found, expected)
