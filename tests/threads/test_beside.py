"""Threads beside a caller that waits: they do all, what one raises stops all, and signals leave no thread behind."""

import contextvars
import signal
import threading
import time
import types

import pytest
from data import PATIENCE, assert_ended
from thread_data import blocked_signals, count_threads, raise_at_bytecode

from fastnn2.threads import beside
from fastnn2.threads.beside import run_beside


def nothing():
    pass


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_all_threads_work_at_the_same_time_and_not_the_caller(threads):
    before, barrier, found = count_threads(), threading.Barrier(threads, timeout=PATIENCE), {}

    def work(thread):
        barrier.wait()
        found[thread] = threading.get_ident()

    assert run_beside(work, threads, nothing) == threads
    assert sorted(found) == list(range(threads))
    assert len({*found.values(), threading.get_ident()}) == threads + 1
    assert_ended(before, count_threads)


def test_threads_have_the_context_of_the_caller_and_block_signals():
    variable, found = contextvars.ContextVar("variable"), []
    variable.set("of the caller")
    run_beside(lambda _: found.append((variable.get(), blocked_signals("self"))), 2, nothing)
    assert [value for value, _ in found] == ["of the caller"] * 2
    assert all(signal.SIGINT in blocked for _, blocked in found)


@pytest.mark.parametrize("granted", [0, 1, 2])
def test_the_system_refuses_threads(granted, monkeypatch):
    start, left, done = beside.start_new_thread, [True] * granted, []

    def limited(*arguments):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        return start(*arguments)

    monkeypatch.setattr(beside, "start_new_thread", limited)
    assert run_beside(done.append, 3, nothing) == granted
    assert sorted(done) == list(range(granted))


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_a_thread_raises_stops_the_others_and_is_raised(kind):
    is_told, told = threading.Event(), []

    def work(thread):
        if thread == 1:
            raise kind("failed")
        told.append(is_told.wait(PATIENCE))

    with pytest.raises(kind, match="failed"):
        run_beside(work, 3, is_told.set)
    assert told == [True, True]


def test_an_error_of_a_signal_comes_before_those_of_threads_that_it_stops():
    is_told, entered = threading.Event(), threading.Barrier(3, timeout=PATIENCE)

    def work(_):
        entered.wait()
        is_told.wait(PATIENCE)
        raise ValueError("stopped")

    def handler(*_):
        raise TimeoutError("too late")

    def interrupt():
        entered.wait()
        signal.raise_signal(signal.SIGINT)

    sender, handled = threading.Thread(target=interrupt), signal.signal(signal.SIGINT, handler)
    sender.start()
    try:
        with pytest.raises(TimeoutError, match="too late"):
            run_beside(work, 2, is_told.set)
    finally:
        signal.signal(signal.SIGINT, handled)
    sender.join(PATIENCE)


def test_a_signal_at_each_bytecode_is_raised_when_all_threads_have_ended():
    before = count_threads()
    inside = [constant for constant in run_beside.__code__.co_consts if isinstance(constant, types.CodeType)]
    for target in range(1, 1000):
        is_told, entered, left = threading.Event(), [], []

        def work(thread, is_told=is_told, entered=entered, left=left):
            entered.append(thread)
            is_told.wait(0.01)
            left.append(thread)

        raised = False
        with raise_at_bytecode(target, [run_beside, *inside], KeyboardInterrupt) as seen:
            try:
                run_beside(work, 2, is_told.set)
            except KeyboardInterrupt:
                assert len(entered) == len(left)
                raised = True
        if len(seen) < target:
            break
        assert raised
    assert target > 100
    assert_ended(before, count_threads)


def test_a_second_signal_while_the_threads_are_told_to_stop():
    entered, left, told = threading.Barrier(3, timeout=PATIENCE), [], []

    def work(thread):
        entered.wait()
        while len(told) < 3:
            time.sleep(0.001)
        left.append(thread)

    def stop():
        told.append(1)
        if len(told) < 3:
            raise KeyboardInterrupt

    def interrupt():
        entered.wait()
        signal.raise_signal(signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        run_beside(work, 2, stop)
    assert sorted(left) == [0, 1]
    sender.join(PATIENCE)
