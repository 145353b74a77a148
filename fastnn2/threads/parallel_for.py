"""Items that several threads work on at once, each taking the next one that is left."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def on_threads(work: Callable[[int, Item], None], items: Sequence[Item], threads: int) -> None:
    """Call ``work(number, item)`` for each item on at most so many threads, with number 0 on this one.

    The system, or Python when it is about to end, may start fewer: then those that are there do the rest. What a call
    raises is raised here, a signal too, and no further item is begun. No number is at work twice at a time.
    """
    rest, failed = iter(items), list[int]()

    def share(number: int) -> None:
        try:
            for item in rest:
                if failed:
                    return
                work(number, item)
        except BaseException:
            failed.append(number)
            raise

    if threads <= 1:
        share(0)
        return
    with contextlib.ExitStack() as stack:
        others = []
        try:
            with contextlib.suppress(RuntimeError):
                from concurrent.futures import ThreadPoolExecutor  # not worth its import for one thread

                pool = stack.enter_context(ThreadPoolExecutor(threads - 1))
                for number in range(1, threads):
                    others.append(pool.submit(share, number))
            share(0)
            for other in others:
                other.result()
        except BaseException:
            failed.append(0)  # also where a signal came while threads were started, or were waited for
            raise
