"""`fastnn2 predict`: what it writes, that it writes all or nothing, and what it says of what cannot be."""

import io
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from data import PATIENCE
from numpy.testing import assert_array_equal
from table_data import REAL, mixed, polars, real, run, trained, with_missing

import fastnn2
from fastnn2.commands import predict as command
from fastnn2.commands.main import main

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and files")
MODULE = [sys.executable, "-m", "fastnn2"]


def error_of(capsys, *arguments):
    """Run the command, which must fail for its input; return its message."""
    code, out, err = run(capsys, "predict", *arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"fastnn2 predict: error: [^\n]+\n", err), err
    return err


@pytest.fixture
def rows(tmp_path):
    mixed().write_parquet(tmp_path / "new.parquet")
    return tmp_path / "new.parquet"


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("name", REAL)
def test_real_sets(name, ending, missing, tmp_path, capsys):
    """The predictions are those of the Pipeline on the frame that polars reads."""
    target = REAL[name][1]
    frame = real(name)
    model = trained(target, source=name)
    if missing:
        frame = with_missing(frame, target)
    frame = frame.drop(target)
    files = tmp_path / f"new{ending}", tmp_path / "out.parquet"
    if ending == ".csv":
        frame.write_csv(files[0])
        frame = polars.read_csv(files[0], infer_schema_length=None)
    else:
        frame.write_parquet(files[0])
    proba = ["--proba"] if name == "Default" else []
    said = f"{len(frame):,} predictions in {files[1]}\n"
    assert run(capsys, "predict", model, files[0], "--out", files[1], *proba) == (0, said, "")
    found, pipeline = polars.read_parquet(files[1]), fastnn2.load(model)
    assert_array_equal(found["prediction"].to_numpy(), pipeline.predict(frame))
    if proba:
        found = found.drop("prediction")
        assert_array_equal(found.to_numpy(), pipeline.predict_proba(frame))
    assert found.to_series().n_unique() > len(frame) / 2


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_files_and_standard_output_have_the_same(ending, rows, tmp_path, capsysbinary):
    arguments = ["predict", trained("rank"), str(rows), "--proba", "--keep", "city", "--keep", "count"]

    assert main(arguments) == 0
    printed = polars.read_csv(io.BytesIO(capsysbinary.readouterr().out))
    out = tmp_path / f"out{ending}"
    assert main([*arguments, "--out", str(out)]) == 0
    assert capsysbinary.readouterr().out == f"{len(mixed()):,} predictions in {out}\n".encode()
    read = polars.read_parquet(out) if ending == ".parquet" else polars.read_csv(
        out, separator="\t" if ending == ".tsv" else ","
    )  # fmt: skip
    names = ["city", "count", "prediction", "probability_3", "probability_4", "probability_5"]
    assert printed.columns == names
    assert read.equals(printed)
    assert len(printed) == len(mixed())


def test_text_is_copied_as_it_is_written(tmp_path, capsys):
    """A number keeps its zeros, and a text that means a missing value stays."""
    frame = real("Default").drop("default").head(3)
    frame = frame.with_columns(
        polars.Series("id", ["007", "1e3", "NA"]),
        polars.Series("balance", ["1.50", None, " 2"]),
        student=polars.lit("No"),
    )
    frame.write_csv(tmp_path / "new.csv")
    model = trained("default", source="Default")
    code, out, err = run(capsys, "predict", model, tmp_path / "new.csv", "--keep", "id", "--keep", "balance")
    assert (code, err) == (0, "")
    assert [line.rsplit(",", 1)[0] for line in out.splitlines()] == ["id,balance", "007,1.50", "1e3,", "NA, 2"]


def test_threads_change_no_prediction(rows, capsys):
    results = {run(capsys, "predict", trained("y"), rows, "--threads", threads) for threads in (1, 2)}
    assert len(results) == 1


@pytest.mark.parametrize("ending", [".txt", ".csv.gz", ".xlsx", ""])
def test_unknown_endings(ending, rows, tmp_path, capsys):
    message = error_of(capsys, trained("y"), rows, "--out", tmp_path / f"out{ending}")
    assert "expected a name that ends with .csv, .tsv, .tab, .parquet or .pq" in message


def test_what_is_read_is_not_overwritten(rows, tmp_path, capsys):
    model = tmp_path / "model.csv"
    shutil.copy(trained("y"), model)
    before = rows.read_bytes(), model.read_bytes()
    if os.name == "posix":
        (tmp_path / "link.parquet").symlink_to(rows)
        assert "is read; write to another file" in error_of(capsys, model, rows, "--out", tmp_path / "link.parquet")
    assert "is read; write to another file" in error_of(capsys, model, rows, "--out", rows)
    assert "is read; write to another file" in error_of(capsys, model, rows, "--out", model)
    assert (rows.read_bytes(), model.read_bytes()) == before


def test_an_error_in_a_row_leaves_the_old_file(tmp_path, capsys):
    frame = real("Default").drop("default")
    frame = frame.with_columns(polars.Series("balance", [*map(str, range(len(frame) - 1)), "many"]))
    frame.write_csv(tmp_path / "new.csv")
    (tmp_path / "out.csv").write_text("old")
    message = error_of(
        capsys, trained("default", source="Default"), tmp_path / "new.csv", "--out", tmp_path / "out.csv"
    )
    assert "new.csv', row 10,001, column 'balance': found 'many'" in message
    assert (tmp_path / "out.csv").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"new.csv", "out.csv"}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda frame: frame.rename({"size": "Sizes"}), ["no column 'size'", "did you mean 'Sizes'"]),
        (lambda frame: frame.drop("size", "city"), ["lacks 2 columns", "'size', 'city'"]),
        (lambda frame: frame.with_columns(size=polars.lit("x")), ["column 'size'", "text", "expects numbers"]),
        (lambda frame: frame.with_columns(city=polars.lit(1)), ["column 'city'", "numbers", "expects text"]),
        (lambda frame: frame.with_columns(sold=polars.lit("x")), ["column 'sold'", "text", "expects dates"]),
        (lambda frame: frame.with_columns(size=polars.lit(float("inf"))), ["row 1, column 'size'", "infinite"]),
        (lambda frame: frame.head(0), ["has no rows"]),
    ],
)
def test_rows_that_are_not_as_in_training(change, parts, tmp_path, capsys):
    change(mixed()).write_parquet(tmp_path / "new.parquet")
    message = error_of(capsys, trained("y"), tmp_path / "new.parquet", "--out", tmp_path / "out.csv")
    for part in parts:
        assert part in message
    assert [path.name for path in tmp_path.iterdir()] == ["new.parquet"]


def test_columns_to_keep_that_are_not_there(rows, capsys):
    assert "no column 'sizes' to keep; did you mean 'size'?" in error_of(capsys, trained("y"), rows, "--keep", "sizes")
    assert "names the column 'key' twice" in error_of(capsys, trained("y"), rows, "--keep", "key", "--keep", "key")


def test_models_that_train_did_not_make(rows, tmp_path, capsys):
    params, _ = fastnn2.fit([[0.0, 1.0]], [0, 1], 0.3, 2, 1)
    classifier = fastnn2.MLPClassifier(2, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
    for model, what in ((params, "parameters as from fastnn2.fit"), (classifier, "a MLPClassifier")):
        fastnn2.save(model, tmp_path / "other.model")
        message = error_of(capsys, tmp_path / "other.model", rows)
        assert what in message
        assert "fastnn2 train did not make" in message
        assert "fastnn2.load(" in message


def test_a_reader_that_goes_away_is_no_error(rows):
    """Such as head; the exit code is that of the other commands."""
    command = [*MODULE, "predict", trained("kind"), str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 1


def test_names_that_mean_something_to_polars_or_python(tmp_path, capsys):
    names = ["self", "*", "^.*$", "frame", "0"]
    frame = mixed().with_columns(mixed()["key"].alias(name) for name in names)
    keep = [word for name in names for word in ("--keep", name)]
    frame.write_csv(tmp_path / "new.csv")
    frame.write_parquet(tmp_path / "new.parquet")
    results = [run(capsys, "predict", trained("y"), tmp_path / f"new{end}", *keep) for end in (".csv", ".parquet")]
    assert results[0] == results[1]
    assert results[0][1].startswith("self,*,^.*$,frame,0,prediction\n")


def test_lists_are_kept_in_parquet_alone(tmp_path, capsys):
    frame = mixed().with_columns(lists=polars.concat_list("size", "weight"))
    frame.write_parquet(tmp_path / "new.parquet")
    arguments = trained("y"), tmp_path / "new.parquet", "--keep", "lists"
    message = error_of(capsys, *arguments)
    assert "text cannot have lists or records, which 'lists' has; write .parquet" in message
    assert run(capsys, "predict", *arguments, "--out", tmp_path / "out.parquet")[0] == 0
    assert polars.read_parquet(tmp_path / "out.parquet")["lists"].equals(frame["lists"])


FULL_DISK = """
import resource, signal, sys
from fastnn2.commands.main import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
sys.exit(main(sys.argv[1:]))
"""


@POSIX
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_full_disk_leaves_the_old_file(ending, rows, tmp_path):
    out = tmp_path / f"out{ending}"
    out.write_text("old")
    arguments = ["predict", trained("y"), str(rows), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        rf"fastnn2 predict: error: cannot write '[^\n]*out{ending}': [^\n]+; the file is as it was\n", done.stderr
    ), done.stderr
    assert out.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"new.parquet", out.name}


INTERRUPTED = """
import os, signal, sys
from fastnn2.tables.models import writers
from fastnn2.commands.main import main
import fastnn2.tables.models.predict as predict
from fastnn2.commands import predict as command
from fastnn2.commands.main import main

predictions = command.predictions

def interrupted(*arguments):
    for place, frame in enumerate(predictions(*arguments)):
        if place == 2:
            os.kill(os.getpid(), signal.SIGINT)
        yield frame

command.predictions = interrupted
predict.MOST_ROWS = 10
writers.PART_BYTES = 1
sys.exit(main(sys.argv[1:]))
"""


@POSIX
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_ctrl_c_leaves_no_file(ending, rows, tmp_path):
    arguments = ["predict", trained("y"), str(rows), "--out", str(tmp_path / f"out{ending}")]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *arguments], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "fastnn2 predict: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["new.parquet"]


MEMORY = """
import json, sys
from fastnn2.commands.main import main
from fastnn2.commands.memory import peak_memory

files = json.loads(sys.argv[2])
peaks = []
for file in files:
    assert main(["predict", sys.argv[1], file, "--out", file + sys.argv[3], "--keep", "size"]) == 0
    peaks.append(peak_memory())
print(json.dumps(peaks))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak may be that of the process that starts it")
@pytest.mark.parametrize(("read", "written"), [(".parquet", ".parquet"), (".csv", ".csv")])
def test_memory_does_not_grow_with_the_file(read, written, tmp_path):
    """The second file has ten times the rows of the first one; its columns alone would take 200 MB."""
    frame = polars.concat([mixed().select("size", "count")] * 500)
    model = tmp_path / "a.model"
    mixed().select("size", "count", "y").write_parquet(tmp_path / "train.parquet")
    train = ["train", tmp_path / "train.parquet", "--target", "y", "--out", model, "--max-iter", "2"]
    subprocess.run([*MODULE, *map(str, train)], check=True, capture_output=True, timeout=PATIENCE)
    files = []
    for times in (5, 50):
        files.append(str(tmp_path / f"{times}{read}"))
        rows = polars.concat([frame] * times)
        if read == ".csv":
            rows.write_csv(files[-1])
        else:
            rows.write_parquet(files[-1], row_group_size=100_000)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(model), json.dumps(files), written],
        capture_output=True, text=True, timeout=PATIENCE,
        env={**os.environ, "POLARS_MAX_THREADS": "2"},  # of which each has buffers
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    small, large = json.loads(done.stdout.splitlines()[-1])
    print(f"{small / 1e6:.0f} MB, and {(large - small) / 1e6:.0f} MB more")
    assert large - small < 120_000_000  # the first one is not large enough for the buffers of a batch


def test_a_terminal_gets_no_control_characters(monkeypatch):
    written = io.BytesIO()

    class Terminal:
        buffer = written

        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    command._print("a\nevil \x1b[31m\n")
    assert written.getvalue() == b"a\nevil \\x1b[31m\n"
