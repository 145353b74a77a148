"""The comparison: it measures row by row, prints the results, and returns the exit code."""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from bench import environment, storage
from bench.compare import pairs, rows
from bench.compare.sides import Failure, Side, Worker
from bench.inside import usable_cores

MARKS = {pairs.FAILED: "FAILED", pairs.NOT_MEASURED: "NOT MEASURED"}


def print_now(line):
    """Print a line at once, also to a file or pipe."""
    print(line, flush=True)


def run(checkout, names=(), json_path=None, say=print_now):
    """Compare this checkout with another one.

    Parameters
    ----------
    checkout : Path
    names : sequence of str
        Parts or rows to compare; all where there are none.
    json_path : Path, optional
        Where the figures are written.

    Returns
    -------
    int
        The exit code: 1 where a row failed, the geometric mean is too large, or nothing was measured.
    """
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="fastnn2-compare-") as folder:
        sides = [
            Side(label, path, Path(folder, label))
            for label, path in (("this", environment.ROOT), ("other", Path(checkout).resolve()))
        ]
        for side in sides:
            _, file = side.run(["-c", "import fastnn2; print(fastnn2.__file__)"])
            side.check_import(file.strip())
            say(f"{side.label + ':':6} {side.checkout} at {side.commit or 'no commit'}")
        described = environment.describe()
        say("\n".join(environment.as_lines(described)))
        say("A ratio is the time of this one divided by that of the other: above 1 this one is slower.")
        results = {
            "environment": described,
            **{side.label: {"checkout": str(side.checkout), "commit": side.commit} for side in sides},
            "rows": [],
        }
        for row in rows.chosen(names):
            results["rows"].append(compare(row, sides, Path(folder, "data.npz")))
            say(line_of(results["rows"][-1]))
            if json_path:
                storage.write(json_path, results)
    found = pairs.conclusion(results["rows"])
    say(text_of(found, results["rows"]))
    say(f"({time.perf_counter() - begin:.0f} s)")
    if json_path:
        storage.write(json_path, results | {"conclusion": found})
    return found["exit_code"]


def compare(row, sides, data):
    """Measure a row; return a dict with its ratio, or with an ``error`` where a side cannot do it."""
    begin = time.perf_counter()
    found = {"part": row.part, "name": row.name}
    same_bits = []
    try:
        if row.data:
            rows.write_data(row, data)
        if not row.job:  # the first processes write byte code and compile kernels, and are not timed
            same_bits.append(len({side.run(arguments(row, data))[1] for side in sides}) == 1)
        start = partial(workers if row.job else scripts, row, sides, data, same_bits)
        with busy_loops(row.busy):
            estimate, times = pairs.take(start, starts=pairs.STARTS if row.job else 1)
    except Failure as error:
        # This checkout has to do everything; the other one may be too old.
        verdict = pairs.FAILED if error.label == "this" else pairs.NOT_MEASURED
        return found | {"verdict": verdict, "error": str(error)}
    finally:
        data.unlink(missing_ok=True)
    this, other = zip(*times, strict=True)
    return found | {
        "verdict": estimate.verdict, "same_bits": all(same_bits) or not row.printed, "pairs": estimate.pairs,
        "ratio": estimate.median, "interval": [estimate.low, estimate.high], "quartiles": list(estimate.quartiles),
        "seconds": {"this": statistics.median(this), "other": statistics.median(other)},
        "took": time.perf_counter() - begin,
    }  # fmt: skip


@contextlib.contextmanager
def workers(row, sides, data, same_bits):
    """Start a worker a side; yield ``pair(number)``, see :func:`bench.compare.pairs.take`."""
    order = {"do": "prepare", "data": str(data)}
    order |= {name: getattr(row, name) for name in ("dtype", "job", "options", "short", "way")}
    with contextlib.ExitStack() as stack:
        both = [stack.enter_context(Worker(side)) for side in sides]
        ready = [worker.ask(**order) for worker in both]
        same_bits.append(ready[0]["digest"] == ready[1]["digest"])
        repeats = row.repeats(statistics.fmean(answer["seconds"] for answer in ready))
        yield lambda number: in_turn(number, both, lambda worker: worker.ask(do="time", repeats=repeats)["seconds"])


@contextlib.contextmanager
def scripts(row, sides, data, same_bits):
    """Yield ``pair(number)`` that runs a process a side."""
    yield lambda number: in_turn(number, sides, lambda side: side.run(arguments(row, data), fresh=row.fresh)[0])


def in_turn(number, both, seconds_of):
    """Time the first and then the second, or the other way round where `number` is odd; return the seconds of both."""
    order = (0, 1) if number % 2 == 0 else (1, 0)
    seconds = {place: seconds_of(both[place]) for place in order}
    return seconds[0], seconds[1]


def arguments(row, data):
    return [text.format(data=str(data)) for text in row.script]


@contextlib.contextmanager
def busy_loops(wanted):
    """Keep every core busy meanwhile, where that is wanted."""
    loops = []
    try:
        for _ in range(max(2, usable_cores()) if wanted else 0):
            loops.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def line_of(row):
    """Return a row as a line of text."""
    if "error" in row:
        return f"  {row['name']:36} {MARKS[row['verdict']]}: {row['error']}"
    low, high = row["interval"]
    line = (
        f"  {row['name']:36} {row['ratio']:.3f} [{low:.3f}, {high:.3f}] {row['pairs']:4} pairs, "
        f"{row['seconds']['this'] * 1e3:9.3f} ms to {row['seconds']['other'] * 1e3:9.3f} ms"
    )
    marks = [MARKS[row["verdict"]]] if row["verdict"] in MARKS else []
    return ", ".join([line, *marks, *([] if row["same_bits"] else ["other bits"])])


def text_of(found, results):
    """Return the conclusion as text."""
    lines = [
        "",
        f"failed (a median above {pairs.SLOWER} and an interval above 1, or an error on this side): "
        + (", ".join(found["failed"]) or "none"),
        f"not measured (an interval wider than {pairs.WIDEST:.0%} after {pairs.MOST_PAIRS} pairs, or an error on the "
        "other side): " + (", ".join(found["not_measured"]) or "none"),
        f"other bits: {', '.join(row['name'] for row in results if not row.get('same_bits', True)) or 'none'}",
    ]
    if found["geometric_mean"] is None:
        return "\n".join([*lines, "nothing was measured"])
    counted = len(results) - len(found["not_measured"])
    mean = f"geometric mean of {counted} rows: {found['geometric_mean']:.4f} (at most {pairs.MEAN_SLOWER} is wanted)"
    return "\n".join([*lines, mean])
