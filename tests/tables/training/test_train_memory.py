"""Training on a table that fits in memory: when it stops."""

import numpy as np
import pytest
from data import extra
from training_data import SMALL, table_of
from training_data import trained_on as trained_on_table

from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.train import train
from fastnn2.tables.training.train_memory import MOST_ROWS_TO_STOP_LATE

polars = extra("polars", "tables")


def trained_on(folder, y, **options):
    """Return the summary of a training on a table with one column beside the target."""
    frame = polars.DataFrame({"x": np.arange(len(y)) % 97, "y": y})
    frame.write_parquet(folder / "table.parquet")
    wanted = TrainingOptions(target="y", hidden=2, max_iter=2, **options)
    return train(open_table(folder / "table.parquet"), wanted, None, lambda note: None, lambda *epoch: None).summary


@pytest.mark.parametrize("limit", [None, SMALL])
def test_a_test_of_whole_numbers_among_classes_with_fractions(limit):
    frame = table_of(3000)
    kinds = polars.when(polars.col("y") > 0.5).then(2.0).when(polars.col("y") > 0).then(1.0).otherwise(1.5)
    frame = frame.with_columns(kind=kinds)
    settings = {"task": "classification", "memory_limit": limit, "max_iter": 1, "hidden": 2}
    trained, _ = trained_on_table(frame, "kind", test=frame.filter(polars.col("kind") != 1.5)[:50], **settings)
    assert trained.summary.classes == ["1.0", "1.5", "2.0"]
    assert set(trained.y) == {"1.0", "2.0"}


@pytest.mark.parametrize("limit", [None, SMALL])
def test_counts_of_rows(limit):
    frame = table_of(3000).with_columns(
        weight=polars.when(polars.int_range(3000) % 3 == 0).then(0.0).otherwise("weight"),
        y=polars.when(polars.int_range(3000) % 4 > 0).then("y"),
    )
    settings = {"weight": "weight", "memory_limit": limit, "max_iter": 1, "hidden": 2}
    trained, notes = trained_on_table(frame, "y", **settings)
    rows = trained.summary.rows
    assert [rows[name] for name in ("file", "without target", "without weight")] == [3000, 750, 750]
    assert rows["training"] + rows["test"] == 1500  # those for validation are among those for training
    assert 0 < rows["validation"] < rows["training"] / 5
    assert "750 rows have the weight 'weight' 0: they are dropped" in notes


@pytest.mark.parametrize("more", [0, 1])
def test_classes_of_a_small_table_are_learnt_without_early_stopping(tmp_path, more):
    n = MOST_ROWS_TO_STOP_LATE + more
    summary = trained_on(tmp_path, np.arange(n) % 2 == 0)
    notes = [note for note in summary.notes if "no early stopping" in note]
    assert summary.options["early_stopping"] == (more == 1)
    assert (summary.rows["validation"] > 0) == (more == 1)
    assert len(notes) == 1 - more
    assert all(f"{n:,} rows" in note for note in notes)


def test_numbers_of_a_small_table_stop_early(tmp_path):
    summary = trained_on(tmp_path, np.arange(100) / 7)
    assert summary.options["early_stopping"]
    assert summary.rows["validation"] == 8
    assert not any("early stopping" in note for note in summary.notes)


def test_classes_of_a_small_table_may_stop_early(tmp_path):
    summary = trained_on(tmp_path, np.arange(100) % 2 == 0, early_stopping=True)
    assert summary.options["early_stopping"]
    assert summary.rows["validation"] == 8
    assert not any("early stopping" in note for note in summary.notes)


def test_there_is_no_note_where_early_stopping_is_not_wanted(tmp_path):
    summary = trained_on(tmp_path, np.arange(100) % 2 == 0, early_stopping=False)
    assert not any("early stopping" in note for note in summary.notes)
    # Two rows of a class are enough then: one for training, one for the test.
    summary = trained_on(tmp_path, np.arange(100) < 2)
    assert summary.rows["validation"] == 0
