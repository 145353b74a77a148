"""Threads that make one kernel call each and run no Python, or next to none.

A thread that Python starts needs the GIL before it enters its kernel, and again when it has left it, each time with
much of the interpreter's code and data in a cold cache. That takes up to a twentieth of a job of a few milliseconds.
"""

import ctypes
import threading
from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from operator import call, methodcaller

from fastnn2.codegen.loader import Kernel
from fastnn2.kernels.shared.record import Record
from fastnn2.threads import system

_unjoined: set["NativeThreads"] = set()


class NativeThreads:
    """One thread of the system for each of `jobs`, the records of a kernel's calls.

    A signal may raise an exception between any two bytecodes. So one bytecode starts all threads and records them, and
    one bytecode joins all of them: no running thread is unknown here, and none is joined twice. If signals prevent even
    the call of :meth:`join`, the set `_unjoined` keeps the arrays that the threads work on alive for ever.

    Parameters
    ----------
    kernel : Kernel
    jobs : sequence of Record
    on_failure : callable
        Not called: these threads do not fail.
    """

    def __init__(self, kernel: Kernel, jobs: Sequence[Record], on_failure: Callable[[BaseException], None]) -> None:
        self._entry, self._jobs = kernel.address, jobs
        self._cores = system.other_cores(len(jobs) + 1)
        self._attributes = system.thread_attributes(self._cores)
        self._handles = (ctypes.c_ulong * len(jobs))()  # a pthread_t is a number or a pointer
        self._create_codes: list[int] = []  # what pthread_create returned for each thread; 0 is success
        self._join_codes: list[int] = []

    @property
    def started(self) -> int:
        """The number of threads that the system has started."""
        return self._create_codes.count(0)

    def start(self) -> bool:
        """Start the threads; return whether the system started all of them."""
        first, size = ctypes.addressof(self._handles), ctypes.sizeof(self._handles)
        handles = range(first, first + size, ctypes.sizeof(ctypes.c_ulong))
        create, addresses = system.libc_with_gil().pthread_create, [job.address for job in self._jobs]
        _unjoined.add(self)
        codes = map(create, handles, repeat(self._attributes), repeat(self._entry), addresses)
        steps = system.with_signals_blocked(partial(self._create_codes.extend, codes))
        deque(map(call, steps), maxlen=0)  # all of them, in one bytecode
        if self._cores:
            created = zip(self._handles, self._create_codes, strict=True)
            system.allow_cores([handle for handle, code in created if code == 0])
        return not any(self._create_codes)

    def join(self) -> None:
        """Wait until all threads that were started have ended."""
        started = [handle for handle, code in zip(self._handles, self._create_codes, strict=False) if code == 0]
        unjoined = started[len(self._join_codes) :]
        self._join_codes.extend(map(system.libc_without_gil().pthread_join, unjoined, repeat(None)))
        _unjoined.discard(self)


class PythonThreads:
    """The same with threads that Python starts, for systems without pthreads.

    `on_failure` is called with what is raised in one of them; this is a bug in fastnn2, not an error in the data.
    """

    def __init__(self, kernel: Kernel, jobs: Sequence[Record], on_failure: Callable[[BaseException], None]) -> None:
        self._kernel, self._jobs, self._on_failure = kernel, jobs, on_failure
        self._running = [acquired_lock() for _ in jobs]  # each is released at the end of its thread
        self._identifiers: list[int] = []
        self._joined: list[bool] = []

    @property
    def started(self) -> int:
        """The number of threads that the system has started."""
        return len(self._identifiers)

    def start(self) -> bool:
        """Start the threads; return whether the system started all of them."""
        try:
            self._identifiers.extend(
                map(start_new_thread, repeat(self._run), zip(self._jobs, self._running, strict=True))
            )
        except RuntimeError:
            return False
        return True

    def _run(self, job: Record, running: threading.Lock) -> None:
        try:
            self._kernel(job)
        except BaseException as error:
            self._on_failure(error)
        finally:
            running.release()

    def join(self) -> None:
        """Wait until all threads that were started have ended."""
        unjoined = self._running[len(self._joined) : self.started]
        self._joined.extend(map(methodcaller("acquire"), unjoined))  # one bytecode, as in NativeThreads


def acquired_lock() -> threading.Lock:
    """Return a lock that is locked. It is bare: that of a threading.Event may stay locked for ever after a signal."""
    lock = allocate_lock()
    lock.acquire()
    return lock
