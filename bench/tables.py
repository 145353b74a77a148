"""Reading and preparing Parquet for ``fastnn2 train``, beside polars and scikit-learn: ``python -m bench.tables``.

The peer is ``polars.read_parquet`` and the same transformer's ``fit_transform`` of all rows. fastnn2 also checks the
values, splits the rows, and fits to those for training only. Both take turns in one process; equal numbers are asserted
first. The file is read from the page cache.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars
from sklearn.base import clone

from bench import measure
from bench.inside_tables import prepared

BLOCK = 100_000  # rows that are drawn at a time
TARGET = "y"


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m bench.tables", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="of the file that is made")
    parser.add_argument("--features", type=int, default=30, metavar="N", help="of the file that is made")
    parser.add_argument("--missing", type=float, default=0.0, metavar="X", help="part of the numbers that is missing")
    parser.add_argument("--rounds", type=int, default=measure.QUICK_ROUNDS, metavar="N")
    return parser.parse_args(arguments)


def write(path, options):
    """Write a table of normal numbers."""
    source = np.random.default_rng(0)
    frames = []
    for first in range(0, options.rows, BLOCK):
        n = min(BLOCK, options.rows - first)
        X = source.standard_normal((options.features, n))
        X[source.uniform(size=X.shape) < options.missing] = np.nan
        frames.append(polars.DataFrame({f"x{k}": row for k, row in enumerate(X)} | {TARGET: source.normal(size=n)}))
    polars.concat(frames).fill_nan(None).write_parquet(path)


def peer(path, transformer):
    """Return all rows, prepared by polars and scikit-learn."""
    return clone(transformer).fit_transform(polars.read_parquet(path).drop(TARGET))


def check(path):
    """Assert that both prepare rows alike; return the transformer."""
    transformer, X, y = prepared(path, TARGET)
    frame = polars.read_parquet(path)
    rows = frame.filter(np.isin(frame[TARGET], y)).drop(TARGET)
    assert np.array_equal(X, clone(transformer).fit_transform(rows))
    return transformer


def main(arguments=None):
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        write(path, options)
        transformer = check(path)
        seconds = {"fastnn2": [], "peer": []}
        for _ in range(options.rounds):
            for name, run in (("fastnn2", lambda: prepared(path, TARGET)), ("peer", lambda: peer(path, transformer))):
                begin = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - begin)
    ratios = [mine / other for mine, other in zip(seconds["fastnn2"], seconds["peer"], strict=True)]
    print(f"{options.rows:,} rows of {options.features} numbers, median of {options.rounds} rounds")
    for name, each in seconds.items():
        print(f"  {name:<8} {statistics.median(each):8.2f} s")
    print(f"  ratio    {statistics.median(ratios):8.2f}   (from {min(ratios):.2f} to {max(ratios):.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
