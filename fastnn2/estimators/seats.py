"""The seat of a fit beside others: how many threads it has, and how another thread stops it."""

from fastnn2.engine.mini_batch import MiniBatchTrainer


class Seat:
    """What an estimator has as `_seat` while it fits beside others; one fit follows the other on it.

    Attributes
    ----------
    n_threads : int or None
        The most threads of a fit, in place of the estimator's own parameter.
    """

    def __init__(self, n_threads: int | None) -> None:
        self.n_threads = n_threads
        self._trainer: MiniBatchTrainer | None = None
        self._is_stopped = False

    def take(self, trainer: MiniBatchTrainer) -> None:
        """Name the trainer of the fit, before it runs."""
        self._trainer = trainer
        if self._is_stopped:
            trainer.stop()

    def stop(self) -> None:
        """Let the fit on this seat, and all that follow, raise KeyboardInterrupt soon; any thread may call it."""
        self._is_stopped = True
        trainer = self._trainer
        if trainer is not None:
            trainer.stop()
