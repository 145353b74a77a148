"""Tables to train on, and trainings of them without the command."""

import gzip
import pathlib
import tempfile

import numpy as np
from data import extra

from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.train import train

polars = extra("polars", "tables")
SMALL = "100kB"  # a limit of memory with which a table of some thousand rows is trained on in blocks
NAMES_OF_PARAMETERS = ("coefs_", "intercepts_")


def table_of(n, seed=0):
    """Return a frame with numbers, texts, a weight, and a target of numbers and of classes."""
    source = np.random.default_rng(seed)
    X = source.standard_normal((n, 3)).round(4)
    city = source.choice(["Rome", "Oslo", "Bonn"], size=n)
    y = X[:, 0] * X[:, 1] + (city == "Rome") + 0.1 * source.standard_normal(n)
    names = np.array(["low", "middle", "high"])
    return polars.DataFrame({
        "a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "city": city, "weight": source.uniform(0.5, 2, n).round(3),
        "number": np.arange(n) + 0.5, "y": y, "kind": names[np.digitize(y, [-0.2, 0.8])],
    })  # fmt: skip


def written(frame, folder, name="rows.parquet"):
    """Write a frame to a file of the format that its name says; return the path."""
    path = pathlib.Path(folder, name)
    if name.endswith(".parquet"):
        frame.write_parquet(path, row_group_size=2000)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        frame.write_csv(path)
    return path


def trained_on(source, target, test=None, watch=lambda *_: None, **options):
    """Train on a file or a frame; return what that gives, and the notes."""
    notes = []
    with tempfile.TemporaryDirectory() as folder:
        path = source if isinstance(source, pathlib.Path) else written(source, folder)
        wanted = TrainingOptions(target=target, **options)
        other = None if test is None else open_table(written(test, folder, "test.parquet"))
        return train(open_table(path), wanted, other, notes.append, watch), notes


def parameters(trained):
    """Return the parameters of the network of a training."""
    return tuple(array for name in NAMES_OF_PARAMETERS for array in getattr(trained.model[-1], name))
