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
from fastnn2.codegen import provider
from fastnn2.codegen.processor import Processor
from fastnn2.commands.memory import bytes_needed, check_memory, peak_memory, reference_fits
from fastnn2.commands.moons import format_duration
from fastnn2.commands.moons_data import make_data
from fastnn2.engine.full_batch import count_threads
from fastnn2.functional.fit import fit
from fastnn2.kernels.shared import tuning
from fastnn2.storage.atomic import check_writable
from fastnn2.threads.memory import available_memory

Array = np.ndarray[Any, Any]

# By default samples times iterations are the same at every size, within these bounds for the iterations.
SAMPLE_ITERATIONS = 200_000_000
MIN_ITERATIONS, MAX_ITERATIONS = 20, 5000
MAX_REFERENCE_SECONDS = 20.0  # the NumPy reference is not run at a size at which it would take longer
REFERENCE_ITERATIONS = 3
MAX_SAMPLES_IN_MEMORY = 100_000_000  # beyond them, only files are trained on


def sizes(maximum: int) -> list[int]:
    """Return 1,000, 10,000, … below `maximum`, and `maximum`."""
    powers = [10**k for k in range(3, 9) if 10**k < maximum]
    return [*powers, maximum]


def run(options: argparse.Namespace) -> int:
    """Train at each size, print the table, save the files asked for; return the exit code."""
    _check_options(options)
    picture = _check_outputs(options)
    measured, files = sizes(options.max_samples), None
    if options.out_of_core is not None:
        from fastnn2.commands import out_of_core

        files = out_of_core.FileRuns(options, measured)
    provider.kernel(tuning.train_kernel(2, options.hidden, 1), options.dtype)  # load or compile it before timing
    print((HEAD if files is None else out_of_core.HEAD) + (f" {'NumPy':>9}" if options.compare else ""), flush=True)
    rows = []
    reference_is_quick = True  # also at the next size, which may be ten times as large
    for n in measured:
        row = _measure(n, options, reference_is_quick and options.compare, files)
        reference_seconds = (row["numpy_seconds"] or 0) * 10 * REFERENCE_ITERATIONS
        reference_is_quick = reference_is_quick and reference_seconds < MAX_REFERENCE_SECONDS
        rows.append(row)
        line = _format_row(row) if files is None else out_of_core.format_row(row)
        print(line + (_format_reference(row) if options.compare else ""), flush=True)
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


def _check_options(options: argparse.Namespace) -> None:
    """Raise ValueError if options do not go together, or if the largest run does not fit in memory and has to."""
    if options.out_of_core is not None:
        return
    if options.memory_limit is not None:
        raise ValueError("--memory-limit is for runs on files; pass --out-of-core FOLDER too")
    if options.max_samples > MAX_SAMPLES_IN_MEMORY:
        raise ValueError(
            f"--max-samples {options.max_samples} is more than {MAX_SAMPLES_IN_MEMORY}, the most in memory; pass "
            "--out-of-core FOLDER too, for files on a disk"
        )
    iterations = options.iterations or MAX_ITERATIONS
    check_memory(options.max_samples, options.hidden, iterations, _sample_bytes(options.dtype), "--max-samples", 1000)


def _sample_bytes(dtype: str) -> int:
    """Return what a sample takes in memory: X and Y, and their copies in the kernels' layout."""
    return 2 * 3 * np.dtype(dtype).itemsize


def _check_outputs(options: argparse.Namespace) -> pathlib.Path | None:
    """Raise ValueError, before any work, if a file cannot be saved; return the path of the picture, if any."""
    from fastnn2.commands import plotting

    if options.json is not None:
        check_writable(options.json)
    return plotting.picture_path(options, "scale.png")


def _measure(n: int, options: argparse.Namespace, compare: bool, files: Any) -> dict[str, Any]:
    """Train on n samples, in memory and, if there are files, on them; return a row of the table."""
    iterations = options.iterations or int(min(MAX_ITERATIONS, max(MIN_ITERATIONS, SAMPLE_ITERATIONS // n)))
    row: dict[str, Any] = {
        "samples": n,
        "iterations": iterations,
        "threads": count_threads(2, n, options.hidden, 1, iterations, options.dtype, options.threads),
        "seconds": None,
        "ns_per_sample": None,
        "peak_bytes": None,
        "numpy_seconds": None,
    }
    cost_ = None
    if files is None or _fits_in_memory(n, iterations, options):
        cost_ = _measure_in_memory(row, options, compare)
    if files is not None:
        figures, files_cost_ = files.measure(n, iterations)
        if cost_ is not None:
            files.check_costs(n, files_cost_, cost_)
        row["files"] = {**figures, "ratio": None if row["seconds"] is None else figures["seconds"] / row["seconds"]}
        cost_ = files_cost_
    assert cost_ is not None
    return {**row, "first_cost": float(cost_[0]), "cost": float(cost_[-1])}


def _fits_in_memory(n: int, iterations: int, options: argparse.Namespace) -> bool:
    available = available_memory()
    needed = bytes_needed(n, options.hidden, iterations, _sample_bytes(options.dtype))
    return n <= MAX_SAMPLES_IN_MEMORY and (available is None or needed <= available)


def _measure_in_memory(row: dict[str, Any], options: argparse.Namespace, compare: bool) -> Array:
    """Train in memory, write the figures to `row` in place, and return the costs."""
    n, iterations = row["samples"], row["iterations"]
    X, Y = make_data(n, options.noise, options.dtype, options.seed)
    job, seed = (X, Y, options.learning_rate, options.hidden), options.seed
    begin = time.perf_counter()
    _, cost_ = fit(*job, iterations, random_state=seed, n_threads=options.threads)
    seconds = time.perf_counter() - begin
    row |= {
        "seconds": seconds / iterations, "ns_per_sample": seconds / iterations / n * 1e9, "peak_bytes": peak_memory()
    }  # fmt: skip
    if compare and reference_fits(n, options.hidden, REFERENCE_ITERATIONS):
        begin = time.perf_counter()
        reference.fit(*job, REFERENCE_ITERATIONS, random_state=seed)
        row["numpy_seconds"] = (time.perf_counter() - begin) / REFERENCE_ITERATIONS
    return cost_


HEAD = (
    f"{'samples':>12} {'iterations':>10} {'time/iteration':>14} {'ns/sample':>11} {'samples/s':>10} "
    f"{'peak memory':>11} {'cost':>8}"
)


def _format_row(row: dict[str, Any]) -> str:
    peak = "unknown" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e6:,.0f} MB"
    return (
        f"{row['samples']:>12,} {row['iterations']:>10,} {format_duration(row['seconds']):>14} "
        f"{row['ns_per_sample']:>11.3f} "
        f"{row['samples'] / row['seconds']:>10.3g} {peak:>11} {row['cost']:>8.5f}"
    )


def _format_reference(row: dict[str, Any]) -> str:
    return f" {'-' if row['numpy_seconds'] is None else format_duration(row['numpy_seconds']):>9}"
