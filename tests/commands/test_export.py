"""`fastnn2 export`: what it writes computes what the model does, and what it prints says how to call it."""

import ctypes
import re

import numpy as np
import pytest
from c_programs import compile_c, compiler
from data import extra
from table_data import REAL, mixed, polars, real, run, trained, with_missing

import fastnn2

DAY = 86_400 * 10**6  # in microseconds
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def exported(capsys, *arguments):
    """Export a model; return what was printed, in one line."""
    code, out, err = run(capsys, "export", *arguments)
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines() if str(arguments[-1]) not in line) <= 80
    return " ".join(out.split())


def error_of(capsys, *arguments):
    code, out, err = run(capsys, "export", *arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"fastnn2 export: error: [^\n]+\n", err), err
    return err


def inputs_of(session, frame):
    """Return the columns of a frame as the inputs of an ONNX session, as `docs/guide/models.md` has them."""
    inputs = {}
    for value in session.get_inputs():
        column = frame[value.name]
        if value.type == "tensor(string)":
            column = column.cast(polars.String).fill_null("").to_numpy().astype(object)
        elif value.type == "tensor(bool)":
            column = column.to_numpy()
        elif column.dtype.is_temporal():
            column = (column.cast(polars.Datetime("us")).to_physical() / DAY).to_numpy()
        else:
            assert value.type == "tensor(double)"
            column = column.cast(polars.Float64).to_numpy()
        inputs[value.name] = column.reshape(-1, 1)
    return inputs


def assert_equal_in_onnx(path, model, frame, dtype):
    onnxruntime = extra("onnxruntime", "test-extras")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    results = session.run(None, inputs_of(session, frame))
    pipeline = fastnn2.load(model)
    if len(results) == 2:
        expected = pipeline.predict_proba(frame)
        assert (results[0] == pipeline.predict(frame)).mean() > 0.99
    else:
        expected = pipeline.predict(frame).reshape(-1, 1)
    bound = TOLERANCE[dtype] * np.maximum(1, abs(expected))
    assert (abs(results[-1] - expected) <= bound).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("target", ["y", "kind", "rank", "good"])
def test_onnx_of_all_kinds_of_columns(target, dtype, tmp_path, capsys):
    extra("skl2onnx", "onnx")
    model, path = trained(target, "--dtype", dtype), tmp_path / "a.onnx"
    printed = exported(capsys, model, "--onnx", path)
    assert_equal_in_onnx(path, model, mixed(), dtype)
    assert "size (double); weight (double); count (double); city (string); is_new (string); sold (double)" in printed
    assert "each with the shape (rows, 1) outputs" in printed
    classes = {"kind": "high, low", "rank": "3, 4, 5", "good": "false, true"}
    if target == "y":
        assert "variable" in printed
    else:
        assert "probabilities (double): one column for each class" in printed or dtype == "float32"
        assert f"classes {classes[target]} call" in printed


def test_onnx_of_booleans_without_missing_ones(tmp_path, capsys):
    extra("skl2onnx", "onnx")
    frame = mixed().drop("kind", "rank", "good", "key").drop_nulls()
    frame.write_parquet(tmp_path / "rows.parquet")
    model, path = tmp_path / "a.model", tmp_path / "a.onnx"
    arguments = ["train", tmp_path / "rows.parquet", "--target", "y", "--out", model, "--max-iter", "2"]
    assert run(capsys, *arguments)[0] == 0
    assert "is_new (bool)" in exported(capsys, model, "--onnx", path)
    assert_equal_in_onnx(path, model, frame, "float64")


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("name", REAL)
def test_onnx_of_real_sets(name, missing, tmp_path, capsys):
    extra("skl2onnx", "onnx")
    target = REAL[name][1]
    model, path = trained(target, source=name), tmp_path / "a.onnx"
    exported(capsys, model, "--onnx", path)
    frame = real(name)[:2000]
    assert_equal_in_onnx(path, model, with_missing(frame, target) if missing else frame, "float64")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "target"), [("diamonds", "price"), ("Default", "default")])
def test_c_of_the_numbers_of_real_sets(name, target, dtype, tmp_path, capsys):
    frame = real(name)
    texts = [column for column in frame.columns if frame[column].dtype == polars.String and column != target]
    drop = [word for column in texts for word in ("--drop", column)]
    model, source = trained(target, *drop, "--dtype", dtype, source=name), tmp_path / "answer.c"
    printed = exported(capsys, model, "--c", source)
    assert "function void answer(const double *x, double *y);" in printed  # the columns are prepared in float64
    numbers = frame.drop(*texts, target).cast(polars.Float64)
    assert f"x {', '.join(f'x[{k}] {column}' for k, column in enumerate(numbers.columns))} y" in printed
    assert ("y y[0] No, y[1] Yes probabilities" if name == "Default" else "y 1 number: predictions") in printed
    library = compile_c(compiler("gcc"), source, tmp_path / "answer.so", "-shared", "-fPIC")
    function = ctypes.CDLL(str(library)).answer
    pipeline = fastnn2.load(model)
    rows = np.ascontiguousarray(with_missing(numbers[:200], "").fill_null(float("nan")).to_numpy())
    as_frame = polars.DataFrame(rows, schema=numbers.columns).fill_nan(None)
    expected = pipeline.predict_proba(as_frame) if name == "Default" else pipeline.predict(as_frame).reshape(-1, 1)
    found = np.empty(expected.shape)
    for row, result in zip(rows, found, strict=True):
        function(ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(result.ctypes.data))
    np.testing.assert_array_equal(found, expected)


def test_c_is_refused_where_a_column_is_no_number(tmp_path, capsys):
    (tmp_path / "a.c").write_text("old")
    message = error_of(capsys, trained("y"), "--c", tmp_path / "a.c")
    assert (
        "these columns of the model are not: 'city', 'is_new', 'sold'; use --onnx, or train without them (--drop)"
        in message
    )
    assert (tmp_path / "a.c").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.c"]


def test_a_file_of_c_has_the_name_of_a_function(tmp_path, capsys):
    params, _ = fastnn2.fit([[0.0, 1.0, 2.0]], [0, 1, 1], 0.3, 2, 1)
    fastnn2.save(params, tmp_path / "other.model")
    message = error_of(capsys, tmp_path / "other.model", "--c", tmp_path / "int.c")
    assert message.endswith("is 'int', a word that C or C++ has a meaning for; choose another name\n")
    assert not (tmp_path / "int.c").exists()


def test_models_that_train_did_not_make(tmp_path, capsys):
    params, _ = fastnn2.fit([[0.0, 1.0, 2.0]], [0, 1, 1], 0.3, 2, 1)
    classifier = fastnn2.MLPClassifier(2, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
    for model, dims in ((params, "y 1 number: probabilities"), (classifier, "y y[0] no, y[1] yes probabilities")):
        fastnn2.save(model, tmp_path / "other.model")
        printed = exported(capsys, tmp_path / "other.model", "--c", tmp_path / "a.c")
        assert f"void a(const double *x, double *y); x 1 number {dims}" in printed
        assert (tmp_path / "a.c").read_text().startswith("/* a: a neural network")
    fastnn2.save(params, tmp_path / "other.model")
    assert "ONNX takes models of classes" in error_of(capsys, tmp_path / "other.model", "--onnx", tmp_path / "a.onnx")
    fastnn2.save(fastnn2.MLPRegressor(), tmp_path / "other.model")
    assert "is not fitted" in error_of(capsys, tmp_path / "other.model", "--c", tmp_path / "b.c")

    extra("skl2onnx", "onnx")
    fastnn2.save(classifier, tmp_path / "other.model")
    printed = exported(capsys, tmp_path / "other.model", "--onnx", tmp_path / "a.onnx")
    assert "inputs X (double) outputs label (string): the class" in printed
    assert "shape" not in printed


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--onnx", "a.c", "expected a name that ends with .onnx"),
        ("--c", "a.h", "expected a name that ends with .c"),
        ("--c", "a-b.c", "the name of the file, without its ending"),
        ("--onnx", "no/a.onnx", "is not a folder"),
    ],
)
def test_names_of_files_that_cannot_be(option, name, message, tmp_path, capsys):
    drop = [word for column in ("city", "is_new", "sold") for word in ("--drop", column)]
    assert message in error_of(capsys, trained("y", *drop), option, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_model_is_not_overwritten(tmp_path, capsys):
    model = tmp_path / "a.onnx"
    fastnn2.save(fastnn2.load(trained("y")), model)
    before = model.read_bytes()
    assert "is read; write to another file" in error_of(capsys, model, "--onnx", model)
    assert model.read_bytes() == before


@pytest.mark.parametrize("option", ["onnx", "c"])
def test_models_of_raw_tables_are_refused(option, tmp_path, capsys):
    fastnn2.save(fastnn2.TabularRegressor(max_iter=1).fit([[1.0], [2.0]], [1.0, 2.0]), tmp_path / "raw.model")
    error = error_of(capsys, tmp_path / "raw.model", f"--{option}", tmp_path / f"b.{option}")
    assert "is fastnn2.TabularRegressor; expected fastnn2's MLPClassifier or MLPRegressor" in error
    assert "kept by fastnn2.save alone" in error
    assert not (tmp_path / f"b.{option}").exists()
