"""The progress bar: when it is shown, and that it leaves no trace."""

import os
import select
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from data import PATIENCE

from fastnn2.kernels.shared.control_words import COMPLETED
from fastnn2.threads import progress

CODE = """
import sys, time
import numpy as np
import fastnn2
X = np.linspace(-1, 1, 4000).reshape(2, 2000)
Y = X[0] > 0
fastnn2.fit(X, Y, 0.5, 5, 1)  # loads the kernel
iterations, progress = int(sys.argv[1]), eval(sys.argv[2])

def seconds_of_iteration():
    begin = time.perf_counter()
    fastnn2.fit(X, Y, 0.5, 5, 200, n_threads=1, progress=False)
    return (time.perf_counter() - begin) / 200

if iterations > 1000:  # for so many samples that it takes SECONDS, however fast the processor is
    times = int(SECONDS / (iterations * min(seconds_of_iteration() for _ in range(10)))) + 1
    X, Y = np.tile(X, times), np.tile(Y, times)
print("ready", file=sys.stderr, flush=True)
params, costs = fastnn2.fit(X, Y, 0.5, 5, iterations, n_threads=1, progress=progress)
print("done", file=sys.stderr, flush=True)
assert len(costs) == iterations and np.isfinite(costs).all()
"""
SHORT = 200
LONG = 300_000
SECONDS = 4  # of LONG iterations


def command(iterations, wanted):
    return [sys.executable, "-c", f"SECONDS = {SECONDS}\n{CODE}", str(iterations), str(wanted)]


def between_marks(text):
    """Return the output between "ready" and "done": that of the progress bar."""
    assert text.count("ready") == text.count("done") == 1, text
    return text.partition("ready")[2].partition("done")[0].lstrip("\r\n")


def run_in_a_pipe(iterations, progress):
    """Run with standard error in a pipe; return the output of the bar."""
    done = subprocess.run(command(iterations, progress), capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""
    return between_marks(done.stderr.decode())


def run_on_a_terminal(iterations, progress):
    """Run with standard error on a pseudo-terminal; return the output of the bar."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(command(iterations, progress), stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    received, deadline = b"", time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                part = os.read(ours, 4096)
            except OSError:  # on Linux: the other end is closed
                break
            if not part:
                break
            received += part
        assert process.wait(timeout=PATIENCE) == 0, received
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return between_marks(received.decode())


def final_screen(text):
    """Return the lines that a terminal shows in the end, after carriage returns and erasures."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        shown, at = [], 0
        rest = line
        while rest:
            if rest.startswith("\x1b[K"):
                del shown[at:]
                rest = rest[3:]
            elif rest.startswith("\x1b[A"):
                rest = rest[3:]
            elif rest[0] == "\r":
                at, rest = 0, rest[1:]
            else:
                shown[at : at + 1] = [rest[0]]
                at, rest = at + 1, rest[1:]
        lines.append("".join(shown).rstrip())
    return "\n".join(lines).strip()


@pytest.mark.parametrize("iterations", [SHORT, LONG])
def test_progress_true_shows_a_bar(iterations):
    text = run_in_a_pipe(iterations, True)
    assert f"/{iterations}" in text.replace("k", "000")
    assert final_screen(text) == ""


@pytest.mark.parametrize("progress", [None, False])
def test_no_bar_in_a_pipe_by_default(progress):
    assert run_in_a_pipe(LONG, progress) == ""


def test_progress_none_shows_a_bar_on_a_terminal_for_a_long_job():
    text = run_on_a_terminal(LONG, None)
    assert "training" in text
    assert f"/{LONG // 1000}k" in text
    assert final_screen(text) == ""


@pytest.mark.parametrize(("iterations", "progress"), [(SHORT, None), (0, None), (LONG, False)])
def test_no_bar_on_a_terminal_for_a_short_job_or_progress_false(iterations, progress):
    assert run_on_a_terminal(iterations, progress) == ""


def test_bar_counts_completed_iterations():
    text = run_on_a_terminal(LONG, True)
    counts = [part.rpartition("|")[2].strip() for part in text.split(f"/{LONG // 1000}k")[:-1]]
    numbers = [float(count.rstrip("k")) * (1000 if count.endswith("k") else 1) for count in counts]
    assert numbers == sorted(numbers)
    assert 0 < numbers[len(numbers) // 2] < LONG


def test_fit_works_without_standard_error():
    """sys.stderr is None, for example, under pythonw."""
    code = "import sys; sys.stderr = None; import fastnn2; fastnn2.fit([[0.0, 1.0]], [0, 1], 0.5, 2, 10)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_bar_does_not_change_the_result():
    import fastnn2

    X, Y = np.random.RandomState(0).standard_normal((2, 500)), np.arange(500) % 2
    quiet = fastnn2.fit(X, Y, 0.5, 5, 1000, progress=False)[1]
    assert np.array_equal(fastnn2.fit(X, Y, 0.5, 5, 1000, progress=True)[1], quiet)


class Bar:
    """What RowsProgress needs of a bar of tqdm."""

    def __init__(self, **options):
        self.options, self.n, self.texts = options, options.get("initial", 0), []

    def update(self, more):
        self.n += more

    def set_postfix_str(self, text, refresh):
        self.texts.append(text)

    def close(self):
        pass


def test_rows_are_counted_and_what_is_waited_for_is_told(monkeypatch):
    bars, now = [], [100.0]
    monkeypatch.setattr(progress, "bar_class", lambda: lambda **options: bars.append(Bar(**options)) or bars[-1])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    control, waited = np.zeros(COMPLETED + 1, np.int64), [0.0]
    with progress.RowsProgress(control, 3, True, 100, lambda: waited[0]) as bar:
        (shown,) = bars
        assert shown.options["total"] == 300
        assert shown.options["unit"] == " rows"
        now[0], waited[0] = 104.0, 1.0
        bar.add_rows(60)
        assert (shown.n, shown.texts[-1]) == (60, "25% of the time waiting for rows")
        now[0], waited[0] = 110.0, 9.0
        bar.add_rows(40)
        assert (shown.n, shown.texts[-1]) == (100, "90% of the time waiting for rows")
        control[COMPLETED] = 1
        bar.end_iteration()
        assert bar.done() == 100
        bar.add_rows(60)
        assert shown.n == 160


@pytest.mark.parametrize("wanted", [None, False])
def test_no_bar_of_rows_without_a_terminal(wanted, monkeypatch):
    monkeypatch.setattr(progress, "bar_class", None)
    monkeypatch.setattr(progress, "is_terminal", lambda stream: False)
    with progress.RowsProgress(np.zeros(COMPLETED + 1, np.int64), 3, wanted, 100, lambda: 0.0) as bar:
        bar.add_rows(60)
        assert bar.done() == 60


@pytest.mark.parametrize(("rows", "is_shown"), [(100, True), (290, False)])
def test_a_bar_of_rows_comes_if_the_run_takes_long(rows, is_shown, monkeypatch):
    bars, now = [], [100.0]
    monkeypatch.setattr(progress, "bar_class", lambda: lambda **options: bars.append(Bar(**options)) or bars[-1])
    monkeypatch.setattr(progress, "is_terminal", lambda stream: True)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    with progress.RowsProgress(np.zeros(COMPLETED + 1, np.int64), 3, None, 100, lambda: 0.3) as bar:
        bar.add_rows(1)
        assert bars == []
        now[0] += 0.6
        bar.add_rows(rows - 1)
        assert len(bars) == is_shown
        assert not bars or bars[0].n == rows


def test_a_run_that_goes_on_counts_from_there(monkeypatch):
    bars = []
    monkeypatch.setattr(progress, "bar_class", lambda: lambda **options: bars.append(Bar(**options)) or bars[-1])
    control = np.zeros(COMPLETED + 1, np.int64)
    control[COMPLETED] = 2
    with progress.RowsProgress(control, 3, True, 100, lambda: 0.0) as bar:
        bar.add_rows(30)
    assert bars[0].n == 230
    assert bars[0].options["total"] == 300


def test_networks_of_all_teams_are_counted(monkeypatch):
    """Networks that all threads share are counted one by one, and those of each team by its control words."""
    bars = []
    monkeypatch.setattr(progress, "bar_class", lambda: lambda **options: bars.append(Bar(**options)) or bars[-1])
    with progress.NetworksProgress(10, True) as bar:
        (shown,) = bars
        assert (shown.options["total"], shown.options["unit"]) == (10, " networks")
        bar.add_network()
        bar.add_network()
        assert shown.n == 2
        first, second = (np.zeros(COMPLETED + 1, np.int64) for _ in range(2))
        bar.begin_team(first)
        bar.update()
        assert shown.n == 2
        first[COMPLETED] = 5
        bar.update()
        assert shown.n == 7
        bar.begin_team(second)
        bar.update()
        assert shown.n == 7
        second[COMPLETED] = 3
        bar.update()
        assert (shown.n, bar.done()) == (10, 10)


NETWORKS = """
import sys
import numpy as np
import fastnn2
X = np.linspace(-1, 1, 4000).reshape(2, 2000)
Y = X[0] > 0
fastnn2.fit_many([X, X.astype("float32")], Y, 0.5, 5, 1)  # loads the kernels
fastnn2.fit(X, Y, 0.5, 5, 1)
print("ready", file=sys.stderr, flush=True)
inputs = [X, X.astype("float32"), X[:, ::2]]
results = fastnn2.fit_many(inputs * 100, [Y, Y, Y[::2]] * 100, 0.5, 5, 200, n_threads=2, progress=eval(sys.argv[1]))
print("done", file=sys.stderr, flush=True)
assert len(results) == 300
"""


@pytest.mark.parametrize("wanted", [True, None, False])
def test_the_bar_of_fit_many_counts_networks(wanted):
    command = [sys.executable, "-c", NETWORKS, str(wanted)]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr.decode()
    text = between_marks(done.stderr.decode())
    if not wanted:
        assert text == ""
        return
    counts = [part.rpartition("|")[2].strip() for part in text.split("/300")[:-1]]
    assert counts[0] == "0.00"
    assert counts == sorted(counts, key=float)
    assert " networks/s" in text
    assert final_screen(text) == ""
