"""The network behind the prepared columns: made from the options, fitted, watched."""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.mini_batch import epochs_kernel
from fastnn2.estimators.checkpoint_run import AnotherFit
from fastnn2.estimators.checkpoints import Checkpoint
from fastnn2.estimators.mlp import MLPClassifier, MLPRegressor
from fastnn2.exceptions import TrainingDiverged
from fastnn2.kernels.shared import tuning
from fastnn2.tables.training.options import CLASSIFICATION, TrainingOptions

Array = np.ndarray[Any, Any]
# Called after each epoch with the number of epochs so far, the loss, and the validation score or None.
Watch = Callable[[int, float, float | None], None]

Notify = Callable[[str], None]  # shows a note: one line for the user

CHECKPOINT_SECONDS = 30.0
INTERRUPTED = "Training interrupted by user."  # scikit-learn's warning
CONVERGED, LIMIT, STOPPED = "converged", "reached --max-iter, and more epochs may do better", "interrupted"


def settings_of(options: TrainingOptions) -> dict[str, Any]:
    """Return the parameters of the estimator that the options name, apart from those of early stopping."""
    return {
        "hidden_layer_sizes": (options.hidden,), "alpha": options.alpha, "learning_rate_init": options.learning_rate,
        "max_iter": options.max_iter, "batch_size": options.batch_size or "auto", "random_state": options.seed,
        "n_threads": options.threads,
    }  # fmt: skip


def make_network(task: str, options: TrainingOptions, early_stopping: bool, validation_fraction: float) -> Any:
    """Return the estimator that the options ask for."""
    settings = settings_of(options)
    settings |= {"early_stopping": early_stopping, "validation_fraction": validation_fraction}
    if task == CLASSIFICATION:
        return MLPClassifier(class_weight=options.class_weight, **settings)
    return MLPRegressor(**settings)


def load_kernels(network: Any, n: int, inputs: int, outputs: int, dtype: str) -> None:
    """Load or compile the kernels that a network calls when it is trained on n rows."""
    (hidden,) = network.hidden_layer_sizes
    batch = min(200 if network.batch_size == "auto" else network.batch_size, n)
    parts = tuning.count_parts(batch, inputs, hidden, outputs, dtype)
    for name in ("shuffle", epochs_kernel(parts), "infer"):
        provider.kernel(name, dtype)


def fit_network(
    network: Any, X: Array, y: Array, weights: Array | None, options: TrainingOptions, watch: Watch, notify: Notify
) -> tuple[Any, str, int]:
    """Fit a network, from a checkpoint where that is asked for; return it, how the fit ended, and the epochs it did.

    Ctrl-C ends the fit; the network is that of the last finished epoch, or the best one with early stopping.

    Raises
    ------
    ValueError
        The checkpoint is that of another fit, or cannot be read.
    KeyboardInterrupt
        Ctrl-C came before the end of the first epoch.
    """
    watcher = _Watcher(watch)
    callbacks: list[Any] = [watcher]
    if options.checkpoint is not None:
        if options.checkpoint.exists():
            resumed = Checkpoint.resume(options.checkpoint)
            if type(resumed) is not type(network):
                raise ValueError(
                    f"the checkpoint {str(options.checkpoint)!r} is of another --task; pass the same one, or another "
                    "--checkpoint"
                )
            resumed.set_params(**network.get_params(deep=False))
            network = resumed
        callbacks.append(Checkpoint(options.checkpoint, CHECKPOINT_SECONDS))
    network.set_callbacks(*callbacks)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with divergence_as_error(network):
                network.fit(X, y, sample_weight=weights)
        except AnotherFit as error:
            raise ValueError(
                f"the checkpoint {str(options.checkpoint)!r} is of a training on other rows or columns, or with other "
                f"options ({error.differences}); pass the same file and options, or another --checkpoint"
            ) from error
    network.set_callbacks()
    messages = [str(each.message) for each in caught]
    for text in checkpoint_warnings(caught):
        notify(text)
    if INTERRUPTED in messages:
        if not network.loss_curve_:
            raise KeyboardInterrupt
        return network, STOPPED, watcher.count
    is_limit = any("Maximum iterations" in message for message in messages)
    return network, LIMIT if is_limit else CONVERGED, watcher.count


def checkpoint_warnings(caught: Iterable[warnings.WarningMessage]) -> list[str]:
    """Return what warnings say of checkpoints that cannot be written."""
    texts = [str(each.message) for each in caught if issubclass(each.category, RuntimeWarning)]
    return [text for text in texts if "checkpoint" in text]


@contextlib.contextmanager
def divergence_as_error(network: Any) -> Iterator[None]:
    """Raise TrainingDiverged where scikit-learn finds that the parameters of a network are no longer finite."""
    try:
        yield
    except ValueError as error:
        if "non-finite" not in str(error):
            raise
        raise _diverged(network) from error


def check_finite(network: Any, predicted: Array) -> None:
    """Raise TrainingDiverged if a loss or a score of a trained network or a prediction is not finite."""
    curves = (
        getattr(network, f"{name}_", None) for name in ("loss_curve", "validation_loss_curve", "validation_scores")
    )
    if not all(np.isfinite(values).all() for values in (*(curve or [] for curve in curves), predicted)):
        raise _diverged(network)


def _diverged(network: Any) -> TrainingDiverged:
    losses = np.array(getattr(network, "loss_curve_", []))
    return TrainingDiverged("the loss or a parameter is no longer finite", {}, losses[np.isfinite(losses)])


class _Watcher:
    """scikit-learn's callback that tells the loss and the validation score after each epoch."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self.count = watch, 0

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Report the epoch that has ended."""
        if context.task_name == "epoch":
            self.count += 1
            scores = estimator.validation_scores_
            self._watch(estimator.n_iter_, estimator.loss_, scores[-1] if scores else None)

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing."""
