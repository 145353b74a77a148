"""``fastnn2 scale``: its sizes, its table, and what it saves."""

import json
import re
import subprocess
import sys

import pytest
from data import PATIENCE

import fastnn2
from fastnn2 import reference
from fastnn2.commands import memory, scale
from fastnn2.commands.main import main
from fastnn2.commands.moons_data import make_data

MILLIONS = 10**6


def lines_of(capsys, *arguments):
    """Run `scale` in this process; return the lines that it printed."""
    assert main(["scale", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1000, [1000]),
        (1001, [1000, 1001]),
        (9999, [1000, 9999]),
        (10_000, [1000, 10_000]),
        (3 * MILLIONS, [1000, 10_000, 100_000, MILLIONS, 3 * MILLIONS]),
        (100 * MILLIONS, [10**k for k in range(3, 9)]),
        (1000 * MILLIONS, [10**k for k in range(3, 10)]),
    ],
)
def test_sizes(most, expected):
    assert scale.sizes(most) == expected


TIME = r"[\d.]+(?:e[+-]\d+)? (?:s|ms|µs)"


def test_table_and_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ("--max-samples", "3000", "--no-plot", "--json", "figures.json", "--compare", "--iterations", "40")
    head, *table, saved = lines_of(capsys, *arguments)
    assert " ".join(head.split()) == "samples iterations time/iteration ns/sample samples/s peak memory cost NumPy"
    assert {len(line) for line in table} == {len(head)}
    assert saved == f"table saved in {tmp_path.resolve() / 'figures.json'}"
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]

    content = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert content["fastnn2"] == fastnn2.__version__
    assert content["processor"]
    assert content["system"]
    options = content["options"]
    assert (options["command"], options["max_samples"], options["iterations"], options["seed"]) == (
        "scale",
        3000,
        40,
        3,
    )
    assert (options["dtype"], options["hidden"], options["noise"], options["compare"]) == ("float64", 5, 0.2, True)

    rows = content["sizes"]
    assert [row["samples"] for row in rows] == [1000, 3000]
    for row, line in zip(rows, table, strict=True):
        X, Y = make_data(row["samples"], 0.2, "float64", 3)
        _, cost_ = fastnn2.fit(X, Y, 0.3, 5, 40)
        assert (row["first_cost"], row["cost"]) == (cost_[0], cost_[-1])
        assert row["iterations"] == 40
        assert row["threads"] >= 1
        assert row["seconds"] > 0
        assert row["numpy_seconds"] > 0
        assert row["ns_per_sample"] == pytest.approx(row["seconds"] / row["samples"] * 1e9)
        assert row["peak_bytes"] is None or row["peak_bytes"] > 10_000_000
        shown = re.fullmatch(
            rf" *([\d,]+) +(\d+) +({TIME}) +([\d.]+) +(\S+) +([\d,]+ MB|unknown) +(\d\.\d{{5}}) +({TIME})", line
        ).groups()
        assert shown[0] == f"{row['samples']:,}"
        assert shown[1] == "40"
        assert shown[2] == scale.format_duration(row["seconds"])
        assert shown[3] == f"{row['ns_per_sample']:.3f}"
        assert float(shown[4]) == pytest.approx(row["samples"] / row["seconds"], rel=0.01)
        assert shown[6] == f"{row['cost']:.5f}"
        assert shown[7] == scale.format_duration(row["numpy_seconds"])


def test_process_with_default_options(tmp_path):
    command = [sys.executable, "-m", "fastnn2", "scale", "--max-samples", "3000", "--no-plot", "--json", "a.json"]
    done = subprocess.run(
        [*command, "--compare"], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:3]] == [["1,000", "5,000"], ["3,000", "5,000"]]
    rows = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["sizes"]
    assert [(row["samples"], row["iterations"]) for row in rows] == [(1000, 5000), (3000, 5000)]
    assert all(row["cost"] < 0.2 < row["first_cost"] and row["numpy_seconds"] > 0 for row in rows)


def test_fewer_iterations_for_larger_sizes(monkeypatch, capsys):
    monkeypatch.setattr(scale, "SAMPLE_ITERATIONS", 100_000)
    monkeypatch.setattr(scale, "MAX_ITERATIONS", 70)
    table = lines_of(capsys, "--max-samples", "2e4", "--no-plot")[1:]
    assert [line.split()[:2] for line in table] == [["1,000", "70"], ["10,000", "20"], ["20,000", "20"]]


def test_every_option_reaches_the_run(tmp_path, capsys):
    path = tmp_path / "a.json"
    arguments = (
        "--max-samples 1000 --iterations 30 --noise 0.3 --hidden 4 --learning-rate 0.7 --dtype float32 --seed 9 "
        "--threads 1 --no-plot"
    )
    lines = lines_of(capsys, *arguments.split(), "--json", str(path))
    assert "NumPy" not in lines[0]
    (row,) = json.loads(path.read_text(encoding="utf-8"))["sizes"]
    X, Y = make_data(1000, 0.3, "float32", 9)
    _, cost_ = fastnn2.fit(X, Y, 0.7, 4, 30, random_state=9)
    assert (row["cost"], row["threads"], row["numpy_seconds"]) == (cost_[-1], 1, None)


def sizes_compared(monkeypatch, capsys, maximum):
    """Return the sizes at which the reference is run, which here takes no time."""
    compared = []

    def fit(X, *_, random_state):
        assert random_state == 3
        compared.append(X.shape[1])

    monkeypatch.setattr(reference, "fit", fit)
    table = lines_of(capsys, "--max-samples", str(maximum), "--iterations", "1", "--no-plot", "--compare")[1:]
    for line in table:
        assert line.endswith(" -") == (int(line.split()[0].replace(",", "")) not in compared)
    return compared


def test_reference_is_run_at_every_size_while_it_is_quick(monkeypatch, capsys):
    assert sizes_compared(monkeypatch, capsys, 20_000) == [1000, 10_000, 20_000]


def test_reference_is_not_run_after_it_was_slow(monkeypatch, capsys):
    monkeypatch.setattr(scale, "MAX_REFERENCE_SECONDS", 0.0)
    assert sizes_compared(monkeypatch, capsys, 200_000) == [1000]


def test_reference_is_not_run_if_it_does_not_fit(monkeypatch, capsys):
    monkeypatch.setattr(scale, "reference_fits", lambda samples, hidden, _: samples * hidden < 10_000 * 5)
    assert sizes_compared(monkeypatch, capsys, 20_000) == [1000]


def test_unknown_peak_memory(monkeypatch, capsys):
    monkeypatch.setattr(scale, "peak_memory", lambda: None)
    assert " unknown " in lines_of(capsys, "--max-samples", "1000", "--iterations", "1", "--no-plot")[1]


# Pictures


@pytest.mark.parametrize("name", [None, "mine.svg"])
def test_picture_is_saved(name, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    chosen = [] if name is None else ["--plot", name]
    lines = lines_of(capsys, "--max-samples", "1001", "--iterations", "2", "--compare", *chosen)
    path = tmp_path / (name or "scale.png")
    assert lines[-1] == f"picture saved in {path.resolve()}"
    assert path.read_bytes().startswith(b"\x89PNG\r\n" if name is None else b"<?xml")
    assert list(tmp_path.iterdir()) == [path]


# Errors


@pytest.mark.parametrize(("dtype", "needed"), [("float64", "5.0"), ("float32", "2.6")])
def test_run_too_large_for_memory_is_an_error(dtype, needed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "available_memory", lambda: 1_500_000_000)
    assert main(["scale", "--max-samples", str(100 * MILLIONS), "--dtype", dtype]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""  # no work was done
    message = re.fullmatch(
        rf"fastnn2 scale: error: 100,000,000 samples, 5 hidden units and 5,000 iterations need {needed} GB, "
        r"but 1\.5 GB are available; at most --max-samples (\d+) would fit\n",
        captured.err,
    )
    assert int(message.group(1)) == pytest.approx(1.3e9 / (48 if dtype == "float64" else 24), rel=0.001)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--json", "missing/a.json"), "cannot save 'missing/a.json': 'missing' is not a folder"),
        (("--json", "folder"), "cannot save 'folder': it is a folder"),
        (("--json", "a" * 300), "File name too long"),
        (("--json", "a.json", "--plot", "a.xyz"), "cannot save 'a.xyz': its name must end with .png"),
        (("--json", "a.json", "--plot", "missing/a.png"), "cannot save 'missing/a.png': 'missing' is not a folder"),
    ],
    ids=["no folder", "folder", "too long", "picture's ending", "no folder for the picture"],
)
def test_output_that_cannot_be_saved_is_an_error_before_any_work(arguments, part, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert main(["scale", "--max-samples", "1000", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""  # no work was done
    assert captured.err.startswith("fastnn2 scale: error: ")
    assert captured.err.count("\n") == 1
    assert part in captured.err
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_divergence_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["scale", "--max-samples", "1000", "--learning-rate", "1e308", "--json", "a.json", "--no-plot"]) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(r"fastnn2 scale: error: training diverged at iteration \d+; .*--learning-rate\n", error)
    assert list(tmp_path.iterdir()) == []
