"""The end of a training: the network is tested beside simple models, and becomes a model with a summary."""

import dataclasses
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from fastnn2._version import __version__
from fastnn2.estimators.blas import one_blas_thread
from fastnn2.tables.training.baselines import constant_scores, linear_note, linear_predictions
from fastnn2.tables.training.model_size import check_can_be_saved
from fastnn2.tables.training.network import STOPPED, check_finite, load_kernels
from fastnn2.tables.training.preparation import Preparation
from fastnn2.tables.training.scores import NETWORK, Scores, TestScores
from fastnn2.tables.training.summary import ColumnUse, Summary, attach, network_sizes
from fastnn2.tables.training.training_job import Trained, TrainingJob

Array = np.ndarray[Any, Any]

# Options that change the model.
CHOSEN = ("hidden", "alpha", "learning_rate", "max_iter", "batch_size", "class_weight", "early_stopping", "seed")


@dataclasses.dataclass
class Samples:
    """Prepared rows: X (n, d), labels or numbers y (n,), and weights (n,) or None."""

    X: Array
    y: Array
    weights: Array | None


@dataclasses.dataclass
class FittedNetwork:
    """A trained network, how its training ended, and the seconds and epochs that this process spent on it.

    A training that goes on from a checkpoint has more epochs than this process has done.
    """

    network: Any
    ended: str
    seconds: float
    epochs: int


def check_before_fit(job: TrainingJob, preparation: Preparation, network: Any, training: Samples) -> None:
    """Raise TableError if the model could not be saved in the end; add a note if the linear model gets a sample.

    Kernels are loaded or compiled here, before the time of training begins.
    """
    if job.options.keep:
        check_can_be_saved(preparation.transformer, network, training.X.shape[1])
    note = linear_note(training.y if job.is_classification else None, training.X)
    if note is not None:
        job.add_note(note)
    n_classes = len(np.unique(training.y)) if job.is_classification else 1
    outputs = n_classes if n_classes > 2 else 1
    load_kernels(
        network, job.rows["training"] - job.rows["validation"], training.X.shape[1], outputs, job.options.dtype
    )


def evaluate(
    job: TrainingJob, preparation: Preparation, fitted: FittedNetwork, training: Samples, test: Samples
) -> Trained:
    """Test a network beside simple models, and return its model.

    Parameters
    ----------
    job : TrainingJob
        It has the counts of the rows.
    preparation : Preparation
        Its transformer is fitted.
    fitted : FittedNetwork
        The network predicts numbers on their own scale.
    training : Samples
        Those that simple models learn from.
    test : Samples
    """
    network = fitted.network
    network.n_threads = None  # a file's predictions take the threads of the machine where they are made
    classes = network.classes_ if job.is_classification else None
    predicted = network.predict_proba(test.X) if job.is_classification else network.predict(test.X)
    check_finite(network, predicted)
    tested = TestScores(classes, test.y, test.weights)
    scores: Scores = {NETWORK: tested.of(predicted), **constant_scores(tested, training.y, training.weights)}
    is_interrupted = fitted.ended == STOPPED
    if not is_interrupted:
        try:
            with one_blas_thread():  # so that the scores of the linear model have the same bits each time
                name, linear = linear_predictions(
                    classes, training.X, training.y, training.weights, test.X, job.options.class_weight
                )
            scores[name] = tested.of(linear)
        except KeyboardInterrupt:  # the network has learnt all that it is to learn: it is kept without this yardstick
            is_interrupted = True
    # The order of attributes is that of the file, and may be another one where the training went on from a checkpoint.
    ordered = sorted(vars(network).items())
    vars(network).clear()
    vars(network).update(ordered)
    summary = _summary(job, preparation.uses, fitted, scores)
    model = Pipeline([("columns", preparation.transformer), ("network", network)])
    attach(summary, model)
    return Trained(model, summary, test.y, predicted, is_interrupted)


def _summary(job: TrainingJob, uses: list[ColumnUse], fitted: FittedNetwork, scores: Scores) -> Summary:
    """Return the summary of a training."""
    options = dataclasses.asdict(job.options)
    network = fitted.network
    epochs = len(network.loss_curve_)
    return Summary(
        fastnn2=__version__, file=job.table.path.name, target=job.target.name, task=job.task,
        weight=job.options.weight, columns=uses,
        classes=network.classes_.tolist() if job.is_classification else None,
        rows=job.rows, test="held out" if job.test is None else job.test.path.name,
        options={name: options[name] for name in CHOSEN},
        network=network_sizes(network),
        training={"epochs": epochs, "seconds": fitted.seconds,
                  "rows_per_second": job.rows["training"] * fitted.epochs / fitted.seconds,
                  "ended": fitted.ended, "loss": list(network.loss_curve_),
                  "validation_loss": list(network.validation_loss_curve_ or []),
                  "validation_score": list(network.validation_scores_ or [])},
        scores=scores, notes=job.notes,
    )  # fmt: skip
