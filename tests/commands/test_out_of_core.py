"""``fastnn2 scale --out-of-core``: its table and figures, and that costs are those of the runs in memory."""

import json
import os
import re

import numpy as np
import pytest
from data import DTYPES

import fastnn2
from fastnn2.commands import out_of_core, scale
from fastnn2.commands.main import main
from fastnn2.commands.moons_data import make_data

SIZE = r"(?:[\d.]+ (?:B|kB|MB|GB)|-)"
TIME = r"[\d.]+(?:e[+-]\d+)? (?:s|ms|µs)"
LINE = re.compile(
    rf" *([\d,]+) +(\d+) +({TIME}|-) +({TIME}) +([\d.]+|-) +({SIZE}) +({SIZE}) +({SIZE}) +({SIZE}) +(\d\.\d{{5}})"
)


def lines_of(capsys, folder, *arguments):
    """Run the command in this process; return the lines that it printed."""
    assert main(["scale", "--no-plot", "--out-of-core", str(folder), *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


def error_of(capsys, code, folder, *arguments):
    """Run the command in this process; return its error, and assert that it did not come to a size."""
    assert main(["scale", "--no-plot", "--out-of-core", str(folder), *arguments]) == code
    captured = capsys.readouterr()
    assert LINE.search(captured.out) is None
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("dtype", DTYPES)
def test_table_and_json(dtype, tmp_path, capsys):
    folder, path = tmp_path / "moons", tmp_path / "a.json"
    folder.mkdir()
    arguments = f"--max-samples 3000 --iterations 40 --seed 9 --hidden 4 --dtype {dtype} --threads 2 --json {path}"
    done, head, *table, saved = lines_of(capsys, folder, *arguments.split(), "--memory-limit", "300kB")
    assert done.startswith(f"samples in {folder.resolve()}: ")
    assert " written in " in done
    expected = "samples iterations in memory from files ratio memory read/s disk/s cache/s cost"
    assert " ".join(head.split()) == expected
    assert {len(line) for line in table} == {len(head)}
    assert saved == f"table saved in {path.resolve()}"

    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["options"]["out_of_core"], content["options"]["memory_limit"]) == (str(folder), "300kB")
    rows = content["sizes"]
    assert [row["samples"] for row in rows] == [1000, 3000]
    for row, line in zip(rows, table, strict=True):
        _, cost_ = fastnn2.fit(*make_data(row["samples"], 0.2, dtype, 9), 0.3, 4, 40, random_state=9)
        assert (row["first_cost"], row["cost"]) == (cost_[0], cost_[-1])
        files = row["files"]
        assert files["ratio"] == files["seconds"] / row["seconds"]
        assert files["file_bytes"] == sum(
            os.path.getsize(folder / f"moons-{row['samples']}-{name}.npy") for name in "XY"
        )
        assert files["disk_bytes_per_second"] is None  # so few bytes say nothing
        if files["read_bytes"] is not None:
            assert files["read_bytes"] >= files["file_bytes"]
        shown = LINE.fullmatch(line).groups()
        assert (shown[0], shown[1], shown[9]) == (f"{row['samples']:,}", "40", f"{row['cost']:.5f}")
        assert (shown[2], shown[3]) == tuple(scale.format_duration(one["seconds"]) for one in (row, files))
        assert shown[4] == f"{files['ratio']:.2f}"
        assert shown[7:9] == ("-", "-")


def test_samples_are_used_again(tmp_path, capsys):
    arguments = ("--max-samples", "1000", "--iterations", "2")
    lines_of(capsys, tmp_path, *arguments)
    assert lines_of(capsys, tmp_path, *arguments)[0] == f"samples in {tmp_path.resolve()}: they are there"


def test_files_are_read_in_every_iteration_where_memory_is_short(tmp_path, monkeypatch, capsys):
    if out_of_core.bytes_read() is None:
        pytest.skip("the system does not say how much is read")
    monkeypatch.setattr(out_of_core, "SPEED_FROM", 1000)
    read = []
    for limit in ("300kB", "100MB"):
        arguments = f"--max-samples 30000 --iterations 50 --memory-limit {limit} --json {tmp_path / 'a.json'}"
        (tmp_path / "moons").mkdir(exist_ok=True)
        lines_of(capsys, tmp_path / "moons", *arguments.split())
        files = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["sizes"][-1]["files"]
        read.append(files["read_bytes"] / files["file_bytes"])
        assert files["cached_bytes_per_second"] > 0
        assert (files["disk_bytes_per_second"] is not None) == hasattr(os, "posix_fadvise")
    assert read[0] > 20
    assert 1 <= read[1] < 10


def test_without_room_in_memory_only_files_are_trained_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scale, "available_memory", lambda: scale.bytes_needed(2000, 5, 5, 48))
    folder, path, picture = tmp_path / "moons", tmp_path / "a.json", tmp_path / "a.svg"
    folder.mkdir()
    pytest.importorskip("matplotlib")
    arguments = ["--max-samples", "3000", "--iterations", "5", "--json", str(path), "--plot", str(picture), "--compare"]
    assert main(["scale", "--out-of-core", str(folder), *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] == "-" for line in lines[2:4]] == [False, True]
    assert lines[3].endswith(" -")  # no NumPy either
    rows = json.loads(path.read_text(encoding="utf-8"))["sizes"]
    assert [row["seconds"] is None for row in rows] == [False, True]
    assert rows[1]["files"]["ratio"] is None
    assert rows[1]["cost"] == fastnn2.fit(*make_data(3000, 0.2, "float64", 3), 0.3, 5, 5)[1][-1]
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_other_costs_are_an_error(tmp_path, capsys):
    arguments = ("--max-samples", "1000", "--iterations", "2")
    lines_of(capsys, tmp_path, *arguments)
    Y = np.load(tmp_path / "moons-1000-Y.npy", mmap_mode="r+")
    Y[500] = 1 - Y[500]
    Y.flush()
    assert "with 1,000 samples, the costs from the folder" in error_of(capsys, 1, tmp_path, *arguments)


def test_a_limit_that_is_too_small_is_an_error_before_anything_is_written(tmp_path, capsys):
    error = error_of(capsys, 2, tmp_path, "--max-samples", "1e9", "--memory-limit", "5kB")
    assert re.fullmatch(r"fastnn2 scale: error: --memory-limit is 5,000 bytes, too small .* or more\n", error)
    assert list(tmp_path.iterdir()) == []
    assert "there is no folder" in error_of(
        capsys, 2, tmp_path / "none", "--max-samples", "1e9", "--memory-limit", "2MB"
    )


def test_a_hidden_layer_whose_units_are_shared_is_refused_before_anything_is_written(tmp_path, capsys):
    arguments = ("--max-samples", "1e5", "--hidden", "100000", "--memory-limit", "2MB")
    assert "--memory-limit is 2,000,000 bytes" in error_of(capsys, 2, tmp_path, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (12_340_000, "12.3 MB"), (999_900_000, "1.00 GB"),
     (123e9, "123 GB")],
)  # fmt: skip
def test_bytes_in_the_table(count, text):
    assert out_of_core._format_bytes(count) == text


def test_speeds(tmp_path):
    paths = str(tmp_path / "a"), str(tmp_path / "b")
    for path in paths:
        (tmp_path / path).write_bytes(bytes(3 << 20))
    uncached, cached = out_of_core.read_speeds(paths)
    assert cached > 0
    assert (uncached is not None) == hasattr(os, "posix_fadvise")


def test_the_memory_of_a_run_is_watched():
    start = out_of_core.read_kilobytes(out_of_core.STATUS, out_of_core.ANONYMOUS)
    with out_of_core._watched_memory(start) as memory:
        held = np.ones(10_000_000)
    if start is None:
        assert memory.peak is None
    else:
        assert 0.9 * held.nbytes < memory.peak < 10 * held.nbytes
