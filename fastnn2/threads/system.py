"""What teams ask of an operating system, with an answer for each: processors, threads, and signals in them.

- Linux with the GNU C library has all of it, FreeBSD most.
- Other POSIX systems, as macOS and Linux with musl, do not let a thread start on a core of our choice.
- Elsewhere, as on Windows, workers are threads that Python starts, and none waits between runs: a sleep takes long.

What kernels call is chosen in :mod:`fastnn2.kernels.loops.team`, by the system that they are compiled for.
"""

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

IS_POSIX = os.name == "posix"
IS_WINDOWS, IS_MACOS = os.name == "nt", sys.platform == "darwin"
# Whether workers may wait in a kernel for another run. Where they sleep for 15 ms at a time, they would come too late.
WORKERS_CAN_WAIT = IS_POSIX

ATTRIBUTES_BYTES = 256  # more than a pthread_attr_t has: 56 on x86-64 Linux, 64 on Arm Linux and macOS
SIGNALS_BYTES = 128  # a sigset_t on Linux; elsewhere it is smaller, 4 on macOS
ATTRIBUTE_OF_SIGNALS = "pthread_attr_setsigmask_np"  # the GNU C library has it, from version 2.32 on
# An instruction of a thread may raise these signals for the thread itself: they must not be blocked.
OWN_SIGNALS = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")


def affinity() -> set[int]:
    """Return the processors that this thread may run on; all of them where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    processors = None
    if IS_WINDOWS:
        from fastnn2.threads import windows  # no other system needs it

        processors = windows.affinity()
    return processors or set(range(os.cpu_count() or 1))


def other_cores(threads: int) -> frozenset[int]:
    """Return the processors for the workers of a team, all but the caller's; none if the system is to place them.

    It places them if this process may not, or if there are fewer processors than threads.
    """
    try:
        library = libc_with_gil()
        library.pthread_attr_setaffinity_np, library.pthread_setaffinity_np  # noqa: B018  (musl lacks the first)
        cores, current = affinity(), library.sched_getcpu()
    except (AttributeError, OSError, TypeError):  # no such function, or not permitted
        return frozenset()
    return frozenset(cores - {current}) if threads <= len(cores) else frozenset()


@functools.cache
def libc_with_gil() -> Any:
    """Return the C library for calls that return at once and keep the GIL."""
    library = ctypes.PyDLL(None)
    library.pthread_create.argtypes = 4 * (ctypes.c_void_p,)
    return library


@functools.cache
def libc_without_gil() -> Any:
    """Return the C library for calls that wait, during which other Python threads run."""
    library = ctypes.CDLL(None)
    library.pthread_join.argtypes = ctypes.c_void_p, ctypes.c_void_p
    return library


@functools.cache
def thread_attributes(cores: frozenset[int]) -> Any:
    """Return the attributes of threads that run only on these cores (if any), and that block signals.

    Without cores, Linux usually starts a thread on its creator's core, even if another core is idle, and there it
    waits for milliseconds. A thread that does not block a signal may be the one to receive it, and the main thread,
    which alone runs Python's handlers, would not wake. (See :func:`with_signals_blocked`, too.)
    """
    library, attributes = libc_with_gil(), ctypes.create_string_buffer(ATTRIBUTES_BYTES)
    library.pthread_attr_init(attributes)
    if cores:
        mask = _core_mask(cores)
        library.pthread_attr_setaffinity_np(attributes, ctypes.c_size_t(ctypes.sizeof(mask)), mask)
    if hasattr(library, ATTRIBUTE_OF_SIGNALS):
        library.pthread_attr_setsigmask_np(attributes, _signals_to_block(library))
    return attributes


def with_signals_blocked(start: Callable[[], Any]) -> list[Callable[[], Any]]:
    """Return calls that start threads which block signals, with :func:`thread_attributes`; `start` is one of them.

    Where attributes cannot say so, as on macOS, threads inherit what the caller blocks, so it blocks signals while it
    starts them. No exception may be raised between these calls: the caller makes all of them in one bytecode.
    """
    library = libc_with_gil()
    if hasattr(library, ATTRIBUTE_OF_SIGNALS) or not hasattr(library, "pthread_sigmask"):
        return [start]
    import signal

    before = ctypes.create_string_buffer(SIGNALS_BYTES)
    change = library.pthread_sigmask
    block = functools.partial(change, int(signal.SIG_BLOCK), _signals_to_block(library), before)
    return [block, start, functools.partial(change, int(signal.SIG_SETMASK), before, None)]


@functools.cache
def _signals_to_block(library: Any) -> Any:
    import signal

    blocked = ctypes.create_string_buffer(SIGNALS_BYTES)
    library.sigfillset(blocked)
    for name in OWN_SIGNALS:
        library.sigdelset(blocked, int(getattr(signal, name)))
    return blocked


@functools.cache
def _core_mask(cores: frozenset[int]) -> Any:
    words = max(cores) // 64 + 1
    bits = sum(1 << core for core in cores)
    return (ctypes.c_uint64 * words)(*(bits >> 64 * word & 0xFFFF_FFFF_FFFF_FFFF for word in range(words)))


def allow_cores(handles: list[int]) -> None:
    """Let threads that have started move to any core, where the system would have placed them on a few.

    Beside another busy process the system can then put two threads of a team on one core, where they yield to each
    other, and not make each wait for a time slice of the other process in turn.
    """
    mask = _core_mask(frozenset(affinity()))
    for handle in handles:
        libc_with_gil().pthread_setaffinity_np(ctypes.c_ulong(handle), ctypes.c_size_t(ctypes.sizeof(mask)), mask)


def block_signals() -> None:
    """Block signals in this thread, and in those that it starts."""
    if IS_POSIX:
        import signal

        own = {getattr(signal, name) for name in OWN_SIGNALS}
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - own)
