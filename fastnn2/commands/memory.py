"""How much memory this process may use, and how much it has used."""

import pathlib
import sys

from fastnn2.threads.cgroups import control_groups

MEMINFO, STATUS = pathlib.Path("/proc/meminfo"), pathlib.Path("/proc/self/status")
# In control groups, version 2 and 1: the limit, what is used, and how much of that are pages of files.
VERSIONS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_memory() -> int | None:
    """Return how many bytes may still be taken: what the system has free, and what the control groups leave.

    None where the system does not say.
    """
    limits = [limit for limit in (_bytes(MEMINFO, "MemAvailable"), _groups()) if limit is not None]
    return min(limits) if limits else None


def _bytes(path: pathlib.Path, name: str) -> int | None:
    """Return in bytes what a file of the system gives in kilobytes under a name; None where it does not."""
    try:
        lines = path.read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return int(fields[name].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _groups() -> int | None:
    """Return what the control groups of this process and those above it leave; None where none of them has a limit."""
    rooms = [_room(group, *names) for group in control_groups("memory") for names in VERSIONS]
    return min((room for room in rooms if room is not None), default=None)


def _room(group: pathlib.Path, limit: str, used: str, files: str) -> int | None:
    try:
        left = int((group / limit).read_text()) - int((group / used).read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None
    return max(0, left + _field(group / "memory.stat", files))


def _field(path: pathlib.Path, name: str) -> int:
    """Return a figure of a control group, such as that of file pages, which make room where memory is short; else 0."""
    try:
        return int(dict(line.split() for line in path.read_text().splitlines())[name])
    except (OSError, ValueError, KeyError):
        return 0


def peak_memory() -> int | None:
    """Return the largest number of bytes this process has held so far; None where the system does not say."""
    peak = _bytes(STATUS, "VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return None
    # On Linux, where it is in kilobytes, a process begins with the peak of the one that started it.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


PROCESS_BYTES = 200_000_000  # Python, NumPy, scikit-learn and the buffers of a run


def bytes_needed(samples: int, hidden: int, iterations: int, sample_bytes: int) -> int:
    """Return how much memory a run on moons takes, with so many bytes for each sample."""
    parameters = 4 * hidden * 8 * 64  # 2 + 1 + 1 numbers a unit, in up to 64 gradients and sets
    return samples * sample_bytes + parameters + 8 * iterations + PROCESS_BYTES


def check_memory(samples: int, hidden: int, iterations: int, sample_bytes: int, option: str, least: int) -> None:
    """Raise ValueError where a run would not fit in memory; `option` takes `least` samples or more."""
    available, needed = available_memory(), bytes_needed(samples, hidden, iterations, sample_bytes)
    if available is not None and needed > available:
        fits = (available - bytes_needed(0, hidden, iterations, sample_bytes)) // sample_bytes
        remedy = f"at most {option} {fits} would fit"
        if fits < least:
            remedy = "take fewer hidden units or iterations, or make room"
        raise ValueError(
            f"{samples:,} samples, {hidden:,} hidden units and {iterations:,} iterations need {needed / 1e9:.1f} GB "
            f"and {available / 1e9:.1f} GB may be used; {remedy}"
        )


def reference_fits(samples: int, hidden: int, iterations: int) -> bool:
    """Return whether the NumPy reference has room, and what its costs are compared with.

    It holds about six arrays a hidden unit and output at once, in float64.
    """
    available = available_memory()
    return available is None or 8 * (samples * 6 * (hidden + 2) + 4 * iterations) < available
