"""Threads that wait between one short job and the next, where many such jobs follow each other closely.

To start a thread and wait for its end takes a tenth of a millisecond or two, as much as some jobs. So the caller is
thread 0 of each job, and the others wait for it to come: in Python between jobs and in the kernel at the start of one.
Where every job is the same but for the numbers in its arrays, they stay in the kernel and wait there for the next.
"""

import functools
import os
from _thread import start_new_thread
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np

from fastnn2.kernels.shared import control_words
from fastnn2.threads.team import abort

Job = Callable[[], None]


class WorkerPool:
    """So many threads beside the caller, from the first job on; after Ctrl-C in :meth:`run` good for :meth:`end` alone.

    (None is started before whoever wants them has this object: a signal in between would leave it waiting for ever.)
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: list[SimpleQueue[Job | None]] = []
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._control: np.ndarray[Any, Any] | None = None  # of a job that is not over
        self._size, self._posted = 1, 0
        self._process = os.getpid()

    def _start(self) -> None:
        """Start those that are not there yet; one that a signal comes after is known to :meth:`end`."""
        try:
            while len(self._jobs) < self._count:
                jobs: SimpleQueue[Job | None] = SimpleQueue()
                self._jobs.append(jobs)
                start_new_thread(self._serve, (jobs,))
        except RuntimeError:  # the system starts no more; those that are there, or the caller alone, will do
            self._jobs.pop()
            self._count = len(self._jobs)

    def _serve(self, jobs: "SimpleQueue[Job | None]") -> None:
        while (job := jobs.get()) is not None:
            raised = None
            try:
                job()
            except BaseException as error:
                raised = error
                if (control := self._control) is not None:
                    abort(control)
            del job  # it holds the arrays of the caller
            self._done.put(raised)

    def run(
        self,
        control: np.ndarray[Any, Any],
        work: Callable[[int, int], None],
        threads: int,
        prepare: Callable[[], object] | None = None,
        persistent: bool = False,
    ) -> None:
        """Let each of so many threads call ``work(number, threads)``, this one as number 0; return when all did it.

        A short job, as a signal is not heard before it is over. The caller may `prepare` it while the others wake: they
        wait for thread 0 at the start of their work. If they are `persistent`, they do not leave the kernel, and a run
        with the same `control` is one more call of thread 0 alone, with the same `work` and `threads`; until another
        job is run, all end, or something is raised.
        """
        self._forget_others_after_fork()
        self._start()
        if not (persistent and control is self._control):
            self._release()
            self._control = control
            control[control_words.PERSISTENT] = persistent
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
            done = not control[control_words.STOP]  # else one of the others failed
        finally:
            if not (done and persistent):
                self._release()

    def _release(self) -> None:
        """Tell those who wait for the caller that it comes no more, and wait until all are done; raise what they did.

        After a signal nothing is waited for twice.
        """
        control, posted = self._control, self._posted
        if control is None:
            return
        if control[control_words.ENTERED] == 0 or control[control_words.PERSISTENT]:
            control[control_words.ENTERED] = control_words.SHUT_DOWN
        self._control, self._posted = None, 0
        raised = [self._done.get() for _ in range(posted)]
        for error in raised:
            if error is not None:
                raise error

    def _forget_others_after_fork(self) -> None:
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._count, self._jobs, self._control, self._posted = 0, [], None, 0

    def end(self) -> None:
        """Let the threads end, one that is at work after its job."""
        try:
            self._forget_others_after_fork()
            self._release()
        finally:
            if self._control is not None:  # a signal came before they were told
                self._control[control_words.ENTERED] = control_words.SHUT_DOWN
            for jobs in self._jobs:
                jobs.put(None)
