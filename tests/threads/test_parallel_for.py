"""Items for several threads: also where the system starts fewer, and where a call fails."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from data import PATIENCE

from fastnn2.codegen import store
from fastnn2.engine import inference, layout, mini_batch
from fastnn2.kernels.shared import choices
from fastnn2.threads.parallel_for import on_threads


@pytest.fixture(params=[0, 1, 2])
def few_threads(request, monkeypatch):
    """A system that starts so many threads more, and then refuses."""
    start, started = threading.Thread.start, []

    def limited(self):
        if len(started) == request.param:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    return started


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_number_is_called_at_the_same_time(threads):
    barrier, calls = threading.Barrier(threads, timeout=PATIENCE), {}

    def work(number, item):
        barrier.wait()
        calls[number] = threading.get_ident(), item

    on_threads(work, "abcde"[:threads], threads)
    assert sorted(calls) == list(range(threads))
    found, items = zip(*calls.values(), strict=True)
    assert len(set(found)) == threads
    assert sorted(items) == list("abcde"[:threads])
    assert calls[0][0] == threading.get_ident()


def test_nothing_is_left_undone_where_the_system_refuses_threads(few_threads):
    done = []
    on_threads(lambda _, item: done.append(item), range(1000), 5)
    assert sorted(done) == list(range(1000))
    assert len(few_threads) <= 2


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_what_a_call_raises_is_raised_and_stops_the_others(failing, kind):
    barrier, done = threading.Barrier(3, timeout=PATIENCE), []

    def work(number, item):
        if item < 3:
            barrier.wait()  # all are at work
        if number == failing:
            raise kind("a mistake")
        time.sleep(0.001)
        done.append(item)

    with pytest.raises(kind, match="a mistake"):
        on_threads(work, range(3000), 3)
    assert len(done) < 1000  # nobody went on


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_signal_while_threads_are_started_stops_those_that_are_there(number, when, monkeypatch):
    start, started, done = threading.Thread.start, [], []

    def interrupted(self):
        started.append(self)
        if len(started) == number and when == "before":
            raise KeyboardInterrupt
        start(self)
        if len(started) == number:
            raise KeyboardInterrupt

    def work(_, item):
        time.sleep(0.001)
        done.append(item)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        on_threads(work, range(3000), 4)
    for thread in started:
        if thread.ident is not None:  # it was started
            thread.join(PATIENCE)
    assert len(done) < 1000


def test_a_large_copy_where_the_system_refuses_threads(few_threads, monkeypatch):
    monkeypatch.setattr(layout, "usable_cores", lambda: 4)
    matrix = np.random.RandomState(0).standard_normal((2, layout.PARALLEL_BYTES // 16))
    groups, finite = layout.to_groups(matrix, np.float64, None)
    assert finite
    back = np.empty_like(matrix)
    layout.from_groups(groups, 2, back)
    assert back.tobytes() == matrix.tobytes()


def outputs(X, threads):
    network = mini_batch.Network(30, 10, 1, choices.RELU, choices.SQUARED_ERROR)
    params = np.random.RandomState(1).standard_normal(network.count)
    return inference.outputs(network, mini_batch.SampleMatrix(X, "float64"), params, threads)[0]


def test_outputs_where_the_system_refuses_threads(few_threads):
    X = np.random.RandomState(0).standard_normal((20_000, 30))
    assert outputs(X, 4).tobytes() == outputs(X, 1).tobytes()


def test_a_kernel_that_fails_in_another_thread_is_heard_of(monkeypatch):
    kernel, main = store.kernel, threading.get_ident()

    def failing(name, dtype):
        def call(*arguments):
            if threading.get_ident() != main:
                raise RuntimeError("the kernel failed")
            kernel(name, dtype)(*arguments)

        return call

    monkeypatch.setattr(store, "kernel", failing)
    with pytest.raises(RuntimeError, match="the kernel failed"):
        outputs(np.zeros((200_000, 30)), 2)


def test_while_python_ends():
    code = """
import atexit
from fastnn2.threads.parallel_for import on_threads
done = []
atexit.register(lambda: print(sorted(done)))  # the last to be registered is the first to run
atexit.register(lambda: on_threads(lambda _, item: done.append(item), range(5), 3))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert (done.stdout, done.stderr) == ("[0, 1, 2, 3, 4]\n", "")
