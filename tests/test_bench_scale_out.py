"""The bench of clusters: the model's arithmetic, what is kept, and a run on tiny sizes."""

import dataclasses
import doctest
import importlib
import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from data import PATIENCE, extra

from bench import scale_model, scale_out, scale_report, storage
from bench.scale_model import Constants, Shape

ROOT = pathlib.Path(__file__).parents[1]
SHAPE = Shape(30, 100)
KEPT = sorted((ROOT / "bench" / "results").glob("scale-out-*.json"))
CONSTANTS = Constants(base=0.008, task=0.001, byte=2e-9, kernels={SHAPE.name: (0.0005, 1e-7)})


@pytest.mark.parametrize("name", ["scale_model", "scale_report"])
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(f"bench.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


# The model


def test_an_evaluation_is_the_sum_of_its_parts():
    found = scale_model.evaluation(CONSTANTS, SHAPE, 1_000_000, 10, network=1e9)
    objective = SHAPE.objective(1_000_000)
    chunks = objective.cut.chunks
    assert found["scheduling"] == pytest.approx(0.008 + 10 * 0.001)
    assert found["computing"] == pytest.approx(0.0005 + 1e-7 * 1_000_000 * math.ceil(chunks / 10) / chunks)
    assert found["transfer"] == pytest.approx(sum(scale_model.payload(objective, 10)) * 3e-9)
    # By sum, too: from Python 3.12 on it rounds once.
    assert found["whole"] == sum(found[part] for part in ("scheduling", "transfer", "computing"))


def test_workers_without_a_chunk_are_idle():
    chunks = SHAPE.objective(1_000_000).cut.chunks
    enough, more = (scale_model.evaluation(CONSTANTS, SHAPE, 1_000_000, count) for count in (chunks, 10 * chunks))
    assert enough == more
    assert enough["used"] == chunks
    assert scale_model.evaluation(CONSTANTS, SHAPE, 1_000_000, 2, threads=chunks)["used"] == chunks


def test_memory_is_that_of_the_busiest_worker():
    n = 64_000_000
    objective = SHAPE.objective(n)
    share = math.ceil(objective.cut.chunks / 3)
    found = scale_model.evaluation(CONSTANTS, SHAPE, n, 3)["memory"]
    assert found == pytest.approx(share / objective.cut.chunks * n * 31 * 4 + share * objective.stride * 8)


def test_bytes_of_one_worker():
    """One worker gets the parameters once, and returns one gradient and three numbers for each chunk."""
    objective = SHAPE.objective(1_000_000)
    out, back = scale_model.payload(objective, 1)
    assert out == 4 * (30 * 100 + 100 + 100 + 1)
    assert back == 8 * objective.stride + 24 * objective.cut.chunks


def test_docs_say_how_many_chunks_there_are():
    text = (ROOT / "docs" / "guide" / "cluster.md").read_text(encoding="utf-8")
    for d, h in ((2, 5), (30, 100), (784, 128)):
        counts = [Shape(d, h).objective(10**power).cut.chunks for power in (7, 8, 9, 10)]
        first, *others = (f"{count:,}" for count in counts)
        unit = " chunks" if (d, h) == (2, 5) else ""
        assert f"| {d} × {h} | {first}{unit} | {' | '.join(others)} |" in text


@pytest.mark.parametrize("chunks", [64, 256])
def test_branches_are_those_of_the_sums(chunks):
    chunk_sums = importlib.import_module("fastnn2.engine.chunk_sums")
    for first in range(0, chunks, 5):
        for end in range(first + 1, chunks + 1, 3):
            sums = chunk_sums.of_chunks(first, np.zeros((end - first, 4)))
            assert scale_model.branches(first, end) == len(sums.branches)


def test_more_than_32_parts_are_added_in_levels():
    below, above = (scale_model.scheduling(CONSTANTS, count) for count in (32, 33))
    assert above - below == pytest.approx(0.008 + 0.001 * (1 + 2))


def test_break_even_is_where_the_cluster_begins_to_be_faster():
    rows = scale_model.break_even(CONSTANTS, SHAPE, 10, threads=2, here=2)
    for n, is_faster in ((rows, True), (rows * 9 // 10, False)):
        whole = scale_model.evaluation(CONSTANTS, SHAPE, n, 10, threads=2)["whole"]
        assert (whole < scale_model.alone(CONSTANTS, SHAPE, n, 2)) == is_faster
    assert scale_model.break_even(CONSTANTS, SHAPE, 2, threads=1, here=2) is None


def test_constants_are_found_again():
    """Measurements that follow the model give its constants."""
    evaluations = []
    for n in (10_000, 1_000_000, 10_000_000):
        for workers in (1, 2, 4):
            times = scale_model.evaluation(CONSTANTS, SHAPE, n, workers)
            objective = SHAPE.objective(n)
            evaluations.append({
                **times, "shape": SHAPE.name, "n": n, "workers": workers, "parts": workers,
                "bytes": sum(scale_model.payload(objective, workers)),
                "busiest": scale_model.busiest(objective, workers),
            })  # fmt: skip
            if workers > 2:  # they share cores: not taken for the speed of a thread
                evaluations[-1]["computing"] *= 2
    many = [
        {"workers": count, "merges": scale_model.merges(count)[0], "cpu": 0.002 + 0.001 * tasks}
        for count in (1, 8, 64)
        for tasks in [count + scale_model.merges(count)[0]]
    ]
    found = scale_model.fitted(evaluations, many, cores=2)
    assert dataclasses.asdict(found) == {
        "base": pytest.approx(0.008), "task": pytest.approx(0.001), "byte": pytest.approx(2e-9),
        "kernels": {SHAPE.name: pytest.approx((0.0005, 1e-7), rel=0.02)},
    }  # fmt: skip


# What is kept


@pytest.mark.parametrize("path", KEPT, ids=[path.stem for path in KEPT])
def test_tables_can_be_made_of_what_is_kept(path):
    found = storage.read(path)
    assert storage.dumps(found) + "\n" == path.read_text(encoding="utf-8")
    assert not found["quick"]
    text = scale_report.text(found)
    assert "Extrapolation. " in text
    assert "nan" not in text
    assert path.with_suffix(".png").is_file()


def test_a_quick_run_replaces_no_figures(capsys):
    with pytest.raises(SystemExit):
        scale_out.parse(["--quick"])
    assert "--quick needs --json FILE" in capsys.readouterr().err


# A run


def test_quick_run(tmp_path):
    extra("distributed", "dask")
    path = tmp_path / "quick.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.scale_out", "--quick", "--json", str(path)], cwd=ROOT, timeout=PATIENCE,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = storage.read(path)
    assert set(scale_out.PARTS) < set(found)
    assert done.stdout.count("bit for bit") > len((1, 2, 4))
    assert "written: " in done.stdout
    for count in (1, 2, 4):
        rows = found[f"workers-{count}"]
        assert {row["workers"] for row in rows} == {count}
        assert all(0 < row["computing"] < row["whole"] for row in rows)
    assert path.with_suffix(".png").stat().st_size > 10_000


def test_other_bits_are_not_timed():
    extra("distributed", "dask")
    parts = importlib.import_module("bench.scale_parts")
    params, costs = {"W1": np.ones((2, 2))}, np.array([0.7, 0.6])
    parts.compare((params, costs), (params, costs.copy()))
    with pytest.raises(AssertionError, match="costs on the cluster are"):
        parts.compare((params, costs), (params, np.nextafter(costs, 1)))
    with pytest.raises(AssertionError, match="W1 on the cluster has other bits"):
        parts.compare(({"W1": np.nextafter(params["W1"], 0)}, costs), (params, costs))


def test_steps_go_when_they_may():
    extra("distributed", "dask")
    parts, done = importlib.import_module("bench.scale_parts"), []

    def train(callback, callback_every):
        for iteration in range(5):
            done.append(iteration)
            callback(iteration)
        return "result"

    steps = parts.Steps(train, 2)
    assert done == [0]
    steps.go()
    assert done == [0, 1, 2]
    assert steps.end() == "result"
    assert len(steps.seconds) == 4


def test_an_error_amid_the_steps_is_raised():
    extra("distributed", "dask")
    parts = importlib.import_module("bench.scale_parts")

    def train(callback, callback_every):
        callback(0)
        raise ZeroDivisionError

    steps = parts.Steps(train, 2)
    with pytest.raises(ZeroDivisionError):
        steps.go()
