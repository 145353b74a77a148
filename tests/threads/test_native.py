"""Threads for kernel calls: what they compute, and that all are joined after errors and signals."""

import _thread
import gc
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_ended, can_use_native_threads, count_os_threads
from numpy.testing import assert_array_equal
from thread_data import ThreadLimit, Without, blocked_signals, raise_at_bytecode

from fastnn2.codegen import provider
from fastnn2.engine.layout import aligned_zeros
from fastnn2.kernels.shared.records import UpdateRecord
from fastnn2.threads import native, system

COUNT, LEARNING_RATE = 64, 0.25
needs_native = pytest.mark.skipif(not can_use_native_threads(), reason="needs two cores and native threads")
KINDS = [pytest.param(native.NativeThreads, marks=needs_native), native.PythonThreads]


class Update:
    """Two calls of the kernel `update`, on arrays of their own, and what is raised in them."""

    def __init__(self, dtype="float64"):
        source = np.random.RandomState(0)
        self.old, self.new = ([aligned_zeros(COUNT, dtype) for _ in range(2)] for _ in range(2))
        self.gradient, self.l2 = (aligned_zeros(COUNT, np.float64) for _ in range(2))
        for array in (*self.old, self.gradient, self.l2):
            array[...] = source.standard_normal(COUNT)
        self.kernel = provider.kernel("update", dtype)
        self.errors = []

    def threads(self, kind):
        jobs = [
            UpdateRecord(
                params=old, new=new, count=COUNT, gradient=self.gradient, l2=self.l2, learning_rate=LEARNING_RATE
            )
            for old, new in zip(self.old, self.new, strict=True)
        ]
        return kind(self.kernel, jobs, self.errors.append)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_thread_makes_its_call(dtype, kind):
    before, update = _thread._count(), Update(dtype)
    threads = update.threads(kind)
    assert threads.start()
    assert threads.started == 2
    threads.join()
    assert_ended(before)
    step = LEARNING_RATE * (update.gradient + update.l2 * update.old)
    np.testing.assert_allclose(update.new, update.old - step, rtol=0, atol=8 * np.finfo(dtype).eps * np.abs(step).max())
    threads_new = [array.copy() for array in update.new]
    for job, new in zip(threads._jobs, update.new, strict=True):
        new[...] = 0
        update.kernel(job)
    assert_array_equal(threads_new, update.new)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("granted", [0, 1])
def test_start_reports_a_thread_that_the_system_refuses(granted, kind, monkeypatch):
    before, update = _thread._count(), Update()
    limit = ThreadLimit(granted, monkeypatch)
    threads = update.threads(kind)
    assert not threads.start()
    assert threads.started == granted
    threads.join()
    assert [new.all() for new in update.new] == [granted == 1, False]
    assert_ended(before)
    assert limit.requests > granted


def test_error_in_a_python_thread_is_reported():
    before, update = _thread._count(), Update()
    kernel = update.kernel

    def failing(job):
        if job is threads._jobs[0]:
            raise ValueError("failed")
        kernel(job)

    update.kernel = failing
    threads = update.threads(native.PythonThreads)
    assert threads.start()
    threads.join()
    assert [str(error) for error in update.errors] == ["failed"]
    assert [new.all() for new in update.new] == [False, True]
    assert_ended(before)


@needs_native
def test_no_thread_is_joined_twice(monkeypatch):
    threads = Update().threads(native.NativeThreads)
    threads.join()  # none has been started
    assert threads.start()
    joined, library = [], system.libc_without_gil()

    class Library:
        def pthread_join(self, handle, result):
            joined.append(handle)
            return library.pthread_join(handle, result)

    monkeypatch.setattr(system, "libc_without_gil", Library)
    threads.join()
    threads.join()
    assert joined == list(threads._handles)


@needs_native
def test_arrays_live_until_the_threads_are_joined():
    """Signals may prevent the join; then a thread still reads its record, and writes to its arrays."""
    update = Update()
    threads, array = update.threads(native.NativeThreads), weakref.ref(update.new[0])
    assert threads.start()
    del threads, update
    gc.collect()
    assert array() is not None
    (threads,) = native._unjoined
    threads.join()
    del threads
    gc.collect()
    assert array() is None


@needs_native
def test_start_fails_on_a_core_that_does_not_exist(monkeypatch):
    monkeypatch.setattr(system, "other_cores", lambda threads: frozenset({1000}))
    threads = Update().threads(native.NativeThreads)
    assert not threads.start()
    threads.join()
    assert threads.started == 0


@needs_native
@pytest.mark.parametrize("library", ["GNU", "other"])
@pytest.mark.parametrize("method", ["start", "join"])
def test_exception_between_any_two_bytecodes_loses_no_thread(method, library, monkeypatch):
    """A thread that was started is recorded, is joined once, and is kept alive until then.

    Where threads inherit blocked signals from the caller, the caller has those that it had.
    """
    if library == "other":
        without = Without(system.libc_with_gil(), "pthread_attr_setsigmask_np")
        monkeypatch.setattr(system, "libc_with_gil", lambda: without)
    target, before, signals = 0, count_os_threads(), blocked_signals("self")
    while True:  # raise at the first bytecode, the second and so on, until there is no such bytecode
        target += 1
        update = Update()
        threads = update.threads(native.NativeThreads)
        try:
            with raise_at_bytecode(target, [getattr(native.NativeThreads, method)], InterruptedError) as seen:
                threads.start()
                threads.join()
        except InterruptedError:
            pass
        assert blocked_signals("self") == signals
        assert threads in native._unjoined or len(threads._join_codes) == len(threads._create_codes)
        threads.join()
        assert threads not in native._unjoined
        time.sleep(0.001)
        assert [new.all() for new in update.new] == [i < len(threads._create_codes) for i in (0, 1)]
        assert threads._create_codes == threads._join_codes
        if len(seen) < target:
            break
    assert target > 20
    assert_ended(before, count_os_threads)


@pytest.mark.parametrize("method", ["start", "join"])
def test_exception_between_any_two_bytecodes_loses_no_python_thread(method):
    """None is joined twice either, which would wait for ever."""
    target, before = 0, _thread._count()
    while True:
        target += 1
        update = Update()
        threads = update.threads(native.PythonThreads)
        try:
            with raise_at_bytecode(target, [getattr(native.PythonThreads, method)], InterruptedError) as seen:
                threads.start()
                threads.join()
        except InterruptedError:
            pass
        join_in_time(threads)
        assert [new.all() for new in update.new] == [i < threads.started for i in (0, 1)]
        if len(seen) < target:
            break
    assert target > 10
    assert_ended(before)


def join_in_time(threads):
    joining = threading.Thread(target=threads.join, daemon=True)
    joining.start()
    joining.join(timeout=60)
    assert not joining.is_alive()


@needs_native
def test_join_lets_other_python_threads_run(tmp_path):
    """Else no Python thread could release native threads that wait in a kernel."""
    code = """
import threading, time
import numpy as np
from fastnn2.threads import native
from fastnn2.kernels.shared import control_words
from fastnn2.codegen import provider
from fastnn2.engine.layout import aligned_zeros
from fastnn2.kernels.shared.records import TrainRecord

control = aligned_zeros(control_words.NEXT_CHUNKS + 4 * control_words.WORD, np.int64)
kernel = provider.kernel("train_narrow", "float64")
fields = {name: control if kind.endswith("*") else 0 for name, kind in TrainRecord.kinds.items()}
job = TrainRecord(**fields | {"thread": 1, "threads": 2})
threads = native.NativeThreads(kernel, [job], None)
assert threads.start()
waiting = threading.Thread(target=threads.join)
waiting.start()
time.sleep(0.1)
assert waiting.is_alive()
control[control_words.ENTERED] = control_words.SHUT_DOWN
waiting.join()
print(control[control_words.READY], threads._join_codes)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "1 [0]\n"), done.stderr
