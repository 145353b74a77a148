"""The target of a table: which task it is, and y as the network learns it."""

from typing import Any

import numpy as np

from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, Column
from fastnn2.tables.reading.messages import shown
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.options import CLASSIFICATION, REGRESSION

Array = np.ndarray[Any, Any]

MOST_INTEGERS = 20  # different values of a target of integers that are taken for classes
MOST_CLASSES = 1000
LARGEST = 2**53  # of the integers that a Float64 has
LARGEST_SCALE = {"float64": 1e150, "float32": 1e30}  # of numbers of which weights and squares are made
COARSEST = 1000  # steps of rounding at the mean that a standard deviation must have, to be predicted to a thousandth


def find_task(column: Column, values: Any, wanted: str | None, is_all: bool = True) -> tuple[str, str | None]:
    """Return the task for a target, and a note where it was found, not asked for.

    Parameters
    ----------
    column : Column
    values : polars.Series
        Without missing ones, at least one.
    wanted : str or None
        The task that is asked for.
    is_all : bool
        Whether these are all values; else the column has more different ones.

    Raises
    ------
    TableError
        The target is not for this task, or for none.
    """
    if column.kind == DATE:
        raise TableError(
            f"the target {column.name!r} is a date; expected numbers, or the labels of classes. Make a number of it, "
            "such as the days since a day"
        )
    if wanted == REGRESSION and column.kind != NUMBER:
        raise TableError(
            f"the target {column.name!r} is {_words(column)}; a regression needs numbers. Use --task classification, "
            "or another --target"
        )
    if wanted is not None:
        return wanted, None
    if column.kind != NUMBER:
        return CLASSIFICATION, f"the target {column.name!r} is {_words(column)}: classification"
    are_integers = bool(((values.floor() == values) & (values.abs() < LARGEST)).all())
    count = values.n_unique()
    if are_integers and count <= MOST_INTEGERS:
        found = f"{count} different integer{'' if count == 1 else 's'}"
        return CLASSIFICATION, (
            f"the target {column.name!r} has {found}: classification (--task regression for numbers)"
        )
    what = "different integers" if are_integers else "different numbers"
    more = "" if is_all else "more than "
    return REGRESSION, f"the target {column.name!r} has {more}{count:,} {what}: regression"


def _words(column: Column) -> str:
    return "true or false" if column.kind == BOOLEAN else column.kind


def as_labels(values: Any, column: Column, known: Array | None = None) -> Array:
    """Return the labels of classes: integers, booleans, or text also for numbers with fractions.

    Parameters
    ----------
    values : polars.Series
        Without missing ones.
    known : ndarray or None
        Labels of rows of training, for rows of a test: these may have whole numbers alone, where those have fractions.
    """
    if column.kind == BOOLEAN:
        labels: Array = values.to_numpy()
        return labels
    if column.kind == NUMBER:
        numbers: Array = values.to_numpy() + 0.0  # of which -0.0 and 0.0 are one class
        are_integers = np.all(np.floor(numbers) == numbers) and np.all(np.abs(numbers) < LARGEST)
        if are_integers and (known is None or known.dtype != object):
            return numbers.astype(np.int64)
        return np.array([repr(number) for number in numbers.tolist()], dtype=object)
    return np.array(values.to_list(), dtype=object)


def check_classes(labels: Array, name: str) -> None:
    """Raise TableError if labels are of one class, or of too many."""
    classes = np.unique(labels)
    if len(classes) < 2:
        label = shown(classes.tolist()[0])
        raise TableError(f"the target {name!r} has one class, {label}, in all rows; expected at least two classes")
    if len(classes) > MOST_CLASSES:
        raise TableError(
            f"the target {name!r} has {len(classes):,} different labels; expected at most {MOST_CLASSES:,} classes. "
            "For numbers use --task regression"
        )


def check_known_classes(labels: Array, known: Array, path: str) -> None:
    """Raise TableError if labels of the test in a file are not among the known ones."""
    unknown = sorted(set(labels.tolist()) - set(known.tolist()), key=str)
    if unknown:
        raise TableError(
            f"{path!r} has the class {shown(unknown[0])}, which no row of training has; leave such rows out, or add "
            "some to the rows of training"
        )


class Scale:
    """The scale of the numbers to predict: the network learns them with mean 0 and standard deviation 1.

    Parameters
    ----------
    y : ndarray (n,)
        Of the rows of training.
    weights : ndarray (n,) or None
    dtype : {"float64", "float32"}
        Of the network.

    Raises
    ------
    TableError
        The numbers are all equal, or too large, too small or too near to each other for the dtype.
    """

    def __init__(self, y: Array, weights: Array | None, dtype: str = "float64") -> None:
        self.mean = float(np.average(y, weights=weights))
        differences = y - self.mean
        largest = float(np.abs(differences).max())
        if y.min() == y.max():
            raise TableError(f"the target is {y[0]:g} in all rows of training; expected different numbers")
        # The squares of small numbers would be 0, and those of large ones infinite.
        self.deviation = float(np.sqrt(np.average((differences / largest) ** 2, weights=weights))) * largest
        remedy = " Pass --dtype float64" if dtype == "float32" else " Subtract its mean, or divide it by a constant"
        most = LARGEST_SCALE[dtype]
        if not 1 / most < self.deviation < most or abs(self.mean) > most:
            raise TableError(
                f"the target has the mean {self.mean:.3g} and the standard deviation {self.deviation:.3g}; expected "
                f"sizes from {1 / most:g} to {most:g} in {dtype}.{remedy}"
            )
        if self.deviation < COARSEST * np.finfo(dtype).eps * abs(self.mean):
            raise TableError(
                f"the target has the mean {self.mean:.9g} and the standard deviation {self.deviation:.3g}, which is "
                f"near the rounding of {dtype}.{remedy}"
            )

    def transform(self, y: Array, dtype: Any) -> Array:
        """Return the numbers that the network learns."""
        scaled: Array = ((y - self.mean) / self.deviation).astype(dtype)
        return scaled

    def fold_into(self, network: Any) -> None:
        """Let a trained network predict the numbers themselves; what an optimizer knows of it no longer fits it.

        With the outputs z = a W + b, deviation z + mean is a (deviation W) + (deviation b + mean).
        """
        weights, biases = network.coefs_[-1], network.intercepts_[-1]
        network.coefs_[-1] = (weights * self.deviation).astype(weights.dtype)
        network.intercepts_[-1] = (biases * self.deviation + self.mean).astype(biases.dtype)
        for name in ("_optimizer", "_best_coefs", "_best_intercepts"):
            network.__dict__.pop(name, None)
