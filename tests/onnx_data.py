"""What the tests of ONNX share: models in ONNX Runtime, and how near their results must be to ours."""

import warnings

import numpy as np
from data import extra
from sklearn.exceptions import ConvergenceWarning

import fastnn2

for module in ("onnx", "skl2onnx"):
    extra(module, "onnx")
onnxruntime = extra("onnxruntime", "test-extras")

# Differences relative to the larger of 1 and the magnitude of the output.
MOST_DIFFERENCE = {"float32": 1e-5, "float64": 1e-12}
NUMPY_TYPES = {
    "tensor(bool)": bool,
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(string)": object,
}


def fitted(model, X, y, **arguments):
    """Return the model after a short fit, which does not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y, **arguments)


def session_of(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def columns_of(session, frame):
    """Return the columns of a pandas or polars frame as the inputs of a session."""
    return {
        value.name: np.asarray(frame[value.name]).reshape(-1, 1).astype(NUMPY_TYPES[value.type])
        for value in session.get_inputs()
    }


def assert_equal_in_onnx(model, X, path, types=None):
    """Write a model, and assert that ONNX Runtime gives what it predicts for X; `types` is what to_onnx gets as X."""
    fastnn2.to_onnx(model, path, types)
    session = session_of(path)
    inputs = columns_of(session, X) if hasattr(X, "columns") else {"X": X}
    results = session.run(None, inputs)
    names = [value.name for value in session.get_outputs()]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
        if hasattr(model, "predict_proba"):
            assert names == ["label", "probabilities"]
            labels, scores = results
            expected = model.predict_proba(X)
            expected_labels = model.predict(X)
            assert labels.shape == expected_labels.shape
            assert labels.dtype.kind == np.asarray(expected_labels.tolist(), labels.dtype).dtype.kind
        else:
            assert names == ["variable"]
            (scores,) = results
            expected = model.predict(X)
            expected = expected.reshape(len(expected), -1)
    assert scores.dtype == expected.dtype
    assert scores.shape == expected.shape
    bound = MOST_DIFFERENCE[expected.dtype.name]
    assert (abs(scores - expected) <= bound * np.maximum(1, abs(expected))).all()
    if len(results) == 2:
        tied = _are_tied(expected, labels.ndim == 2, bound)
        assert (labels == expected_labels)[~tied].all()
        assert tied.mean() < 0.05
    return session


def _are_tied(probabilities, is_multilabel, bound):
    if is_multilabel:
        return abs(probabilities - 0.5) <= bound
    two_largest = np.sort(probabilities, axis=1)[:, -2:]
    return two_largest[:, 1] - two_largest[:, 0] <= 2 * bound
