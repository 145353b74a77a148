"""Training on a table that fits in memory: when it stops."""

import numpy as np
import pytest
from data import extra

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
