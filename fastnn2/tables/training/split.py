"""Which rows are for training, and which are held out to test the model."""

from typing import Any

import numpy as np

from fastnn2.tables.reading.messages import shown
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.options import TrainingOptions

Array = np.ndarray[Any, Any]

FEWEST_ROWS = 10
VALIDATION = 0.1  # the part of the rows of training on which early stopping looks, as in scikit-learn


def hold_out(labels: Array | None, n: int, options: TrainingOptions) -> tuple[Array, Array]:
    """Return the numbers of the rows for training and for the test, both rising.

    Parameters
    ----------
    labels : ndarray or None
        Of a classification, whose classes have the same shares in both parts, and at least one row in each.
    n : int
        The number of rows.

    Raises
    ------
    TableError
        A part, or a class in a part, has too few rows.
    """
    from sklearn.model_selection import train_test_split

    check_number_of_rows(n)
    size, n_classes, numbers = max(1, int(np.ceil(options.test_size * n))), 1, None
    if labels is not None:
        # Numbers of classes take a tenth of the time that texts do.
        classes, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
        _check_counts(classes, counts, options.stops_early, has_test=False)
        n_classes = len(classes)
        size = max(size, n_classes)
    if n - size < (1 + options.stops_early) * n_classes:
        raise TableError(
            f"{size:,} of {n:,} rows would be held out for the test, which leaves too few for training; pass a smaller "
            "--test-size, or --test FILE"
        )
    training, test = train_test_split(np.arange(n), test_size=size, random_state=options.seed, stratify=numbers)
    if numbers is not None:
        training, test = _with_all_classes(numbers, training, test, 1 + options.stops_early)
    return np.sort(training), np.sort(test)


def check_number_of_rows(n: int) -> None:
    """Raise TableError if there are too few rows to learn from."""
    if n < FEWEST_ROWS:
        rows = "row" if n == 1 else "rows"
        raise TableError(f"there {'is' if n == 1 else 'are'} {n} {rows} with a target; expected at least {FEWEST_ROWS}")


def _with_all_classes(numbers: Array, training: Array, test: Array, fewest: int) -> tuple[Array, Array]:
    """Return the parts with at least `fewest` rows of each class for training, and one for the test.

    `numbers` has the number of the class of each row.

    scikit-learn's split keeps the shares of the classes, which for a class of a few rows may be none in a part.
    """
    in_test = np.zeros(len(numbers), dtype=bool)
    in_test[test] = True
    trained, tested = (np.bincount(numbers[part], minlength=numbers.max() + 1) for part in (training, test))
    for k in np.flatnonzero((tested == 0) | (trained < fewest)):
        of_class = np.flatnonzero(numbers == k)
        if tested[k] == 0:
            in_test[of_class[-1]] = True
        else:
            in_test[of_class[in_test[of_class]][: fewest - trained[k]]] = False
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def check_rows_of_classes(labels: Array, early_stopping: bool, has_test: bool = False) -> None:
    """Raise TableError if a class has no rows for each part: training, test and, for early stopping, validation."""
    _check_counts(*np.unique(labels, return_counts=True), early_stopping, has_test)


def _check_counts(classes: Array, counts: Array, early_stopping: bool, has_test: bool) -> None:
    parts = ["training", *([] if has_test else ["the test"]), *(["validation"] if early_stopping else [])]
    if counts.min() < len(parts):
        few = classes.tolist()[counts.argmin()]
        rows = "row" if counts.min() == 1 else "rows"
        also = ", or pass --no-early-stopping" if early_stopping and counts.min() == len(parts) - 1 else ""
        raise TableError(
            f"class {shown(few)} has {counts.min()} {rows}; expected at least {len(parts)}, for "
            f"{', '.join(parts[:-1])} and {parts[-1]}. Leave such rows out, or join classes{also}"
        )


def validation_fraction(labels: Array | None, n: int) -> float:
    """Return the part of the rows of training for early stopping: a tenth, or more where that is too few."""
    fewest = 2 if labels is None else max(2, len(np.unique(labels)))
    if 2 * fewest > n:
        raise TableError(
            f"there are {n} rows for training, too few for a validation part of {fewest}; pass --no-early-stopping"
        )
    return max(VALIDATION, fewest / n)
