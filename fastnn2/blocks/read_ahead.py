"""Items of an iterator, made by another thread while the caller works on the ones before."""

import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

# How long the caller waits at a time: a signal that another thread of the process receives does not wake it.
POLL_SECONDS = 0.05


class ReadAhead(Iterator[Item], Generic[Item]):
    """An iterator whose items are made in a thread, up to `depth` of them before they are asked for.

    When the caller asks for an item, it is done with the one before: an iterator that makes its items in ``depth + 1``
    buffers, in turn, never overwrites one that is in use. What the iterator raises is raised in the caller, after the
    items before. The caller may be interrupted while it waits.

    Parameters
    ----------
    items : Iterator
        Used by the other thread only.
    depth : int

    Attributes
    ----------
    waited : float
        The seconds that the caller has waited for items.
    """

    def __init__(self, items: Iterator[Item], depth: int = 1) -> None:
        self.waited = 0.0
        self._ready: queue.SimpleQueue[tuple[Item] | BaseException] = queue.SimpleQueue()
        self._demands: queue.SimpleQueue[None] = queue.SimpleQueue()  # one for each item, and one to end
        self._closing: list[bool] = []  # not empty once the thread is to end
        for _ in range(depth):
            self._demands.put(None)
        # The thread does not have this object: where a signal comes just before or after a `with` block, nobody calls
        # close(), but the object goes, and the thread ends all the same.
        arguments = items, self._ready, self._demands, self._closing
        weakref.finalize(self, _end, self._demands, self._closing).atexit = False
        threading.Thread(target=_make, args=arguments, name="fastnn2 reader", daemon=True).start()

    def __next__(self) -> Item:
        begin = time.perf_counter()
        try:
            found = self._take()
        finally:
            self.waited += time.perf_counter() - begin
        if isinstance(found, BaseException):
            self._ready.put(StopIteration())  # for a caller that asks again
            try:
                raise found
            finally:
                del found  # whose traceback has this frame: the cycle would keep the buffers of the other thread
        self._demands.put(None)
        return found[0]

    def _take(self) -> "tuple[Item] | BaseException":
        while True:
            with contextlib.suppress(queue.Empty):
                return self._ready.get(timeout=POLL_SECONDS)

    def close(self) -> None:
        """Let the thread end after the item that it is making, for which nobody waits: a disk may take its time."""
        _end(self._demands, self._closing)

    def __enter__(self) -> "ReadAhead[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make(items: Any, ready: Any, demands: Any, closing: list[bool]) -> None:
    try:
        while True:
            demands.get()
            if closing:
                return
            ready.put((next(items),))
    except BaseException as error:
        ready.put(error)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):  # nobody waits for this thread any more
                close()


def _end(demands: Any, closing: list[bool]) -> None:
    closing.append(True)
    demands.put(None)
