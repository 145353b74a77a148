"""The threads of a team: how its workers start and end, and how the caller runs and monitors it.

Each thread of a team is in a kernel for the whole job, without the GIL. Its workers, all threads but number 0, run no
Python (see :mod:`native`). In training they wait in the kernel for thread 0 to begin; in the estimators' kernels they
also wait there between the calls that thread 0 makes, so that a team can serve many short runs (:meth:`Team.call`).
Thread 0 itself is

- in a short job, of a few milliseconds, the caller. A signal takes effect after the job.
- in a long job a thread that Python starts, as Python raises a signal's exception only in its main thread and only
  between two bytecodes, never inside a kernel. The caller stays outside: it shows the progress bar and waits for the
  team, POLL_SECONDS at a time. All threads of the team block signals, so that they reach the main thread at once.

What happens at Ctrl-C in a long job:

1. The signal raises KeyboardInterrupt in the caller, which is inside :func:`monitor`.
2. :meth:`Team.stop` sets the control word STOP. A thread that finds it set before its next tile marks the iteration as
   abandoned. At the next barrier all threads find that mark and leave the loop.
3. :meth:`Team.stop` waits until the last thread has left, as the threads write to arrays that the caller is about to
   release. It keeps exceptions that come meanwhile, such as that of a second Ctrl-C, and waits on.
   A job in a pause (see :mod:`pauses`) has no thread 0 in the kernel; the caller calls it, so that all threads come to
   the barrier.
4. :func:`run_team` returns True. The parameters of the last complete iteration are intact: an abandoned iteration
   changes none, or, in ``train_wide``, only a second set.
"""

import os
import time
from _thread import start_new_thread
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np

from fastnn2.codegen.loader import Kernel
from fastnn2.kernels.shared import control_words
from fastnn2.kernels.shared.features import has_fma
from fastnn2.kernels.shared.record import Record
from fastnn2.threads import system
from fastnn2.threads.native import NativeThreads, PythonThreads, acquired_lock
from fastnn2.threads.progress import Progress

# How long the caller waits at a time. A signal that another thread of the process receives does not wake it.
POLL_SECONDS = 0.05
START_ATTEMPTS = 100  # a millisecond apart
# A job is short up to this number of multiplications, which take milliseconds. To those of the kernel, each iteration
# adds a number for its fixed costs and one for each parameter.
SHORT_JOB_WORK, WORK_PER_ITERATION, WORK_PER_PARAMETER = 300_000_000, 5_000, 50
RELEASE_ALL = 1 << 62  # a count of arrivals that is beyond the target of every barrier


def is_short_job(work: int, iterations: int, parameters: int) -> bool:
    """Return whether a signal can wait for the end of a job; never without FMA instructions, which makes all slower."""
    work += iterations * (WORK_PER_ITERATION + WORK_PER_PARAMETER * parameters)
    return work <= SHORT_JOB_WORK and has_fma()


class Team:
    """The caller or a thread in its place, and workers, for one kernel.

    Parameters
    ----------
    kernel : Kernel
    job : callable
        ``job(thread, threads)`` returns the record of one of `threads` threads.
    control : ndarray of int64
        The control words of the kernel; see :mod:`fastnn2.kernels.shared.control_words`.
    size : int
        The number of threads asked for. The team is smaller if the system refuses to start some of them.
    stops : ndarray of int64, optional
        The words that tell all threads to stop, where it takes more than STOP of `control`; a view.

    Attributes
    ----------
    jobs : list of Record
        The records of the team that has been started, one for each thread.
    is_done : bool
        Whether all threads are done with a job of one call.
    failure : BaseException or None
        What a thread raised; this is a bug in fastnn2, not an error in the data.
    """

    def __init__(
        self,
        kernel: Kernel,
        job: Callable[[int, int], Record],
        control: np.ndarray[Any, Any],
        size: int,
        stops: np.ndarray[Any, Any] | None = None,
    ) -> None:
        self.control, self.asked, self.size = control, size, size
        self._stops = control[control_words.STOP : control_words.STOP + 1] if stops is None else stops
        self.jobs: list[Record] = []
        self.is_done = False
        self.failure: BaseException | None = None
        self._kernel, self._job = kernel, job
        self._workers: NativeThreads | PythonThreads | None = None
        self._is_started = False
        self._process = os.getpid()
        self._done_lock = acquired_lock()  # of a thread in the caller's place: released when it has left the kernel
        self._thread_0: list[int] = []  # the threads that were started in the caller's place, one after the other
        self._thread_0_ended: list[bool] = []  # one for each of them that has left the kernel

    def start(self) -> None:
        """Start the workers, which wait in the kernel for thread 0."""
        self.check_not_forked()
        threads_class = NativeThreads if system.IS_POSIX else PythonThreads
        while True:
            self.jobs = [self._job(thread, self.size) for thread in range(self.size)]
            if self.size == 1:
                break
            self._workers = threads_class(self._kernel, self.jobs[1:], self._fail)
            if self._workers.start():
                break
            granted = self._workers.started
            self.end()  # these workers know of a larger team
            self.control[[control_words.ENTERED, control_words.READY]] = 0
            self.size = 1 + granted
        self._is_started = True

    def is_usable(self, size: int) -> bool:
        """Return whether a team of this size waits for a call; never in a forked child, which inherits no threads."""
        return self._is_started and self.asked == size and not self.is_forked()

    def is_forked(self) -> bool:
        """Return whether this process is a child, forked since the team was made."""
        return self._process != os.getpid()

    def check_not_forked(self) -> None:
        """Raise RuntimeError in a child: its thread 0 would wait in the kernel for workers that it does not have."""
        if self.is_forked():  # by the handler of a signal, or by the progress bar
            raise RuntimeError("this process was forked during training, which goes on in its parent only")

    def call(self) -> None:
        """Make a call of the kernel as thread 0; raise what a worker raised."""
        self.check_not_forked()
        self._kernel(self.jobs[0])
        if self.failure is not None:
            raise self.failure

    def end(self) -> None:
        """Let the workers leave the kernel, and wait until they have. Thread 0 is not in the kernel."""
        if self._workers is not None and not self.is_forked():
            self.control[control_words.ENTERED] = control_words.SHUT_DOWN
            self._workers.join()

    def run(self) -> None:
        """Do a job of one call, or its part up to the next pause, with the caller as thread 0."""
        try:
            if not self.jobs:  # _is_started is False, too, once the team is told to stop
                self.start()
            self.call()
        finally:
            if not self.is_paused():
                self.end()  # when thread 0 is done, the others may still be in their last update
        self.is_done = not self.is_paused()

    def is_paused(self) -> bool:
        """Return whether thread 0 has left the kernel for a pause; the workers stay in it."""
        return bool(self.control[control_words.OUTCOME] == control_words.PAUSED)

    def run_beside(self) -> None:
        """Do the same with another thread as thread 0; do not wait for it.

        One bytecode starts the thread and records it, so that no signal can come between. If the system refuses it, the
        thread of the part before may not quite have ended.
        """
        self._done_lock = acquired_lock()
        for left in reversed(range(START_ATTEMPTS if self._thread_0 else 1)):
            try:
                self._thread_0.extend(map(start_new_thread, [self._run_as_thread_0], repeat(())))
                return
            except RuntimeError:
                if left == 0:
                    raise
                time.sleep(0.001)

    def _run_as_thread_0(self) -> None:
        try:
            system.block_signals()
            self.run()
        except BaseException as error:
            self.failure = error
        finally:
            self.is_done = not self.is_paused()
            self._thread_0_ended.append(True)
            self._done_lock.release()

    def _fail(self, error: BaseException) -> None:
        """Record what was raised in a worker, and let all threads leave the kernel.

        The worker comes to no further barrier, so all barriers are released. The results are invalid.
        """
        self.failure = error
        self._stops[...] = 1
        self.control[[control_words.ARRIVED, control_words.CALLS_DONE]] = RELEASE_ALL

    def wait(self, seconds: float) -> bool:
        """Wait, at most `seconds`, for thread 0 if it is not the caller; return whether it is out of the kernel.

        It is so in a forked process, too, which has no such thread.
        """
        if self.is_forked() or self._is_caller_thread_0():
            return True
        if self._done_lock.acquire(timeout=seconds):
            self._done_lock.release()
        return self._is_caller_thread_0()

    def _is_caller_thread_0(self) -> bool:
        """Return whether no thread in the caller's place is in the kernel."""
        return len(self._thread_0) == len(self._thread_0_ended)

    def stop(self) -> BaseException | None:
        """Tell the team to stop and wait until it has; return what was raised in the calling thread meanwhile."""
        raised = None
        while not self.is_done:
            try:
                self._is_started = False
                self._stops[...] = 1
                while not self.wait(POLL_SECONDS):
                    pass
                if self.is_paused() and not self.is_forked():
                    self._kernel(self.jobs[0])
                self.end()
                break
            except BaseException as error:  # from a signal; the threads may still run, so wait on
                raised = error
        return raised


def run_team(
    team: Team, is_short: bool, iterations: int, progress: bool | None, run: Callable[[Team], None] | None = None
) -> bool:
    """Run a job to its end, or to Ctrl-C; return whether Ctrl-C came. What a thread raises is raised here.

    ``run(team)``, if given, runs a job in parts (see :func:`pauses.run_with_pauses`).
    """
    interrupted, pending_exception = False, None
    try:
        try:
            if run is not None:
                run(team)
            elif is_short:
                team.run()
            else:
                team.run_beside()
            if run is None and (progress or not is_short):
                with Progress(team.control, iterations, progress) as bar:
                    monitor(team, bar)
        finally:
            pending_exception = team.stop()
    except KeyboardInterrupt:  # not kept: its traceback, with this frame, would keep the caller's arrays alive
        interrupted = True
    finally:
        # Once more, as a second signal may have come just before stop() was called above.
        pending_exception = team.stop() or pending_exception
    if team.failure is not None:
        raise team.failure
    team.check_not_forked()
    if pending_exception is not None and not isinstance(pending_exception, KeyboardInterrupt):
        raise pending_exception
    return interrupted or pending_exception is not None


def monitor(team: Team, bar: Progress, is_pause_due: Callable[[], bool] | None = None) -> None:
    """Wait until thread 0 is out of the kernel, and let it pause after the present iteration when that is due."""
    while not team.wait(POLL_SECONDS):
        if is_pause_due is not None and is_pause_due():
            team.control[control_words.PAUSE_AT] = 0
        bar.update()
    bar.update()
