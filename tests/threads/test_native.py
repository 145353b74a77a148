"""Threads that run no Python: what they compute, on which cores, and that none is forgotten after errors."""

import ctypes
import subprocess
import sys
import time

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_ended, has_native, threads_of_the_system
from numpy.testing import assert_array_equal

from fastnn2.codegen import store
from fastnn2.engine.layout import address, aligned_zeros
from fastnn2.threads import native
from fastnn2.threads.cores import affinity

pytestmark = pytest.mark.skipif(not has_native(), reason="needs two cores, and threads that run no Python")

COUNT, LEARNING_RATE = 64, 0.25


class Update:
    """The kernel update on arrays of three threads."""

    def __init__(self, dtype):
        source = np.random.RandomState(0)
        self.old, self.new = ([aligned_zeros(COUNT, dtype) for _ in range(3)] for _ in range(2))
        self.gradient, self.l2 = (aligned_zeros(COUNT, np.float64) for _ in range(2))
        for array in (*self.old, self.gradient, self.l2):
            array[...] = source.standard_normal(COUNT)
        self.call = native.Call(store.kernel("update", dtype), self.arguments)

    def arguments(self, number, size):
        assert size == 3
        old, new, gradient, l2 = map(address, (self.old[number], self.new[number], self.gradient, self.l2))
        return old, new, COUNT, gradient, l2, LEARNING_RATE

    def threads(self, cores=None):
        return native.NativeThreads(self.call, 3, frozenset(cores or affinity()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_thread_makes_its_call(dtype):
    before, update = threads_of_the_system(), Update(dtype)
    threads = update.threads()
    assert threads.start()
    threads.join()
    assert_ended(before, threads_of_the_system)
    update.call(0, 3)
    step = LEARNING_RATE * (update.gradient + update.l2 * update.old)
    np.testing.assert_allclose(update.new, update.old - step, rtol=0, atol=8 * np.finfo(dtype).eps * np.abs(step).max())
    expected = [array.copy() for array in update.new]
    for number in (1, 2):
        update.new[number][...] = 0
        update.call(number, 3)
    assert_array_equal(update.new, expected)


def test_nobody_is_waited_for_twice(monkeypatch):
    threads = Update("float64").threads()
    threads.join()  # none was started
    assert threads.start()
    joined, library = [], native._waiting_library()

    class Library:
        def pthread_join(self, handle, result):
            joined.append(handle)
            return library.pthread_join(handle, result)

    monkeypatch.setattr(native, "_waiting_library", Library)
    threads.join()
    threads.join()
    assert joined == list(threads._handles)


def test_a_thread_that_the_system_refuses(monkeypatch):
    update, library, asked = Update("float64"), native._library(), []

    class Library:
        def pthread_create(self, *arguments):
            asked.append(arguments)
            return 11 if len(asked) == 1 else library.pthread_create(*arguments)  # EAGAIN

    threads = update.threads()
    monkeypatch.setattr(native, "_library", Library)
    assert not threads.start()
    threads.join()
    assert threads._errors == [11, 0]
    assert threads._ends == [0]
    assert not update.new[1].any()
    assert update.new[2].all()


@pytest.mark.parametrize("cores", [{0}, {1, 3}, {63}, {64}, {2, 70, 130}])
def test_attributes_name_the_cores(cores):
    attributes, mask = native._attributes(frozenset(cores)), (ctypes.c_uint64 * 4)()
    get = native._library().pthread_attr_getaffinity_np
    get.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p
    assert get(attributes, ctypes.sizeof(mask), mask) == 0
    assert {core for core in range(256) if mask[core // 64] >> core % 64 & 1} == cores


def test_a_core_that_is_not_there_is_an_error():
    threads = Update("float64").threads({1000})
    assert not threads.start()
    threads.join()
    assert all(threads._errors)


def test_cores_apart(monkeypatch):
    cores = affinity()
    for size in range(1, len(cores) + 1):
        apart = native.cores_apart(size)
        assert apart < cores
        assert len(apart) == len(cores) - 1
    assert not native.cores_apart(len(cores) + 1)

    def refuse():
        raise OSError("not allowed")

    monkeypatch.setattr(native, "affinity", refuse)
    assert not native.cores_apart(2)
    monkeypatch.undo()

    def no_library():
        raise AttributeError("pthread_attr_setaffinity_np")

    monkeypatch.setattr(native, "_library", no_library)
    assert not native.cores_apart(2)


@pytest.mark.parametrize("method", ["start", "join"])
def test_what_is_raised_at_any_step_of_python(method):
    """All that were started are known, wait for no second end, and are kept until they have ended."""
    code, at, steps = getattr(native.NativeThreads, method).__code__, 0, 0

    def trace(frame, event, argument):
        if frame.f_code is not code:
            return None
        frame.f_trace = step  # from Python 3.13 on, what is set next counts only where there is one
        frame.f_trace_opcodes = True
        return step

    def step(frame, event, argument):
        nonlocal steps
        if event == "opcode":
            steps += 1
            if steps == at:
                raise InterruptedError
        return step

    while steps == at:  # at step after step, until one is not reached
        at, steps = at + 1, 0
        update = Update("float64")
        threads = update.threads()
        earlier = sys.gettrace()
        try:
            sys.settrace(trace)
            threads.start()
            threads.join()
        except InterruptedError:
            pass
        finally:
            sys.settrace(earlier)
        assert threads in native._not_ended or len(threads._ends) == len(threads._errors)
        threads.join()
        assert threads not in native._not_ended
        time.sleep(0.001)
        assert [update.new[number].all() for number in (1, 2)] == [number < len(threads._errors) for number in (0, 1)]
        assert threads._errors == threads._ends
    assert at > 20


def test_other_threads_of_python_go_on_while_one_waits(tmp_path):
    """Else nobody could let in those that wait in a kernel."""
    code = """
import threading, time
import numpy as np
from fastnn2.threads import native
from fastnn2.threads.cores import affinity
from fastnn2.kernels.shared import control_words
from fastnn2.codegen import store
from fastnn2.codegen.signatures import SIGNATURES
from fastnn2.engine.layout import address, aligned_zeros

control = aligned_zeros(control_words.CLAIMS + 4 * control_words.WORD, np.int64)
kernel = store.kernel("train_narrow", "float64")
rest = [0] * (len(SIGNATURES["train_narrow"].split()) - 3)
call = native.Call(kernel, lambda number, size: (address(control), number, size, *rest))
threads = native.NativeThreads(call, 2, frozenset(affinity()))
assert threads.start()
waiting = threading.Thread(target=threads.join)
waiting.start()
time.sleep(0.1)
assert waiting.is_alive()
control[control_words.ENTERED] = control_words.SHUT_DOWN
waiting.join()
print(control[control_words.READY], threads._ends)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "1 [0]\n"), done.stderr
