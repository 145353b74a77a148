"""Worker threads that are kept between short jobs which follow each other closely.

To start a thread and wait for its end takes 0.1 to 0.2 ms, as long as some jobs. A pool starts its workers once. The
caller is thread 0 of every job. A worker waits for it in two places: between jobs in Python, at its queue of tasks; and
at the start of a job in the kernel, until thread 0 enters the kernel as well.

Jobs that make the same kernel call, and differ only in the contents of its arrays, can be `persistent`. Then the
workers stay in the kernel after the first job and wait there until thread 0 enters it for the next one. The control
words ENTERED, PERSISTENT and CALLS_DONE coordinate this.
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

Task = Callable[[], None]


class WorkerPool:
    """`count` lazily started workers. After KeyboardInterrupt in :meth:`run`, only :meth:`end` may be called.

    The first job starts the workers, not the constructor: a signal that came before the caller had stored the new pool
    would leave them waiting for ever.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._queues: list[SimpleQueue[Task | None]] = []  # one for each worker; None ends it
        self._results: SimpleQueue[BaseException | None] = SimpleQueue()  # one for each task that is done
        self._control: np.ndarray[Any, Any] | None = None  # control words of the current or persistent job
        self._size = 1  # threads of that job, the caller included
        self._unfinished = 0  # tasks of that job whose results have not been taken
        self._process = os.getpid()

    def _start_missing(self) -> None:
        """Start the workers that do not exist yet.

        A queue is stored before its worker starts: if a signal comes right after the start, :meth:`end` still ends it.
        """
        try:
            while len(self._queues) < self._count:
                queue: SimpleQueue[Task | None] = SimpleQueue()
                self._queues.append(queue)
                start_new_thread(self._run_worker, (queue,))
        except RuntimeError:  # the system refuses more threads: do with those that there are
            self._queues.pop()
            self._count = len(self._queues)

    def _run_worker(self, queue: "SimpleQueue[Task | None]") -> None:
        while (task := queue.get()) is not None:
            raised = None
            try:
                task()
            except BaseException as error:
                raised = error
                if (control := self._control) is not None:
                    abort(control)
            del task  # it holds arrays of the caller
            self._results.put(raised)

    def run(
        self,
        control: np.ndarray[Any, Any],
        work: Callable[[int, int], None],
        threads: int,
        prepare: Callable[[], object] | None = None,
        persistent: bool = False,
    ) -> None:
        """Let each of `threads` threads call ``work(thread, threads)``; return when all have. Thread 0 is the caller.

        The job must be short, as a signal takes effect only after it. `prepare` is called first, while the workers
        wake: they wait for thread 0 at the start of their work.

        If `persistent`, the workers stay in the kernel. A further run with the same `control`, `work` and `threads` is
        then one more call by thread 0 alone. The workers leave the kernel when another job is run, at :meth:`end`, or
        when something is raised.
        """
        self._reset_after_fork()
        self._start_missing()
        if not (persistent and control is self._control):
            self._finish_job()
            self._control = control
            control[control_words.PERSISTENT] = persistent
            self._size = min(threads, len(self._queues) + 1)
        done = False
        try:
            if self._unfinished == 0:
                for thread, queue in enumerate(self._queues[: self._size - 1], start=1):
                    queue.put(functools.partial(work, thread, self._size))
                    self._unfinished += 1
            if prepare is not None:
                prepare()
            work(0, self._size)
            done = not control[control_words.STOP]  # a worker that fails sets STOP
        finally:
            if not (done and persistent):
                self._finish_job()

    def _finish_job(self) -> None:
        """Tell the workers that thread 0 makes no further call, wait until they are done, and raise their first error.

        If a signal interrupts this, no result is waited for a second time.
        """
        control, unfinished = self._control, self._unfinished
        if control is None:
            return
        if control[control_words.ENTERED] == 0 or control[control_words.PERSISTENT]:
            control[control_words.ENTERED] = control_words.SHUT_DOWN
        self._control, self._unfinished = None, 0
        results = [self._results.get() for _ in range(unfinished)]
        for error in results:
            if error is not None:
                raise error

    def _reset_after_fork(self) -> None:
        """Forget the workers in a forked child, which has none of them."""
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._count, self._queues, self._control, self._unfinished = 0, [], None, 0

    def end(self) -> None:
        """Let the workers end, after the task that they are working on."""
        try:
            self._reset_after_fork()
            self._finish_job()
        finally:
            if self._control is not None:  # a signal came before _finish_job told them
                self._control[control_words.ENTERED] = control_words.SHUT_DOWN
            for queue in self._queues:
                queue.put(None)
