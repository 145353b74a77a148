"""The progress bar of a training on a table: epochs, loss and validation score."""

import sys
import time
from typing import Any

from fastnn2.codegen.terminal import is_terminal
from fastnn2.threads.progress import BAR_AFTER_SECONDS, bar_class


class TrainingBar:
    """A bar on a terminal, which comes if training takes a while, as a context manager.

    Parameters
    ----------
    epochs : int
        The most there can be.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs, self._bar = epochs, None
        self._begin: float | None = None
        self._is_wanted = is_terminal(sys.stderr)

    def show(self, epochs: int, loss: float, score: float | None) -> None:
        """Show how many epochs are done, and what the last one has reached."""
        now = time.perf_counter()
        self._begin = now if self._begin is None else self._begin
        if not self._is_wanted or now - self._begin < BAR_AFTER_SECONDS:
            return
        if self._bar is None:
            self._bar = bar_class()(total=self._epochs, desc="training", unit=" epochs", leave=False)
        bar: Any = self._bar
        bar.set_postfix_str(f"loss={loss:.4g}" + ("" if score is None else f", score={score:.4g}"), refresh=False)
        bar.update(epochs - bar.n)

    def __enter__(self) -> "TrainingBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
