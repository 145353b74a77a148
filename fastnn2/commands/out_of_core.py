"""Training on files beside training in memory, for ``fastnn2 scale --out-of-core``, and how fast files are read."""

import argparse
import contextlib
import os
import pathlib
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastnn2.blocks.array_source import ArraySource
from fastnn2.blocks.budget import READ_BYTES, make_budget
from fastnn2.blocks.fit_blocks import fit_blocks
from fastnn2.blocks.memory_limit import as_memory_limit
from fastnn2.codegen import provider
from fastnn2.commands.memory import STATUS
from fastnn2.commands.moons import format_duration
from fastnn2.commands.moons_files import Moons, MoonsFolder
from fastnn2.engine.full_batch import count_threads
from fastnn2.kernels.shared import tuning
from fastnn2.threads.memory import read_kilobytes

Array = np.ndarray[Any, Any]

INPUT_OUTPUT = pathlib.Path("/proc/self/io")
ANONYMOUS = "RssAnon"  # memory that is no copy of a file
LOOK_SECONDS = 0.05  # between two looks at the memory
SPEED_BYTES = 1 << 30  # of the files that are read at most to find the speed of the disk
SPEED_FROM = 10_000_000  # bytes: the time for fewer says nothing


class Speeds(NamedTuple):
    """Bytes per second that are read from a file; None where it is not known."""

    uncached: float | None
    cached: float | None


class FileRuns:
    """Runs on files of moons, all of whose samples are written before the first one.

    Parameters
    ----------
    options : Namespace
        Of ``fastnn2 scale``.
    sizes : list of int
        The numbers of samples.

    Raises
    ------
    ValueError
        The folder cannot be used, or the memory limit is too small. Nothing is written then.
    OSError
        A file cannot be written.
    """

    def __init__(self, options: argparse.Namespace, sizes: list[int]) -> None:
        self._options = options
        _check_memory_limit(options)
        self._folder = MoonsFolder(options.out_of_core, Moons(options.noise, options.dtype, options.seed))
        begin = time.perf_counter()
        written = self._folder.write_missing(sizes)
        done = "they are there"
        if written:
            count = _format_bytes(sum(map(self._folder.file_bytes, written)))
            done = f"{count} written in {format_duration(time.perf_counter() - begin)}"
        print(f"samples in {self._folder.path.resolve()}: {done}", flush=True)
        is_narrow = tuning.train_kernel(2, options.hidden, 1) == "train_narrow"
        for name in ("lay_out", "narrow_sums" if is_narrow else "block_sums", "descend"):
            provider.kernel(name, options.dtype)  # load or compile it before timing
        import sklearn.datasets  # noqa: F401  # which draws moons for the runs in memory, and takes memory itself

        self._memory_at_start = read_kilobytes(STATUS, ANONYMOUS)

    def measure(self, n: int, iterations: int) -> tuple[dict[str, Any], Array]:
        """Train on the files with n samples; return the figures and the costs."""
        files, size, options = self._folder.files(n), self._folder.file_bytes(n), self._options
        before = bytes_read()
        with _watched_memory(self._memory_at_start) as memory:
            begin = time.perf_counter()
            _, cost_ = fit_blocks(
                files, options.learning_rate, options.hidden, iterations, memory_limit=options.memory_limit,
                random_state=options.seed, n_threads=options.threads)  # fmt: skip
            seconds = time.perf_counter() - begin
        after = bytes_read()
        read = None if before is None or after is None else after - before
        speeds = read_speeds(files) if size >= SPEED_FROM else Speeds(None, None)
        figures = {
            "seconds": seconds / iterations,
            "memory_bytes": memory.peak,
            "file_bytes": size,
            "read_bytes": read,
            "read_bytes_per_second": None if read is None else read / seconds,
            "disk_bytes_per_second": speeds.uncached,
            "cached_bytes_per_second": speeds.cached,
        }
        return figures, cost_

    def check_costs(self, n: int, cost_: Array, expected: Array) -> None:
        """Raise RuntimeError if the costs of a run on files differ from those in memory in a bit."""
        if not np.array_equal(cost_, expected):
            raise RuntimeError(
                f"with {n:,} samples, the costs from the folder {str(self._folder.path)!r} are not those in memory: "
                "the files have changed, or another version of scikit-learn has drawn them; delete them, or pass "
                "another folder"
            )


def _check_memory_limit(options: argparse.Namespace) -> None:
    """Raise ValueError if the memory limit is too small for the largest size."""
    n, one = options.max_samples, np.zeros((1, 1), dtype=options.dtype)
    source = ArraySource((np.broadcast_to(one, (n, 2)), np.broadcast_to(one[0], (n,))))  # takes no memory
    threads = count_threads(2, n, options.hidden, 1, 1, options.dtype, options.threads)
    try:
        limit = as_memory_limit(options.memory_limit)
        make_budget(source, (2, options.hidden, 1, n), np.dtype(options.dtype), threads, limit)
    except ValueError as error:
        raise ValueError(str(error).replace("memory_limit", "--memory-limit")) from error


def bytes_read() -> int | None:
    """Return how many bytes this process has read from files, cached or not; None if the system does not say."""
    try:
        fields = dict(line.split(": ", 1) for line in INPUT_OUTPUT.read_text().splitlines())
        return int(fields["rchar"])
    except (OSError, ValueError, KeyError):
        return None


def read_speeds(paths: tuple[str, ...]) -> Speeds:
    """Read files, or their beginnings, as a program does that does nothing else, and then again from the cache.

    Before the first time, the system is told to drop them from its cache; where it cannot be told, that speed is None.
    A computer below a virtual machine may still have them in a cache of its own.
    """
    drops = hasattr(os, "posix_fadvise")
    if drops:
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
    uncached = read_speed(paths)
    return Speeds(uncached if drops else None, read_speed(paths))


def read_speed(paths: tuple[str, ...]) -> float:
    """Return bytes per second for up to SPEED_BYTES of the files."""
    memory = bytearray(READ_BYTES)
    left, begin = SPEED_BYTES, time.perf_counter()
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while left > 0 and (count := file.readinto(memory)):
                left -= count
    return (SPEED_BYTES - left) / (time.perf_counter() - begin)


class _Memory:
    """The most memory that this process has had beside files, in bytes; None if the system does not say."""

    peak: int | None = None


@contextlib.contextmanager
def _watched_memory(start: int | None) -> Iterator[_Memory]:
    """Watch the memory in a thread until the ``with`` statement ends; `start` is what does not count."""
    memory, end = _Memory(), threading.Event()
    if start is None:
        yield memory
        return

    def look() -> None:
        memory.peak = max(memory.peak or 0, (read_kilobytes(STATUS, ANONYMOUS) or 0) - start)

    def watch() -> None:
        while not end.wait(LOOK_SECONDS):
            look()

    thread = threading.Thread(target=watch, name="fastnn2 memory", daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        end.set()
        thread.join()
        look()


HEAD = (
    f"{'samples':>13} {'iterations':>10} {'in memory':>9} {'from files':>10} {'ratio':>6} {'memory':>8} {'read/s':>8} "
    f"{'disk/s':>8} {'cache/s':>8} {'cost':>8}"
)


def format_row(row: dict[str, Any]) -> str:
    """Return a line of the table: times per iteration, memory of the run on files, and bytes read per second."""
    files = row["files"]
    in_memory = "-" if row["seconds"] is None else format_duration(row["seconds"])
    ratio = "-" if files["ratio"] is None else f"{files['ratio']:.2f}"
    names = "memory_bytes", "read_bytes_per_second", "disk_bytes_per_second", "cached_bytes_per_second"
    sizes = " ".join(f"{_format_bytes(files[name]):>8}" for name in names)
    return (
        f"{row['samples']:>13,} {row['iterations']:>10,} {in_memory:>9} {format_duration(files['seconds']):>10} "
        f"{ratio:>6} {sizes} {row['cost']:>8.5f}"
    )


def _format_bytes(count: float | None) -> str:
    """Return a number of bytes with three significant digits and a unit, or "-" if it is not known."""
    if count is None:
        return "-"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:#.3g} {unit}".replace(". ", " ")
    return f"{count:.0f} B"
