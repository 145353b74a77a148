"""How many cores this process may use, without asking Numba."""

import os
import pathlib
import time
from collections.abc import Callable

from fastnn2.threads.cgroups import control_groups

TOPOLOGY = pathlib.Path("/sys/devices/system/cpu")
REREAD_AFTER = 30.0  # seconds: reading a dozen files takes as long as hundreds of iterations of a small job
# For a set of processors, and for "quotas": when files were read, and what was found.
_read: dict[object, tuple[float, list[int]]] = {}


def usable_cores() -> int:
    """Return how many cores this process may use, at least 1.

    The smallest of: processors of the affinity mask, hyperthread siblings counted once; the CPU quotas of the control
    groups (version 2 or 1), rounded up; NUMBA_NUM_THREADS and OMP_NUM_THREADS, where set.
    """
    processors = affinity()
    cores = _remembered(frozenset(processors), lambda: [_physical_cores(processors)])
    limits = [*cores, *_remembered("quotas", _quotas), *_environment()]
    return max(1, min(limits))


def affinity() -> set[int]:
    """Return the processors that this thread may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _remembered(key: object, read: Callable[[], list[int]]) -> list[int]:
    """Return what `read` does, or did not long ago: a quota that changes is seen up to REREAD_AFTER seconds late."""
    now = time.monotonic()
    if key not in _read or now - _read[key][0] >= REREAD_AFTER:
        _read[key] = now, read()
    return _read[key][1]


def _physical_cores(processors: set[int]) -> int:
    cores = set()
    for number in processors:
        try:
            siblings = (TOPOLOGY / f"cpu{number}/topology/thread_siblings_list").read_text().strip()
        except (OSError, ValueError):  # not Linux, or nothing readable
            siblings = str(number)
        cores.add(siblings)
    return len(cores)


def _quotas() -> list[int]:
    """Return the quotas of the control groups of this process and of those above it, in whole cores."""
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


def _environment() -> list[int]:
    """NUMBA_NUM_THREADS and OMP_NUM_THREADS (whose first number counts); what is not a number is not obeyed."""
    limits = []
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()
        if text.isdecimal() and int(text) > 0:
            limits.append(int(text))
    return limits
