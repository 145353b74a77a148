"""The progress bar of a training run."""

import functools
import sys
import time
from types import TracebackType
from typing import Any

import numpy as np

from fastnn2.codegen.terminal import is_terminal
from fastnn2.kernels.shared.control_words import COMPLETED

BAR_AFTER_SECONDS = 0.5  # of training; then a job that will take more than a second gets a progress bar


class Progress:
    """A bar that counts the completed iterations of a run, or none.

    Parameters
    ----------
    control : ndarray of int64
        The control words of the run.
    iterations : int
    progress : bool or None
        Whether to show a bar. None shows it on a terminal if the run will take over a second.
    """

    def __init__(self, control: np.ndarray[Any, Any], iterations: int, progress: bool | None) -> None:
        self._control, self._iterations = control, iterations
        self._first_iteration = int(control[COMPLETED])  # above 0 if the run goes on from an earlier one
        self._bar: Any = None
        self._decide_at: float | None = None
        if progress:
            self._show()
        elif progress is None and is_terminal(sys.stderr):
            self._decide_at = time.perf_counter() + BAR_AFTER_SECONDS

    def update(self) -> None:
        """Show how many iterations are completed; begin a bar when it is time to decide whether to show one."""
        completed = int(self._control[COMPLETED])
        if self._decide_at is not None and time.perf_counter() >= self._decide_at:
            seconds = time.perf_counter() - self._decide_at + BAR_AFTER_SECONDS
            self._decide_at = None
            done = max(1, completed - self._first_iteration)
            if seconds * (self._iterations - self._first_iteration) / done > 1.0:
                self._show()
        if self._bar is not None:
            self._bar.update(completed - self._bar.n)

    def _show(self) -> None:
        self._bar = _bar_class()(total=self._iterations, desc="training", unit="it", unit_scale=True, leave=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


class _NoLock:
    """Replaces the lock that all bars of tqdm share. If a signal left that one locked, every later bar would hang."""

    def acquire(self, *_: object, **__: object) -> bool:
        return True

    def release(self, *_: object) -> None:
        pass

    __enter__, __exit__ = acquire, release


@functools.cache
def _bar_class() -> Any:
    from tqdm import tqdm  # not tqdm.auto, which warns if ipywidgets is missing

    class Bar(tqdm):  # type: ignore[misc,type-arg]
        monitor_interval = 0  # no monitor thread

    Bar.set_lock(_NoLock())
    return Bar
