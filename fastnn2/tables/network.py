"""The network behind the prepared columns: made from the options, fitted, watched."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.estimators.checkpoints import Checkpoint
from fastnn2.estimators.mlp import MLPClassifier, MLPRegressor
from fastnn2.tables.options import CLASSIFICATION, TrainingOptions

Array = np.ndarray[Any, Any]
# Called after each epoch with the number of epochs so far, the loss, and the validation score or None.
Watch = Callable[[int, float, float | None], None]

CHECKPOINT_SECONDS = 30.0
INTERRUPTED = "Training interrupted by user."  # scikit-learn's warning
CONVERGED, LIMIT, STOPPED = "converged", "reached --max-iter", "interrupted"


def make_network(task: str, options: TrainingOptions, early_stopping: bool, validation_fraction: float) -> Any:
    """Return the estimator that the options ask for."""
    settings: dict[str, Any] = {
        "hidden_layer_sizes": (options.hidden,), "alpha": options.alpha, "learning_rate_init": options.learning_rate,
        "max_iter": options.max_iter, "batch_size": options.batch_size or "auto", "random_state": options.seed,
        "early_stopping": early_stopping, "validation_fraction": validation_fraction, "n_threads": options.threads,
    }  # fmt: skip
    if task == CLASSIFICATION:
        return MLPClassifier(class_weight=options.class_weight, **settings)
    return MLPRegressor(**settings)


def fit_network(
    network: Any, X: Array, y: Array, weights: Array | None, options: TrainingOptions, watch: Watch
) -> tuple[Any, str]:
    """Fit a network, from a checkpoint where that is asked for; return it, and how the fit ended.

    Ctrl-C ends the fit; the network is that of the last finished epoch, or the best one with early stopping.

    Raises
    ------
    ValueError
        The checkpoint is that of another fit, or cannot be read.
    KeyboardInterrupt
        Ctrl-C came before the end of the first epoch.
    """
    callbacks: list[Any] = [_Watcher(watch)]
    if options.checkpoint is not None:
        if options.resume and options.checkpoint.exists():
            resumed = Checkpoint.resume(options.checkpoint)
            resumed.set_params(max_iter=network.max_iter, n_threads=network.n_threads)
            changed = _differences(resumed.get_params(), network.get_params())
            if changed:
                raise ValueError(
                    f"{str(options.checkpoint)!r} has the checkpoint of a training with {changed}; pass the same "
                    "options, or another --checkpoint"
                )
            network = resumed
        callbacks.append(Checkpoint(options.checkpoint, CHECKPOINT_SECONDS))
    network.set_callbacks(*callbacks)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network.fit(X, y, sample_weight=weights)
    network.set_callbacks()
    messages = [str(each.message) for each in caught]
    if INTERRUPTED in messages:
        if not network.loss_curve_:
            raise KeyboardInterrupt
        return network, STOPPED
    return network, LIMIT if any("Maximum iterations" in message for message in messages) else CONVERGED


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    names = [name for name in wanted if found.get(name) != wanted[name]]
    return ", ".join(f"{name}={found.get(name)!r} (here {wanted[name]!r})" for name in names)


class _Watcher:
    """scikit-learn's callback that tells the loss and the validation score after each epoch."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Tell what an epoch has reached."""
        if context.task_name == "epoch":
            scores = estimator.validation_scores_
            self._watch(estimator.n_iter_, estimator.loss_, scores[-1] if scores else None)

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing."""
