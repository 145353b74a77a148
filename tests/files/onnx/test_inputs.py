"""The inputs of an ONNX model: their names and types, from X or from the model."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from onnx_data import assert_equal_in_onnx, fitted, session_of
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import fastnn2

N = 200
SOURCE = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "city": SOURCE.choice(["a", "b"], N),
        "age": SOURCE.integers(20, 80, N),
        "weight": SOURCE.standard_normal(N).astype(np.float32),
        "income": SOURCE.standard_normal(N),
        "day": pd.date_range("2020-01-01", periods=N),
    }
)
Y = (FRAME["income"] > 0).to_numpy()
NUMBERS = ["age", "income"]


def network():
    return fastnn2.MLPClassifier(5, max_iter=20, random_state=0)


def with_columns(*more):
    """Return a Pipeline for FRAME, which does not use the last two columns."""
    steps = [("scaled", StandardScaler(), ["weight", "age"]), ("encoded", OneHotEncoder(), ["city"]), *more]
    return make_pipeline(ColumnTransformer(steps), network())


def inputs_of(model, path, X=None):
    """Return name, type and shape of each input of a model."""
    fastnn2.to_onnx(model, path, X)
    return [(value.name, value.type, value.shape) for value in session_of(path).get_inputs()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


# Arrays


@pytest.mark.parametrize(("dtype", "name"), [("float32", "float"), ("float64", "double")])
@pytest.mark.parametrize("step", [None, StandardScaler(), SimpleImputer()], ids=str)
def test_without_X_the_model_says_the_type(step, dtype, name, path):
    X = FRAME[NUMBERS].to_numpy(dtype)
    assert inputs_of(fitted(make_pipeline(step, network()), X, Y), path) == [("X", f"tensor({name})", [None, 2])]


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(dtype, dtype) for dtype in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")]
    + [("float32", "float"), ("float64", "double")],
)
def test_an_array_says_the_type(dtype, name, path):
    model = fitted(network(), FRAME[NUMBERS].to_numpy(), Y)
    assert inputs_of(model, path, FRAME[NUMBERS].to_numpy().astype(dtype)) == [("X", f"tensor({name})", [None, 2])]
    assert inputs_of(model, path, np.zeros((0, 2), dtype)) == [("X", f"tensor({name})", [None, 2])]


def test_lists_are_arrays(path):
    model = fitted(network(), FRAME[NUMBERS].to_numpy(), Y)
    assert inputs_of(model, path, [[1.0, 2.0]]) == [("X", "tensor(double)", [None, 2])]
    assert inputs_of(model, path, [[1, 2]]) == [("X", "tensor(int64)", [None, 2])]


def test_an_array_for_a_model_of_a_frame(path):
    model = fitted(network(), FRAME[NUMBERS], Y)
    assert inputs_of(model, path, FRAME[NUMBERS].to_numpy()) == [("X", "tensor(double)", [None, 2])]


# Frames


def test_a_frame_says_the_types(path):
    """A column that no step takes is no input, whatever it has."""
    expected = [("city", "string"), ("age", "int64"), ("weight", "float")]
    found = inputs_of(fitted(with_columns(), FRAME, Y), path, FRAME.head(3))
    assert found == [(name, f"tensor({kind})", [None, 1]) for name, kind in expected]


def test_polars(path):
    X = pl.DataFrame(FRAME.to_dict("list")).with_columns(pl.col("weight").cast(pl.Float32))
    X = X.with_columns(pl.col("city").cast(pl.Categorical))
    model = fitted(with_columns(), X, Y)
    session = assert_equal_in_onnx(model, X, path, types=X.head(3))
    assert [value.type for value in session.get_inputs()] == ["tensor(string)", "tensor(int64)", "tensor(float)"]


@pytest.mark.parametrize(
    ("column", "name"),
    [
        (pd.array([1, 2, 3] * 50, dtype="Int64"), "int64"),
        (pd.array([1, None, 3] * 50, dtype="Int64"), "double"),
        (pd.array([1.5, None, 3] * 50, dtype="Float64"), "double"),
        (pd.Categorical([1, 2, 3] * 50), "int64"),
        (np.array([1, 2.5, None] * 50, object), "double"),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_types_of_pandas(column, name, path):
    X = pd.DataFrame({"a": column, "b": 1.0})
    model = fitted(make_pipeline(SimpleImputer(), network()), X, Y[: len(X)])
    assert inputs_of(model, path, X)[0] == ("a", f"tensor({name})", [None, 1])


@pytest.mark.parametrize(
    "words", [pd.array(["a", "b"], dtype="str"), np.array(["a", None], object)], ids=["str", "None"]
)
def test_columns_of_strings(words, path):
    X = FRAME.assign(city=np.array(["a", "b"], object)[np.arange(N) % 2])
    model = fitted(with_columns(), X, Y)
    assert inputs_of(model, path, X.head(2).assign(city=words))[0] == ("city", "tensor(string)", [None, 1])


def test_without_X_names_and_types_are_those_of_the_fit(path):
    """Categories say the type of their column; the others have that of the model."""
    kinds = [("city", "string"), ("age", "double"), ("weight", "double")]
    model = fitted(with_columns(), FRAME, Y)
    assert inputs_of(model, path) == [(name, f"tensor({kind})", [None, 1]) for name, kind in kinds]
    X = FRAME.astype({"weight": float, "age": float})
    assert_equal_in_onnx(fitted(with_columns(), X, Y), X, path)

    model = fitted(make_pipeline(OneHotEncoder(handle_unknown="ignore"), network()), FRAME[["city", "age"]], Y)
    assert [kind for _, kind, _ in inputs_of(model, path)] == ["tensor(string)", "tensor(int64)"]
    model = fitted(network(), FRAME[["weight"]], Y)
    assert inputs_of(model, path) == [("weight", "tensor(float)", [None, 1])]


def test_imputed_strings_say_the_type(path):
    words = make_pipeline(SimpleImputer(missing_values="", strategy="most_frequent"), OneHotEncoder())
    model = fitted(make_pipeline(make_column_transformer((words, ["city"])), network()), FRAME, Y)
    assert_equal_in_onnx(model, FRAME, path)


@pytest.mark.parametrize(
    "first",
    [
        FunctionTransformer(),
        make_union(StandardScaler(), "passthrough"),
        make_pipeline(None, StandardScaler()),
        make_column_transformer(("drop", [0]), remainder=make_pipeline("passthrough")),
    ],
    ids=["nothing", "union", "Pipeline", "remainder"],
)
def test_names_reach_the_first_step_that_has_them(first, path):
    X = FRAME[NUMBERS]
    model = fitted(make_pipeline(first, network()), X, Y)
    names = [name for name, _, _ in inputs_of(model, path)]
    assert names == NUMBERS[-len(names) :]
    assert_equal_in_onnx(model, X, path, types=X)


def test_names_of_any_kind(path):
    """Also those that tensors inside the model have, and ones that an identifier cannot have."""
    names = ["variable", "matmul", "a b", "größe (m²)", " ", "constant", "cast1", "input0"]
    X = pd.DataFrame(SOURCE.standard_normal((N, len(names))), columns=names)
    session = assert_equal_in_onnx(fitted(network(), X, Y), X, path, types=X)
    assert [value.name for value in session.get_inputs()] == names


def test_columns_without_names(path):
    X = pd.DataFrame(FRAME[NUMBERS].to_numpy())
    model = fitted(network(), X, Y)
    assert inputs_of(model, path) == [("X", "tensor(double)", [None, 2])]
    assert [name for name, _, _ in inputs_of(model, path, X)] == ["0", "1"]
    assert [name for name, _, _ in inputs_of(model, path, FRAME[NUMBERS])] == NUMBERS


# Refusals


def assert_refused(error, match, model, path, X=None):
    with pytest.raises(error, match=match):
        fastnn2.to_onnx(model, path, X)
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "match"),
    [("label", r"the columns \['label'\] have names of outputs; rename them"), ("", "a column has the name ''")],
)
def test_names_that_no_input_can_have_are_refused(name, match, path):
    X = FRAME[NUMBERS].rename(columns={"age": name})
    assert_refused(ValueError, match, fitted(network(), X, Y), path)


def test_samples_of_other_shapes_are_refused(path):
    model = fitted(network(), FRAME[NUMBERS].to_numpy(), Y)
    for X in (np.zeros((3, 3)), np.zeros(2), np.zeros((1, 1, 2))):
        match = rf"X has shape {X.shape}; the model has 2 features".replace("(", r"\(").replace(")", r"\)")
        assert_refused(ValueError, match, model, path, X)
    assert_refused(ValueError, "X has 5 columns; expected 2, the features of the model", model, path, FRAME)


def test_samples_without_the_columns_of_the_model_are_refused(path):
    model = fitted(with_columns(), FRAME, Y)
    match = (
        r"X does not have the columns \['age'\]; the model was fitted with \['city', 'age', 'weight', 'income', 'day'\]"
    )
    assert_refused(ValueError, match, model, path, FRAME.drop(columns="age"))
    fastnn2.to_onnx(model, path, FRAME.drop(columns="income"))  # not used


def test_columns_of_the_same_name_are_refused(path):
    model = fitted(network(), FRAME[NUMBERS].to_numpy(), Y)
    X = pd.DataFrame(np.zeros((2, 2)), columns=["a", "a"])
    assert_refused(ValueError, "X has columns of the same name: .*; expected different names", model, path, X)


def test_sparse_samples_are_refused(path):
    X = scipy.sparse.csr_array(np.eye(4)[np.arange(N) % 4])
    model = fitted(network(), X, Y)
    assert_refused(TypeError, r"X is sparse \(csr_array\), .*; pass X\[:10\].toarray\(\)", model, path, X)
    assert_equal_in_onnx(model, X.toarray(), path)


@pytest.mark.parametrize("dtype", ["float16", "complex64", "datetime64[s]", "S3", "longdouble"])
def test_types_that_onnx_does_not_have_are_refused(dtype, path):
    model = fitted(network(), FRAME[NUMBERS].to_numpy(), Y)
    match = "X has the type .*; expected float32, float64, integers, booleans or strings"
    assert_refused(TypeError, match, model, path, np.zeros((2, 2)).astype(dtype))


def test_columns_of_several_types_are_refused(path):
    model = fitted(with_columns(), FRAME, Y)
    X = FRAME.head(2).astype({"city": object})
    match = "the column 'city' of X has values of the types int, str; expected numbers alone or strings alone"
    assert_refused(TypeError, match, model, path, X.assign(city=np.array(["a", 3], object)))
    match = "the column 'city' of X has values of the types date; expected"
    assert_refused(TypeError, match, model, path, X.assign(city=np.array([datetime.date(2020, 1, 1)] * 2, object)))
    assert_refused(
        TypeError, "the column 'weight' of X has the type datetime64", model, path, X.assign(weight=X["day"])
    )


def test_types_that_do_not_follow_from_the_model(path):
    model = fitted(with_columns(("again", OneHotEncoder(), ["age"])), FRAME, Y)
    match = "X is None, and the model takes the column 'age' as float64 and as int64; pass X, some of the samples"
    assert_refused(ValueError, match, model, path)
    assert_equal_in_onnx(model, FRAME, path, types=FRAME)


def test_an_array_has_one_type(path):
    words = np.array([["a", 1.0], ["b", 2.0]] * (N // 2), object)
    steps = ColumnTransformer([("a", OneHotEncoder(), [0]), ("b", StandardScaler(), [1])])
    model = fitted(make_pipeline(steps, network()), words, Y)
    match = "X is None, and the model takes its columns, which have no names, as float64, strings; pass X"
    assert_refused(ValueError, match, model, path)
    assert_refused(TypeError, "X has values of the types float, str", model, path, words)
