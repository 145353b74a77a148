"""Threads that wait between short jobs: they do their part, hand on what is raised, and end."""

import os
import time
from queue import Empty, SimpleQueue

import numpy as np
import pytest

from fastnn2.engine.layout import aligned_zeros
from fastnn2.kernels.shared import control_words
from fastnn2.threads import worker_pool


def control():
    return aligned_zeros(control_words.CONTROL_SIZE, np.int64)


def come(words):
    """Do what thread 0 does at the start of a kernel."""
    words[control_words.ENTERED] += 1


def test_each_thread_does_its_part_of_each_job():
    team = worker_pool.WorkerPool(2)
    for threads in (3, 1, 2, 3, 7):
        words, seen = control(), []

        def work(number, size, words=words, seen=seen):
            come(words)
            seen.append((number, size))

        team.run(words, work, threads)
        size = min(threads, 3)
        assert sorted(seen) == [(number, size) for number in range(size)]
    team.end()


def test_the_caller_prepares_before_its_own_part():
    team, words, seen = worker_pool.WorkerPool(1), control(), []

    def work(number, size):
        if number == 0:
            come(words)
            seen.append("work")
        while words[control_words.ENTERED] == 0:
            time.sleep(0.001)

    team.run(words, work, 2, lambda: seen.append("prepared"))
    assert seen == ["prepared", "work"]
    team.end()


def test_an_error_in_preparing_lets_the_others_go():
    team, words, found = worker_pool.WorkerPool(1), control(), []

    def work(number, size):
        while words[control_words.ENTERED] == 0:
            time.sleep(0.001)
        found.append((number, int(words[control_words.ENTERED])))

    def prepare():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        team.run(words, work, 2, prepare)
    assert found == [(1, control_words.SHUT_DOWN)]
    team.end()


def test_they_end(monkeypatch):
    start, ended = worker_pool.start_new_thread, SimpleQueue()

    def start_and_tell(function, arguments):
        start(lambda: ended.put(function(*arguments)), ())

    monkeypatch.setattr(worker_pool, "start_new_thread", start_and_tell)
    team = worker_pool.WorkerPool(3)
    team.run(control(), lambda *_: None, 1)
    with pytest.raises(Empty):
        ended.get(timeout=0.05)
    team.end()
    assert [ended.get(timeout=2) for _ in range(3)] == [None] * 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_signal_while_they_are_started_leaves_none_behind(when, monkeypatch):
    start, started, ended = worker_pool.start_new_thread, [], SimpleQueue()

    def interrupted(function, arguments):
        if len(started) == 1 and when == "before":
            raise KeyboardInterrupt
        started.append(start(lambda: ended.put(function(*arguments)), ()))
        if len(started) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(worker_pool, "start_new_thread", interrupted)
    team = worker_pool.WorkerPool(3)
    with pytest.raises(KeyboardInterrupt):
        team.run(control(), lambda *_: None, 4)
    team.end()
    assert [ended.get(timeout=2) for _ in started] == [None] * len(started)


def stay(words, number, size, seen):
    """Do what the kernels of the estimators do where threads stay: a call of thread 0 is a call of all."""
    call = 1
    if number == 0:
        come(words)
        seen.append((number, size, int(words[control_words.ENTERED])))
        while seen.count((1, size, int(words[control_words.ENTERED]))) == 0:
            time.sleep(0.001)
        return
    while True:
        while 0 <= words[control_words.ENTERED] < call:
            time.sleep(0.001)
        if words[control_words.ENTERED] == control_words.SHUT_DOWN:
            return
        seen.append((number, size, call))
        if not words[control_words.PERSISTENT]:
            return
        call += 1


def test_helpers_that_stay_are_called_once_for_all_calls():
    team, words, seen, called, prepared = worker_pool.WorkerPool(1), control(), [], [], []

    def work(number, size):
        called.append(number)
        stay(words, number, size, seen)

    for call in (1, 2, 3):
        team.run(words, work, 2, lambda call=call: prepared.append(call), persistent=True)
        assert sorted(seen[-2:]) == [(0, 2, call), (1, 2, call)]
    assert (sorted(called), prepared) == ([0, 0, 0, 1], [1, 2, 3])
    others, late = control(), []

    def other(number, size):
        if number == 0:
            come(others)
        late.append(number)

    team.run(others, other, 2)  # another job sends them away from the first
    assert words[control_words.ENTERED] == control_words.SHUT_DOWN
    assert sorted(late) == [0, 1]
    team.end()


@pytest.mark.parametrize("where", ["prepare", "between"])
def test_helpers_that_stay_go_when_the_caller_is_interrupted(where):
    team, words, seen, ended = worker_pool.WorkerPool(1), control(), [], SimpleQueue()

    def work(number, size):
        stay(words, number, size, seen)
        ended.put(number)

    def interrupt():
        raise KeyboardInterrupt

    team.run(words, work, 2, persistent=True)
    assert ended.get(timeout=2) == 0
    if where == "prepare":
        with pytest.raises(KeyboardInterrupt):
            team.run(words, work, 2, interrupt, persistent=True)
    team.end()
    assert ended.get(timeout=2) == 1
    assert words[control_words.ENTERED] == control_words.SHUT_DOWN


class Interrupted:
    """A queue whose first reports are taken out by a `get` that a signal then ends."""

    def __init__(self, queue, count):
        self.queue, self.count = queue, count

    def put(self, report):
        self.queue.put(report)

    def get(self):
        report = self.queue.get(timeout=2)
        self.count -= 1
        if self.count >= 0:
            raise KeyboardInterrupt
        return report


@pytest.mark.parametrize("persistent", [False, True])
def test_nothing_is_waited_for_twice_after_a_signal(persistent):
    team, words, seen = worker_pool.WorkerPool(1), control(), []
    team._done = Interrupted(team._done, 1)

    def work(number, size):
        stay(words, number, size, seen)

    if persistent:
        team.run(words, work, 2, persistent=True)
    with pytest.raises(KeyboardInterrupt):
        team.end() if persistent else team.run(words, work, 2)
    team.end()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_goes_on_alone():
    team, words, seen = worker_pool.WorkerPool(1), control(), []

    def work(number, size):
        if os.getpid() == here:
            stay(words, number, size, seen)
        else:
            seen.append((number, size))

    here = os.getpid()
    team.run(words, work, 2, persistent=True)
    child = os.fork()
    if child == 0:
        team.run(words, work, 2, persistent=True)
        team.end()
        os._exit(seen[-1] != (0, 1))
    assert os.waitpid(child, 0)[1] == 0
    team.run(words, work, 2, persistent=True)
    assert sorted(seen[-2:]) == [(0, 2, 2), (1, 2, 2)]
    team.end()


def test_what_a_helper_raises_comes_out():
    team, words = worker_pool.WorkerPool(1), control()

    def work(number, size):
        come(words)
        if number == 1:
            raise ValueError("a mistake of ours")

    with pytest.raises(ValueError, match="a mistake of ours"):
        team.run(words, work, 2)
    team.end()


def test_a_caller_who_does_not_come_lets_the_others_go():
    team, words, found = worker_pool.WorkerPool(1), control(), []

    def work(number, size):
        if number == 0:
            raise KeyboardInterrupt
        while words[control_words.ENTERED] == 0:
            time.sleep(0.001)
        found.append(int(words[control_words.ENTERED]))

    with pytest.raises(KeyboardInterrupt):
        team.run(words, work, 2)
    assert found == [control_words.SHUT_DOWN]
    team.end()


@pytest.mark.parametrize("granted", [0, 1])
def test_a_system_that_refuses_threads(granted, monkeypatch):
    start, asked = worker_pool.start_new_thread, []

    def start_or_refuse(function, arguments):
        asked.append(arguments)
        if len(asked) > granted:
            raise RuntimeError("can't start new thread")
        start(function, arguments)

    monkeypatch.setattr(worker_pool, "start_new_thread", start_or_refuse)
    team, words, sizes = worker_pool.WorkerPool(3), control(), []

    def work(number, size):
        come(words)
        sizes.append(size)

    team.run(words, work, 4)
    assert sizes == [granted + 1] * (granted + 1)
    team.end()
