"""`fastnn2 train`: what it prints and writes, what it refuses before any work, and how good its models are."""

import json
import re
import warnings

import numpy as np
import pytest
from data import extra
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from table_data import REAL, mixed, polars, real, run
from threadpoolctl import threadpool_limits

import fastnn2
from fastnn2.commands import table_files
from fastnn2.files.saved import skops_schema
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.split import hold_out

WIDTH = 80
ROWS = 3000  # of a real set; scikit-learn's network takes a while
NOISE = {"accuracy": 0.02, "log loss": 0.05, "R2": 0.03}  # of scores of two trainings that differ in rounding alone


def write(folder, frame, name="rows.csv"):
    path = folder / name
    (frame.write_csv if name.endswith(".csv") else frame.write_parquet)(path)
    return path


def small(n=40, **columns):
    """Return a frame of two columns and a target of two classes."""
    source = np.random.default_rng(n)
    a, b = source.normal(size=n), source.normal(size=n)
    return polars.DataFrame({"a": a, "b": b, "kind": np.where(np.arange(n) % 2, "x", "y")} | columns)


def summary_of(capsys, *arguments):
    """Run the command with --json; return the summary that it prints."""
    code, out, err = run(capsys, "train", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def by_hand(frame, target, max_iter, early_stopping):
    """Return the scores of scikit-learn's network behind a Pipeline that is written by hand, on the same rows."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.metrics import accuracy_score, log_loss, r2_score
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = frame.to_pandas()
    y, X = frame.pop(target).to_numpy(), frame
    is_classification = y.dtype == object
    texts = [name for name in X if X[name].dtype.kind not in "fi"]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), [name for name in X if name not in texts]),
        (OneHotEncoder(min_frequency=2, max_categories=30, handle_unknown="ignore", sparse_output=False), texts),
    )
    training, test = hold_out(y if is_classification else None, len(y), TrainingOptions(target=target))
    network = (MLPClassifier if is_classification else MLPRegressor)(
        max_iter=max_iter, random_state=0, early_stopping=early_stopping
    )
    scale = (0, 1) if is_classification else (y[training].mean(), y[training].std())
    prepared, goal = columns.fit_transform(X.iloc[training]), y[training]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(prepared, goal if is_classification else (goal - scale[0]) / scale[1])
    new = columns.transform(X.iloc[test])
    if not is_classification:
        return {"R2": r2_score(y[test], network.predict(new) * scale[1] + scale[0])}
    return {
        "accuracy": accuracy_score(y[test], network.predict(new)),
        "log loss": log_loss(y[test], network.predict_proba(new)),
    }


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("name", REAL)
def test_scores_are_those_of_a_pipeline_by_hand(name, ending, tmp_path, capsys):
    target, frame = REAL[name][1], real(name)
    frame = frame.sample(min(ROWS, len(frame)), seed=0)
    path = write(tmp_path, frame, f"{name}.{ending}")
    if ending == "csv":
        frame = polars.read_csv(path, infer_schema_length=None)
    found = summary_of(capsys, path, "--target", target, "--max-iter", 20)
    expected = by_hand(frame, target, 20, found["rows"]["validation"] > 0)
    for score, value in expected.items():
        assert abs(found["scores"]["network"][score] - value) < NOISE[score]
    network = found["scores"]["network"]
    constant = next(scores for model, scores in found["scores"].items() if model in ("mean", "most frequent class"))
    assert network["R2"] > 0.5 if "R2" in network else network["log loss"] < 0.7 * constant["log loss"]


def test_the_summary_is_that_of_the_model(tmp_path, capsys):
    path = write(tmp_path, small(200))
    out, plot = tmp_path / "a.model", tmp_path / "a.png"
    code, text, err = run(capsys, "train", path, "--target", "kind", "--out", out, "--plot", plot)
    assert code == 0
    assert max(map(len, text.splitlines()[:-2])) <= WIDTH  # but for the paths at the end
    assert text.startswith(
        "file       rows.csv, 200 rows\ntarget     kind: classification\ncolumns    2 used, as 2 inp"
    )
    assert text.endswith(f"\nmodel      {out}\npicture    {plot}\n")
    assert err.startswith("fastnn2 train: note: the target 'kind' is text: classification\n")
    assert plot.read_bytes().startswith(b"\x89PNG")
    model = fastnn2.load(out)
    assert model.predict_proba(small(200).to_pandas()).shape == (200, 2)
    assert [step for step, _ in model.steps] == ["columns", "network"]


def test_json_is_all_that_is_printed(tmp_path, capsys):
    path = write(tmp_path, small())
    found = summary_of(capsys, path, "--target", "kind", "--out", tmp_path / "a.model", "--plot", tmp_path / "a.svg")
    assert found["rows"] == {"file": 40, "without target": 0, "training": 32, "validation": 0, "test": 8}
    assert found["classes"] == ["x", "y"]
    assert found["training"]["seconds"] > 0
    assert len(found["training"]["loss"]) == found["training"]["epochs"]
    assert list(found["scores"]) == ["network", "most frequent class", "LogisticRegression"]


@pytest.mark.parametrize("target", ["^a$", "*", "x\ny", "цель", "$a$"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_names_that_are_patterns_or_formulas(target, ending, tmp_path, capsys):
    frame = (
        mixed().rename({"kind": target, "size": "^.*$", "city": "*?", "count": "\x1b[31mred"}).drop("y", "rank", "good")
    )
    path = write(tmp_path, frame, f"rows.{ending}")
    options = ["--target", target, "--max-iter", 2, "--out", tmp_path / "a.model", "--plot", tmp_path / "a.png"]
    code, out, err = run(capsys, "train", path, *options)
    assert code == 0, err
    assert "\x1b" not in out + err
    assert ": reached --max-iter, and more epochs may do better" in " ".join(out.split())
    assert run(capsys, "predict", tmp_path / "a.model", path, "--out", tmp_path / "p.csv")[0] == 0
    assert polars.read_csv(tmp_path / "p.csv").height == len(frame)


@pytest.mark.parametrize(
    ("frame", "options"),
    [
        (small(10), []),
        (small(10), ["--no-early-stopping", "--test-size", "0.5"]),
        (small(30), ["--dtype", "float32", "--class-weight", "balanced"]),
        (small(30, kind=["x"] * 27 + ["y"] * 3), []),
        (small(30).drop("b"), ["--batch-size", "7"]),
        (small(30, kind=np.arange(30) / 7), ["--weight", "w", "--dtype", "float32"]),
        (small(300, kind=[f"class {k // 3}" for k in range(300)]), ["--max-iter", "2"]),
    ],
    ids=["10 rows", "half", "float32", "3 rows of a class", "1 column", "weights", "100 classes"],
)
def test_small_tables(frame, options, tmp_path, capsys):
    frame = frame.with_columns(w=polars.Series(np.arange(len(frame)) % 3 + 0.5))
    path = write(tmp_path, frame)
    code, out, err = run(capsys, "train", path, "--target", "kind", *options, "--plot", tmp_path / "a.png")
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= WIDTH
    assert re.fullmatch(r"(fastnn2 train: note: [^\n]+\n)*", err)


def test_float32_is_the_dtype_of_the_network(tmp_path, capsys):
    path = write(tmp_path, small(60))
    found = summary_of(capsys, path, "--target", "kind", "--dtype", "float32", "--out", tmp_path / "a.model")
    assert found["network"]["dtype"] == "float32"
    assert fastnn2.load(tmp_path / "a.model")[-1].coefs_[0].dtype == np.float32


def test_a_file_of_test_rows(tmp_path, capsys):
    frame = small(60)
    path, test = write(tmp_path, frame), write(tmp_path, frame[::2].select("kind", "b", "a"), "test.parquet")
    found = summary_of(capsys, path, "--target", "kind", "--test", test)
    assert (found["rows"]["training"], found["rows"]["test"], found["test"]) == (60, 30, "test.parquet")


def test_dropped_columns_and_a_repeated_drop(tmp_path, capsys):
    path = write(tmp_path, small())
    found = summary_of(capsys, path, "--target", "kind", "--drop", "b", "--drop", "b")
    assert [use["name"] for use in found["columns"]] == ["a"]


OUT = ["--out", "a.model"]
WRONG = {
    "target": (["--target", "knd"], r"'rows\.csv' has no column 'knd' \(--target\); did you mean 'kind'\?"),
    "drop": (["--drop", "z"], r"has no column 'z' \(--drop\); it has 'a', 'b', 'kind'"),
    "weight": (["--weight", "A"], r"has no column 'A' \(--weight\); did you mean 'a'\?"),
    "weight of text": (["--weight", "t"], r"the weight 't' is text; expected a column of numbers"),
    "target and drop": (["--drop", "kind"], "column 'kind' is named by --target and by --drop; leave one of the two"),
    "target and weight": (["--weight", "kind"], "column 'kind' is named by --target and by --weight; expected differ"),
    "weight and drop": (["--weight", "a", "--drop", "a"], "column 'a' is named by --weight and by --drop; leave one"),
    "two tests": (["--test", "rows.csv", "--test-size", "0.3"], "--test has the rows to test on, so --test-size holds"),
    "resume": (["--resume"], "--resume goes on from a checkpoint; pass --checkpoint FILE, too"),
    "class weight": (["--task", "regression", "--class-weight", "balanced"], "--class-weight is for classes"),
    "class weight of numbers": (["--target", "a", "--class-weight", "balanced"], "and 'a' has numbers to predict"),
    "regression of text": (["--task", "regression"], "the target 'kind' is text; a regression needs numbers"),
    "out is the file": (["--out", "rows.csv"], r"FILE and --out are both 'rows\.csv', which would be lost"),
    "out is the test": (["--test", "./t.csv", "--out", "t.csv"], "--test and --out are both 't.csv'"),
    "out is a link": (["--out", "link.csv"], r"FILE and --out are both 'link\.csv', which would be lost"),
    "two outputs": (["--checkpoint", "a", "--out", "a"], "--out and --checkpoint are both 'a', which would be lost"),
    "plot": (["--plot", "a.gif"], r"cannot save 'a\.gif': its name must end with \.png, \.svg, \.pdf or \.jpg"),
    "no folder": (["--out", "no/a.model"], r"cannot save '.*no/a\.model': '.*no' is not a folder"),
    "no folder of plot": (["--plot", "no/a.png"], "is not a folder"),
    "no folder of checkpoint": (["--checkpoint", "no/a"], "is not a folder"),
    "a folder": (["--out", "."], r"--out is '\.', a folder; expected the path of a file"),
    "a weight": (["--weight", "b"], r"'rows\.csv', row 2, column 'b': the weight is -?\d\S*; expected a number from 0"),
    "test size": (["--test-size", "0.99"], "40 of 40 rows would be held out for the test, which leaves too few"),
    "new class": (["--test", "other.csv"], r"'other\.csv' has the class 'z', which no row of training has"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_said_before_any_work(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = small(b=-np.ones(40) * np.arange(1, 41), t=["u", "v"] * 20)
    write(tmp_path, frame)
    write(tmp_path, frame, "t.csv")
    write(tmp_path, frame.with_columns(kind=polars.lit("z")), "other.csv")
    (tmp_path / "link.csv").symlink_to("rows.csv")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    options, message = WRONG[name]
    options = options if "--target" in options else ["--target", "kind", *options]
    monkeypatch.setattr("fastnn2.tables.training.network.MLPClassifier.fit", None)  # no work is begun
    code, out, err = run(capsys, "train", "rows.csv", *OUT, *options)
    assert (code, out) == (2, "")
    *notes, error = err.splitlines()
    assert all(note.startswith("fastnn2 train: note: ") for note in notes)
    assert re.match(r"fastnn2 train: error: [^\n]*" + message, error), error
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("module", ["polars", "skops"])
def test_a_missing_extra_is_said_first(module, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(table_files.importlib.util, "find_spec", lambda name: None if name == module else object())
    code, out, err = run(capsys, "train", "no.csv", "--target", "y", "--out", tmp_path / "a.model")
    assert (code, out) == (1, "")
    assert err == f"fastnn2 train: error: fastnn2 train needs {module}: pip install 'fastnn2[tables]'\n"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("target", ["kind", "a"])
def test_divergence(target, dtype, tmp_path, capsys):
    path = write(tmp_path, small())
    options = ["--learning-rate", "1e300", "--dtype", dtype, "--out", tmp_path / "a.model"]
    code, out, err = run(capsys, "train", path, "--target", target, *options)
    assert (code, out) == (1, "")
    assert re.search(r"fastnn2 train: error: training diverged at iteration \d+; try a smaller --learning-rate\n$", err)
    assert not (tmp_path / "a.model").exists()


def test_a_poor_network_is_told(tmp_path, capsys):
    path = write(tmp_path, small(100))
    code, _, err = run(capsys, "train", path, "--target", "a", "--learning-rate", "100")
    assert code == 0
    assert re.search(r"note: by its RMSE the network is no better than the mean; a smaller --learning-rate", err)


def test_a_model_that_no_file_holds_is_refused_before_training(tmp_path, capsys, monkeypatch):
    extra("skops", "tables")
    source = np.random.default_rng(0)
    path = write(tmp_path, polars.DataFrame({f"c{k}": source.normal(size=20) for k in range(1100)}), "rows.parquet")
    monkeypatch.setattr(skops_schema, "MOST_VALUES", 20_000)
    monkeypatch.setattr("fastnn2.tables.training.network.MLPRegressor.fit", None)
    code, _, err = run(capsys, "train", path, "--target", "c0", "--out", tmp_path / "a.model")
    assert code == 2
    assert "a model of 1,099 inputs with their names could not be saved" in err


def test_predictions_are_those_of_the_test_scores(tmp_path, capsys):
    """The saved model, on the rows that were held out, has the scores that were printed."""
    frame = real("Default").sample(1000, seed=1)
    path, out = write(tmp_path, frame, "rows.parquet"), tmp_path / "a.model"
    found = summary_of(capsys, path, "--target", "default", "--out", out, "--max-iter", 5, "--seed", 3)
    labels = frame["default"].to_numpy()
    _, test = hold_out(labels, len(labels), TrainingOptions(target="default", seed=3))
    predicted = fastnn2.load(out).predict(frame[test])
    assert_allclose(np.mean(predicted == labels[test]), found["scores"]["network"]["accuracy"], rtol=1e-14)
