"""Files that are no good for the commands: one line on stderr, exit status 2, and all files stay as they were."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from bad_tables import BAD_TABLES, GOOD, write_bad_table
from bad_trainings import BAD_TRAININGS, NOTES
from data import PATIENCE
from mutated_files import Pipeline
from table_data import polars, run, trained

import fastnn2
from fastnn2.files.saved import plain_zip

OLD = b"what was there before"
QUICK = ("--max-iter", "2", "--hidden", "3", "--threads", "1")
# Files from which a model of the column a predicts: what is wrong with them is in another column, or is none of its
# business.
USED_BY_PREDICT = {
    "empty name",
    "first name empty, and no index",
    "last name empty, and values",
    "a column of lists",
    "a column of records",
    "a column of bytes",
    "an infinite value in Parquet",
    "NaN and an infinite value",
    "an empty name in Parquet",
}
# What only `Table.check` or a sum over all columns tells.
OTHER_PARTS = {
    "no header": ("no column 'a'",),
    "a title above the names": ("no column 'a'",),
    "duplicate names": ("'a'", "more than one column"),
    "text among numbers": ("row 22", "'a'", "'unknown'", "numbers"),
    "text among dates": ("'a'", "2024-01-01", "numbers"),
    "commas between thousands": ("row 22", "'a'", "'1,234.5'", "numbers"),
    "values separated by blanks": (),
    "no column but one of blanks": ("no column 'a'",),
    "names that differ by blanks": ("'a'",),
    "an infinite value": ("row 22", "'a'", "'-inf'", "finite"),
    "a value too large": ("row 22", "'a'", "'1e999'"),
}


@pytest.fixture
def outputs(tmp_path):
    """Files that are there before the command, and have to be there after it."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    for name in ("a.model", "a.png", "a.csv"):
        (folder / name).write_bytes(OLD)
    return folder


def assert_unchanged(folder):
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == dict.fromkeys(
        ("a.model", "a.png", "a.csv"), OLD
    )


def message_of(command, stderr):
    """Return the message of an error, which notes may come before and nothing else."""
    *notes, last = stderr.splitlines()
    assert stderr.endswith("\n")
    assert all(note.startswith(f"fastnn2 {command}: note: ") for note in notes)
    assert last.startswith(f"fastnn2 {command}: error: ")
    assert last.isprintable()
    return last.removeprefix(f"fastnn2 {command}: error: ")


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", BAD_TABLES)
def test_train_refuses_a_bad_table(name, tmp_path, outputs, capsys):
    path = write_bad_table(tmp_path, name)
    before = listing(tmp_path)
    target = "a" if name.startswith(("array", "an archive", "too much", "no arrays")) else "y"
    arguments = ["train", path, "--target", target, *QUICK, "--out", outputs / "a.model", "--plot", outputs / "a.png"]
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    message = message_of("train", err)
    assert repr(str(path)) in message
    for part in BAD_TABLES[name].parts:
        assert part in message.replace(str(path), "")
    assert_unchanged(outputs)
    assert listing(tmp_path) == before


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A model that predicts from the column a of numbers."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "good.csv").write_bytes(GOOD)
    done = fastnn2_process("train", folder / "good.csv", "--target", "y", *QUICK, "--out", folder / "a.model")
    assert done.returncode == 0, done.stderr
    return folder / "a.model"


@pytest.mark.parametrize("name", BAD_TABLES)
def test_predict_refuses_a_bad_table(name, model, tmp_path, outputs, capsys):
    path = write_bad_table(tmp_path, name)
    before = listing(tmp_path)
    code, out, err = run(capsys, "predict", model, path, "--out", outputs / "a.csv")
    assert listing(tmp_path) == before
    if name in USED_BY_PREDICT:
        assert (code, err) == (0, "")
        assert out.endswith(f" predictions in {outputs / 'a.csv'}\n")
        assert polars.read_csv(outputs / "a.csv").columns == ["prediction"]
        return
    assert (code, out) == (2, "")
    message = message_of("predict", err)
    assert err.count("\n") == 1
    assert repr(str(path)) in message
    for part in OTHER_PARTS.get(name, BAD_TABLES[name].parts):
        assert part in message.replace(str(path), "")
    assert_unchanged(outputs)


@pytest.mark.parametrize("name", BAD_TRAININGS)
def test_train_refuses_what_cannot_be_learned(name, tmp_path, outputs, capsys):
    bad = BAD_TRAININGS[name]
    path, test = tmp_path / "rows.csv", tmp_path / "test.csv"
    path.write_text(bad.content, encoding="utf-8")
    options = bad.options
    if bad.test is not None:
        test.write_text(bad.test, encoding="utf-16" if "encoding" in name else "utf-8")
        options = (*options, "--test", test)
    before = listing(tmp_path)
    arguments = ["train", path, *options, *QUICK, "--out", outputs / "a.model", "--plot", outputs / "a.png"]
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    message = message_of("train", err)
    for part in bad.parts:
        assert part in message
    is_about_options = bad.content.startswith("a,b,y") and message.startswith(("--", "column"))
    assert is_about_options or repr(str(path)) in message or repr(str(test)) in message
    assert_unchanged(outputs)
    assert listing(tmp_path) == before


def test_there_are_many_bad_files():
    assert len(BAD_TABLES) + len(BAD_TRAININGS) >= 130
    assert set(BAD_TABLES) > USED_BY_PREDICT
    assert set(OTHER_PARTS) < set(BAD_TABLES)


@pytest.mark.parametrize("name", NOTES)
def test_notes(name, tmp_path, capsys):
    content, options, expected = NOTES[name]
    path, model = tmp_path / "rows.csv", tmp_path / "a.model"
    path.write_text(content, encoding="utf-8")
    code, out, err = run(capsys, "train", path, "--target", "y", *options, *QUICK, "--json", "--out", model)
    assert code == 0
    lines = err.splitlines()
    assert all(line.startswith("fastnn2 train: note: ") for line in lines)
    assert sum(expected in line for line in lines) == 1
    assert any(expected in note for note in json.loads(out)["notes"])
    path.write_text("a,y,b,d,name\n1.5,,,,\n", encoding="utf-8")  # what was dropped is not needed any more
    if "dates" not in name:
        assert run(capsys, "predict", model, path)[0] == 0


def test_notes_on_parquet(tmp_path, capsys):
    path = tmp_path / "rows.parquet"
    index = {"__index_level_0__": np.arange(40) ** 2}  # as pandas writes an index with gaps
    columns = {"a": np.arange(40.0), "y": np.arange(40) % 2, "none": [None] * 40, **index}
    polars.DataFrame(columns).write_parquet(path)
    code, _, err = run(capsys, "train", path, "--target", "y", *QUICK)
    assert code == 0
    assert "note: the column of the index, which only counts the rows, is left out\n" in err
    assert "note: column 'none' has no values: it is dropped\n" in err


# New data


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("b\n1\n", ("no column 'a'", "which the model expects")),
        ("A\n1\n", ("no column 'a'", "did you mean 'A'?")),
        ("a\nx\n", ("row 2, column 'a'", "'x'", "finite numbers")),
        ("a,b\n1,2\n-inf,2\n", ("row 3, column 'a'", "'-inf'", "finite numbers")),
        ("a\n2024-01-01\n", ("row 2, column 'a'", "'2024-01-01'", "finite numbers")),
        ("a\ntrue\n", ("row 2, column 'a'", "'true'", "finite numbers")),
    ],
)
def test_new_data_that_does_not_fit(content, parts, model, tmp_path, outputs, capsys):
    path = tmp_path / "new.csv"
    path.write_text(content, encoding="utf-8")
    code, out, err = run(capsys, "predict", model, path, "--out", outputs / "a.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    message = message_of("predict", err)
    for part in (*parts, repr(str(path))):
        assert part in message
    assert_unchanged(outputs)


def test_new_numbers_that_are_too_large(tmp_path, outputs, capsys):
    path, model = tmp_path / "rows.csv", tmp_path / "small.model"
    path.write_text("a,y\n" + "".join(f"{k}e-9,{k % 2}\n" for k in range(40)), encoding="utf-8")
    assert run(capsys, "train", path, "--target", "y", *QUICK, "--out", model)[0] == 0
    path.write_text("a\n1\n\n1.5e308\n", encoding="utf-8")
    code, out, err = run(capsys, "predict", model, path, "--out", outputs / "a.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{str(path)!r}, row 4, column 'a': found 1.5e+308, for which the model has no finite result" in err
    assert_unchanged(outputs)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (["1", "2"], ("text (String)", "expects numbers")),
        ([True, False], ("true or false (Boolean)", "expects numbers")),
        ([[1.0], [2.0]], ("List(Float64)", "expects numbers")),
    ],
)
def test_new_data_of_another_type(values, parts, model, tmp_path, outputs, capsys):
    path = tmp_path / "new.parquet"
    polars.DataFrame({"a": values}).write_parquet(path)
    code, out, err = run(capsys, "predict", model, path, "--out", outputs / "a.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    for part in (*parts, repr(str(path)), "column 'a'", "convert"):
        assert part in message_of("predict", err)
    assert_unchanged(outputs)


# Models


def newer(data):
    members = {name: bytes(content) for name, content in plain_zip.unpack(data).items()}
    info = json.loads(members["fastnn2.json"])
    members["fastnn2.json"] = json.dumps({**info, "version": info["version"] + 1}).encode()
    return Pipeline().signed(members)


def changed(data):
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


BAD_MODELS = {
    "of a newer version": (newer, ("version 2", "upgrade")),
    "of another program": (lambda _: b"PK\3\4 another program", ()),
    "a pickle": (lambda _: b"\x80\x04K\x01.", ()),
    "a table": (lambda _: GOOD, ()),
    "cut off": (lambda data: data[: len(data) // 2], ()),
    "with a byte changed": (changed, ()),
    "empty": (lambda _: b"", ("empty",)),
}
COMMANDS = {
    "predict": ["predict", "MODEL", "new.csv", "--out", "a.csv"],
    "show": ["show", "MODEL"],
    "export": ["export", "MODEL", "--onnx", "a.onnx"],
}


def run_on_model(capsys, command, path, folder):
    """Run a command on a model in this folder."""
    (folder / "new.csv").write_bytes(b"a\n1\n")
    before = listing(folder)
    files = {"MODEL": str(path), "new.csv": str(folder / "new.csv"), "a.csv": str(folder / "a.csv")}
    files["a.onnx"] = str(folder / "a.onnx")
    result = run(capsys, *(files.get(argument, argument) for argument in COMMANDS[command]))
    assert listing(folder) == before
    return result


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", BAD_MODELS)
def test_bad_models(name, command, model, tmp_path, capsys):
    change, parts = BAD_MODELS[name]
    path = tmp_path / "bad.model"
    path.write_bytes(change(model.read_bytes()))
    code, out, err = run_on_model(capsys, command, path, tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    message = message_of(command, err)
    for part in (*parts, repr(str(path))):
        assert part in message


@pytest.mark.parametrize("command", COMMANDS)
def test_models_that_are_not_there(command, tmp_path, capsys):
    (tmp_path / "cars.model").write_bytes(b"")
    for path, part in ((tmp_path / "car.model", "did you mean 'cars.model'?"), (tmp_path / "no" / "x", "there is no")):
        code, out, err = run_on_model(capsys, command, path, tmp_path)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert part in message_of(command, err)
        assert repr(str(path)) in err
    code, out, err = run_on_model(capsys, command, tmp_path, tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "folder" in message_of(command, err) or "directory" in err


@pytest.mark.parametrize("command", ["predict", "export"])
def test_a_dict_of_parameters(command, tmp_path, capsys):
    path = tmp_path / "params.safetensors"
    fastnn2.save(fastnn2.init_params(np.ones((3, 4)), np.ones((1, 4)), 5), path)
    code, out, err = run_on_model(capsys, command, path, tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "parameters as from fastnn2.fit" in message_of(command, err)
    assert run_on_model(capsys, "show", path, tmp_path)[0] == 0


def test_c_of_a_model_that_takes_texts(tmp_path, capsys):
    path = tmp_path / "a.c"
    code, out, err = run(capsys, "export", trained("y"), "--c", path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    for part in ("'city'", "'is_new'", "'sold'", "numbers"):
        assert part in message_of("export", err)
    assert not path.exists()


# In processes


def fastnn2_process(*arguments, **environment):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "fastnn2", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("name", ["text among numbers", "Latin-1", "Parquet of zeros", "Arrow of zeros", "a folder"])
def test_a_process(name, tmp_path, outputs):
    """Nothing else is on stderr, such as lines of polars' panics or of warnings at the end."""
    path = write_bad_table(tmp_path, name)
    done = fastnn2_process("train", path, "--target", "y", "--out", outputs / "a.model", "--plot", outputs / "a.png")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert repr(str(path)) in message_of("train", done.stderr)
    assert_unchanged(outputs)
