"""The parallel loop: all items are done, also if the system refuses threads; errors and signals stop it."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from data import PATIENCE

from fastnn2.engine import layout
from fastnn2.threads.parallel_for import parallel_for


@pytest.fixture(params=[0, 1, 2])
def few_threads(request, monkeypatch):
    """A system that starts only 0, 1 or 2 more threads; return those that it has started."""
    start, started = threading.Thread.start, []

    def limited(self):
        if len(started) == request.param:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    return started


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_all_threads_work_at_the_same_time(threads):
    barrier, calls = threading.Barrier(threads, timeout=PATIENCE), {}

    def body(thread, item):
        barrier.wait()
        calls[thread] = threading.get_ident(), item

    parallel_for(body, "abcde"[:threads], threads)
    assert sorted(calls) == list(range(threads))
    idents, items = zip(*calls.values(), strict=True)
    assert len(set(idents)) == threads
    assert sorted(items) == list("abcde"[:threads])
    assert calls[0][0] == threading.get_ident()


def test_all_items_are_done_if_the_system_refuses_threads(few_threads):
    done = []
    parallel_for(lambda _, item: done.append(item), range(1000), 5)
    assert sorted(done) == list(range(1000))
    assert len(few_threads) <= 2


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_exception_of_a_call_is_raised_and_stops_the_others(failing, kind):
    barrier, done = threading.Barrier(3, timeout=PATIENCE), []

    def body(thread, item):
        if item < 3:
            barrier.wait()  # all threads have an item
        if thread == failing:
            raise kind("failed")
        time.sleep(0.001)
        done.append(item)

    with pytest.raises(kind, match="failed"):
        parallel_for(body, range(30_000), 3)
    assert len(done) < 10_000  # no thread did all the rest


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2])
def test_signal_during_the_start_of_threads_stops_those_already_started(number, when, monkeypatch):
    start, started, done = threading.Thread.start, [], []

    def interrupted(self):
        started.append(self)
        if len(started) == number and when == "before":
            raise KeyboardInterrupt
        start(self)
        if len(started) == number:
            raise KeyboardInterrupt

    def body(_, item):
        time.sleep(0.001)
        done.append(item)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parallel_for(body, range(30_000), 4)
    for thread in started:
        if thread.ident is not None:  # it has started
            thread.join(PATIENCE)
    assert len(done) < 10_000


def test_large_copy_if_the_system_refuses_threads(few_threads, monkeypatch):
    monkeypatch.setattr(layout, "usable_cores", lambda: 4)
    matrix = np.random.RandomState(0).standard_normal((2, layout.PARALLEL_BYTES // 16))
    groups, is_finite = layout.to_groups(matrix, np.float64, None)
    assert is_finite
    back = np.empty_like(matrix)
    layout.from_groups(groups, 2, back)
    assert back.tobytes() == matrix.tobytes()


def test_works_while_python_shuts_down():
    code = """
import atexit
from fastnn2.threads.parallel_for import parallel_for
done = []
atexit.register(lambda: print(sorted(done)))  # registered first, runs last
atexit.register(lambda: parallel_for(lambda _, item: done.append(item), range(5), 3))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert (done.stdout, done.stderr) == ("[0, 1, 2, 3, 4]\n", "")
