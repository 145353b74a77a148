"""The progress bar of a training on a table: epochs, loss and validation score."""

import sys
import time
from typing import Any

from fastnn2.codegen.terminal import is_terminal
from fastnn2.threads.progress import BAR_AFTER_SECONDS, bar_class

FORMAT = "training |{bar}| {n_fmt}/{total_fmt} epochs, {elapsed}<{remaining}{postfix}"


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
        self._first = 0  # above 1 if the training goes on from a checkpoint
        self._is_wanted = is_terminal(sys.stderr)

    def show(self, epochs: int, loss: float, score: float | None) -> None:
        """Show how many epochs are done, and what the last one has reached."""
        now = time.perf_counter()
        if self._begin is None:
            self._begin, self._first = now, epochs
        if not self._is_wanted or now - self._begin < BAR_AFTER_SECONDS:
            return
        if self._bar is None:
            self._bar = self._made(now - self._begin)
        bar: Any = self._bar
        bar.set_postfix_str(f"loss {loss:.4g}" + ("" if score is None else f", score {score:.4g}"), refresh=False)
        bar.update(epochs - bar.n)

    def _made(self, seconds: float) -> Any:
        """Return a bar that knows of the seconds since the first epoch."""
        settings = {"bar_format": FORMAT, "smoothing": 0, "leave": False, "miniters": 1}
        bar = bar_class()(total=max(self._epochs, self._first), initial=self._first, **settings)
        bar.start_t -= seconds
        return bar

    def __enter__(self) -> "TrainingBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
