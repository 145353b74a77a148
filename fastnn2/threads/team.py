"""The threads of a team, and how the caller starts, monitors and ends them.

Each thread of a team makes one kernel call that lasts for the whole job and runs without the GIL. Python raises a
signal's exception only in its main thread and only between two bytecodes, never inside a kernel. So in a long job the
caller stays outside: it shows the progress bar and waits for the team, POLL_SECONDS at a time.

What happens at Ctrl-C in a long job:

1. The signal raises KeyboardInterrupt in the caller, which is inside :func:`monitor`.
2. :meth:`Team.end` sets the control word STOP. A thread that finds it set before its next tile marks the iteration as
   abandoned. At the next barrier all threads find that mark and leave the kernel.
3. :meth:`Team.end` waits until the last thread has left, as the threads write to arrays that the caller is about to
   release. It keeps exceptions that come meanwhile, such as that of a second Ctrl-C, and waits on.
4. :func:`run_team` returns True. The parameters of the last complete iteration are intact: an abandoned iteration
   changes none, or, in ``train_wide``, only a second set.

In a short job, of a few milliseconds, the caller is thread 0 itself, and the other threads run no Python (see
:mod:`native`): waking a Python thread and being woken by it takes a tenth of a millisecond. A signal takes effect after
the job.
"""

import functools
import os
import sys
import threading
import time
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.codegen.processor import Processor
from fastnn2.codegen.store import is_terminal
from fastnn2.kernels.shared import control_words
from fastnn2.threads.cores import affinity
from fastnn2.threads.native import KernelCall, NativeThreads, other_cores

BAR_AFTER_SECONDS = 0.5  # of training; then a job that will take more than a second gets a progress bar
# How long the caller waits at a time. A signal that another thread receives does not wake it.
POLL_SECONDS = 0.05
# A job is short up to this number of multiplications, which take milliseconds. To those of the kernel, each iteration
# adds a number for its fixed costs and one for each parameter.
SHORT_JOB_WORK, WORK_PER_ITERATION, WORK_PER_PARAMETER = 300_000_000, 5_000, 50
RELEASE_ALL = 1 << 62  # a count of arrivals that is beyond the target of every barrier


def is_short_job(work: int, iterations: int, parameters: int) -> bool:
    """Return whether a signal can wait for the end of a job; never without FMA instructions, which makes all slower."""
    work += iterations * (WORK_PER_ITERATION + WORK_PER_PARAMETER * parameters)
    return work <= SHORT_JOB_WORK and Processor.here().has_fma


def abort(control: np.ndarray[Any, Any]) -> None:
    """Let all threads that use these control words leave their kernel after one of them has failed.

    The failed thread comes to no further barrier, so all barriers are released. The results are invalid; the caller
    raises the failure.
    """
    control[control_words.STOP] = 1
    control[[control_words.ARRIVED, control_words.CALLS_DONE]] = RELEASE_ALL


class Team:
    """Threads that each make one call of a function at the same time.

    Python threads come from ``_thread`` and wait for bare locks. ``threading.Thread.start`` would wait until the thread
    runs; and the lock inside a ``threading.Event`` stays locked for ever if a signal comes just after it was acquired.

    Parameters
    ----------
    control : ndarray of int64
        The control words of the kernel; see :mod:`fastnn2.kernels.shared.control_words`.

    Attributes
    ----------
    is_done : bool
        Whether all threads have returned.
    failure : BaseException or None
        What a thread raised; this is a bug in fastnn2, not an error in the data.
    """

    def __init__(self, control: np.ndarray[Any, Any]) -> None:
        self.control = control
        self.is_done = False
        self._done_lock = _acquired_lock()  # released by the last thread
        self._start_locks: list[threading.Lock] = []  # one for each Python thread, released when all are started
        self._count_lock = threading.Lock()
        self._work: Callable[[int, int], None] | None = None
        self._size = self._running = 0
        self._native: NativeThreads | None = None  # set if the caller is thread 0
        self.failure: BaseException | None = None

    def start(self, size: int, work: Callable[[int, int], None], is_short: bool = False) -> None:
        """Start at most `size` threads that each call ``work(thread, threads)``.

        In a short job the caller becomes thread 0, if the others can be native threads, and this returns at the end of
        the job. If the system refuses to start some of the threads, the team is smaller. Python threads begin their
        work when all have been started, as they wait for each other in the kernel.
        """
        if is_short and (size == 1 or self._start_native(size, work)):
            self._run_as_thread_0(size, work)
            return
        self._start_locks = [_acquired_lock() for _ in range(size)]
        threads = 0
        try:
            while threads < size:
                start_new_thread(self._run_thread, (threads,))
                threads += 1
        except RuntimeError:
            if not threads and not is_short:
                raise
        if not threads:
            self._run_as_thread_0(1, work)
            return
        self._size = self._running = threads
        self._work = functools.partial(_run_on_own_core, work)
        self._release_start_locks()

    def _start_native(self, size: int, work: Callable[[int, int], None]) -> bool:
        """Start all threads but number 0 as native threads; return whether all were started, else none is left."""
        if not isinstance(work, KernelCall):
            return False
        cores = other_cores(size)
        if not cores:
            return False
        self._native = NativeThreads(work, size, cores)
        if self._native.start():
            return True
        self._shut_down_unless_entered()
        self._native.join()
        self._native = None  # from here on thread 0 is a Python thread, which does enter the kernel
        self.control[[control_words.ENTERED, control_words.READY]] = 0
        return False

    def _run_as_thread_0(self, size: int, work: Callable[[int, int], None]) -> None:
        """Do the work of thread 0; then wait for the others, so that STOP is not set before their last update."""
        work(0, size)
        if self._native is not None:
            self._native.join()
        self.is_done = True

    def _release_start_locks(self) -> None:
        for lock in self._start_locks:
            if lock.locked():  # a thread that has begun leaves its lock locked; to release it again does no harm
                lock.release()

    def _run_thread(self, thread: int) -> None:
        self._start_locks[thread].acquire()
        if self._work is None:  # the caller was interrupted before all threads were started
            return
        try:
            self._work(thread, self._size)
        except BaseException as error:
            self.failure = error
            abort(self.control)
            if thread == 0:
                self._shut_down_unless_entered()
        finally:
            with self._count_lock:
                self._running -= 1
                is_last = self._running == 0
            if is_last:
                self.is_done = True
                self._done_lock.release()

    def _shut_down_unless_entered(self) -> None:
        """Let the threads that wait in the kernel leave it, if an exception kept thread 0 from entering it."""
        if self.control[control_words.ENTERED] == 0:
            self.control[control_words.ENTERED] = control_words.SHUT_DOWN

    def wait(self, seconds: float) -> bool:
        """Wait for the team, at most `seconds`; return whether it is done."""
        if not self.is_done and self._done_lock.acquire(timeout=seconds):
            self._done_lock.release()
        return self.is_done

    def end(self) -> BaseException | None:
        """Tell the team to stop and wait until it has; return what was raised in the calling thread meanwhile."""
        raised = None
        while True:
            try:
                self.control[control_words.STOP] = 1
                self._release_start_locks()
                if self._native is not None:
                    self._shut_down_unless_entered()
                    self._native.join()
                while self._work is not None and self._running:
                    self.wait(POLL_SECONDS)
                return raised
            except BaseException as error:  # from a signal; the threads still run, so wait on
                raised = error


def _run_on_own_core(work: Callable[[int, int], None], thread: int, threads: int) -> None:
    """Do the work; before, if the team has as many threads as there are cores, move this one to a core of its own.

    Two threads that start on the same core yield it to each other at every barrier, and the system leaves them there
    for 10 ms and more. The system may move this thread again later.
    """
    try:
        cores = affinity()
        if len(cores) == threads:
            os.sched_setaffinity(0, {sorted(cores)[thread]})
            os.sched_setaffinity(0, cores)
    except (AttributeError, OSError):  # not Linux, or not permitted
        pass
    work(thread, threads)


def _acquired_lock() -> threading.Lock:
    lock = allocate_lock()
    lock.acquire()
    return lock


def run_team(
    team: Team,
    size: int,
    work: Callable[[int, int], None],
    is_short: bool,
    iterations: int,
    progress: bool | None,
) -> bool:
    """Run a job to its end, or to Ctrl-C; return whether Ctrl-C came. What a thread raises is raised here."""
    interrupt = pending_exception = None
    try:
        try:
            team.start(size, work, is_short)
            monitor(team, iterations, progress)
        finally:
            pending_exception = team.end()
    except KeyboardInterrupt as error:
        interrupt = error
    finally:
        # Once more, as a second signal may have come just before end() was called above.
        pending_exception = team.end() or pending_exception
    if team.failure is not None:
        raise team.failure
    if pending_exception is not None and not isinstance(pending_exception, KeyboardInterrupt):
        raise pending_exception
    return (interrupt or pending_exception) is not None


def monitor(team: Team, iterations: int, progress: bool | None) -> None:
    """Wait until the team is done, with a progress bar if `progress`.

    None shows the bar on a terminal if the job takes over a second.
    """
    begin = time.perf_counter()
    if progress is None and is_terminal(sys.stderr):
        progress = not team.wait(BAR_AFTER_SECONDS) and _estimate_seconds(begin, team, iterations) > 1.0
    if not progress:
        while not team.wait(POLL_SECONDS):
            pass
        return
    with _bar_class()(total=iterations, desc="training", unit="it", unit_scale=True, leave=False) as bar:
        while not team.wait(POLL_SECONDS):
            bar.update(int(team.control[control_words.COMPLETED]) - bar.n)
        bar.update(int(team.control[control_words.COMPLETED]) - bar.n)


class _NoLock:
    """Replaces the lock that all bars of tqdm share. If a signal left that one locked, every later bar would hang."""

    def acquire(self, *_: object, **__: object) -> bool:
        return True

    def release(self, *_: object) -> None:
        pass

    __enter__, __exit__ = acquire, release


@functools.cache
def _bar_class() -> Any:
    from tqdm import tqdm  # not tqdm.auto, which warns if ipywidgets is missing

    class Bar(tqdm):  # type: ignore[misc,type-arg]
        monitor_interval = 0  # no monitor thread

    Bar.set_lock(_NoLock())
    return Bar


def _estimate_seconds(begin: float, team: Team, iterations: int) -> float:
    """Return how long the whole job will take, from the iterations completed so far."""
    return (time.perf_counter() - begin) * iterations / max(1, int(team.control[control_words.COMPLETED]))
