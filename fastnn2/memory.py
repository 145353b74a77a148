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
    versions = (
        (CGROUP, "memory.max", "memory.current", "inactive_file"),
        (CGROUP / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    for folder, limit, used, files in versions:
        try:
            left = int((folder / limit).read_text()) - int((folder / used).read_text())
            return max(0, left + _field(folder / "memory.stat", files))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None


def _field(path: pathlib.Path, name: str) -> int:
    """Return a figure of a control group, such as that of file pages, which make room where memory is short; else 0."""
    try:
        return int(dict(line.split() for line in path.read_text().splitlines())[name])
    except (OSError, ValueError, KeyError):
        return 0


def peak_memory() -> int | None:
    """Return the largest number of bytes this process has held so far; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux


PROCESS_BYTES = 200_000_000  # Python, NumPy, scikit-learn and the buffers of a run


def bytes_needed(samples: int, hidden: int, sample_bytes: int) -> int:
    """Return how much memory a run on moons takes, with so many bytes for each sample."""
    parameters = 4 * hidden * 8 * 64  # 2 + 1 + 1 numbers a unit, in up to 64 gradients and sets
    return samples * sample_bytes + parameters + PROCESS_BYTES


def refuse_too_large(samples: int, hidden: int, sample_bytes: int, option: str) -> None:
    """Raise ValueError where a run would not fit in memory."""
    available, needed = available_memory(), bytes_needed(samples, hidden, sample_bytes)
    if available is not None and needed > available:
        fits = max(0, (available - bytes_needed(0, hidden, sample_bytes)) // sample_bytes)
        raise ValueError(
            f"{samples:,} samples and {hidden:,} hidden units need {needed / 1e9:.1f} GB and "
            f"{available / 1e9:.1f} GB may be used; at most {option} {fits} would fit"
        )
