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
        self._control: np.ndarray[Any, Any] | None = None  # of a job that is not over
        self._size, self._posted = 1, 0
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
        staying: bool = False,
    ) -> None:
        """Let each of so many threads call ``work(number, threads)``, this one as number 0; return when all are done.

        A short job, as a signal is not heard before it is over. The caller may `prepare` it while the others wake: they
        wait for thread 0 at the start of their work. If they are `staying`, they wait in the kernel for the same job
        with the same `control`, until another one is run or all end.
        """
        if not (staying and control is self._control):
            self._release()
            self._control = control
            control[plan.STAYING] = staying
            self._size = min(threads, len(self._jobs) + 1)
        done = False
        try:
            if self._posted == 0:
                for number, jobs in enumerate(self._jobs[: self._size - 1], start=1):
                    jobs.put(functools.partial(work, number, self._size))
                    self._posted += 1
            if prepare is not None:
                prepare()
            work(0, self._size)
            done = True
        finally:
            if not (done and staying):
                self._release()

    def _release(self) -> None:
        """Wait until the others are done with their job, without the caller if it has not come; raise what they did."""
        if self._control is None:
            return
        if self._control[plan.ENTERED] == 0 or self._control[plan.STAYING]:
            self._control[plan.ENTERED] = plan.NOT_COMING
        raised = [self._done.get() for _ in range(self._posted)]
        self._control, self._posted = None, 0
        for error in raised:
            if error is not None:
                raise error

    def end(self) -> None:
        """Let the threads end, one that is at work after its job."""
        try:
            self._release()
        finally:
            for jobs in self._jobs:
                jobs.put(None)
