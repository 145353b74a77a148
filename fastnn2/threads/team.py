"""The threads of a team, and the caller who watches them.

Each thread is inside one kernel call for the whole job, without the GIL. The caller stays outside: it shows the
progress bar, and it alone can be reached by a signal. In a job of a few milliseconds, where a signal can wait for the
end, the caller is thread 0 itself, and the others run no Python (see :mod:`native`): to wake a thread of Python, and be
woken by it, takes a tenth of a millisecond. Whatever is raised in the caller, the team has ended before
it goes on, as the arrays that the kernel works on go with it.
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

from fastnn2.codegen.loader import Kernel
from fastnn2.codegen.processor import Processor
from fastnn2.codegen.store import is_terminal
from fastnn2.kernels.shared import control_words
from fastnn2.threads.cores import affinity
from fastnn2.threads.native import Call, NativeThreads, cores_apart

BAR_AFTER = 0.5  # seconds of training, after which a job that will take more than a second gets a bar
# Seconds between looks at whether a signal came: one that was sent to another thread wakes nobody.
LOOK_EVERY = 0.05
# Multiplications of a job that takes so few milliseconds that a signal can wait for its end. An iteration, however few
# its samples, takes as long as so many, and as so many more for each parameter.
SHORT_WORK, WORK_OF_ANY_ITERATION, WORK_OF_PARAMETER = 300_000_000, 5_000, 50
EVERYBODY = 1 << 62  # more than will ever come to a barrier


def is_short(work: int, iterations: int, parameters: int) -> bool:
    """Return whether a job is over before anybody would notice that a signal waits; not where LLVM calls fma."""
    work += iterations * (WORK_OF_ANY_ITERATION + WORK_OF_PARAMETER * parameters)
    return work <= SHORT_WORK and Processor.here().has_fma


def abort(control: np.ndarray[Any, Any]) -> None:
    """Let all threads that work with these control words stop, where one of them has failed and comes no more.

    What they reached is of no use then, so no barrier need hold; whoever started them raises the failure.
    """
    control[control_words.STOP] = 1
    control[[control_words.ARRIVED, control_words.CALLS_DONE]] = EVERYBODY


class Team:
    """Threads that each make one call of a function at the same time.

    Those of Python are bare ones that wait for bare locks: ``threading.Thread.start`` waits until its thread is up, and
    the lock inside a ``threading.Event`` stays locked for ever where a signal comes just after it was taken.

    Parameters
    ----------
    control : ndarray of int64
        The control words of the kernel; see :mod:`fastnn2.kernels.shared.tuning`.
    """

    def __init__(self, control: np.ndarray[Any, Any]) -> None:
        self.control = control
        self.is_done = False
        self._end = _locked()
        self._gates: list[threading.Lock] = []
        self._lock = threading.Lock()
        self._work: Callable[[int, int], None] | None = None
        self._size = self._running = 0
        self._native: NativeThreads | None = None  # where the caller is thread 0
        self.failure: BaseException | None = None  # what a member raised: a mistake of ours, not of the data

    def start(self, size: int, work: Callable[[int, int], None], is_short: bool = False) -> None:
        """Let threads, at most `size`, each call ``work(number, threads)``; in a short job this one may be number 0.

        Where the system refuses to start so many, the team is smaller. No thread of Python begins before all are there,
        as they would wait for each other.
        """
        if is_short and (size == 1 or self._start_native(size, work)):
            self._take_part(size, work)
            return
        self._gates = [_locked() for _ in range(size)]
        threads = 0
        try:
            while threads < size:
                start_new_thread(self._member, (threads,))
                threads += 1
        except RuntimeError:
            if not threads and not is_short:
                raise
        if not threads:
            self._take_part(1, work)
            return
        self._size = self._running = threads
        self._work = functools.partial(_on_own_core, work)
        self._open_gates()

    def _start_native(self, size: int, work: Callable[[int, int], None]) -> bool:
        """Start all but number 0 as threads that run no Python; return whether they were, else none is left."""
        if not (isinstance(work, Call) and isinstance(work.kernel, Kernel) and work.kernel.thread_entry):
            return False
        cores = cores_apart(size)
        if not cores:
            return False
        self._native = NativeThreads(work, size, cores)
        if self._native.start():
            return True
        self._let_nobody_wait()
        self._native.join()
        self._native = None  # thread 0 is one of Python now, and comes
        self.control[[control_words.ENTERED, control_words.READY]] = 0
        return False

    def _take_part(self, size: int, work: Callable[[int, int], None]) -> None:
        """Do the work of thread 0, and wait for the others: they may not be told to stop before their last update."""
        work(0, size)
        if self._native is not None:
            self._native.join()
        self.is_done = True

    def _open_gates(self) -> None:
        for gate in self._gates:
            if gate.locked():  # also where its thread has gone through, which does no harm
                gate.release()

    def _member(self, number: int) -> None:
        self._gates[number].acquire()
        if self._work is None:  # whoever started this thread was interrupted before all were there
            return
        try:
            self._work(number, self._size)
        except BaseException as error:
            self.failure = error
            abort(self.control)
            if number == 0:
                self._let_nobody_wait()
        finally:
            with self._lock:
                self._running -= 1
                last = self._running == 0
            if last:
                self.is_done = True
                self._end.release()

    def _let_nobody_wait(self) -> None:
        """Let the others go where what was raised kept thread 0 from the kernel, in which they wait for it."""
        if self.control[control_words.ENTERED] == 0:
            self.control[control_words.ENTERED] = control_words.SHUT_DOWN

    def wait(self, seconds: float) -> bool:
        """Return whether the team is done, after so many seconds at the latest."""
        if not self.is_done and self._end.acquire(timeout=seconds):
            self._end.release()
        return self.is_done

    def end(self) -> BaseException | None:
        """Ask the team to stop and wait until it has; return what was raised in this thread meanwhile."""
        raised = None
        while True:
            try:
                self.control[control_words.STOP] = 1
                self._open_gates()
                if self._native is not None:
                    self._let_nobody_wait()
                    self._native.join()
                while self._work is not None and self._running:
                    self.wait(LOOK_EVERY)
                return raised
            except BaseException as error:  # a signal: the team is on its way out, and this thread has to wait
                raised = error


def _on_own_core(work: Callable[[int, int], None], number: int, size: int) -> None:
    """Work, in a team that has a thread for every core on a core of its own; the system may move this thread again.

    Two that begin on the same core give it to each other at every barrier, and are not moved for 10 ms and more.
    """
    try:
        cores = affinity()
        if len(cores) == size:
            os.sched_setaffinity(0, {sorted(cores)[number]})
            os.sched_setaffinity(0, cores)
    except (AttributeError, OSError):  # no such call here, or it is not allowed
        pass
    work(number, size)


def _locked() -> threading.Lock:
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
    """Start a team, watch it to its end, and return whether Ctrl-C came; what a member raised is raised here."""
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
        pending_exception = (
            team.end() or pending_exception
        )  # once more: a second signal may have come before the first try of end()
    if team.failure is not None:
        raise team.failure
    if pending_exception is not None and not isinstance(pending_exception, KeyboardInterrupt):
        raise pending_exception
    return (interrupt or pending_exception) is not None


def monitor(team: Team, iterations: int, progress: bool | None) -> None:
    """Wait until the team is done, and show a bar; None shows one on a terminal where the job takes over a second."""
    begin = time.perf_counter()
    if progress is None and is_terminal(sys.stderr):
        progress = not team.wait(BAR_AFTER) and _seconds(begin, team, iterations) > 1.0
    if not progress:
        while not team.wait(LOOK_EVERY):
            pass
        return
    with _bar()(total=iterations, desc="training", unit="it", unit_scale=True, leave=False) as bar:
        while not team.wait(LOOK_EVERY):
            bar.update(int(team.control[control_words.COMPLETED]) - bar.n)
        bar.update(int(team.control[control_words.COMPLETED]) - bar.n)


class _NoLock:
    """What tqdm's bars share; one that a signal left locked would stop whatever thread next has to do with a bar."""

    def acquire(self, *_: object, **__: object) -> bool:
        return True

    def release(self, *_: object) -> None:
        pass

    __enter__, __exit__ = acquire, release


@functools.cache
def _bar() -> Any:
    from tqdm import tqdm  # not tqdm.auto, which warns where ipywidgets are missing

    class Bar(tqdm):  # type: ignore[misc,type-arg]
        monitor_interval = 0  # no thread beside it either

    Bar.set_lock(_NoLock())
    return Bar


def _seconds(begin: float, team: Team, iterations: int) -> float:
    """Return how long the whole job will take, judged by what is done."""
    return (time.perf_counter() - begin) * iterations / max(1, int(team.control[control_words.COMPLETED]))
