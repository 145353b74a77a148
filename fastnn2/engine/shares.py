"""Which of many runs the threads share, so that none of them is without work at the end."""

import heapq
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

# The threads share a run where the others would take longer than this times what they take with even shares.
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
    total = sum(run.work for run in single)
    while threads > 1 and single and needs_team(single[0]) is None:
        even = total / threads
        if _longest(single, threads, even) <= UNEVEN * even:
            break
        total -= single[0].work
        shared.append(single.pop(0))
    return shared, single


def _longest(runs: Sequence[_Run], threads: int, even: float) -> float:
    """Return the work of the thread that is done last, if each takes the next of the runs, the longest first.

    Runs that are too short to matter count as if they could be divided.
    """
    loads = [0.0] * threads
    for run in runs:
        if run.work <= (UNEVEN - 1) * even:
            break
        heapq.heapreplace(loads, loads[0] + run.work)
    return max(*loads, even)
