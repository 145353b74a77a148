"""A job with pauses, in which its caller looks at what is trained so far.

Thread 0 leaves the kernel for each pause, while the workers stay in it (see :mod:`fastnn2.kernels.loops.pauses`). The
caller is in a pause as in any Python code: what an observer raises, or a signal, ends the job. What the caller runs as
thread 0 between two pauses is short; a longer part has another thread as thread 0, as a long job does.
"""

import abc
from collections.abc import Callable

from fastnn2.kernels.shared import control_words
from fastnn2.threads.progress import Progress
from fastnn2.threads.team import Team, monitor


class Observer(abc.ABC):
    """Looks at a job in pauses, of which it says when they are."""

    @abc.abstractmethod
    def next_pause(self, completed: int) -> int:
        """Return the iteration, counted from 1, after which the job is to pause; `completed` have finished.

        It is at least 1 more, or NEVER.
        """

    def is_due(self) -> bool:
        """Return whether to pause after the present iteration. A long part of the job is asked every POLL_SECONDS."""
        return False

    @abc.abstractmethod
    def look(self, completed: int) -> bool:
        """Look at the job after an iteration, also after the last one; return whether it is to end here."""


def run_with_pauses(
    team: Team, observer: Observer, is_short: Callable[[int], bool], iterations: int, progress: bool | None
) -> None:
    """Run a job to its end, or until the observer ends it in a pause; see :func:`team.run_team`.

    ``is_short(count)`` tells whether a signal can wait for the end of a part of `count` iterations.
    """
    control, count, part_is_short = team.control, -1, False
    with Progress(control, iterations, progress) as bar:
        while True:
            completed = int(control[control_words.COMPLETED])
            pause_at = min(observer.next_pause(completed), control_words.NEVER)
            control[control_words.PAUSE_AT] = pause_at
            if count != min(pause_at, iterations) - completed:  # most parts are equally long
                count = min(pause_at, iterations) - completed
                part_is_short = is_short(count)
            if part_is_short:
                team.run()
            else:
                team.run_beside()
            monitor(team, bar, observer.is_due)
            if team.failure is not None or team.is_forked():
                return
            before, completed = completed, int(control[control_words.COMPLETED])
            is_at_end = control[control_words.OUTCOME] == control_words.FINISHED and completed > before
            if not (team.is_paused() or is_at_end) or observer.look(completed) or is_at_end:
                return
            team.check_not_forked()
