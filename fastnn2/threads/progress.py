"""The progress bar of a training run."""

import functools
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np

from fastnn2.codegen.terminal import is_terminal
from fastnn2.kernels.shared import control_words

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

    unit = "it"
    per_iteration = 1  # number of units in an iteration

    def __init__(self, control: np.ndarray[Any, Any], iterations: int, progress: bool | None) -> None:
        self._control = control
        self._total = iterations * self.per_iteration
        self._first = self.done()  # above 0 if the run goes on from an earlier one
        self._bar: Any = None
        self._decide_at: float | None = None
        if progress:
            self._show()
        elif progress is None and is_terminal(sys.stderr):
            self._decide_at = time.perf_counter() + BAR_AFTER_SECONDS

    def done(self) -> int:
        """Return how many units are done."""
        return int(self._control[control_words.COMPLETED]) * self.per_iteration

    def update(self) -> None:
        """Show how much is done; begin a bar when it is time to decide whether to show one."""
        done = self.done()
        if self._decide_at is not None and time.perf_counter() >= self._decide_at:
            seconds = time.perf_counter() - self._decide_at + BAR_AFTER_SECONDS
            self._decide_at = None
            if seconds * (self._total - self._first) / max(1, done - self._first) > 1.0:
                self._show()
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def _show(self) -> None:
        self._bar = bar_class()(total=self._total, desc="training", unit=self.unit, unit_scale=True, leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


class RowsProgress(Progress):
    """A bar that counts rows, `n` in each iteration, and says for how much of the time the run has waited for them.

    Much of it means that the disk, or what the rows come from, is slower than the processor. ``waited()`` returns the
    seconds so far.
    """

    unit = " rows"

    def __init__(
        self,
        control: np.ndarray[Any, Any],
        iterations: int,
        progress: bool | None,
        n: int,
        waited: Callable[[], float],
    ) -> None:
        self.per_iteration, self._waited = n, waited
        self._rows = 0  # of this iteration
        self._begin = time.perf_counter()
        super().__init__(control, iterations, progress)

    def done(self) -> int:
        """Return how many rows are done."""
        return super().done() + self._rows

    def add_rows(self, rows: int) -> None:
        """Count more rows of this iteration."""
        self._rows += rows
        if self._bar is not None:
            share = self._waited() / (time.perf_counter() - self._begin)
            self._bar.set_postfix_str(f"{share:.0%} of the time waiting for rows", refresh=False)
        self.update()

    def end_iteration(self) -> None:
        """Count the rows of the next iteration from 0: COMPLETED now has this one."""
        self._rows = 0


class NetworksProgress(Progress):
    """A bar that counts networks, which are trained by several teams, one after the other."""

    unit = " networks"

    def __init__(self, networks: int, progress: bool | None) -> None:
        self._before = 0  # networks of the teams before
        super().__init__(np.zeros(control_words.CONTROL_SIZE, dtype=np.int64), networks, progress)

    def done(self) -> int:
        """Return how many networks are done."""
        return self._before + super().done()

    def begin_team(self, control: np.ndarray[Any, Any]) -> None:
        """Count the networks of the next team: COMPLETED of its control words, of which none is done yet."""
        self._before, self._control = self.done(), control

    def add_network(self) -> None:
        """Count one network more."""
        self._before += 1
        self.update()


class _NoLock:
    """Replaces the lock that all bars of tqdm share. If a signal left that one locked, every later bar would hang."""

    def acquire(self, *_: object, **__: object) -> bool:
        return True

    def release(self, *_: object) -> None:
        pass

    __enter__, __exit__ = acquire, release


@functools.cache
def bar_class() -> Any:
    """Return tqdm's class of bars, without its thread and without its lock."""
    from tqdm import tqdm  # not tqdm.auto, which warns if ipywidgets is missing

    class Bar(tqdm):  # type: ignore[misc,type-arg]
        monitor_interval = 0  # no monitor thread

    Bar.set_lock(_NoLock())
    return Bar
