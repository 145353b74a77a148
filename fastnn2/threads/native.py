"""Native threads, which make one kernel call each and run no Python.

A thread that Python starts needs the GIL before it enters its kernel, and again when it has left it, each time with
much of the interpreter's code and data in a cold cache. That takes up to a twentieth of a job of a few milliseconds.
"""

import ctypes
import functools
from collections.abc import Callable
from itertools import repeat
from typing import Any

from fastnn2.codegen.loader import Kernel
from fastnn2.kernels.shared.records import Record
from fastnn2.threads.cores import affinity

ATTRIBUTES_BYTES = 256  # more than a pthread_attr_t has: 56 on x86-64, 64 on Arm
_unjoined: set["NativeThreads"] = set()


class KernelCall:
    """The kernel call that each thread of a team makes: ``kernel(job(thread, threads))``."""

    def __init__(self, kernel: Kernel, job: Callable[[int, int], Record]) -> None:
        self.kernel, self.job = kernel, job

    def __call__(self, thread: int, threads: int) -> None:
        """Make the call of one thread."""
        self.kernel(self.job(thread, threads))


class NativeThreads:
    """The threads of a team of `threads`, all except number 0; they run only on `cores`.

    A signal may raise an exception between any two bytecodes. So one bytecode starts all threads and records them, and
    one bytecode joins all of them: no running thread is unknown here, and none is joined twice. If signals prevent even
    the call of :meth:`join`, the set `_unjoined` keeps the arrays that the threads work on alive for ever.
    """

    def __init__(self, call: KernelCall, threads: int, cores: frozenset[int]) -> None:
        self._entry, self._attributes = call.kernel.address, _thread_attributes(cores)
        self._jobs = [call.job(thread, threads) for thread in range(1, threads)]
        self._handles = (ctypes.c_ulong * (threads - 1))()
        self._create_codes: list[int] = []  # what pthread_create returned for each thread; 0 is success
        self._join_codes: list[int] = []

    def start(self) -> bool:
        """Start the threads; return whether the system started all of them."""
        first, size = ctypes.addressof(self._handles), ctypes.sizeof(self._handles)
        handles = range(first, first + size, ctypes.sizeof(ctypes.c_ulong))
        create = _libc_with_gil().pthread_create
        _unjoined.add(self)
        self._create_codes.extend(
            map(create, handles, repeat(self._attributes), repeat(self._entry), [job.address for job in self._jobs])
        )
        return not any(self._create_codes)

    def join(self) -> None:
        """Wait until all threads that were started have ended."""
        started = [handle for handle, code in zip(self._handles, self._create_codes, strict=False) if code == 0]
        unjoined = started[len(self._join_codes) :]
        self._join_codes.extend(map(_libc_without_gil().pthread_join, unjoined, repeat(None)))
        _unjoined.discard(self)


def other_cores(threads: int) -> frozenset[int]:
    """Return the usable cores except the current one; none if there are fewer cores than threads."""
    try:
        cores, current = affinity(), _libc_with_gil().sched_getcpu()
    except (AttributeError, OSError, TypeError):  # not Linux, or not permitted
        return frozenset()
    return frozenset(cores - {current}) if threads <= len(cores) else frozenset()


@functools.cache
def _libc_with_gil() -> Any:
    """Return the C library for calls that return at once and keep the GIL."""
    library = ctypes.PyDLL(None)
    library.pthread_create.argtypes = 4 * (ctypes.c_void_p,)
    library.pthread_attr_setaffinity_np.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p
    return library


@functools.cache
def _libc_without_gil() -> Any:
    """Return the C library for calls that wait, during which other Python threads run."""
    library = ctypes.CDLL(None)
    library.pthread_join.argtypes = ctypes.c_ulong, ctypes.c_void_p
    return library


@functools.cache
def _thread_attributes(cores: frozenset[int]) -> Any:
    """Return the attributes of threads that run only on these cores.

    Without them, the system usually starts a thread on its creator's core, even if another core is idle, and there it
    waits for milliseconds.
    """
    attributes = ctypes.create_string_buffer(ATTRIBUTES_BYTES)
    words = max(cores) // 64 + 1
    bits = sum(1 << core for core in cores)
    mask = (ctypes.c_uint64 * words)(*(bits >> 64 * word & 0xFFFF_FFFF_FFFF_FFFF for word in range(words)))
    _libc_with_gil().pthread_attr_init(attributes)
    _libc_with_gil().pthread_attr_setaffinity_np(attributes, ctypes.sizeof(mask), mask)
    return attributes
