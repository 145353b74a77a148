"""Training on a table that fits in memory."""

import dataclasses
import time
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from fastnn2.tables.model_scores import TestScores, linear_note, linear_predictions
from fastnn2.tables.model_size import check_can_be_saved
from fastnn2.tables.network import STOPPED, check_finite, fit_network, make_network
from fastnn2.tables.preparation import Preparation, as_input, prepare
from fastnn2.tables.rows import Rows, rows_with_target
from fastnn2.tables.scores import NETWORK
from fastnn2.tables.split import VALIDATION, check_number_of_rows, check_rows_of_classes, hold_out, validation_fraction
from fastnn2.tables.summarise import summarise
from fastnn2.tables.summary import attach
from fastnn2.tables.table import Batch, Table
from fastnn2.tables.table_error import TableError
from fastnn2.tables.targets import Scale, as_labels, check_classes, check_known_classes
from fastnn2.tables.training_job import Trained, TrainingJob

Array = np.ndarray[Any, Any]

MOST_ROWS_TO_STOP_LATE = 10_000  # as in scikit-learn's HistGradientBoostingClassifier


def train_in_memory(job: TrainingJob) -> Trained:
    """Train a Pipeline on a table; see :func:`fastnn2.tables.train.train`."""
    training, test = _read(job)
    y, test_y = _targets(job, training), _targets(job, test)
    preparation = prepare(training.frame, job.features, job.options)
    for text in preparation.notes:
        job.add_note(text)
    X = preparation.transformer.fit_transform(_inputs(training, preparation)).astype(job.options.dtype, copy=False)
    weights = training.weights
    del training
    scale = None if job.is_classification else Scale(y, weights, job.options.dtype)
    early_stopping = job.options.early_stopping
    fraction = validation_fraction(y if scale is None else None, len(y)) if early_stopping else VALIDATION
    network = make_network(job.task, job.options, early_stopping, fraction)
    if job.options.keep:
        check_can_be_saved(preparation.transformer, network, X.shape[1])
    note = linear_note(y if scale is None else None, X)
    if note is not None:
        job.add_note(note)
    begin = time.perf_counter()
    goal = y if scale is None else scale.applied(y, X.dtype)
    network, ended, epochs_here = fit_network(network, X, goal, weights, job.options, job.watch)
    seconds = time.perf_counter() - begin
    if scale is not None:
        scale.fold_into(network)
    model = Pipeline([("columns", preparation.transformer), ("network", network)])
    test_X = preparation.transformer.transform(_inputs(test, preparation))
    predicted = network.predict_proba(test_X) if scale is None else network.predict(test_X)
    check_finite(network, predicted)
    classes = network.classes_ if scale is None else None
    tested = TestScores(classes, test_y, test.weights)
    scores = {NETWORK: tested.of(predicted), **tested.of_constant(y, weights)}
    if ended != STOPPED:
        name, linear = linear_predictions(classes, X, y, weights, test_X, job.options.class_weight)
        scores[name] = tested.of(linear)
    job.rows |= {"training": len(y), "test": len(test_y)}
    job.rows["validation"] = int(np.ceil(fraction * len(y))) if early_stopping else 0
    summary = summarise(job, preparation.uses, network, seconds, epochs_here, ended, scores)
    attach(summary, model)
    return Trained(model, summary, test_y, predicted, ended == STOPPED)


def _read(job: TrainingJob) -> tuple[Rows, Rows]:
    """Return the rows for training and for the test, and find the task."""
    rows = _read_rows(job, job.table)
    job.rows |= {"file": len(rows) + rows.without_target, "without target": rows.without_target}
    job.add_rows_without_target(rows.without_target)
    job.find_task(rows.target)
    labels = None
    if job.is_classification:
        labels = as_labels(rows.target, job.target)
        check_classes(labels, job.target.name)
        _stop_late(job, len(labels))
    elif rows.target.n_unique() < 2:
        raise TableError(f"the target {job.target.name!r} is {rows.target[0]} in all rows; expected different numbers")
    if job.test is None:
        training, test = hold_out(labels, len(rows), job.options)
        return rows.taken(training), rows.taken(test)
    if labels is not None:
        check_rows_of_classes(labels, job.options.early_stopping, has_test=True)
    check_number_of_rows(len(rows))
    test_rows = _read_rows(job, job.test)
    if labels is not None:
        check_known_classes(as_labels(test_rows.target, job.target), labels, str(job.test.path))
    return rows, test_rows


def _stop_late(job: TrainingJob, n: int) -> None:
    """Turn early stopping off for classes of a small table.

    The accuracy on some dozens or hundreds of rows for validation has few values, and stays the same for ten epochs
    long before the network has learnt. (The R2 of a regression has no such steps.)
    """
    if job.options.early_stopping and n <= MOST_ROWS_TO_STOP_LATE:
        job.options = dataclasses.replace(job.options, early_stopping=False)
        job.add_note(
            f"no early stopping: {n:,} rows are too few to see on a part of them when to stop (classes need more than "
            f"{MOST_ROWS_TO_STOP_LATE:,})"
        )


def _read_rows(job: TrainingJob, table: Table) -> Rows:
    rows = rows_with_target(table, Batch(table.read(job.wanted), 0), job.target, job.options.weight)
    if not len(rows):
        raise no_rows(table, job)
    return rows


def no_rows(table: Table, job: TrainingJob) -> TableError:
    """Return the error for a table of which no row can be used."""
    weight = "" if job.options.weight is None else f" and a weight {job.options.weight!r} above 0"
    return TableError(f"no row of {str(table.path)!r} has a value of the target {job.target.name!r}{weight}")


def _targets(job: TrainingJob, rows: Rows) -> Array:
    if job.is_classification:
        return as_labels(rows.target, job.target)
    numbers: Array = rows.target.to_numpy()
    return numbers


def _inputs(rows: Rows, preparation: Preparation) -> Any:
    return as_input(rows.frame, preparation.columns)
