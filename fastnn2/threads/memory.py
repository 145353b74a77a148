"""How much memory this process may use, from the system and its control groups."""

import pathlib

from fastnn2.threads import system
from fastnn2.threads.cgroups import control_groups

MEMINFO = pathlib.Path("/proc/meminfo")
# In control groups of version 2 and 1, the names of: the limit, the use, and the part of the use that is file cache.
CGROUP_NAMES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_memory() -> int | None:
    """Return how many bytes this process may still allocate; None if the system does not say.

    The smaller of the memory that the system has available and that which the control groups leave.
    """
    limits = [limit for limit in (_left_by_system(), _left_by_groups()) if limit is not None]
    return min(limits) if limits else None


def _left_by_system() -> int | None:
    if system.IS_WINDOWS:
        from fastnn2.threads import windows

        return windows.available_memory()
    if system.IS_MACOS:
        from fastnn2.threads import macos

        return macos.available_memory()
    return read_kilobytes(MEMINFO, "MemAvailable")


def read_kilobytes(path: pathlib.Path, name: str) -> int | None:
    """Return in bytes the value that a system file gives in kilobytes under `name`; None if it does not."""
    try:
        lines = path.read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return int(fields[name].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _left_by_groups() -> int | None:
    """Return how many bytes the control groups of this process leave; None if none of them has a limit."""
    all_left = [_left_by_group(group, *names) for group in control_groups("memory") for names in CGROUP_NAMES]
    return min((left for left in all_left if left is not None), default=None)


def _left_by_group(group: pathlib.Path, limit: str, used: str, file_cache: str) -> int | None:
    """Return limit minus use; file cache counts as free, as the system drops it when memory is short."""
    try:
        left = int((group / limit).read_text()) - int((group / used).read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None
    return max(0, left + _read_statistic(group / "memory.stat", file_cache))


def _read_statistic(path: pathlib.Path, name: str) -> int:
    """Return a number from the statistics of a control group; 0 if it is not there."""
    try:
        return int(dict(line.split() for line in path.read_text().splitlines())[name])
    except (OSError, ValueError, KeyError):
        return 0
