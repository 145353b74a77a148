"""Native threads: what they compute, on which cores, and that all are joined after errors and signals."""

import ctypes
import subprocess
import sys
import time

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_ended, can_use_native_threads, count_os_threads
from numpy.testing import assert_array_equal

from fastnn2.codegen import store
from fastnn2.engine.layout import address, aligned_zeros
from fastnn2.threads import native
from fastnn2.threads.cores import affinity

pytestmark = pytest.mark.skipif(not can_use_native_threads(), reason="needs two cores and native threads")

COUNT, LEARNING_RATE = 64, 0.25


class Update:
    """A call of the kernel `update` for each of three threads, on arrays of their own."""

    def __init__(self, dtype):
        source = np.random.RandomState(0)
        self.old, self.new = ([aligned_zeros(COUNT, dtype) for _ in range(3)] for _ in range(2))
        self.gradient, self.l2 = (aligned_zeros(COUNT, np.float64) for _ in range(2))
        for array in (*self.old, self.gradient, self.l2):
            array[...] = source.standard_normal(COUNT)
        self.call = native.KernelCall(store.kernel("update", dtype), self.arguments)

    def arguments(self, thread, threads):
        assert threads == 3
        old, new, gradient, l2 = map(address, (self.old[thread], self.new[thread], self.gradient, self.l2))
        return old, new, COUNT, gradient, l2, LEARNING_RATE

    def native_threads(self, cores=None):
        return native.NativeThreads(self.call, 3, frozenset(cores or affinity()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_thread_makes_its_call(dtype):
    before, update = count_os_threads(), Update(dtype)
    threads = update.native_threads()
    assert threads.start()
    threads.join()
    assert_ended(before, count_os_threads)
    update.call(0, 3)
    step = LEARNING_RATE * (update.gradient + update.l2 * update.old)
    np.testing.assert_allclose(update.new, update.old - step, rtol=0, atol=8 * np.finfo(dtype).eps * np.abs(step).max())
    expected = [array.copy() for array in update.new]
    for thread in (1, 2):
        update.new[thread][...] = 0
        update.call(thread, 3)
    assert_array_equal(update.new, expected)


def test_no_thread_is_joined_twice(monkeypatch):
    threads = Update("float64").native_threads()
    threads.join()  # none has been started
    assert threads.start()
    joined, library = [], native._libc_without_gil()

    class Library:
        def pthread_join(self, handle, result):
            joined.append(handle)
            return library.pthread_join(handle, result)

    monkeypatch.setattr(native, "_libc_without_gil", Library)
    threads.join()
    threads.join()
    assert joined == list(threads._handles)


def test_start_reports_a_thread_that_the_system_refuses(monkeypatch):
    update, library, requests = Update("float64"), native._libc_with_gil(), []

    class Library:
        def pthread_create(self, *arguments):
            requests.append(arguments)
            return 11 if len(requests) == 1 else library.pthread_create(*arguments)  # 11 is EAGAIN

    threads = update.native_threads()
    monkeypatch.setattr(native, "_libc_with_gil", Library)
    assert not threads.start()
    threads.join()
    assert threads._create_codes == [11, 0]
    assert threads._join_codes == [0]
    assert not update.new[1].any()
    assert update.new[2].all()


@pytest.mark.parametrize("cores", [{0}, {1, 3}, {63}, {64}, {2, 70, 130}])
def test_thread_attributes_have_the_cores(cores):
    attributes, mask = native._thread_attributes(frozenset(cores)), (ctypes.c_uint64 * 4)()
    get = native._libc_with_gil().pthread_attr_getaffinity_np
    get.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p
    assert get(attributes, ctypes.sizeof(mask), mask) == 0
    assert {core for core in range(256) if mask[core // 64] >> core % 64 & 1} == cores


def test_start_fails_on_a_core_that_does_not_exist():
    threads = Update("float64").native_threads({1000})
    assert not threads.start()
    threads.join()
    assert all(threads._create_codes)


def test_other_cores(monkeypatch):
    cores = affinity()
    for threads in range(1, len(cores) + 1):
        others = native.other_cores(threads)
        assert others < cores
        assert len(others) == len(cores) - 1
    assert not native.other_cores(len(cores) + 1)

    def refuse():
        raise OSError("not allowed")

    monkeypatch.setattr(native, "affinity", refuse)
    assert not native.other_cores(2)
    monkeypatch.undo()

    def no_library():
        raise AttributeError("pthread_attr_setaffinity_np")

    monkeypatch.setattr(native, "_libc_with_gil", no_library)
    assert not native.other_cores(2)


@pytest.mark.parametrize("method", ["start", "join"])
def test_exception_between_any_two_bytecodes_loses_no_thread(method):
    """A thread that was started is recorded, is joined once, and is kept alive until then."""
    code, target, count = getattr(native.NativeThreads, method).__code__, 0, 0

    def trace(frame, event, argument):
        if frame.f_code is not code:
            return None
        frame.f_trace = trace_bytecode  # from Python 3.13 on, needed before f_trace_opcodes
        frame.f_trace_opcodes = True
        return trace_bytecode

    def trace_bytecode(frame, event, argument):
        nonlocal count
        if event == "opcode":
            count += 1
            if count == target:
                raise InterruptedError
        return trace_bytecode

    while count == target:  # raise at the first bytecode, the second and so on, until there is no such bytecode
        target, count = target + 1, 0
        update = Update("float64")
        threads = update.native_threads()
        previous_trace = sys.gettrace()
        try:
            sys.settrace(trace)
            threads.start()
            threads.join()
        except InterruptedError:
            pass
        finally:
            sys.settrace(previous_trace)
        assert threads in native._unjoined or len(threads._join_codes) == len(threads._create_codes)
        threads.join()
        assert threads not in native._unjoined
        time.sleep(0.001)
        assert [update.new[thread].all() for thread in (1, 2)] == [i < len(threads._create_codes) for i in (0, 1)]
        assert threads._create_codes == threads._join_codes
    assert target > 20


def test_join_lets_other_python_threads_run(tmp_path):
    """Else no Python thread could release native threads that wait in a kernel."""
    code = """
import threading, time
import numpy as np
from fastnn2.threads import native
from fastnn2.threads.cores import affinity
from fastnn2.kernels.shared import control_words
from fastnn2.codegen import store
from fastnn2.codegen.signatures import SIGNATURES
from fastnn2.engine.layout import address, aligned_zeros

control = aligned_zeros(control_words.NEXT_CHUNKS + 4 * control_words.WORD, np.int64)
kernel = store.kernel("train_narrow", "float64")
rest = [0] * (len(SIGNATURES["train_narrow"].split()) - 3)
call = native.KernelCall(kernel, lambda thread, threads: (address(control), thread, threads, *rest))
threads = native.NativeThreads(call, 2, frozenset(affinity()))
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
