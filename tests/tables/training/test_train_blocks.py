"""Trainings on tables in blocks: beside those in memory, from all formats, and what is wrong with a table."""

import json
import subprocess
import sys

import numpy as np
import pytest
from data import PATIENCE, assert_same_bits, extra
from training_data import SMALL, parameters, table_of, trained_on, written

from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.reading.table import Batch
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.block_parts import PartSizes, choose_rows, part_sizes, read_parts
from fastnn2.tables.training.memory_plan import MemoryPlan
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.preparation import prepare
from fastnn2.tables.training.table_blocks import BlockPreparation, OrderedTableBlocks, TableBlocks, rebatch
from fastnn2.tables.training.target_survey import TargetSurvey
from fastnn2.tables.training.train import choose_columns
from fastnn2.tables.training.training_job import TrainingJob

polars = extra("polars", "tables")
N = 6000
ROWS_IN_BLOCK = 1000


@pytest.mark.parametrize(
    ("target", "score", "options"),
    [
        ("y", "R2", {}),
        ("y", "R2", {"early_stopping": False, "weight": "weight", "dtype": "float32"}),
        ("kind", "balanced accuracy", {"class_weight": "balanced"}),
    ],
)
def test_blocks_give_nearly_the_scores_of_memory(target, score, options):
    frame = table_of(N).drop("number", "kind" if target == "y" else "y")
    settings = {"max_iter": 20, "learning_rate": 0.01, "hidden": 30, **options}
    whole, _ = trained_on(frame, target, **settings)
    blocks, notes = trained_on(frame, target, memory_limit=SMALL, **settings)
    assert any("in blocks" in note for note in notes)
    scores = [each.summary.scores["network"][score] for each in (whole, blocks)]
    assert scores[1] > 0.85
    assert abs(scores[0] - scores[1]) < 0.05
    training, stops_early = blocks.summary.training, blocks.summary.options["early_stopping"]
    assert len(training["loss"]) == training["epochs"] == blocks.model[-1].n_iter_
    assert len(training["validation_score"]) == (training["epochs"] if stops_early else 0)
    simple = [list(each.summary.scores) for each in (whole, blocks)]
    assert simple[0] == simple[1]
    assert blocks.model[-1].get_params() == whole.model[-1].get_params()
    rows = blocks.summary.rows
    assert rows["training"] + rows["test"] == N


def test_every_format_gives_the_same_model_for_any_threads(tmp_path):
    frame = table_of(3000)
    found = {}
    for name in ("rows.parquet", "rows.csv"):
        path = written(frame, tmp_path, name)
        for threads in (1, 2):
            trained, _ = trained_on(path, "kind", max_iter=3, memory_limit=SMALL, threads=threads, drop=("number",))
            found[name, threads] = (*parameters(trained), trained.predicted)
    expected = found["rows.csv", 1]
    for arrays in found.values():
        assert_same_bits(arrays, expected)


def job_of(path, target="number", **options):
    table = open_table(path)
    wanted = TrainingOptions(target=target, memory_limit=SMALL, **options)
    return TrainingJob(table, wanted, None, lambda _: None, lambda *_: None, *choose_columns(table, wanted))


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.csv.gz"])
def test_each_row_is_in_one_part_or_in_one_block(name, tmp_path):
    job = job_of(written(table_of(N), tmp_path, name), drop=("kind",))
    plan, survey = MemoryPlan(job), TargetSurvey(job)
    assert not plan.fits
    parts = read_parts(job, survey, part_sizes(job, plan, survey.n))
    preparation = prepare(parts.sample.frame, job.features, job.options)
    X = preparation.transformer.fit_transform(parts.sample.frame)
    fitted = BlockPreparation(job, survey, preparation.transformer, preparation.columns, X.shape[1], None)
    kind = TableBlocks if job.table.has_any_order else OrderedTableBlocks
    blocks = list(kind(fitted, parts.held_out, plan.block_rows))
    assert len(blocks) == N // ROWS_IN_BLOCK
    trained = np.concatenate([y for _, y in blocks])
    held_out = [rows.target.to_numpy() for rows in (parts.test, parts.validation)]
    assert np.array_equal(np.sort(np.concatenate([trained, *held_out])), np.arange(N) + 0.5)
    assert set(parts.sample.target) <= set(trained)
    # Row k has the target k + 1/2: blocks have the rows of the table that it says.
    block, y = blocks[3]
    rows = job.table.read(preparation.transformer.feature_names_in_.tolist())[(y - 0.5).astype(int)]
    assert np.array_equal(block, preparation.transformer.transform(rows))


def test_chosen_rows_are_different_and_spread():
    for n, count in ((10, 10), (1000, 200), (10**9, 5000)):
        chosen = choose_rows(np.random.default_rng(0), n, count)
        assert len(np.unique(chosen)) == len(chosen) == count
        assert chosen.min() >= 0
        assert chosen.max() < n
        assert np.array_equal(chosen, choose_rows(np.random.default_rng(0), n, count))
    counts = np.histogram(chosen, 10, (0, n))[0]
    assert counts.min() > 400  # of 500 that are expected
    assert abs(np.corrcoef(chosen, np.arange(count))[0, 1]) < 0.1, "in random order"


@pytest.mark.parametrize("sizes", [[5, 5, 5], [1, 20, 2], [4, 0, 4, 4, 1], [30]])
def test_rebatch(sizes):
    frame = polars.DataFrame({"a": np.arange(sum(sizes))})
    ends = np.cumsum(sizes)
    batches = [Batch(frame[int(end) - size : int(end)], int(end) - size) for size, end in zip(sizes, ends, strict=True)]
    found = list(rebatch(iter(batches), 4))
    assert [batch.first for batch in found] == list(range(0, len(frame), 4))
    assert all(len(batch.frame) == 4 for batch in found[:-1])
    assert polars.concat([batch.frame for batch in found]).equals(frame)


def test_a_text_file_is_read_from_any_row_on(tmp_path, monkeypatch):
    monkeypatch.setattr("fastnn2.tables.reading.text_records.CHUNK_BYTES", 1000)
    frame = table_of(500)
    path = written(frame, tmp_path, "rows.csv")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\n\n", 5))  # blank lines
    table = open_table(path)
    reads = []
    monkeypatch.setattr("fastnn2.tables.reading.text_stream.TextStream.seek", lambda self, place: reads.append(place))
    list(table.batches(["a"], 490))
    monkeypatch.undo()
    assert reads[0] > 0.8 * path.stat().st_size
    for first in (0, 1, 37, 250, 499):
        found = polars.concat([batch.frame for batch in table.batches(["a", "kind"], first)])
        assert found.equals(frame["a", "kind"][first:])


def test_a_test_file_is_sampled():
    frame, test = table_of(N), table_of(5000, seed=1)
    trained, _ = trained_on(frame, "y", test=test, max_iter=2, memory_limit=SMALL, drop=("kind",))
    rows = trained.summary.rows
    assert rows["training"] == N
    assert len(trained.y) == rows["test"] == 1000
    assert any("1,000 of the 5,000 rows of the test" in note for note in trained.summary.notes)
    assert set(trained.y) <= set(test["y"])


def test_faults_of_a_target():
    frame = table_of(N)
    rare = frame.with_columns(kind=polars.Series(["rare"] + ["a", "b"] * (N // 2 - 1) + ["a"]))
    with pytest.raises(TableError, match="'rare' has 1 row; expected at least 2"):
        trained_on(rare, "kind", memory_limit=SMALL)
    for values, message in ((polars.lit(1.5), "1.5 in all rows"), (polars.lit("a"), "one class")):
        with pytest.raises(TableError, match=message):
            trained_on(frame.with_columns(y=values), "y", memory_limit=SMALL)
    with pytest.raises(TableError, match="no row of"):
        trained_on(frame.with_columns(y=polars.lit(None, polars.Float64)), "y", memory_limit=SMALL)
    with pytest.raises(TableError, match="6,000 different labels"):
        trained_on(frame, "number", memory_limit=SMALL, task="classification")
    test = table_of(100).with_columns(kind=polars.lit("new"))
    with pytest.raises(TableError, match="the class 'new', which no row of training has"):
        trained_on(frame, "kind", test=test, memory_limit=SMALL, max_iter=1)


@pytest.mark.parametrize(("sizes", "part"), [((5, 50, 10), "the test"), ((500, 5, 10), "validation")])
def test_a_class_without_a_row_in_a_part(sizes, part, tmp_path):
    kinds = np.array(["rare"] + ["a", "b"] * 20)[np.arange(3000) % 41]
    job = job_of(written(table_of(3000).with_columns(kind=kinds), tmp_path), "kind")
    with pytest.raises(TableError, match=f"class 'rare' has 74 of 3,000 rows, and none of the 5 rows for {part};"):
        read_parts(job, TargetSurvey(job), PartSizes(*sizes, block=ROWS_IN_BLOCK))


def test_rows_without_a_target_are_left_out():
    frame = table_of(N).with_columns(y=polars.when(polars.int_range(N) % 3 > 0).then("y"))
    trained, notes = trained_on(frame, "y", memory_limit=SMALL, max_iter=1, drop=("kind",))
    rows = trained.summary.rows
    assert rows["without target"] == N // 3
    assert rows["training"] + rows["test"] == N - N // 3
    assert any(note.startswith("2,000 rows have no value") for note in notes)


CODE = """
import gc, json, sys, threading, time
from fastnn2.commands.main import main

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

def train(file, limit):
    assert main(["train", file, "--target", "y", "--max-iter", "1", "--memory-limit", limit, "--json"]) == 0

small, large, limit = sys.argv[1:]
train(small, "100kB")  # loads modules and kernels
gc.collect()
before, peak, is_over = anonymous(), [0], []

def watch():
    while not is_over:
        peak[0] = max(peak[0], anonymous())
        time.sleep(0.002)

thread = threading.Thread(target=watch, daemon=True)
thread.start()
train(large, limit)
is_over.append(True)
thread.join()
print()
print(json.dumps(peak[0] - before))
"""
MB = 1_000_000
LIMIT, SPARE = 60 * MB, 120 * MB


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/status")
def test_memory_of_a_training_in_blocks(tmp_path):
    source = np.random.default_rng(0)
    frame = polars.DataFrame({f"x{k}": source.standard_normal(300_000) for k in range(30)} | {"y": np.arange(300_000)})
    assert 5 * frame.estimated_size() > 5 * LIMIT, "training in memory would take far more"
    files = [tmp_path / "small.parquet", tmp_path / "large.parquet"]
    frame[:3000].write_parquet(files[0])
    frame.write_parquet(files[1], row_group_size=10_000, compression="uncompressed")
    command = [sys.executable, "-W", "ignore", "-c", CODE, *map(str, files), str(LIMIT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    peak = json.loads(done.stdout.splitlines()[-1])
    print(f"{peak / MB:.0f} MB above the state before, with a limit of {LIMIT / MB:.0f} MB")
    assert LIMIT / 4 < peak < LIMIT + SPARE
