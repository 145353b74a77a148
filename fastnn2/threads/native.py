"""Threads of the system that make one kernel call each and run no Python.

One that Python starts has to get Python's lock, and half an interpreter into a cold cache, before it is in its kernel,
and again to say that it is done: up to a twentieth of the time of a job of a few milliseconds.
"""

import ctypes
import functools
from collections.abc import Callable
from itertools import repeat
from typing import Any

from fastnn2.codegen.loader import Kernel
from fastnn2.threads.cores import affinity

ATTRIBUTES_BYTES = 256  # of a pthread_attr_t, and room to spare: it has 56 on x86-64, 64 on Arm
_not_ended: set["NativeThreads"] = set()


class Call:
    """What each thread of a team does: a kernel call, with arguments by its number and the number of threads."""

    def __init__(self, kernel: Callable[..., None], arguments: Callable[[int, int], tuple[Any, ...]]) -> None:
        self.kernel, self.arguments = kernel, arguments

    def __call__(self, number: int, size: int) -> None:
        """Make the call of one thread."""
        self.kernel(*self.arguments(number, size))


class NativeThreads:
    """Threads for a team of some size, for all but number 0, on some of the cores.

    What a signal raises comes between two steps of Python. So all are started in one step, and so are they waited for:
    none runs that is not known here, and none is waited for twice. Where several signals keep their caller from waiting
    at all, the call, which holds the arrays that they work on, is kept for ever.
    """

    def __init__(self, call: Call, size: int, cores: frozenset[int]) -> None:
        kernel = call.kernel
        assert isinstance(kernel, Kernel)
        self.call = call
        self._entry, self._attributes = kernel.thread_entry, _attributes(cores)
        self._words = [kernel.words.pack(*call.arguments(number, size)) for number in range(1, size)]
        self._handles = (ctypes.c_ulong * (size - 1))()
        self._errors: list[int] = []  # of the start of each; 0 is none
        self._ends: list[int] = []

    def start(self) -> bool:
        """Start them; return whether the system refused none."""
        first, size = ctypes.addressof(self._handles), ctypes.sizeof(self._handles)
        handles = range(first, first + size, ctypes.sizeof(ctypes.c_ulong))
        create = _library().pthread_create
        _not_ended.add(self)
        self._errors.extend(map(create, handles, repeat(self._attributes), repeat(self._entry), self._words))
        return not any(self._errors)

    def join(self) -> None:
        """Wait until those that were started have ended."""
        started = [handle for handle, error in zip(self._handles, self._errors, strict=False) if error == 0]
        self._ends.extend(map(_waiting_library().pthread_join, started[len(self._ends) :], repeat(None)))
        _not_ended.discard(self)


def cores_apart(size: int) -> frozenset[int]:
    """Return the cores for the others where each of so many threads can be on one of its own, else none."""
    try:
        cores, here = affinity(), _library().sched_getcpu()
    except (AttributeError, OSError, TypeError):  # not Linux, or not allowed
        return frozenset()
    return frozenset(cores - {here}) if size <= len(cores) else frozenset()


@functools.cache
def _library() -> Any:
    """Return the C library, for calls that do not wait."""
    library = ctypes.PyDLL(None)
    library.pthread_create.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p
    library.pthread_attr_setaffinity_np.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p
    return library


@functools.cache
def _waiting_library() -> Any:
    """Return the C library, for calls during which other Python threads go on."""
    library = ctypes.CDLL(None)
    library.pthread_join.argtypes = ctypes.c_ulong, ctypes.c_void_p
    return library


@functools.cache
def _attributes(cores: frozenset[int]) -> Any:
    """Return the attributes of threads that may run on these cores alone.

    The system starts a thread on its creator's core more often than not, even where another one is idle; there it would
    wait for milliseconds.
    """
    attributes = ctypes.create_string_buffer(ATTRIBUTES_BYTES)
    words = max(cores) // 64 + 1
    bits = sum(1 << core for core in cores)
    mask = (ctypes.c_uint64 * words)(*(bits >> 64 * word & 0xFFFF_FFFF_FFFF_FFFF for word in range(words)))
    _library().pthread_attr_init(attributes)
    _library().pthread_attr_setaffinity_np(attributes, ctypes.sizeof(mask), mask)
    return attributes
