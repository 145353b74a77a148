"""Train a network on a table, and tell how good it is."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from fastnn2._version import __version__
from fastnn2.tables import scores
from fastnn2.tables.columns import Column
from fastnn2.tables.network import STOPPED, Watch, fit_network, make_network
from fastnn2.tables.options import CLASSIFICATION, TrainingOptions
from fastnn2.tables.preparation import Preparation, as_input, prepare
from fastnn2.tables.rows import Rows, check_weight, rows_with_target
from fastnn2.tables.split import VALIDATION, check_rows_of_classes, hold_out, validation_fraction
from fastnn2.tables.summary import Summary, attach
from fastnn2.tables.table import Batch, Table
from fastnn2.tables.table_error import TableError
from fastnn2.tables.targets import Scale, as_labels, check_classes, find_task

Array = np.ndarray[Any, Any]
Note = Callable[[str], None]


@dataclasses.dataclass
class Trained:
    """What a training gives.

    Attributes
    ----------
    model : Pipeline
        It has the summary, too.
    summary : Summary
    y : ndarray (n,)
        Labels or numbers of the test rows.
    predicted : ndarray
        For these the probabilities (n, classes), or the numbers (n,).
    is_interrupted : bool
        Whether Ctrl-C ended the training.
    """

    model: Any
    summary: Summary
    y: Array
    predicted: Array
    is_interrupted: bool


def train(table: Table, options: TrainingOptions, test: Table | None, note: Note, watch: Watch) -> Trained:
    """Train a Pipeline on a table.

    Parameters
    ----------
    table : Table
    options : TrainingOptions
    test : Table or None
        Rows to test the model on; None holds out some rows of the table.
    note : callable
        Called with each note, a line on what was found and needs no action, before training begins.
    watch : callable
        Called after each epoch, see :data:`fastnn2.tables.network.Watch`.

    Raises
    ------
    TableError
        The table cannot be used as the options say.
    KeyboardInterrupt
        Ctrl-C came before there was a model.
    """
    return _Training(table, options, test, note, watch).run()


class _Training:
    """A training in memory, step by step."""

    def __init__(self, table: Table, options: TrainingOptions, test: Table | None, note: Note, watch: Watch) -> None:
        self._table, self._options, self._test = table, options, test
        self._note, self._watch = note, watch
        self._notes: list[str] = []
        self._rows: dict[str, int] = {}

    def _add_note(self, text: str) -> None:
        self._notes.append(text)
        self._note(text)

    def run(self) -> Trained:
        """Train, test, and tell."""
        for text in self._table.notes:
            self._add_note(text)
        features, target = choose_columns(self._table, self._options)
        names = [column.name for column in features]
        training, test = self._read(names, target)
        is_classification = self._task == CLASSIFICATION
        y, test_y = self._targets(training, target), self._targets(test, target)
        preparation = prepare(training.frame.select(names), features, self._options)
        for text in preparation.notes:
            self._add_note(text)
        X = preparation.transformer.fit_transform(self._inputs(training, preparation))
        scale = None if is_classification else Scale(y, training.weights)
        early_stopping = self._options.early_stopping
        fraction = validation_fraction(y if is_classification else None, len(y)) if early_stopping else VALIDATION
        network = make_network(self._task, self._options, early_stopping, fraction)
        begin = time.perf_counter()
        goal = y if scale is None else scale.applied(y, X.dtype)
        network, ended = fit_network(network, X, goal, training.weights, self._options, self._watch)
        seconds = time.perf_counter() - begin
        if scale is not None:
            scale.fold_into(network)
        model = Pipeline([("columns", preparation.transformer), ("network", network)])
        test_X = preparation.transformer.transform(self._inputs(test, preparation))
        predicted = network.predict_proba(test_X) if is_classification else network.predict(test_X)
        is_interrupted = ended == STOPPED
        tested = self._scores(network, y, test_y, predicted, training.weights, test.weights)
        if not is_interrupted:
            tested |= self._linear_scores(X, y, training.weights, test_X, test_y, test.weights, network)
        self._rows |= {"training": len(y), "test": len(test_y)}
        self._rows["validation"] = int(np.ceil(fraction * len(y))) if early_stopping else 0
        summary = self._summary(preparation, network, target, seconds, ended, tested)
        attach(summary, model)
        return Trained(model, summary, test_y, predicted, is_interrupted)

    def _read(self, names: list[str], target: Column) -> tuple[Rows, Rows]:
        """Return the rows for training and for the test, and set the task."""
        rows = self._read_rows(self._table, names, target)
        if not len(rows):
            raise TableError(f"no row of {str(self._table.path)!r} has a value of the target {target.name!r}")
        self._rows |= {"file": len(rows) + rows.without_target, "without target": rows.without_target}
        if rows.without_target:
            self._add_note(
                f"{rows.without_target:,} rows have no value of the target {target.name!r}: they are dropped"
            )
        self._task, found = find_task(target, rows.target, self._options.task)
        if found is not None:
            self._add_note(found)
        labels = None
        if self._task == CLASSIFICATION:
            labels = as_labels(rows.target, target)
            check_classes(labels, target.name)
        elif rows.target.n_unique() < 2:
            raise TableError(f"the target {target.name!r} is {rows.target[0]} in all rows; expected different numbers")
        if self._test is None:
            training, test = hold_out(labels, len(rows), self._options)
            return rows.taken(training), rows.taken(test)
        if labels is not None:
            check_rows_of_classes(labels, self._options.early_stopping, has_test=True)
        test_rows = self._read_rows(self._test, names, target)
        if not len(test_rows):
            raise TableError(f"no row of {str(self._test.path)!r} has a value of the target {target.name!r}")
        return rows, test_rows

    def _read_rows(self, table: Table, names: list[str], target: Column) -> Rows:
        weight = self._options.weight
        wanted = [*names, target.name, *([] if weight is None else [weight])]
        return rows_with_target(table, Batch(table.read(wanted), 0), target, weight)

    def _targets(self, rows: Rows, target: Column) -> Array:
        if self._task == CLASSIFICATION:
            return as_labels(rows.target, target)
        numbers: Array = rows.target.to_numpy()
        return numbers

    def _inputs(self, rows: Rows, preparation: Preparation) -> Any:
        return as_input(rows.frame, preparation.columns, self._options.dtype)

    def _scores(
        self, network: Any, y: Array, test_y: Array, predicted: Array, weights: Array | None, test_weights: Array | None
    ) -> dict[str, dict[str, float | None]]:
        if self._task != CLASSIFICATION:
            mean = np.full(len(test_y), np.average(y, weights=weights))
            return {
                scores.NETWORK: scores.score_numbers(test_y, predicted, test_weights),
                scores.MEAN: scores.score_numbers(test_y, mean, test_weights),
            }
        classes = network.classes_
        unknown = np.setdiff1d(test_y, classes)
        if len(unknown):
            raise TableError(
                f"the test has the class {unknown.tolist()[0]!r}, which no row of training has; leave such rows out"
            )
        share = np.tile(scores.frequencies(y, classes, weights), (len(test_y), 1))
        return {
            scores.NETWORK: scores.score_classes(test_y, predicted, classes, test_weights),
            scores.MOST_FREQUENT: scores.score_classes(test_y, share, classes, test_weights),
        }

    def _linear_scores(
        self, X: Array, y: Array, weights: Array | None, test_X: Array, test_y: Array, test_weights: Array | None,
        network: Any,
    ) -> dict[str, dict[str, float | None]]:  # fmt: skip
        if self._task != CLASSIFICATION:
            predicted = scores.linear_numbers(X, y, weights, test_X)
            return {scores.RIDGE: scores.score_numbers(test_y, predicted, test_weights)}
        probabilities = scores.linear_classes(X, y, weights, test_X, self._options.class_weight)
        return {scores.LOGISTIC: scores.score_classes(test_y, probabilities, network.classes_, test_weights)}

    def _summary(
        self, preparation: Preparation, network: Any, target: Column, seconds: float, ended: str, tested: Any
    ) -> Summary:
        options = dataclasses.asdict(self._options)
        chosen = (
            "hidden",
            "alpha",
            "learning_rate",
            "max_iter",
            "batch_size",
            "class_weight",
            "early_stopping",
            "seed",
        )
        (d, h), o = network.coefs_[0].shape, network.n_outputs_
        epochs = len(network.loss_curve_)
        test = "held out" if self._test is None else self._test.path.name
        return Summary(
            fastnn2=__version__, file=self._table.path.name, target=target.name, task=self._task,
            weight=self._options.weight, columns=preparation.uses,
            classes=network.classes_.tolist() if self._task == CLASSIFICATION else None,
            rows=self._rows, test=test, options={name: options[name] for name in chosen},
            network={"inputs": d, "hidden": h, "outputs": o, "parameters": d * h + h + h * o + o,
                     "dtype": network.coefs_[0].dtype.name},
            training={"epochs": epochs, "seconds": seconds,
                      "rows_per_second": self._rows["training"] * epochs / seconds,
                      "ended": ended, "loss": list(network.loss_curve_),
                      "validation_loss": list(network.validation_loss_curve_ or []),
                      "validation_score": list(network.validation_scores_ or [])},
            scores=tested, notes=self._notes,
        )  # fmt: skip


def choose_columns(table: Table, options: TrainingOptions) -> tuple[list[Column], Column]:
    """Return the columns to predict from, and the target; raise TableError if the options name others."""
    columns = {column.name: column for column in table.columns}
    for what, name in [("target", options.target), ("weight", options.weight), *(("drop", n) for n in options.drop)]:
        if name is not None and name not in columns:
            raise TableError(f"{str(table.path)!r} has no column {name!r} (--{what})")
    if options.weight is not None:
        check_weight(columns[options.weight])
    others = {options.target, options.weight, *options.drop}
    for what, name in (("--weight", options.weight), *(("--drop", name) for name in options.drop)):
        if name == options.target:
            raise TableError(f"column {name!r} is the target and also named by {what}; expected different columns")
    features = [column for name, column in columns.items() if name not in others]
    if not features:
        raise TableError(f"{str(table.path)!r} has no column besides the target; expected at least one")
    return features, columns[options.target]
