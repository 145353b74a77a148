"""fit_blocks on files and on an iterable, partly in memory, beside fit in memory: ``python -m bench.blocks``.

All kinds take turns in one process. Equal costs are asserted first, bit by bit. The time of an iteration is that
between two callbacks: the first iteration, which also checks the numbers, does not count, and neither does the layout
of the samples in memory. Files are read from the page cache, as long as they fit in it.
"""

import argparse
import contextlib
import itertools
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

import fastnn2
from bench import measure
from bench.inside import ReadAhead, as_memory_limit, fit_blocks_module, read_speed
from bench.memory import Memory

KINDS = ("npy", "parquet", "iterable")
BLOCK = 1 << 18  # rows that are drawn, or converted, at a time
RATE = 0.1


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m bench.blocks", description=__doc__)
    parser.add_argument("--rows", type=number, default=3_000_000, metavar="N", help="of the data that are made")
    parser.add_argument("--features", type=number, default=30, metavar="N", help="of the data that are made")
    parser.add_argument("--hidden", type=number, default=100, metavar="N")
    parser.add_argument("--memory-limit", type=limit, default="100MB", metavar="SIZE", help="as fit_blocks takes it")
    parser.add_argument("--iterations", type=number, default=4, metavar="N", help="of a run, at least 2")
    parser.add_argument("--rounds", type=number, default=measure.QUICK_ROUNDS, metavar="N")
    parser.add_argument(
        "--folder", type=Path, help="where data are made, and stay (default: a temporary folder, which is removed)"
    )
    parser.add_argument("--X", type=Path, metavar="FILE", help="a file .npy (rows, features), in place of made data")
    parser.add_argument("--Y", type=Path, metavar="FILE", help="a file .npy (rows,), in place of made data")
    parser.add_argument("--only", choices=KINDS, action="append", help="a kind of blocks, repeatable")
    options = parser.parse_args(arguments)
    if (options.X is None) != (options.Y is None):
        parser.error("--X and --Y belong together: pass both or none")
    for path in (options.X, options.Y):
        if path is not None and not path.is_file():
            parser.error(f"there is no file {path}")
    if options.folder is not None and not options.folder.is_dir():
        parser.error(f"there is no folder {options.folder}")
    if options.iterations < 2:
        parser.error("--iterations: expected at least 2, as the first one does not count")
    return options


def number(text):
    """Parse an integer above 0, such as 500 or 1e7; argparse reports a ValueError."""
    value = int(float(text))
    if value < 1:
        raise ValueError
    return value


def limit(text):
    as_memory_limit(text)
    return text


def check_room(folder, needed):
    """Exit if the disk has no room for the files."""
    free = shutil.disk_usage(folder).free
    if needed > 0.9 * free:
        raise SystemExit(f"the files need {needed / 1e9:.2f} GB in {folder}, but {free / 1e9:.2f} GB are free")


def make_pair(folder, rows, features):
    """Return the paths of X and Y, float32; make them if the folder does not have them."""
    paths = [folder / f"{rows}x{features}-{name}.npy" for name in "XY"]
    if all(path.is_file() for path in paths):
        return paths
    check_room(folder, 4 * rows * (features + 1))
    rng = np.random.default_rng(7)
    direction = rng.standard_normal(features, dtype=np.float32)
    X = np.lib.format.open_memmap(paths[0], "w+", np.float32, (rows, features))
    Y = np.lib.format.open_memmap(paths[1], "w+", np.float32, (rows,))
    for start in range(0, rows, BLOCK):
        block = rng.standard_normal((min(BLOCK, rows - start), features), dtype=np.float32)
        X[start : start + BLOCK] = block
        Y[start : start + BLOCK] = (block @ direction > 0) ^ (rng.random(len(block)) < 0.1)
    X.flush()
    Y.flush()
    return paths


def make_parquet(folder, paths):
    """Return the path of a folder with the same rows as Parquet files; make it if it is not there."""
    import polars

    X, Y = (np.load(path, mmap_mode="r") for path in paths)
    target = folder / f"{len(X)}x{X.shape[1]}.parquet"
    if target.is_dir():
        return target
    check_room(folder, X.nbytes + Y.nbytes)
    half = target.with_suffix(".unfinished")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    for start in range(0, len(X), 4 * BLOCK):
        rows = slice(start, start + 4 * BLOCK)
        columns = {f"x{k}": np.ascontiguousarray(X[rows, k]) for k in range(X.shape[1])}
        frame = polars.DataFrame({**columns, "y": np.asarray(Y[rows])})
        frame.write_parquet(half / f"{start:012}.parquet", row_group_size=BLOCK)
    half.rename(target)
    return target


class Slices:
    """An iterable of copies of the rows in two files."""

    def __init__(self, paths, rows):
        self._paths, self._rows = paths, rows

    def __iter__(self):
        X, Y = (np.load(path, mmap_mode="r") for path in self._paths)
        for start in range(0, len(X), self._rows):
            yield np.array(X[start : start + self._rows]), np.array(Y[start : start + self._rows])


class Watched(ReadAhead):
    """The reader of a run; the last one that was made is remembered."""

    last = None

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Watched.last = self


def run_once(train):
    """Train once; return a dict of costs, ``seconds`` an iteration, ``memory``, and the share that was ``waited``."""
    times, waits = [], []

    def clock(*_):
        times.append(time.perf_counter())
        waits.append(0.0 if Watched.last is None else Watched.last.waited)

    Watched.last = None
    with mock.patch.object(fit_blocks_module, "ReadAhead", Watched), Memory() as memory:
        _, costs = train(callback=clock, callback_every=1)
    seconds = [b - a for a, b in itertools.pairwise(times)]
    return {
        "costs": costs, "seconds": statistics.median(seconds), "memory": memory.peak,
        "waited": (waits[-1] - waits[0]) / (times[-1] - times[0]),
    }  # fmt: skip


def cached_speed(paths):
    """Return bytes per second for plain reads of the beginnings of files, which have just been read before."""
    read_speed(paths)
    return read_speed(paths)


def runs_of(options, folder, paths):
    """Return for each kind a function that trains with some options of callbacks, and the bytes that it reads."""
    X, Y = (np.load(path, mmap_mode="r") for path in paths)
    job = RATE, options.hidden, options.iterations
    wanted = options.only or KINDS
    blocks, sizes = {}, {}
    if "npy" in wanted:
        blocks["npy"], sizes["npy"] = (tuple(map(str, paths)), {}), paths
    if "parquet" in wanted:
        try:
            path = make_parquet(folder, paths)
            blocks["parquet"], sizes["parquet"] = (str(path), {"target": "y"}), sorted(path.iterdir())
        except ImportError as error:
            print(f"parquet is skipped: {error}")
    if "iterable" in wanted:
        row_bytes = X.nbytes // len(X) + 8
        rows = max(1, min(BLOCK, as_memory_limit(options.memory_limit) // 8 // row_bytes))
        blocks["iterable"], sizes["iterable"] = (Slices(paths, rows), {}), paths
    runs = {"memory": lambda **more: fastnn2.fit(X.T, Y, *job, **more)}
    for kind, (value, named) in blocks.items():
        runs[kind] = lambda value=value, named=named, **more: fastnn2.fit_blocks(
            value, *job, memory_limit=options.memory_limit, **named, **more
        )
    return runs, sizes


def compare(options, folder, say=print):
    """Measure all kinds in turn, and print a table."""
    paths = [options.X, options.Y] if options.X else make_pair(folder, options.rows, options.features)
    X = np.load(paths[0], mmap_mode="r")
    size = sum(path.stat().st_size for path in paths)
    runs, sizes = runs_of(options, folder, paths)
    say(
        f"{len(X):,} x {X.shape[1]} x {options.hidden}, {X.dtype}, {size / 1e9:.2f} GB, memory_limit "
        f"{options.memory_limit}, {options.rounds} rounds of {options.iterations} iterations"
    )
    found = {kind: [] for kind in runs}
    for round_number in range(options.rounds):
        for kind, train in list(runs.items()):
            try:
                one = run_once(train)
            except ValueError as error:  # the limit is too small for this kind
                say(f"  {kind} is skipped: {error}")
                del runs[kind], found[kind]
                continue
            expected = found["memory"][0]["costs"] if found["memory"] else one["costs"]
            if not np.array_equal(one["costs"], expected):
                raise AssertionError(f"{kind}: costs are {one['costs']!r}, but those in memory are {expected!r}")
            found[kind].append(one)
            say(f"  round {round_number + 1}, {kind}: {one['seconds']:.3f} s an iteration")
    say(f"{'':9} {'s/iteration':>11} {'ratio':>6} {'waited':>7} {'memory':>9} {'read':>10} {'disk':>10}")
    for kind, results in found.items():
        seconds = [one["seconds"] for one in results]
        ratio = measure.ratio(seconds, [one["seconds"] for one in found["memory"]])
        memory = max((one["memory"] for one in results if one["memory"] is not None), default=None)
        line = f"{kind:9} {statistics.median(seconds):11.3f} {ratio:6.2f}"
        if kind != "memory":
            waited = statistics.median(one["waited"] for one in results)
            file_bytes = sum(path.stat().st_size for path in sizes[kind])
            rate = file_bytes / statistics.median(seconds)
            cached = cached_speed(sizes[kind])
            line += f" {waited:7.1%} {show(memory, 'MB', 1e6)} {show(rate, 'GB/s', 1e9)} {show(cached, 'GB/s', 1e9)}"
        else:
            line += f" {'':7} {show(memory, 'MB', 1e6)}"
        say(line)
    say("waited: share of the time for rows; memory: anonymous, above that before the run; read: size of the files per")
    say("iteration, also where blocks stay in memory; disk: plain reads of the same files, cached")


def show(value, unit, size):
    width = 4 if unit == "MB" else 5
    return f"{'-':>{width + 5}}" if value is None else f"{value / size:{width + 2}.{0 if unit == 'MB' else 2}f} {unit}"


def main(arguments=None):
    options = parse(arguments)
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fastnn2-bench-")))
        compare(options, folder, lambda line: print(line, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
