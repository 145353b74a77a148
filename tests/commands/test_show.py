"""`fastnn2 show`: what it says of models, of files that have none, and of files of strangers."""

import io
import json
import os
import pickle
import re
import zipfile

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from table_data import TARGETS, mixed, run, trained
from tabular_fits import mixed_frame

import fastnn2
from fastnn2.tables.training.summary import ATTRIBUTE


def shown(capsys, *arguments):
    code, out, err = run(capsys, "show", *arguments)
    assert (code, err) == (0, "")
    return out


def error_of(capsys, path, command=("show",)):
    code, out, err = run(capsys, command[0], path, *command[1:])
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"fastnn2 {command[0]}: error: [^\n]+\n", err), err
    assert err[:-1].isprintable()
    return err


@pytest.mark.parametrize("target", TARGETS)
def test_models_of_train(target, capsys):
    text = shown(capsys, trained(target))
    assert max(map(len, text.splitlines())) <= 80
    for part in (
        "rows.parquet, 400 rows",
        f"{target}: {'regression' if target == 'y' else 'classification'}",
        "  key     text     dropped: has a different text in nearly every row",
        "100 hidden units",
        "hidden 100, alpha 0.0001",
        "seed 0",
        f"fastnn2    {fastnn2.__version__}",
        "note       column 'key' has a different text",
    ):
        assert part in text
    content = json.loads(shown(capsys, trained(target), "--json"))
    assert content["target"] == target
    assert [column["name"] for column in content["columns"] if not column["width"]] == ["key"]
    assert sum(column["width"] for column in content["columns"]) == content["network"]["inputs"]


PARAMS, _ = fastnn2.fit([[0.0, 1.0, 2.0]], [0, 1, 1], 0.3, 2, 1)
X, Y = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), ["no", "yes", "no"]


def models():
    classifier = fastnn2.MLPClassifier(3, solver="lbfgs", random_state=0)
    pipeline = make_pipeline(
        StandardScaler(), fastnn2.MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", random_state=0)
    )
    return {
        "parameters": (
            PARAMS,
            ["parameters as from fastnn2.fit", "1 input, 2 hidden units, 1 output, float64", "parameters 7", "W2 (1,"],
            {"model": "parameters", "arrays": {"W1": [2, 1], "b1": [2, 1], "W2": [1, 2], "b2": [1, 1]}},
        ),
        "classifier": (
            classifier.fit(X, Y),
            ["MLPClassifier", "2 inputs, 3 hidden units (relu), 1 output (logistic)", "classes no, yes", "of lbfgs,"],
            {"model": "MLPClassifier", "fitted": True, "classes": ["no", "yes"], "parameters": 13, "dtype": "float64"},
        ),
        "pipeline": (
            pipeline.fit(mixed()[["size", "count"]].fill_null(0).to_pandas(), mixed()["y"].to_numpy()),
            ["Pipeline", "standardscaler (StandardScaler), mlpregressor (MLPRegressor)", "features size, count"],
            {"features": ["size", "count"], "outputs": 1, "output": "identity"},
        ),
        "unfitted": (
            fastnn2.MLPClassifier(7),
            ["7 hidden units (relu); it is not fitted"],
            {"fitted": False, "hidden": 7},
        ),
        "tabular": (
            fastnn2.TabularClassifier(n_estimators=3, hidden_size=5, max_iter=1).fit(
                mixed_frame(60)[["a", "city"]], np.arange(60) % 3
            ),
            [
                "TabularClassifier", "3 of 2 inputs, 5 hidden units (relu), 3 outputs, float32", "features a, city",
                "1 of numbers, 1 binned (up to 16 bins), 1 of categories", "classes 0, 1, 2",
            ],
            {"networks": 3, "classes": [0, 1, 2], "parameters": 3 * (5 + 17 * 5 + 5 * 5 + 5 + 15 + 3)},
        ),
        "tabular pipeline": (
            make_pipeline(StandardScaler(), fastnn2.TabularRegressor(max_iter=1)).fit(np.eye(9), np.arange(9)),
            ["tabularregressor (TabularRegressor)", "4 of 9 inputs, 128 hidden units", "x0, x1"],
            {"fitted": True, "outputs": 1},
        ),
        "unfitted tabular": (
            fastnn2.TabularRegressor(hidden_size=7),
            ["model TabularRegressor", "7 hidden units (relu); it is not fitted"],
            {"fitted": False, "hidden": 7},
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "parameters",
        "classifier",
        "pipeline",
        "unfitted",
        "tabular",
        "tabular pipeline",
        "unfitted tabular",
    ],
)
def test_models_that_train_did_not_make(name, tmp_path, capsys):
    model, parts, values = models()[name]
    fastnn2.save(model, tmp_path / "other.model")
    text = shown(capsys, tmp_path / "other.model")
    assert max(map(len, text.splitlines())) <= 80
    for part in parts:
        assert part in " ".join(text.split())
    content = json.loads(shown(capsys, tmp_path / "other.model", "--json"))
    assert {key: content[key] for key in values} == values


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_many_long_names_are_counted(tmp_path, capsys):
    names = [f"a very long name of a column with the number {k} " + "x" * 60 for k in range(300)]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.eye(300), columns=names)
    model = fastnn2.MLPRegressor(hidden_layer_sizes=2, solver="lbfgs", max_iter=1, random_state=0).fit(
        frame, np.arange(300.0)
    )
    fastnn2.save(model, tmp_path / "wide.model")
    text = shown(capsys, tmp_path / "wide.model")
    assert max(map(len, text.splitlines())) <= 80
    named = len(re.findall("a very long name", " ".join(text.split())))
    assert 1 < named < 20
    assert f"... and {300 - named} more, in --json" in text
    assert json.loads(shown(capsys, tmp_path / "wide.model", "--json"))["features"] == names


def zip_of(name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "content")
    return file.getvalue()


OTHER_FILES = {
    "empty": b"",
    "zip": zip_of("a.txt"),
    "workbook": zip_of("xl/workbook.xml"),
    "pickle": pickle.dumps({"a": 1}),
    "joblib": b"\x80\x04\x95\x00\x00\x00\x00",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "text": b"a,b\n1,2\n",
    "parquet": b"PAR1" + bytes(99) + b"PAR1",
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("command", [("show",), ("show", "--json"), ("predict", "no.csv"), ("export", "--c", "a.c")])
@pytest.mark.parametrize("name", OTHER_FILES)
def test_files_of_other_programs(name, command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.model").write_bytes(OTHER_FILES[name])
    assert "cannot load" in error_of(capsys, "other.model", command)
    assert [path.name for path in tmp_path.iterdir()] == ["other.model"]


def test_files_that_are_none(tmp_path, capsys):
    (tmp_path / "a.model").write_bytes(b"")
    assert "there is no model" in error_of(capsys, tmp_path / "b" / "c.model")
    assert "did you mean 'a.model'?" in error_of(capsys, tmp_path / "a.mod")
    assert "a folder; expected the path of a file" in error_of(capsys, tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert "not a regular file" in error_of(capsys, tmp_path / "pipe")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_files_that_are_cut_off_or_changed(share, tmp_path, capsys):
    with open(trained("y"), "rb") as file:
        data = file.read()
    place = int(share * len(data))
    (tmp_path / "a.model").write_bytes(data[:place])
    assert "cannot load" in error_of(capsys, tmp_path / "a.model")
    changed = bytes([data[place] ^ 1])
    (tmp_path / "a.model").write_bytes(data[:place] + changed + data[place + 1 :])
    assert "cannot load" in error_of(capsys, tmp_path / "a.model")


def changed(folder, change):
    """Save a model whose summary a stranger has changed; return its path."""
    model = fastnn2.load(trained("kind"))
    content = json.loads(getattr(model, ATTRIBUTE))
    text = change(content)
    setattr(model, ATTRIBUTE, text if isinstance(text, str) else json.dumps(content))
    fastnn2.save(model, folder / "a.model")
    return folder / "a.model"


CHANGES = {
    "newer": (lambda content: content.update(format=2), "has the format 2; upgrade fastnn2"),
    "no format": (lambda content: content.pop("format") and None, "cannot be read"),
    "no json": (lambda content: "{", "cannot be read"),
    "a list": (lambda content: "[]", "cannot be read"),
    "deep": (lambda content: "[" * 100_000, "cannot be read"),
    "no task": (lambda content: content.pop("task") and None, "has no 'task'"),
    "other task": (lambda content: content.update(task="x"), "its task is 'x'"),
    "number for text": (lambda content: content.update(file=3), "its 'file' is 3; expected str"),
    "more": (lambda content: content.update(more=3), "has 'more', which is not known"),
    "classes": (lambda content: content.update(classes=["a", 1]), "its classes are ['a', 1]"),
    "other classes": (lambda content: content.update(classes=["a", "b"]), "the classes are not the same"),
    "rows": (lambda content: content["rows"].update(test="x"), "its 'test' is 'x'; expected int"),
    "huge": (lambda content: content["rows"].update(test=10**400), "expected int"),
    "epochs": (lambda content: content["training"].update(epochs=None), "its 'epochs' is None; expected int"),
    "loss": (lambda content: content["training"].update(loss=[{}]), "its 'loss' is {}; expected float"),
    "scores": (lambda content: content.update(scores={}), "its scores are not"),
    "score": (lambda content: content["scores"]["network"].update(AUC="x"), "its 'AUC' is 'x'; expected float"),
    "no columns": (lambda content: content.update(columns=[]), "the columns are not the same"),
    "column": (lambda content: content["columns"].append(3), "is 3; expected names and values"),
    "kind": (lambda content: content["columns"][0].update(kind="text"), "the columns are not the same"),
    "name": (lambda content: content["columns"][0].update(name="text"), "the columns are not the same"),
    "twice": (lambda content: content["columns"].append(content["columns"][0]), "the columns are not the same"),
    "inputs": (lambda content: content["network"].update(inputs=10**9), "inputs is"),
    "dtype": (lambda content: content["network"].update(dtype="int8"), "dtype is float64, and it says int8"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_stranger_changes_the_summary(name, tmp_path, capsys):
    change, part = CHANGES[name]
    path = changed(tmp_path, change)
    mixed().write_parquet(tmp_path / "new.parquet")
    for command in (("show",), ("show", "--json"), ("predict", tmp_path / "new.parquet"), ("export", "--c", "a.c")):
        message = error_of(capsys, path, command)
        assert "cannot load" in message
        assert part in message


def test_a_summary_without_its_model(tmp_path, capsys):
    model = fastnn2.load(trained("y"))
    text = getattr(model, ATTRIBUTE)
    for other in (
        make_pipeline(StandardScaler(), fastnn2.MLPRegressor(hidden_layer_sizes=2)),
        make_pipeline(fastnn2.MLPRegressor(hidden_layer_sizes=2)),
    ):
        setattr(other, ATTRIBUTE, text)
        fastnn2.save(other, tmp_path / "a.model")
        assert "is not of this model: it is not a Pipeline of a ColumnTransformer" in error_of(
            capsys, tmp_path / "a.model"
        )


def test_attributes_that_a_stranger_has_changed(tmp_path, capsys):
    """What no kernel reads is not checked by load; it is shown where it is what it should be."""
    model = fastnn2.MLPClassifier(3, solver="lbfgs", random_state=0).fit(X, Y)
    model.n_iter_, model.loss_, model.solver = "x", [1], None
    model.classes_ = np.array([b"a", b"b"])
    fastnn2.save(model, tmp_path / "odd.model")
    assert "classes    b'a', b'b'" in shown(capsys, tmp_path / "odd.model")
    content = json.loads(shown(capsys, tmp_path / "odd.model", "--json"))
    assert (content["iterations"], content["loss"], content["classes"]) == (None, None, ["b'a'", "b'b'"])
    model = fastnn2.MLPClassifier("x")
    fastnn2.save(model, tmp_path / "odd.model")
    assert "it is not fitted" in shown(capsys, tmp_path / "odd.model")


def test_a_terminal_gets_no_control_characters(tmp_path, capsys):
    def change(content):
        content.update(file="\x1b[2Jevil.csv", fastnn2="\x9b31m", notes=["\x1b]0;title\x07", "new\nline"])
        content["columns"].append({"name": "\x1b[31mred", "kind": "\x07", "use": "dropped: \x1b", "width": 0})

    path = changed(tmp_path, change)
    for arguments in ((path,), (path, "--json")):
        text = shown(capsys, *arguments)
        assert text.replace("\n", "").isprintable()
        assert "evil.csv" in text
    assert "evil.csv" in json.loads(text)["file"]
