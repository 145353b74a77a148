"""``fastnn2 scale`` shows how time and memory grow with the number of samples: 1,000, 10,000, … moons."""

import argparse
import json
import pathlib
import platform
import time
from typing import Any

import numpy as np

from fastnn2 import reference
from fastnn2._version import __version__
from fastnn2.codegen import store
from fastnn2.codegen.processor import Processor
from fastnn2.commands.memory import check_memory, peak_memory, reference_fits
from fastnn2.commands.moons import format_duration
from fastnn2.engine.full_batch import count_threads
from fastnn2.functional.fit import fit
from fastnn2.kernels.shared import tuning
from fastnn2.storage.atomic import check_writable

Array = np.ndarray[Any, Any]

BLOCK_SAMPLES = 1 << 20  # samples are drawn in blocks of this size
# By default samples times iterations are the same at every size, within these bounds for the iterations.
SAMPLE_ITERATIONS = 200_000_000
MIN_ITERATIONS, MAX_ITERATIONS = 20, 5000
MAX_REFERENCE_SECONDS = 20.0  # the NumPy reference is not run at a size at which it would take longer
REFERENCE_ITERATIONS = 3


def sizes(maximum: int) -> list[int]:
    """Return 1,000, 10,000, … below `maximum`, and `maximum`."""
    powers = [10**k for k in range(3, 9) if 10**k < maximum]
    return [*powers, maximum]


def make_data(n: int, noise: float, dtype: str, seed: int) -> tuple[Array, Array]:
    """Return X (2, n) and Y (1, n) in `dtype`, drawn in blocks so that hardly more memory is needed than they take."""
    from sklearn.datasets import make_moons

    random = np.random.RandomState(seed)
    X, Y = np.empty((2, n), dtype=dtype), np.empty((1, n), dtype=dtype)
    for start in range(0, n, BLOCK_SAMPLES):
        stop = min(n, start + BLOCK_SAMPLES)
        rows, labels = make_moons(n_samples=stop - start, noise=noise, random_state=random)
        X[:, start:stop], Y[0, start:stop] = rows.T, labels
    return X, Y


def run(options: argparse.Namespace) -> int:
    """Train at each size, print the table, save the files asked for; return the exit code."""
    sample_bytes = 2 * 3 * np.dtype(options.dtype).itemsize  # X and Y, and their copies in the kernels' layout
    iterations = options.iterations or MAX_ITERATIONS
    check_memory(options.max_samples, options.hidden, iterations, sample_bytes, "--max-samples", 1000)
    picture = _check_outputs(options)
    store.kernel(tuning.train_kernel(2, options.hidden, 1), options.dtype)  # load or compile it before timing
    head = f"{'samples':>12} {'iterations':>10} {'time/iteration':>14} {'ns/sample':>11} {'samples/s':>10}"
    print(f"{head} {'peak memory':>11} {'cost':>8}" + (f" {'NumPy':>9}" if options.compare else ""))
    rows = []
    reference_is_quick = True  # also at the next size, which may be ten times as large
    for n in sizes(options.max_samples):
        row = _measure(n, options, reference_is_quick and options.compare)
        reference_seconds = (row["numpy_seconds"] or 0) * 10 * REFERENCE_ITERATIONS
        reference_is_quick = reference_is_quick and reference_seconds < MAX_REFERENCE_SECONDS
        rows.append(row)
        print(_format_row(row, options.compare), flush=True)
    if options.json is not None:
        about = {"fastnn2": __version__, "processor": Processor.here().cpu, "system": platform.platform()}
        settings = {name: value for name, value in vars(options).items() if isinstance(value, int | float | str)}
        options.json.write_text(json.dumps({**about, "options": settings, "sizes": rows}, indent=1) + "\n")
        print(f"table saved in {options.json.resolve()}")
    if picture is not None:
        from fastnn2.commands import plotting

        plotting.save_scaling(picture, rows, options.dtype)
        print(f"picture saved in {picture.resolve()}")
    return 0


def _check_outputs(options: argparse.Namespace) -> pathlib.Path | None:
    """Raise ValueError, before any work, if a file cannot be saved; return the path of the picture, if any."""
    from fastnn2.commands import plotting

    if options.json is not None:
        check_writable(options.json)
    return plotting.picture_path(options, "scale.png")


def _measure(n: int, options: argparse.Namespace, compare: bool) -> dict[str, Any]:
    """Train on n samples; return a row of the table."""
    X, Y = make_data(n, options.noise, options.dtype, options.seed)
    iterations = options.iterations or int(min(MAX_ITERATIONS, max(MIN_ITERATIONS, SAMPLE_ITERATIONS // n)))
    begin = time.perf_counter()
    job, seed = (X, Y, options.learning_rate, options.hidden), options.seed
    _, cost_ = fit(*job, iterations, random_state=seed, n_threads=options.threads)
    seconds = time.perf_counter() - begin
    row = {
        "samples": n,
        "iterations": iterations,
        "threads": count_threads(2, n, options.hidden, 1, iterations, options.dtype, options.threads),
        "seconds": seconds / iterations,
        "ns_per_sample": seconds / iterations / n * 1e9,
        "peak_bytes": peak_memory(),
        "first_cost": float(cost_[0]),
        "cost": float(cost_[-1]),
        "numpy_seconds": None,
    }
    if compare and reference_fits(n, options.hidden, REFERENCE_ITERATIONS):
        begin = time.perf_counter()
        reference.fit(*job, REFERENCE_ITERATIONS, random_state=seed)
        row["numpy_seconds"] = (time.perf_counter() - begin) / REFERENCE_ITERATIONS
    return row


def _format_row(row: dict[str, Any], compare: bool) -> str:
    peak = "unknown" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e6:,.0f} MB"
    line = (
        f"{row['samples']:>12,} {row['iterations']:>10,} {format_duration(row['seconds']):>14} "
        f"{row['ns_per_sample']:>11.3f} "
        f"{row['samples'] / row['seconds']:>10.3g} {peak:>11} {row['cost']:>8.5f}"
    )
    if compare:
        line += f" {'-' if row['numpy_seconds'] is None else format_duration(row['numpy_seconds']):>9}"
    return line
