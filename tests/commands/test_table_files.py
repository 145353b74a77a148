"""Files of one's own in the commands: CSV and Parquet of the same rows are the same to them."""

import importlib.util
import json
import subprocess
import sys

import pytest
from data import PATIENCE
from table_data import REAL, mixed, polars, real, run, trained, with_missing

import fastnn2
from fastnn2.tables.training.summary import ATTRIBUTE


def model_of(capsys, frame, target, path, write):
    """Return the bytes of the model of a frame in a file, all but the name of that file, and its test figures."""
    write(frame, path)
    code, out, _ = run(
        capsys, "train", path, "--target", target, "--json", "--out", path.with_suffix(".model"), "--max-iter", "4"
    )
    assert code == 0
    model = fastnn2.load(path.with_suffix(".model"))
    text = getattr(model, ATTRIBUTE)
    assert json.loads(text)["file"] == path.name
    setattr(model, ATTRIBUTE, text.replace(path.name, "FILE"))
    fastnn2.save(model, path.with_suffix(".model"))
    return path.with_suffix(".model").read_bytes(), json.loads(out)["scores"]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("name", [*REAL, "mixed"])
def test_the_same_model_from_both(name, missing, tmp_path, capsys):
    target = REAL[name][1] if name != "mixed" else "kind"
    frame = real(name) if name != "mixed" else mixed().drop("y", "rank", "good")
    if missing:
        frame = with_missing(frame, target)
    csv, csv_scores = model_of(capsys, frame, target, tmp_path / "a.csv", polars.DataFrame.write_csv)
    parquet, scores = model_of(capsys, frame, target, tmp_path / "b.parquet", polars.DataFrame.write_parquet)
    assert csv == parquet
    assert csv_scores == scores


@pytest.mark.parametrize("written", [".csv", ".parquet"])
def test_the_same_predictions_for_both(written, tmp_path, capsys):
    mixed().write_csv(tmp_path / "new.csv")
    mixed().write_parquet(tmp_path / "new.parquet")
    results = []
    for ending in (".csv", ".parquet"):
        out = tmp_path / f"out{ending}{written}"
        assert run(capsys, "predict", trained("rank"), tmp_path / f"new{ending}", "--proba", "--out", out)[0] == 0
        results.append(out.read_bytes())
    assert results[0] == results[1]


FORMS = {  # how spreadsheets of other countries write dates and numbers
    "%d.%m.%Y": ";",
    "%m/%d/%Y": ",",
    "%d/%m/%Y": "\t",
    "%Y-%m-%d": "|",
}


@pytest.mark.parametrize("form", FORMS)
def test_predictions_for_files_that_write_dates_in_other_ways(form, tmp_path, capsys):
    """A model keeps how its own file wrote dates, as a date such as 1/2/2024 does not say which is the month."""
    frame = mixed().select("size", "sold", "y").with_columns(polars.col("sold").cast(polars.Date))
    texts = frame.with_columns(polars.col("sold").dt.to_string(form))
    texts.write_csv(tmp_path / "a.csv", separator=FORMS[form])
    few = frame.filter(polars.col("sold").dt.day() <= 12)
    few.write_parquet(tmp_path / "few.parquet")
    few.with_columns(polars.col("sold").dt.to_string(form)).write_csv(tmp_path / "few.csv", separator=FORMS[form])
    arguments = ["train", tmp_path / "a.csv", "--target", "y", "--out", tmp_path / "a.model", "--max-iter", "3"]
    assert run(capsys, *arguments)[0] == 0
    results = [run(capsys, "predict", tmp_path / "a.model", tmp_path / f"few{e}") for e in (".csv", ".parquet")]
    assert results[0] == results[1]
    assert results[0][0] == 0
    assert len(set(results[0][1].splitlines())) > len(few) / 2


@pytest.mark.parametrize("missing", ["polars", "skops"])
def test_without_the_extra(missing, tmp_path, monkeypatch, capsys):
    model, find_spec = trained("y"), importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find_spec(name))
    code, out, err = run(capsys, "predict", model, tmp_path / "new.csv")
    assert (code, out) == (1, "")
    assert err == f"fastnn2 predict: error: fastnn2 predict needs {missing}: pip install 'fastnn2[tables]'\n"


WITHOUT_POLARS = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "polars":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Finder())
from fastnn2.commands.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_show_needs_no_polars():
    command = [sys.executable, "-c", WITHOUT_POLARS, "show", trained("y")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "target     y: regression" in done.stdout
