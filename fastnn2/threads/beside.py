"""Threads that run Python beside their caller, which only waits: a signal is raised in none of them, and stops all."""

import contextlib
import contextvars
import os
import queue
from _thread import start_new_thread
from collections.abc import Callable
from itertools import repeat

from fastnn2.threads import system

POLL_SECONDS = 0.05  # how long the caller waits at a time: another thread of the process may receive a signal


def run_beside(work: Callable[[int], None], threads: int, stop: Callable[[], None]) -> int:
    """Call ``work(thread)`` on at most `threads` new threads; return how many the system has started.

    The threads have the context variables of the caller. What one of them raises, or a signal in the caller, is raised
    here, but only when all threads have ended: ``stop()`` is called, maybe several times, to make them end soon. An
    error that a handler of a signal raises comes before those of the threads.
    """
    process, started, ended = os.getpid(), list[int](), list[int]()
    failures, wake = list[BaseException](), queue.SimpleQueue[None]()

    def run(thread: int, context: contextvars.Context) -> None:
        try:
            system.block_signals()
            context.run(work, thread)
        except BaseException as error:
            failures.append(error)
            stop()
        finally:
            ended.append(thread)
            wake.put(None)

    jobs = [(thread, contextvars.copy_context()) for thread in range(threads)]
    raised = list[BaseException]()
    is_told = False

    def start_and_wait() -> None:
        nonlocal is_told
        if raised:
            stop()
        if not is_told:
            is_told = True
            # One bytecode starts all threads and records them, so that no signal can come between.
            with contextlib.suppress(RuntimeError):
                started.extend(map(start_new_thread, repeat(run), jobs))
        while len(ended) < len(started):
            with contextlib.suppress(queue.Empty):
                wake.get(timeout=POLL_SECONDS)
            if process != os.getpid():
                raise RuntimeError("this process was forked during training, which goes on in its parent only")

    while True:
        try:
            # A function: of a loop in a try, Python 3.13 leaves out the jump back, where a signal may come.
            start_and_wait()
            break
        except BaseException as error:  # from a signal; the threads may still run, so wait on
            if process != os.getpid():
                raise
            raised.append(error)
    for failure in (*raised, *failures):  # what a thread raises that is told to stop comes after what stops it
        raise failure
    return len(started)
