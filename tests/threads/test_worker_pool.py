"""The worker pool: workers do their part of each job, their errors and signals are raised, and they end."""

import os
import time
from queue import Empty, SimpleQueue

import numpy as np
import pytest

from fastnn2.engine.layout import aligned_zeros
from fastnn2.kernels.shared import control_words
from fastnn2.threads import worker_pool


def new_control():
    return aligned_zeros(control_words.CONTROL_SIZE, np.int64)


def enter(control):
    """Do what thread 0 does at the start of a kernel."""
    control[control_words.ENTERED] += 1


def test_each_thread_does_its_part_of_each_job():
    pool = worker_pool.WorkerPool(2)
    for requested in (3, 1, 2, 3, 7):
        control, seen = new_control(), []

        def work(thread, threads, control=control, seen=seen):
            enter(control)
            seen.append((thread, threads))

        pool.run(control, work, requested)
        size = min(requested, 3)
        assert sorted(seen) == [(thread, size) for thread in range(size)]
    pool.end()


def test_prepare_is_called_before_thread_0_works():
    pool, control, seen = worker_pool.WorkerPool(1), new_control(), []

    def work(thread, threads):
        if thread == 0:
            enter(control)
            seen.append("work")
        while control[control_words.ENTERED] == 0:
            time.sleep(0.001)

    pool.run(control, work, 2, lambda: seen.append("prepared"))
    assert seen == ["prepared", "work"]
    pool.end()


def test_error_in_prepare_releases_the_workers():
    pool, control, found = worker_pool.WorkerPool(1), new_control(), []

    def work(thread, threads):
        while control[control_words.ENTERED] == 0:
            time.sleep(0.001)
        found.append((thread, int(control[control_words.ENTERED])))

    def prepare():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.run(control, work, 2, prepare)
    assert found == [(1, control_words.SHUT_DOWN)]
    pool.end()


def test_workers_end_only_with_the_pool(monkeypatch):
    start, ended = worker_pool.start_new_thread, SimpleQueue()

    def start_and_report(function, arguments):
        start(lambda: ended.put(function(*arguments)), ())

    monkeypatch.setattr(worker_pool, "start_new_thread", start_and_report)
    pool = worker_pool.WorkerPool(3)
    pool.run(new_control(), lambda *_: None, 1)
    with pytest.raises(Empty):
        ended.get(timeout=0.05)
    pool.end()
    assert [ended.get(timeout=2) for _ in range(3)] == [None] * 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_signal_during_the_start_of_workers_leaves_none_behind(when, monkeypatch):
    start, started, ended = worker_pool.start_new_thread, [], SimpleQueue()

    def interrupted(function, arguments):
        if len(started) == 1 and when == "before":
            raise KeyboardInterrupt
        started.append(start(lambda: ended.put(function(*arguments)), ()))
        if len(started) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(worker_pool, "start_new_thread", interrupted)
    pool = worker_pool.WorkerPool(3)
    with pytest.raises(KeyboardInterrupt):
        pool.run(new_control(), lambda *_: None, 4)
    pool.end()
    assert [ended.get(timeout=2) for _ in started] == [None] * len(started)


def stay(control, thread, threads, seen):
    """Do what the estimators' kernels do with persistent workers: each call of thread 0 is a call of all threads."""
    call = 1
    if thread == 0:
        enter(control)
        seen.append((thread, threads, int(control[control_words.ENTERED])))
        while seen.count((1, threads, int(control[control_words.ENTERED]))) == 0:
            time.sleep(0.001)
        return
    while True:
        while 0 <= control[control_words.ENTERED] < call:
            time.sleep(0.001)
        if control[control_words.ENTERED] == control_words.SHUT_DOWN:
            return
        seen.append((thread, threads, call))
        if not control[control_words.PERSISTENT]:
            return
        call += 1


def test_persistent_workers_are_started_once_for_all_jobs():
    pool, control, seen, called, prepared = worker_pool.WorkerPool(1), new_control(), [], [], []

    def work(thread, threads):
        called.append(thread)
        stay(control, thread, threads, seen)

    for call in (1, 2, 3):
        pool.run(control, work, 2, lambda call=call: prepared.append(call), persistent=True)
        assert sorted(seen[-2:]) == [(0, 2, call), (1, 2, call)]
    assert (sorted(called), prepared) == ([0, 0, 0, 1], [1, 2, 3])
    other_control, other_called = new_control(), []

    def other_work(thread, threads):
        if thread == 0:
            enter(other_control)
        other_called.append(thread)

    pool.run(other_control, other_work, 2)  # another job, for which the worker leaves the first
    assert control[control_words.ENTERED] == control_words.SHUT_DOWN
    assert sorted(other_called) == [0, 1]
    pool.end()


@pytest.mark.parametrize("where", ["prepare", "between"])
def test_persistent_workers_leave_when_the_caller_is_interrupted(where):
    pool, control, seen, ended = worker_pool.WorkerPool(1), new_control(), [], SimpleQueue()

    def work(thread, threads):
        stay(control, thread, threads, seen)
        ended.put(thread)

    def interrupt():
        raise KeyboardInterrupt

    pool.run(control, work, 2, persistent=True)
    assert ended.get(timeout=2) == 0
    if where == "prepare":
        with pytest.raises(KeyboardInterrupt):
            pool.run(control, work, 2, interrupt, persistent=True)
    pool.end()
    assert ended.get(timeout=2) == 1
    assert control[control_words.ENTERED] == control_words.SHUT_DOWN


class InterruptedQueue:
    """A queue whose first `count` calls of `get` take an item and then raise KeyboardInterrupt."""

    def __init__(self, queue, count):
        self.queue, self.count = queue, count

    def put(self, item):
        self.queue.put(item)

    def get(self):
        item = self.queue.get(timeout=2)
        self.count -= 1
        if self.count >= 0:
            raise KeyboardInterrupt
        return item


@pytest.mark.parametrize("persistent", [False, True])
def test_no_result_is_waited_for_twice_after_a_signal(persistent):
    pool, control, seen = worker_pool.WorkerPool(1), new_control(), []
    pool._results = InterruptedQueue(pool._results, 1)

    def work(thread, threads):
        stay(control, thread, threads, seen)

    if persistent:
        pool.run(control, work, 2, persistent=True)
    with pytest.raises(KeyboardInterrupt):
        pool.end() if persistent else pool.run(control, work, 2)
    pool.end()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_forked_child_works_without_the_workers():
    pool, control, seen = worker_pool.WorkerPool(1), new_control(), []

    def work(thread, threads):
        if os.getpid() == parent:
            stay(control, thread, threads, seen)
        else:
            seen.append((thread, threads))

    parent = os.getpid()
    pool.run(control, work, 2, persistent=True)
    child = os.fork()
    if child == 0:
        pool.run(control, work, 2, persistent=True)
        pool.end()
        os._exit(seen[-1] != (0, 1))
    assert os.waitpid(child, 0)[1] == 0
    pool.run(control, work, 2, persistent=True)
    assert sorted(seen[-2:]) == [(0, 2, 2), (1, 2, 2)]
    pool.end()


def test_error_of_a_worker_is_raised():
    pool, control = worker_pool.WorkerPool(1), new_control()

    def work(thread, threads):
        enter(control)
        if thread == 1:
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        pool.run(control, work, 2)
    pool.end()


def test_exception_of_thread_0_before_the_kernel_releases_the_workers():
    pool, control, found = worker_pool.WorkerPool(1), new_control(), []

    def work(thread, threads):
        if thread == 0:
            raise KeyboardInterrupt
        while control[control_words.ENTERED] == 0:
            time.sleep(0.001)
        found.append(int(control[control_words.ENTERED]))

    with pytest.raises(KeyboardInterrupt):
        pool.run(control, work, 2)
    assert found == [control_words.SHUT_DOWN]
    pool.end()


@pytest.mark.parametrize("granted", [0, 1])
def test_pool_is_smaller_if_the_system_refuses_threads(granted, monkeypatch):
    start, requests = worker_pool.start_new_thread, []

    def start_or_refuse(function, arguments):
        requests.append(arguments)
        if len(requests) > granted:
            raise RuntimeError("can't start new thread")
        start(function, arguments)

    monkeypatch.setattr(worker_pool, "start_new_thread", start_or_refuse)
    pool, control, sizes = worker_pool.WorkerPool(3), new_control(), []

    def work(thread, threads):
        enter(control)
        sizes.append(threads)

    pool.run(control, work, 4)
    assert sizes == [granted + 1] * (granted + 1)
    pool.end()
