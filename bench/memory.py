"""How much anonymous memory a run takes: what its process allocates, without the pages of files."""

import contextlib
import ctypes
import gc
import threading
from pathlib import Path

from bench.inside import read_kilobytes

LOOK_SECONDS = 0.02  # between two looks at the memory
STATUS = Path("/proc/self/status")


class Memory:
    """The most anonymous memory above that at the start, in bytes; None if the system does not say.

    Attributes
    ----------
    peak : int or None
    """

    def __init__(self):
        self.peak, self._end = None, threading.Event()

    def _look(self):
        now = read_kilobytes(STATUS, "RssAnon")
        if now is not None:
            self.peak = max(self.peak or 0, now - self._start)

    def _watch(self):
        while not self._end.wait(LOOK_SECONDS):
            self._look()

    def __enter__(self):
        give_back()
        self._start = read_kilobytes(STATUS, "RssAnon")
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        self._look()

    def kept(self):
        """Return how much is in use now above that at the start, in bytes."""
        give_back()
        now = read_kilobytes(STATUS, "RssAnon")
        return None if now is None else now - self._start


def give_back():
    """Free what earlier runs have left, and let the C library return it: it would count as there before."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
