"""The end of a training: the network is tested, and its model gets a summary."""

import dataclasses
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from fastnn2.estimators.blas import one_blas_thread
from fastnn2.tables.training.model_scores import Scores, TestScores, linear_note, linear_predictions
from fastnn2.tables.training.model_size import check_can_be_saved
from fastnn2.tables.training.network import STOPPED, check_finite
from fastnn2.tables.training.preparation import Preparation
from fastnn2.tables.training.scores import NETWORK
from fastnn2.tables.training.summarise import summarise
from fastnn2.tables.training.summary import attach
from fastnn2.tables.training.training_job import Trained, TrainingJob

Array = np.ndarray[Any, Any]


@dataclasses.dataclass
class Samples:
    """Prepared rows: X (n, d), labels or numbers y (n,), and weights (n,) or None."""

    X: Array
    y: Array
    weights: Array | None


@dataclasses.dataclass
class Fitted:
    """What became of a network: how its training ended, and the seconds and epochs that it took in this process."""

    network: Any
    ended: str
    seconds: float
    epochs: int


def check_before_fit(job: TrainingJob, preparation: Preparation, network: Any, training: Samples) -> None:
    """Raise TableError if the model could not be saved in the end; tell how simple models are fitted."""
    if job.options.keep:
        check_can_be_saved(preparation.transformer, network, training.X.shape[1])
    note = linear_note(training.y if job.is_classification else None, training.X)
    if note is not None:
        job.add_note(note)


def conclude(job: TrainingJob, preparation: Preparation, fitted: Fitted, training: Samples, test: Samples) -> Trained:
    """Test a network beside simple models, and return its model.

    Parameters
    ----------
    job : TrainingJob
        It has the counts of the rows.
    preparation : Preparation
        Its transformer is fitted.
    fitted : Fitted
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
    scores: Scores = {NETWORK: tested.of(predicted), **tested.of_constant(training.y, training.weights)}
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
    summary = summarise(job, preparation.uses, network, fitted.seconds, fitted.epochs, fitted.ended, scores)
    model = Pipeline([("columns", preparation.transformer), ("network", network)])
    attach(summary, model)
    return Trained(model, summary, test.y, predicted, is_interrupted)
