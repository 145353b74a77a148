"""What the bench of tables imports from fastnn2's private modules; it needs the extra `tables`."""

from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.train import choose_columns
from fastnn2.tables.training.train_memory import read_and_prepare
from fastnn2.tables.training.training_job import TrainingJob

__all__ = ["prepared"]


def prepared(path, target):
    """Read and prepare a file; return the transformer, and X and y of the rows for training."""
    table, options = open_table(path), TrainingOptions(target=target)
    job = TrainingJob(table, options, None, lambda _: None, lambda *_: None, *choose_columns(table, options))
    preparation, training, _ = read_and_prepare(job)
    return preparation.transformer, training.X, training.y
