"""What an operating system offers: cores, attributes of threads, blocked signals, and what replaces what is missing."""

import ctypes
import os
import signal
import threading
import time

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_ended, assert_same_bits, can_use_native_threads, count_os_threads
from thread_data import Without, blocked_signals, use_python_threads

import fastnn2
from fastnn2.threads import system

needs_native = pytest.mark.skipif(not can_use_native_threads(), reason="needs two cores and native threads")
needs_mask = pytest.mark.skipif(
    not (can_use_native_threads() and hasattr(system.libc_with_gil(), "pthread_attr_setsigmask_np")),
    reason="needs threads that start with a mask of signals",
)
# Signals that wake the main thread, and those that an instruction sends to its own thread.
BLOCKED = {signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGUSR1} if os.name == "posix" else ()
OWN = {getattr(signal, name) for name in system.OWN_SIGNALS} if os.name == "posix" else ()


@pytest.fixture(autouse=True)
def fresh_attributes():
    """Attributes made with a changed library are not kept."""
    system.thread_attributes.cache_clear()
    yield
    system.thread_attributes.cache_clear()


@needs_native
@pytest.mark.parametrize("cores", [{0}, {1, 3}, {63}, {64}, {2, 70, 130}])
def test_thread_attributes_have_the_cores(cores):
    attributes, mask = system.thread_attributes(frozenset(cores)), (ctypes.c_uint64 * 4)()
    size = ctypes.c_size_t(ctypes.sizeof(mask))
    assert system.libc_with_gil().pthread_attr_getaffinity_np(attributes, size, mask) == 0
    assert {core for core in range(256) if mask[core // 64] >> core % 64 & 1} == cores


class Waiting:
    """A thread of the system that has these attributes and waits for a byte; its number in /proc is `number`."""

    def __init__(self, attributes):
        self.library, before = system.libc_with_gil(), set(os.listdir("/proc/self/task"))
        self.reading, self.writing = os.pipe()
        semaphore = ctypes.create_string_buffer(64)
        assert self.library.sem_init(semaphore, 0, 0) == 0
        self.semaphore, self.handle = semaphore, ctypes.c_ulong()
        wait = ctypes.cast(self.library.sem_wait, ctypes.c_void_p)
        assert self.library.pthread_create(ctypes.byref(self.handle), attributes, wait, semaphore) == 0
        (self.number,) = set(os.listdir("/proc/self/task")) - before
        deadline = time.monotonic() + PATIENCE
        while self.state() != "S":  # until it waits: a thread begins with all signals blocked
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def state(self):
        with open(f"/proc/self/task/{self.number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]

    def end(self):
        assert self.library.sem_post(self.semaphore) == 0
        assert system.libc_without_gil().pthread_join(self.handle.value, None) == 0


@pytest.fixture
def start_waiting():
    """Return a function that starts a thread with some attributes; all threads end after the test."""
    threads, before = [], count_os_threads()

    def start(attributes):
        threads.append(Waiting(attributes))
        return threads[-1].number

    yield start
    for thread in threads:
        thread.end()
    assert_ended(before, count_os_threads)


@needs_mask
@pytest.mark.parametrize("cores", ["none", "one"])
def test_threads_have_the_cores_and_block_signals(cores, start_waiting):
    before, usable = blocked_signals("self"), system.affinity()
    cores = {max(usable)} if cores == "one" else set()
    number = start_waiting(system.thread_attributes(frozenset(cores)))
    blocked = blocked_signals(number)
    assert blocked >= BLOCKED
    assert not blocked & OWN
    assert os.sched_getaffinity(int(number)) == (cores or usable)
    assert (blocked_signals("self"), system.affinity()) == (before, usable)  # those of the caller do not change


@needs_native
def test_threads_start_without_a_mask_where_the_library_has_none(monkeypatch, start_waiting):
    """Before version 2.32 of the GNU C library, and elsewhere; their creator can block signals for them."""
    library = Without(system.libc_with_gil(), "pthread_attr_setsigmask_np")
    monkeypatch.setattr(system, "libc_with_gil", lambda: library)
    core = max(system.affinity())
    attributes = system.thread_attributes(frozenset({core}))
    monkeypatch.undo()
    number = start_waiting(attributes)
    assert os.sched_getaffinity(int(number)) == {core}
    assert blocked_signals(number) == blocked_signals("self")


@needs_native
def test_threads_inherit_blocked_signals_where_attributes_have_no_mask(monkeypatch, start_waiting):
    library = Without(system.libc_with_gil(), "pthread_attr_setsigmask_np")
    monkeypatch.setattr(system, "libc_with_gil", lambda: library)
    attributes, numbers, before = system.thread_attributes(frozenset()), [], blocked_signals("self")
    block, start, restore = system.with_signals_blocked(lambda: numbers.append(start_waiting(attributes)))
    assert block() == 0
    try:
        assert blocked_signals("self") >= BLOCKED
        start()
    finally:
        assert restore() == 0
    assert blocked_signals("self") == before
    blocked = blocked_signals(numbers[0])
    assert blocked >= BLOCKED
    assert not blocked & OWN


@needs_native
def test_block_signals_is_for_the_calling_thread_and_those_that_it_starts(start_waiting):
    found = []

    def block():
        system.block_signals()
        found.append(blocked_signals("self"))
        found.append(blocked_signals(start_waiting(None)))

    before = blocked_signals("self")
    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert found[0] >= BLOCKED
    assert not found[0] & OWN
    assert found[1] == found[0]
    assert blocked_signals("self") == before


@needs_native
def test_other_cores(monkeypatch):
    cores = system.affinity()
    for threads in range(1, len(cores) + 1):
        others = system.other_cores(threads)
        assert others < cores
        assert len(others) == len(cores) - 1
    assert not system.other_cores(len(cores) + 1)

    def refuse():
        raise OSError("not allowed")

    monkeypatch.setattr(system, "affinity", refuse)
    assert not system.other_cores(2)
    monkeypatch.undo()

    def no_library():
        raise AttributeError("sched_getcpu")

    monkeypatch.setattr(system, "libc_with_gil", no_library)
    assert not system.other_cores(2)


@needs_native
@pytest.mark.parametrize(
    "missing",
    [
        ("sched_getcpu",),
        ("pthread_attr_setaffinity_np",),
        ("pthread_setaffinity_np",),
        ("pthread_attr_setsigmask_np",),
        ("pthread_attr_setsigmask_np", "pthread_sigmask"),
        (
            "sched_getcpu",
            "pthread_attr_setaffinity_np",
            "pthread_setaffinity_np",
            "pthread_attr_setsigmask_np",
        ),  # macOS
    ],
    ids=" ".join,
)
def test_fit_where_the_library_lacks_a_function(missing, monkeypatch):
    """As musl and macOS do."""
    X = np.random.RandomState(0).standard_normal((2, 3000))
    expected = fastnn2.fit(X, X[0] > 0, 0.5, 5, 50, n_threads=1)
    library, before = Without(system.libc_with_gil(), *missing), blocked_signals("self")
    monkeypatch.setattr(system, "libc_with_gil", lambda: library)
    assert_same_bits(fastnn2.fit(X, X[0] > 0, 0.5, 5, 50, n_threads=2), expected)
    assert blocked_signals("self") == before


@pytest.mark.parametrize("count", [6, None])
def test_all_processors_are_usable_where_there_is_no_affinity(count, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert system.affinity() == set(range(count or 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("d", "h"), [(2, 5), (40, 110), (220, 600)], ids=["narrow", "layers", "wide"])
def test_python_threads_give_the_same_bits(d, h, dtype, monkeypatch):
    """Workers are threads that Python starts where there are no pthreads."""
    X = np.random.RandomState(1).standard_normal((d, 3000)).astype(dtype)
    expected = fastnn2.fit(X, X[0] > 0, 0.1, h, 20, n_threads=1)
    use_python_threads(monkeypatch)
    monkeypatch.setattr(system, "libc_with_gil", None)  # there is no C library of POSIX
    for n_threads in (2, 3):
        assert_same_bits(fastnn2.fit(X, X[0] > 0, 0.1, h, 20, n_threads=n_threads), expected)
