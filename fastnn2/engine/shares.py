"""Which of many runs the threads share, so that none of them is without work at the end."""

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

# The threads share a run where all would take longer than this times what they take with even shares.
UNEVEN = 1.05


class _Run(Protocol):
    @property
    def work(self) -> int: ...


Run = TypeVar("Run", bound=_Run)


def runs_to_share(
    runs: Sequence[Run], threads: int, needs_team: Callable[[Run], bool | None]
) -> tuple[list[Run], list[Run]]:
    """Return the runs that all threads train together, one after the other, and those that take one thread each.

    Both begin with the runs of the most work. Threads that take the next run that is left end together if the last ones
    are short. Otherwise some of the longest are shared: three equal ones on two threads take 1 + 1/2 that way, not 2.

    Parameters
    ----------
    runs : sequence
        With an attribute `work`, to which the time of a run is proportional.
    threads : int
    needs_team : callable
        Tells of a run whether the threads must share it (True), may do so (None), or had better not (False).
    """
    shared, single = list[Run](), list[Run]()
    for run in sorted(runs, key=lambda run: -run.work):
        (shared if needs_team(run) else single).append(run)
    count = _count_to_share(single, threads, needs_team) if threads > 1 else 0
    return shared + single[:count], single[count:]


def _count_to_share(runs: Sequence[Run], threads: int, needs_team: Callable[[Run], bool | None]) -> int:
    """Return how many of the first runs to share, so that all are done soonest; of the most work first."""
    even, shared, best, soonest = sum(run.work for run in runs) / threads, 0.0, 0, math.inf
    for count, run in enumerate(runs):
        end = shared + _longest(itertools.islice(runs, count, None), threads, even - shared)
        if end < soonest:
            soonest, best = end, count
        if end <= UNEVEN * even or needs_team(run) is not None:
            return best
        shared += run.work / threads
    return len(runs) if shared < soonest else best


def _longest(runs: Iterable[_Run], threads: int, even: float) -> float:
    """Return the work of the thread that is done last, if each takes the next of the runs, the longest first.

    Runs that are too short to matter count as if they could be divided.
    """
    long = [run.work for run in itertools.takewhile(lambda run: run.work > (UNEVEN - 1) * even, runs)]
    loads = [0.0] * min(threads, len(long))  # threads, of which a caller may allow millions, have at most one run each
    for work in long:
        heapq.heapreplace(loads, loads[0] + work)
    return max([*loads, even])
