"""What macOS answers: how many cores and how much memory there are. It binds no process to processors."""

import ctypes
import functools
import os
from typing import Any

# The performance cores, where there are other ones: a team meets at barriers, and would wait for slow cores.
CORES = ("hw.perflevel0.physicalcpu", "hw.physicalcpu")
VM_STATISTICS = 4  # HOST_VM_INFO64
VM_WORDS = 38  # HOST_VM_INFO64_COUNT: the size of vm_statistics64, in words of 32 bits
FREE, INACTIVE = 0, 2  # the words free_count and inactive_count, in pages


@functools.cache
def library() -> Any:
    """Return the library of the system."""
    return ctypes.CDLL(None)


@functools.cache
def _host() -> Any:
    """Return the port of this computer, to ask for its statistics; each call of mach_host_self counts one more user."""
    return ctypes.c_uint32(library().mach_host_self())


def physical_cores() -> int | None:
    """Return the number of performance cores; None if the system does not say."""
    for name in CORES:
        count, size = ctypes.c_int32(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int32))
        try:
            code = library().sysctlbyname(name.encode(), ctypes.byref(count), ctypes.byref(size), None, None)
        except (AttributeError, OSError):
            return None
        if code == 0 and count.value > 0:
            return count.value
    return None


def available_memory() -> int | None:
    """Return how many bytes are free or were not used lately; None if the system does not say.

    What was not used lately is file cache, which the system drops, or can be compressed.
    """
    words, count = (ctypes.c_uint32 * VM_WORDS)(), ctypes.c_uint32(VM_WORDS)
    try:
        code = library().host_statistics64(_host(), VM_STATISTICS, words, ctypes.byref(count))
        return (words[FREE] + words[INACTIVE]) * os.sysconf("SC_PAGE_SIZE") if code == 0 else None
    except (AttributeError, OSError, ValueError):
        return None
