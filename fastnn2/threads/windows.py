"""What Windows answers: the processors, cores and memory of this process, from kernel32.

A process that uses several groups of processors, of up to 64 each, is told of its own group alone.
"""

import ctypes
import functools
from typing import Any

PROCESSOR_CORE = 0  # RelationProcessorCore


class CoreOrCache(ctypes.Structure):
    """SYSTEM_LOGICAL_PROCESSOR_INFORMATION: a core, a cache, a package or a node, and the processors that share it."""

    _fields_ = (("mask", ctypes.c_size_t), ("relationship", ctypes.c_int), ("details", 2 * ctypes.c_uint64))


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX, in bytes. `page_file` is all that the system may promise: of memory and of the page file."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("available_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("available_virtual", ctypes.c_uint64),
        ("available_extended_virtual", ctypes.c_uint64),
    )


@functools.cache
def kernel32() -> Any:
    """Return the library kernel32."""
    library = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    library.GetCurrentProcess.restype = ctypes.c_void_p  # a pointer, not an int
    return library


def affinity() -> set[int] | None:
    """Return the processors that this process may run on; None if the system does not say."""
    own, all_processors = ctypes.c_size_t(), ctypes.c_size_t()
    try:
        process = ctypes.c_void_p(kernel32().GetCurrentProcess())
        done = kernel32().GetProcessAffinityMask(process, ctypes.byref(own), ctypes.byref(all_processors))
    except (AttributeError, OSError):
        return None
    if not done or own.value == 0:  # 0: the threads of the process are in several groups
        return None
    return {number for number in range(64) if own.value >> number & 1}


def physical_cores(processors: set[int]) -> int | None:
    """Return how many cores these processors belong to; None if the system does not say."""
    mask, size = sum(1 << number for number in processors), ctypes.c_uint32()
    try:
        kernel32().GetLogicalProcessorInformation(None, ctypes.byref(size))  # fails, and says how much room it needs
        entries = (CoreOrCache * (size.value // ctypes.sizeof(CoreOrCache)))()
        if not kernel32().GetLogicalProcessorInformation(entries, ctypes.byref(size)):
            return None
    except (AttributeError, OSError):
        return None
    return sum(entry.relationship == PROCESSOR_CORE and entry.mask & mask != 0 for entry in entries) or None


def available_memory() -> int | None:
    """Return how many bytes this process may still allocate; None if the system does not say.

    It may be less than what is free: the system promises no more than memory and page file can hold.
    """
    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    try:
        done = kernel32().GlobalMemoryStatusEx(ctypes.byref(status))
    except (AttributeError, OSError):
        return None
    return min(status.available, status.available_page_file) if done else None
