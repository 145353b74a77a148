"""The Python threads of a team, and the caller who watches them.

Each thread is inside one kernel call for the whole job, without the GIL. The calling thread stays outside: it shows the
progress bar, and it alone can be reached by a signal. Only a job of one thread and a few milliseconds it does itself:
to wake a thread, and be woken by it, takes a tenth of a millisecond. (In a team of two it would be no help: the system
starts the other thread on the core where the caller is at work.) Whatever is raised in the caller, the team has ended
before it goes on, as the arrays that the kernel works on go with it.
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

from fastnn2.cores import affinity
from fastnn2.kernels import plan
from fastnn2.kernels.processor import Processor
from fastnn2.kernels.store import is_terminal

BAR_AFTER = 0.5  # seconds of training, after which a job that will take more than a second gets a bar
# Seconds between looks at whether a signal came: one that was sent to another thread wakes nobody.
LOOK_EVERY = 0.05
# Multiplications of a job that takes so few milliseconds that a signal can wait for its end.
SHORT_WORK = 300_000_000


def is_short(work: int) -> bool:
    """Return whether a job is over before anybody would notice that a signal waits; not where LLVM calls fma."""
    return work <= SHORT_WORK and "fma" in Processor.here().features


class Team:
    """Threads that each make one call of a function at the same time.

    They are bare threads of the system: ``threading.Thread.start`` waits until its thread is up, one after the other,
    which took three times as long as all else that a short job asks of its team. And they wait for bare locks: the lock
    inside a ``threading.Event`` stays locked for ever where a signal comes just after it was taken.

    Parameters
    ----------
    control : ndarray of int64
        The control words of the kernel; see :mod:`fastnn2.kernels.plan`.
    """

    def __init__(self, control: np.ndarray[Any, Any]) -> None:
        self.control = control
        self.is_done = False
        self._end = _locked()
        self._gates: list[threading.Lock] = []
        self._lock = threading.Lock()
        self._work: Callable[[int, int], None] | None = None
        self._size = self._running = 0
        self.failure: BaseException | None = None  # what a member raised: a mistake of ours, not of the data

    def start(self, size: int, work: Callable[[int, int], None], is_short: bool = False) -> None:
        """Start threads, at most `size`, and let each call ``work(number, threads)``; do the short job of one yourself.

        Where the system refuses to start so many, the team is smaller. None begins before all are there, as they
        would wait for each other.
        """
        if size == 1 and is_short:
            work(0, 1)
            self.is_done = True
            return
        started = 0
        self._gates = [_locked() for _ in range(size)]
        try:
            while started < size:
                start_new_thread(self._member, (started,))
                started += 1
        except RuntimeError:
            if started == 0:
                raise
        self._size = self._running = started
        self._work = work if is_short else functools.partial(_on_own_core, work)
        self._open_gates()

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
            self.control[plan.STOP] = 1
        finally:
            with self._lock:
                self._running -= 1
                last = self._running == 0
            if last:
                self.is_done = True
                self._end.release()

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
                self.control[plan.STOP] = 1
                self._open_gates()
                while self._work is not None and self._running:
                    self.wait(LOOK_EVERY)
                return raised
            except BaseException as error:  # a signal: the team is on its way out, and this thread has to wait
                raised = error


def _on_own_core(work: Callable[[int, int], None], number: int, size: int) -> None:
    """Work, in a team that has a thread for every core on a core of its own; the system may move this thread again.

    Two that begin on the same core give it to each other at every barrier, and are not moved for 10 ms and more. To
    move one takes a tenth of a millisecond, too long for short jobs.
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


def conduct(
    team: Team,
    size: int,
    work: Callable[[int, int], None],
    is_short: bool,
    iterations: int,
    progress: bool | None,
) -> bool:
    """Start a team, watch it to its end, and return whether Ctrl-C came; what a member raised is raised here."""
    interrupt = None
    try:
        team.start(size, work, is_short)
        watch(team, iterations, progress)
    except KeyboardInterrupt as error:
        interrupt = error
    finally:
        late = team.end()
    if team.failure is not None:
        raise team.failure
    if late is not None and not isinstance(late, KeyboardInterrupt):
        raise late
    return (interrupt or late) is not None


def watch(team: Team, iterations: int, progress: bool | None) -> None:
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
            bar.update(int(team.control[plan.COMPLETED]) - bar.n)
        bar.update(int(team.control[plan.COMPLETED]) - bar.n)


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
    return (time.perf_counter() - begin) * iterations / max(1, int(team.control[plan.COMPLETED]))
