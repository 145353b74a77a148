"""Which rows are for training, and which are held out to test the model."""

from typing import Any

import numpy as np

from fastnn2.tables.options import TrainingOptions
from fastnn2.tables.table_error import TableError

Array = np.ndarray[Any, Any]

FEWEST_ROWS = 10
VALIDATION = 0.1  # the part of the rows of training on which early stopping looks, as in scikit-learn


def hold_out(labels: Array | None, n: int, options: TrainingOptions) -> tuple[Array, Array]:
    """Return the numbers of the rows for training and for the test, both rising.

    Parameters
    ----------
    labels : ndarray or None
        Of a classification, whose classes have the same shares in both parts.
    n : int
        The number of rows.

    Raises
    ------
    TableError
        A part, or a class in a part, has too few rows.
    """
    from sklearn.model_selection import train_test_split

    if n < FEWEST_ROWS:
        raise TableError(f"there are {n} rows with a target; expected at least {FEWEST_ROWS}")
    size = max(1, int(np.ceil(options.test_size * n)))
    if labels is not None:
        check_rows_of_classes(labels, options.early_stopping)
        size = max(size, len(np.unique(labels)))
    if n - size < 2 or (labels is not None and n - size < len(np.unique(labels))):
        raise TableError(
            f"{size} of {n} rows would be held out for the test, which leaves too few for training; pass a smaller "
            "--test-size, or --test FILE"
        )
    training, test = train_test_split(np.arange(n), test_size=size, random_state=options.seed, stratify=labels)
    return np.sort(training), np.sort(test)


def check_rows_of_classes(labels: Array, early_stopping: bool, has_test: bool = False) -> None:
    """Raise TableError if a class has no rows for each part: training, test and, for early stopping, validation."""
    parts = ["training", *([] if has_test else ["the test"]), *(["validation"] if early_stopping else [])]
    classes, counts = np.unique(labels, return_counts=True)
    if len(parts) > 1 and counts.min() < len(parts):
        few = classes[counts.argmin()]
        rows = "row" if counts.min() == 1 else "rows"
        also = ", or pass --no-early-stopping" if early_stopping and counts.min() == len(parts) - 1 else ""
        raise TableError(
            f"class {few!r} has {counts.min()} {rows}; expected at least {len(parts)}, for {', '.join(parts[:-1])} and "
            f"{parts[-1]}. Leave such rows out, or join classes{also}"
        )


def validation_fraction(labels: Array | None, n: int) -> float:
    """Return the part of the rows of training for early stopping: a tenth, or more where that is too few."""
    fewest = 2 if labels is None else max(2, len(np.unique(labels)))
    if 2 * fewest > n:
        raise TableError(
            f"there are {n} rows for training, too few for a validation part of {fewest}; pass --no-early-stopping"
        )
    return max(VALIDATION, fewest / n)
