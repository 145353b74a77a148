"""Threads that wait between one short job and the next, where many such jobs follow each other closely.

To start a team of two and to be woken by it takes a third of a millisecond, as much as some jobs. So the caller is
thread 0 of each job, and the others wait for it to come, in Python between jobs and in the kernel at the start of one.
"""

import functools
from _thread import start_new_thread
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np

from fastnn2.kernels import plan

Job = Callable[[], None]


class Helpers:
    """So many threads beside the caller; after Ctrl-C in :meth:`run` good for :meth:`end` alone."""

    def __init__(self, count: int) -> None:
        self._jobs: list[SimpleQueue[Job | None]] = []
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        try:
            while len(self._jobs) < count:
                jobs: SimpleQueue[Job | None] = SimpleQueue()
                start_new_thread(self._help, (jobs,))
                self._jobs.append(jobs)
        except RuntimeError:  # the system starts no more; the caller alone will do
            pass

    def _help(self, jobs: "SimpleQueue[Job | None]") -> None:
        while (job := jobs.get()) is not None:
            raised = None
            try:
                job()
            except BaseException as error:
                raised = error
            del job  # it holds the arrays of the caller
            self._done.put(raised)

    def run(
        self,
        control: np.ndarray[Any, Any],
        work: Callable[[int, int], None],
        threads: int,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        """Let each of so many threads call ``work(number, threads)``, this one as number 0; return when all are done.

        A short job, as a signal is not heard before it is over. The caller may `prepare` it while the others wake: they
        wait for thread 0 at the start of their work.
        """
        helpers = self._jobs[: threads - 1]
        posted = 0
        try:
            for number, jobs in enumerate(helpers, start=1):
                jobs.put(functools.partial(work, number, len(helpers) + 1))
                posted += 1
            if prepare is not None:
                prepare()
            work(0, len(helpers) + 1)
        finally:
            if control[plan.ENTERED] == 0:
                control[plan.ENTERED] = plan.NOT_COMING  # a signal came first
            raised = [self._done.get() for _ in range(posted)]
        for error in raised:
            if error is not None:
                raise error

    def end(self) -> None:
        """Let the threads end, one that is at work after its job."""
        for jobs in self._jobs:
            jobs.put(None)
