"""The seat of a fit beside others: how many threads it has, and how another thread stops it."""

from fastnn2.engine.mini_batch import MiniBatchTrainer


class Seat:
    """What an estimator has as `_seat` while it fits beside others; one fit follows the other on it.

    Parameters
    ----------
    most_threads : int or None
        Of a fit; None leaves that to the estimator.
    """

    def __init__(self, most_threads: int | None) -> None:
        self._most_threads = most_threads
        self._trainer: MiniBatchTrainer | None = None
        self._is_stopped = False

    def n_threads(self, own: int | None) -> int | None:
        """Return the parameter of a fit, where `own` is that of the estimator."""
        if own is None or self._most_threads is None:
            return own or self._most_threads
        return min(own, self._most_threads)

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
