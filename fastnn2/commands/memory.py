"""How much memory this process has used, and whether a run fits."""

import pathlib
import sys

from fastnn2.threads.memory import available_memory, read_kilobytes

STATUS = pathlib.Path("/proc/self/status")


def peak_memory() -> int | None:
    """Return the peak memory of this process in bytes; None if the system does not say."""
    peak = read_kilobytes(STATUS, "VmHWM")
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
