"""A parallel for loop: several threads, each of which takes the next item that is left."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def parallel_for(body: Callable[[int, Item], None], items: Sequence[Item], threads: int) -> None:
    """Call ``body(thread, item)`` for each item on at most `threads` threads; thread 0 is the calling one.

    If the system refuses to start threads, or Python is shutting down, the threads that there are do all the work. An
    exception in a call, or a signal, is raised here, and no further item is begun. Two calls at the same time never
    have the same thread number.
    """
    remaining, failed = iter(items), list[int]()

    def run(thread: int) -> None:
        try:
            for item in remaining:
                if failed:
                    return
                body(thread, item)
        except BaseException:
            failed.append(thread)
            raise

    if threads <= 1:
        run(0)
        return
    with contextlib.ExitStack() as stack:
        others = []
        try:
            with contextlib.suppress(RuntimeError):
                from concurrent.futures import ThreadPoolExecutor  # imported here: one thread does not need it

                pool = stack.enter_context(ThreadPoolExecutor(threads - 1))
                for thread in range(1, threads):
                    others.append(pool.submit(run, thread))
            run(0)
            for other in others:
                other.result()
        except BaseException:
            failed.append(0)  # also stops the others after a signal while they were started or waited for
            raise
