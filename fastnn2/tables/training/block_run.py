"""The epochs of a training in blocks: each is trained, scored and recorded; early stopping ends them."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.blocks.open_blocks import open_blocks
from fastnn2.blocks.partial_fit_blocks import run_on_blocks
from fastnn2.tables.training.best_file import BestFile
from fastnn2.tables.training.epoch_history import EpochHistory
from fastnn2.tables.training.network import (
    CHECKPOINT_SECONDS,
    CONVERGED,
    LIMIT,
    STOPPED,
    Notify,
    Watch,
    checkpoint_warnings,
)
from fastnn2.tables.training.options import TrainingOptions

Array = np.ndarray[Any, Any]
Score = Callable[[Any], float]  # of a network, on the rows for validation


class BlockRun:
    """A training in blocks.

    Parameters
    ----------
    network : MLPClassifier or MLPRegressor
        Not fitted, without early stopping.
    options : TrainingOptions
    history : EpochHistory
        Of the epochs that are done.
    score : callable or None
    best_file : BestFile or None
    watch : callable
    notify : callable
        Called with a note on a checkpoint that cannot be written.
    """

    def __init__(
        self,
        network: Any,
        options: TrainingOptions,
        history: EpochHistory,
        score: Score | None,
        best_file: BestFile | None,
        watch: Watch,
        notify: Notify,
    ) -> None:
        self._notify, self._has_warned = notify, False
        self._network, self._options, self._history = network, options, history
        self._score, self._best_file, self._watch = score, best_file, watch
        self.epochs_here, self.seconds = 0, 0.0

    def run(self, blocks: Any, has_any_order: bool, classes: Array | None) -> str:
        """Train; return how it ended. The history has the best parameters then.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C came before the end of the first epoch.
        """
        # A training that is over only gets its network back.
        epochs = len(self._history.losses) if self._is_over() else self._options.max_iter
        checkpoint = self._options.checkpoint
        wanted = None if checkpoint is None else (checkpoint.absolute(), CHECKPOINT_SECONDS, True)
        seed = np.random.RandomState(self._options.seed)
        begin = time.perf_counter()
        caught: list[warnings.WarningMessage] | None = None  # a Ctrl-C may come before there is a list
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                run_on_blocks(
                    self._network, open_blocks(blocks), epochs, has_any_order, seed, classes, wanted,
                    False, self._epoch_ended,
                )  # fmt: skip
        except KeyboardInterrupt:
            if not self._history.losses or not hasattr(self._network, "coefs_"):
                raise
            self._history.drop_unscored()
            return STOPPED
        finally:
            for text in checkpoint_warnings(caught or []):
                self._notify(text)
            self.seconds = time.perf_counter() - begin
        return self._ending()

    def _is_over(self) -> bool:
        return self._history.is_converged or len(self._history.losses) >= self._options.max_iter

    def _ending(self) -> str:
        return CONVERGED if self._history.is_converged else LIMIT

    def _epoch_ended(self, epochs: int) -> bool:
        """Score and keep the network; return whether to go on."""
        history, network = self._history, self._network
        if len(history.losses) < epochs - 1:
            raise ValueError(
                f"the checkpoint {str(self._options.checkpoint)!r} is {epochs} epochs old, and the file beside it, "
                f".best, {len(history.losses)}; they belong together. Remove both to begin anew"
            )
        history.truncate(epochs - 1)
        curve = network.loss_curve_
        assert len(curve) % epochs == 0  # each epoch has the same blocks
        losses = curve[-(len(curve) // epochs) :]
        score = None if self._score is None else self._score(network)
        history.add(float(np.mean(losses)), score, network.coefs_ + network.intercepts_)
        if self._best_file is not None:
            self._write_best(self._best_file)
        self.epochs_here += 1
        self._watch(epochs, history.losses[-1], score)
        return not self._is_over()

    def _write_best(self, file: BestFile) -> None:
        """Write what was reached; where that is impossible, such as on a full disk, training goes on."""
        try:
            file.write(self._history)
        except ValueError as error:
            if not self._has_warned:
                self._notify(f"{error}. Training goes on, and cannot go on from this checkpoint if it ends early")
            self._has_warned = True


def finish_network(network: Any, history: EpochHistory, rows: int, settings: dict[str, Any]) -> None:
    """Give a network the best parameters and the curves of its epochs, as a fit in memory would leave them.

    Parameters
    ----------
    network : MLPClassifier or MLPRegressor
        It has the attributes of partial_fit.
    history : EpochHistory
    rows : int
        Those of training.
    settings : dict
        The parameters that the estimator has in memory.
    """
    network.set_params(**settings)
    network.coefs_, network.intercepts_ = history.best[:2], history.best[2:]
    epochs = len(history.losses)
    network.loss_curve_, network.loss_ = list(history.losses), history.losses[-1]
    network.n_iter_, network.t_ = epochs, epochs * rows
    network.validation_scores_ = list(history.scores) if history.has_scores else None
    network.best_validation_score_ = history.best_score
    network.best_loss_ = None if history.has_scores else min(history.losses)
    for name in ("_optimizer", "_random_state", "_best_coefs", "_best_intercepts"):  # of the last block
        vars(network).pop(name, None)
