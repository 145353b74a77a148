"""How many cores this process may use; Numba, which also counts them, need not be imported."""

import os
import pathlib
import time
from collections.abc import Callable

from fastnn2.threads import system
from fastnn2.threads.cgroups import control_groups

TOPOLOGY = pathlib.Path("/sys/devices/system/cpu")
CACHE_SECONDS = 30.0  # reading a dozen files takes as long as hundreds of iterations of a small job
# Keyed by a set of processors or "quotas": the time at which the files were read, and the limits found.
_cache: dict[object, tuple[float, list[int]]] = {}


def usable_cores() -> int:
    """Return how many cores this process may use, at least 1.

    The smallest of: the processors in the affinity mask, with hyperthread siblings counted once, or the performance
    cores of macOS; the CPU quotas of the control groups (version 1 or 2), rounded up; NUMBA_NUM_THREADS and
    OMP_NUM_THREADS, if set.
    """
    processors = system.affinity()
    cores = _cached(frozenset(processors), lambda: [_count_physical_cores(processors)])
    limits = [*cores, *_cached("quotas", _cpu_quotas), *_environment_limits()]
    return max(1, min(limits))


def _cached(key: object, read: Callable[[], list[int]]) -> list[int]:
    """Return ``read()``, or its result from less than CACHE_SECONDS ago."""
    now = time.monotonic()
    if key not in _cache or now - _cache[key][0] >= CACHE_SECONDS:
        _cache[key] = now, read()
    return _cache[key][1]


def _count_physical_cores(processors: set[int]) -> int:
    """Return how many cores these processors belong to; on macOS, how many fast cores there are."""
    count = None
    if system.IS_WINDOWS:
        from fastnn2.threads import windows

        count = windows.physical_cores(processors)
    elif system.IS_MACOS:
        from fastnn2.threads import macos

        count = macos.physical_cores()
    return count or _count_sibling_lists(processors)


def _count_sibling_lists(processors: set[int]) -> int:
    cores = set()
    for number in processors:
        try:
            siblings = (TOPOLOGY / f"cpu{number}/topology/thread_siblings_list").read_text().strip()
        except (OSError, ValueError):  # not Linux, or not readable
            siblings = str(number)
        cores.add(siblings)
    return len(cores)


def _cpu_quotas() -> list[int]:
    """Return the quotas of the control groups of this process and of those above them, rounded up to whole cores."""
    quotas = []
    for group in control_groups("cpu"):
        for quota_file, period_file in (("cpu.max", None), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            try:
                words = (group / quota_file).read_text().split()
                words += (group / period_file).read_text().split() if period_file else []
                quota, period = int(words[0]), int(words[1])
            except (OSError, ValueError, IndexError):  # no such file, or "max"
                continue
            if quota > 0 and period > 0:
                quotas.append(-(-quota // period))
    return quotas


def _environment_limits() -> list[int]:
    """Return the limits in NUMBA_NUM_THREADS and OMP_NUM_THREADS (its first number); ignore invalid values."""
    limits = []
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()
        if text.isdecimal() and int(text) > 0:
            limits.append(int(text))
    return limits
