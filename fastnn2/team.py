"""The Python threads of a team, and the caller who watches them.

Each thread is inside one kernel call for the whole job, without the GIL. The caller stays outside: it shows the
progress bar, and it alone can be reached by a signal. In a job of a few milliseconds, where a signal can wait for the
end, the caller is thread 0 itself if the system lets it keep the others off its core: to wake another thread, and be
woken by it, takes a tenth of a millisecond. Whatever is raised in the caller, the team has ended before it goes on, as
the arrays that the kernel works on go with it.
"""

import ctypes
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
# Multiplications of a job that takes so few milliseconds that a signal can wait for its end. An iteration, however few
# its samples, takes as long as so many, and as so many more for each parameter.
SHORT_WORK, WORK_OF_ANY_ITERATION, WORK_OF_PARAMETER = 300_000_000, 5_000, 50
EVERYBODY = 1 << 62  # more than will ever come to a barrier


def is_short(work: int, iterations: int, parameters: int) -> bool:
    """Return whether a job is over before anybody would notice that a signal waits; not where LLVM calls fma."""
    work += iterations * (WORK_OF_ANY_ITERATION + WORK_OF_PARAMETER * parameters)
    return work <= SHORT_WORK and Processor.here().has_fma


def give_up(control: np.ndarray[Any, Any]) -> None:
    """Let all threads that work with these control words stop, where one of them has failed and comes no more.

    What they reached is of no use then, so no barrier need hold; whoever started them raises the failure.
    """
    control[plan.STOP] = 1
    control[[plan.ARRIVED, plan.LEFT]] = EVERYBODY


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
        self._takes_part = False  # whether the caller is thread 0
        self.failure: BaseException | None = None  # what a member raised: a mistake of ours, not of the data

    def start(self, size: int, work: Callable[[int, int], None], is_short: bool = False) -> None:
        """Let threads, at most `size`, each call ``work(number, threads)``; in a short job this one may be number 0.

        Where the system refuses to start so many, the team is smaller. None begins before all are there, as they
        would wait for each other.
        """
        cores = _cores_apart(size) if is_short and size > 1 else set()
        takes_part = is_short and (size == 1 or bool(cores))
        self._gates = [_locked() for _ in range(size)]
        threads: list[int] = []
        try:
            while len(threads) + takes_part < size:
                threads.append(start_new_thread(self._member, (len(threads) + takes_part,)))
        except RuntimeError:
            if not (threads or takes_part):
                raise
        if takes_part:
            _keep_off_this_core(threads, cores)
        self._size, self._running = len(threads) + takes_part, len(threads)
        self._takes_part = takes_part
        self._work = work if is_short else functools.partial(_on_own_core, work)
        self._open_gates()
        if takes_part:
            self._work(0, self._size)
            if not threads:
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
            give_up(self.control)
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
        if self.control[plan.ENTERED] == 0:
            self.control[plan.ENTERED] = plan.NOT_COMING

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
                if self._takes_part:
                    self._let_nobody_wait()
                while self._work is not None and self._running:
                    self.wait(LOOK_EVERY)
                return raised
            except BaseException as error:  # a signal: the team is on its way out, and this thread has to wait
                raised = error


@functools.cache
def _placement() -> tuple[Any, Any] | None:
    """Return the system's calls that say where a thread may run and on which core this one is; None without them."""
    try:
        library = ctypes.CDLL(None)
        set_affinity, this_core = library.pthread_setaffinity_np, library.sched_getcpu
    except (AttributeError, OSError, TypeError):  # not Linux
        return None
    set_affinity.argtypes = ctypes.c_ulong, ctypes.c_size_t, ctypes.c_void_p
    return set_affinity, this_core


def _cores_apart(size: int) -> set[int]:
    """Return the cores of this process where each of so many threads can be kept on one of its own; else none."""
    try:
        cores = affinity() if _placement() is not None else set()
    except OSError:  # not allowed
        return set()
    return cores if size <= len(cores) else set()


def _keep_off_this_core(threads: list[int], cores: set[int]) -> None:
    """Let threads of a short job run on any of the cores but the caller's, who is at work and would share it for 3 ms.

    That is where the system starts them or lets them wake more often than not, even where another core is idle.
    """
    placement = _placement()
    if placement is None or not threads:
        return
    set_affinity, this_core = placement
    others = sum(1 << core for core in cores - {this_core()})
    words = max(cores) // 64 + 1
    mask = (ctypes.c_uint64 * words)(*(others >> 64 * word & 0xFFFF_FFFF_FFFF_FFFF for word in range(words)))
    for thread in threads:
        set_affinity(thread, ctypes.sizeof(mask), mask)


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
    interrupt = late = None
    try:
        try:
            team.start(size, work, is_short)
            watch(team, iterations, progress)
        finally:
            late = team.end()
    except KeyboardInterrupt as error:
        interrupt = error
    finally:
        late = team.end() or late  # once more: a second signal may have come before the first try of end()
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
