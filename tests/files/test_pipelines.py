"""Which network a Pipeline ends with, which columns the parts of a ColumnTransformer get, which steps do nothing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fastnn2 import MLPClassifier
from fastnn2.files.pipelines import is_drop, is_identity, network_in, parts_of

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [10.0, 20.0], "": [100.0, 200.0], "d": [1000.0, 2000.0]})

BY_NUMBER = {
    "numbers": [3, 1],
    "negative": [-1, 0],
    "tuple": (2,),
    "array": np.array([1, 2]),
    "mask": [True, False, False, True],
    "mask array": np.array([False, True, True, False]),
    "slice": slice(1, 3),
    "slice to the end": slice(2, None),
    "slice of negative": slice(-2, None),
    "slice of every second": slice(0, None, 2),
}
BY_NAME = {
    "name": ["d"],
    "names": ["d", "a"],
    "array of names": np.array(["b", "a"]),
    "index": FRAME.columns[1:3],
    "slice": slice("b", "d"),
    "slice from a name": slice("b", None),
    "slice to a name": slice(None, "b"),
    "slice from the name that is empty": slice("", None),
    "slice to the name that is empty": slice("a", ""),
    "selector": make_column_selector("[ad]"),
    "mask": pd.Series([False, True, False, True]),
}


def check(columns, X):
    """The columns are those that scikit-learn's transformer takes, as its result has them in their order."""
    transformer = ColumnTransformer([("chosen", "passthrough", columns)]).fit(X)
    (part,) = parts_of(transformer)
    name, step, places = part
    assert name == "chosen"
    assert is_identity(step)
    np.testing.assert_array_equal(FRAME.to_numpy()[:, places], transformer.transform(X))
    assert all(type(place) is int for place in places)


@pytest.mark.parametrize("columns", BY_NUMBER.values(), ids=BY_NUMBER)
@pytest.mark.parametrize("X", [FRAME.to_numpy(), FRAME], ids=["array", "frame"])
def test_columns_by_number(columns, X):
    check(columns, X)


@pytest.mark.parametrize("columns", BY_NAME.values(), ids=BY_NAME)
def test_columns_by_name(columns):
    check(columns, FRAME)


def test_parts_that_get_nothing_are_left_out():
    transformer = ColumnTransformer(
        [("scaled", StandardScaler(), ["d"]), ("none", StandardScaler(), []), ("gone", "drop", ["a"])],
        remainder="passthrough",
    ).fit(FRAME)
    assert [(name, places) for name, _, places in parts_of(transformer)] == [("scaled", [3]), ("remainder", [1, 2])]


def test_identity_and_drop():
    assert [is_identity(step) for step in (None, "passthrough", FunctionTransformer())] == [True, True, True]
    others = ("drop", FunctionTransformer(np.log1p), StandardScaler(), type("Own", (FunctionTransformer,), {})())
    assert [is_identity(step) for step in others] == [False] * 4
    assert [is_drop(step) for step in (*others, None, "passthrough")] == [True, *[False] * 5]


def test_the_network_in_a_model():
    network = MLPClassifier(5)
    for model in (network, make_pipeline(network), make_pipeline(StandardScaler(), make_pipeline(network))):
        assert network_in(model) is network


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (StandardScaler(), "^model is sklearn.StandardScaler; expected fastnn2's MLPClassifier or MLPRegressor, or a "),
        (
            make_pipeline(MLPClassifier(5), StandardScaler()),
            "^model is a Pipeline that ends with sklearn.St",
        ),
        (Pipeline([]), "^model is a Pipeline that ends with builtins.NoneType; .* ends with one, or a list$"),
        (MLPClassifier(5).to_sklearn(), r"\. Convert it first: fastnn2\.MLPClassifier\.from_sklearn\(model\)$"),
    ],
)
def test_a_model_without_a_network(model, message):
    with pytest.raises(TypeError, match=message):
        network_in(model, "model", ", or a list")
