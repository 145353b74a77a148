"""The progress bar of partial_fit_blocks: when it is shown, and what it says."""

import io
import sys

import pytest
from block_data import Reiterable, cut, moons, trained

import fastnn2
from fastnn2.blocks import block_progress
from fastnn2.blocks.block_progress import BlockProgress

X, Y = moons(400)
BLOCKS = cut(X, Y, cuts=(0, 100, 200, 300, 400))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def new_screen(monkeypatch):
    """Put a terminal in the place of standard error; pytest replaces that of a fixture."""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    return found


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose number is the time."""
    now = [100.0]
    monkeypatch.setattr(block_progress.time, "perf_counter", lambda: now[0])
    return now


def new():
    return fastnn2.MLPClassifier(5, batch_size=50, random_state=0)


def test_true_and_false(monkeypatch):
    trained(new(), BLOCKS)  # which may compile, and says so
    screen = new_screen(monkeypatch)
    trained(new(), BLOCKS, progress=False)
    assert screen.getvalue() == ""
    trained(new(), BLOCKS, progress=True, random_state=1)
    assert "training" in screen.getvalue()
    assert "loss=" in screen.getvalue()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    trained(new(), BLOCKS, progress=True)
    assert "rows" in sys.stderr.getvalue()


def test_none_outside_of_a_terminal(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with BlockProgress(None) as bar:
        bar.start(0)
        clock[0] += 5
        bar.add(100, 0.5, 1000)
    assert sys.stderr.getvalue() == ""


def test_none_on_a_terminal(clock, monkeypatch):
    screen = new_screen(monkeypatch)
    with BlockProgress(None) as bar:
        bar.start(0)
        clock[0] += 0.4
        bar.add(100, 0.5, 200)
        clock[0] += 0.2
        bar.add(50, 0.5, 200)  # 0.6 of 0.8 seconds
        clock[0] += 9
        bar.add(50, 0.5, 200)
    assert screen.getvalue() == ""
    for total, rows in ((1000, 500), (None, 500)):
        with BlockProgress(None) as bar:
            bar.start(0)
            clock[0] += 0.6 if total else 1.1
            bar.add(rows, 0.25, total)
            assert ("500/1.00k" if total else "500 rows") in screen.getvalue()
            assert "loss=0.25" in screen.getvalue()
        screen.truncate(0)


def test_the_total_becomes_known(monkeypatch):
    seen = []

    def add(self, rows, loss, total):
        seen.append(total)

    monkeypatch.setattr(BlockProgress, "add", add)
    trained(new(), Reiterable(BLOCKS), 2, shuffle=False, classes=[0, 1])
    assert seen[:3] == [None] * 3
    assert seen[4:] == [800] * 4
    seen.clear()
    trained(new(), (X, Y), 2)
    assert seen == [800] * 2


def test_a_run_that_goes_on_begins_where_it_was(monkeypatch, tmp_path):
    first = []
    monkeypatch.setattr(BlockProgress, "start", lambda self, rows: first.append(rows))
    for epochs in (1, 2):
        trained(new(), (X, Y), epochs, checkpoint=tmp_path / "c", resume=True)
    assert first == [0, 400]
