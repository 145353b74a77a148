"""How much memory this process may use, and how much it has used."""

import pathlib
import sys

CGROUP = pathlib.Path("/sys/fs/cgroup")
MEMINFO = pathlib.Path("/proc/meminfo")


def available_memory() -> int | None:
    """Return how many bytes may still be taken: what the system has free, and what the control group leaves.

    None where the system does not say.
    """
    limits = [limit for limit in (_free(), _group()) if limit is not None]
    return min(limits) if limits else None


def _free() -> int | None:
    try:
        lines = MEMINFO.read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _group() -> int | None:
    """What control group version 2, else 1, leaves, as seen from inside a container."""
    pairs = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
    for limit, used in pairs:
        try:
            return max(0, int((CGROUP / limit).read_text()) - int((CGROUP / used).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None


def peak_memory() -> int | None:
    """Return the largest number of bytes this process has held so far; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux
