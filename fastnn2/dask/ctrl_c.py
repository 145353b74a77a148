"""Ctrl-C that Python has lost, and that is raised again.

Python ignores what the handler of a signal raises in the callback of a weak reference, or while an object is deleted.
A client of Dask does much of both: on a busy machine, one Ctrl-C of fifty came there.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType


class CtrlC:
    """Notes what the handler of Ctrl-C raises, from now until :meth:`end`; outside the main thread it does nothing."""

    def __init__(self) -> None:
        self._raised: BaseException | None = None
        self._is_over = False
        self._handler: Callable[[int, FrameType | None], object] | None = None
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            self._handler = handler
            signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        assert self._handler is not None
        try:
            self._handler(number, frame)
        except BaseException as error:
            if not self._is_over:
                self._raised = error
            raise

    def check(self) -> None:
        """Raise what the handler has raised, unless it was raised here before; whoever calls this has not seen it."""
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised.with_traceback(None)

    def end(self) -> None:
        """Leave the handler that there was, and forget what it has raised.

        If there is another one by now, it stays; it may call this one, which calls the one before.
        """
        self._is_over, self._raised = True, None
        if self._handler is not None and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._handler)
