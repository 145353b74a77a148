"""How much memory this process may use, and how much it has used."""

import pathlib
import sys

from fastnn2.threads.cgroups import control_groups

MEMINFO, STATUS = pathlib.Path("/proc/meminfo"), pathlib.Path("/proc/self/status")
# In control groups of version 2 and 1, the names of: the limit, the use, and the part of the use that is file cache.
CGROUP_NAMES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_memory() -> int | None:
    """Return how many bytes this process may still allocate; None if the system does not say.

    The smaller of the memory that the system has available and that which the control groups leave.
    """
    limits = [limit for limit in (_read_kilobytes(MEMINFO, "MemAvailable"), _left_by_groups()) if limit is not None]
    return min(limits) if limits else None


def _read_kilobytes(path: pathlib.Path, name: str) -> int | None:
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


def peak_memory() -> int | None:
    """Return the peak memory of this process in bytes; None if the system does not say."""
    peak = _read_kilobytes(STATUS, "VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return None
    # In kilobytes except on macOS. On Linux it starts at the peak of the parent process, so STATUS is preferred.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


PROCESS_BYTES = 200_000_000  # Python, NumPy, scikit-learn and the buffers of a run


def bytes_needed(samples: int, hidden: int, iterations: int, sample_bytes: int) -> int:
    """Return the memory that a run on moons needs, with `sample_bytes` for each sample."""
    parameters = 4 * hidden * 8 * 64  # 2 + 1 + 1 float64 numbers per unit, in up to 64 gradients or parameter sets
    return samples * sample_bytes + parameters + 8 * iterations + PROCESS_BYTES


def check_memory(samples: int, hidden: int, iterations: int, sample_bytes: int, option: str, minimum: int) -> None:
    """Raise ValueError if a run does not fit in memory; `option` sets the samples and accepts `minimum` or more."""
    available, needed = available_memory(), bytes_needed(samples, hidden, iterations, sample_bytes)
    if available is not None and needed > available:
        fits = (available - bytes_needed(0, hidden, iterations, sample_bytes)) // sample_bytes
        remedy = f"at most {option} {fits} would fit"
        if fits < minimum:
            remedy = "use fewer hidden units or iterations, or free memory"
        raise ValueError(
            f"{samples:,} samples, {hidden:,} hidden units and {iterations:,} iterations need {needed / 1e9:.1f} GB, "
            f"but {available / 1e9:.1f} GB are available; {remedy}"
        )


def reference_fits(samples: int, hidden: int, iterations: int) -> bool:
    """Return whether the NumPy reference fits in memory, with the costs that it is compared with.

    It has about six float64 arrays over the samples at once for each hidden unit and output.
    """
    available = available_memory()
    return available is None or 8 * (samples * 6 * (hidden + 2) + 4 * iterations) < available
