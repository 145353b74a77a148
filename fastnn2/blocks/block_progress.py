"""The progress bar of a run over blocks: the rows so far, and the loss."""

import sys
import time
from typing import Any

from fastnn2.codegen.terminal import is_terminal
from fastnn2.threads.progress import BAR_AFTER_SECONDS, bar_class

LONG_SECONDS = 1.0  # a job that takes longer gets a bar


class BlockProgress:
    """A bar that counts rows, or none, as a context manager.

    Parameters
    ----------
    progress : bool or None
        Whether to show a bar. None shows it on a terminal if the run will take over a second.
    """

    def __init__(self, progress: bool | None) -> None:
        self._is_wanted, self._bar = progress, None
        self._rows, self._first, self._begin = 0, 0, time.perf_counter()

    def start(self, first: int) -> None:
        """Begin with the rows that a run before has trained."""
        self._rows = self._first = first
        self._begin = time.perf_counter()
        if self._is_wanted is None and not is_terminal(sys.stderr):
            self._is_wanted = False

    def add(self, rows: int, loss: float, total: int | None) -> None:
        """Count the rows of a block, of `total` if that is known."""
        self._rows += rows
        if self._is_wanted is None:
            self._is_wanted = self._decide(total)
        if not self._is_wanted:
            return
        is_new = self._bar is None
        if is_new:
            options = {"initial": self._first, "desc": "training", "unit": " rows", "unit_scale": True, "leave": False}
            self._bar = bar_class()(total=total, **options)
        bar: Any = self._bar
        bar.total = total
        bar.set_postfix_str(f"loss={loss:.4g}", refresh=False)
        bar.update(self._rows - bar.n)
        if is_new:  # which shows none of that yet
            bar.refresh()

    def _decide(self, total: int | None) -> bool | None:
        """Return whether to show a bar, or None if it is too early to know."""
        seconds = time.perf_counter() - self._begin
        if seconds < BAR_AFTER_SECONDS:
            return None
        if seconds > LONG_SECONDS:
            return True
        if total is None:
            return None
        return seconds * (total - self._first) / max(1, self._rows - self._first) > LONG_SECONDS

    def __enter__(self) -> "BlockProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
