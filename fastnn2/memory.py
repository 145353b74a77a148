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


PROCESS_BYTES = 200_000_000  # Python, NumPy, scikit-learn and the buffers of a run


def bytes_needed(samples: int, hidden: int, dtype: str) -> int:
    """Return how much memory a run on moons takes: the data, as much again for the kernels' layout, parameters."""
    itemsize = 8 if dtype == "float64" else 4
    data = 2 * 3 * samples * itemsize
    parameters = 4 * hidden * 8 * 64  # 2 + 1 + 1 numbers a unit, in up to 64 gradients and sets
    return data + parameters + PROCESS_BYTES


def refuse_too_large(samples: int, hidden: int, dtype: str, option: str) -> None:
    """Raise ValueError where a run would not fit in memory."""
    available, needed = available_memory(), bytes_needed(samples, hidden, dtype)
    if available is not None and needed > available:
        per_sample = bytes_needed(1, 0, dtype) - bytes_needed(0, 0, dtype)
        fits = max(0, (available - bytes_needed(0, hidden, dtype)) // per_sample)
        raise ValueError(
            f"{samples:,} samples and {hidden:,} hidden units of {dtype} need {needed / 1e9:.1f} GB and "
            f"{available / 1e9:.1f} GB may be used; at most {option} {fits} would fit"
        )
