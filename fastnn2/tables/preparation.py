"""The Pipeline's first step: which columns are used, and how they become numbers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from fastnn2.tables.columns import BOOLEAN, DATE, NUMBER, TEXT, Column
from fastnn2.tables.options import TrainingOptions
from fastnn2.tables.summary import Use
from fastnn2.tables.table_error import TableError

NAMES = 0.9  # the part of the rows with a text of their own from which a column has names or keys
PARTS = {NUMBER: "numbers", TEXT: "texts", BOOLEAN: "texts", DATE: "dates"}


@dataclasses.dataclass
class Preparation:
    """How a table becomes numbers.

    Attributes
    ----------
    transformer : sklearn.compose.ColumnTransformer
        Not fitted.
    columns : list of Column
        Those that it takes.
    uses : list of Use
        What becomes of each column.
    notes : list of str
    """

    transformer: Any
    columns: list[Column]
    uses: list[Use]
    notes: list[str]


def prepare(frame: Any, columns: Sequence[Column], options: TrainingOptions) -> Preparation:
    """Return how the rows of training become numbers.

    Parameters
    ----------
    frame : polars.DataFrame
        As a Batch has it.
    columns : sequence of Column
        Those of the frame.

    Raises
    ------
    TableError
        No column is left.
    """
    kept: dict[str, list[Column]] = {"numbers": [], "texts": [], "dates": []}
    uses, notes, categories = [], [], []
    for column in columns:
        values = frame[column.name]
        reason = _reason_to_drop(values, column, options.max_categories)
        if reason is not None:
            notes.append(f"column {column.name!r} {reason}: it is dropped")
            uses.append(Use(column.name, column.kind, f"dropped: {reason}", 0))
            continue
        kept[PARTS[column.kind]].append(column)
        has_missing = values.null_count() > 0
        missing = "; missing: median, and an input that says so" if has_missing else ""
        if column.kind in (TEXT, BOOLEAN):
            found, words = _categories(values, options.max_categories)
            categories.append(found)
            uses.append(Use(column.name, column.kind, words, len(found)))
        elif column.kind == DATE:
            has_times = bool((values.dt.truncate("1d") != values).any())
            waves = f"waves of the year{', the week and the day' if has_times else ' and the week'}"
            width = 1 + 2 * (2 + has_times) + has_missing
            uses.append(Use(column.name, column.kind, f"days, standardised, and {waves}{missing}", width))
        else:
            uses.append(Use(column.name, column.kind, f"standardised{missing}", 1 + has_missing))
    if not any(kept.values()):
        raise TableError(f"no column is left to predict from: {'; '.join(notes) or 'there is only the target'}")
    for use, column in zip(uses, columns, strict=True):
        use.form = column.form
    used = [column for column in columns if any(column in part for part in kept.values())]
    names = {part: [column.name for column in columns] for part, columns in kept.items()}
    return Preparation(_transformer(names, categories, options.dtype), used, uses, notes)


def _reason_to_drop(values: Any, column: Column, max_categories: int) -> str | None:
    present = values.drop_nulls()
    if not len(present):
        return "has no values"
    distinct = present.n_unique()
    if distinct == 1 and len(present) == len(values):
        return "is constant"
    if column.kind == TEXT and distinct > max_categories and distinct >= NAMES * len(present):
        return f"has a different text in nearly every row ({distinct:,} of {len(present):,}), as names or keys have"
    return None


def _categories(values: Any, most: int) -> tuple[list[str], str]:
    """Return the categories of a column that get an input of their own, the most frequent ones, and words on them."""
    import polars

    texts = values.cast(polars.String).fill_null("")
    counts = texts.value_counts(sort=False)
    value, count = counts.columns
    ordered = counts.sort([count, value], descending=[True, False])[value].to_list()
    kept = sorted(ordered if len(ordered) <= most else ordered[: most - 1])
    missing = ", one of them for missing" if "" in kept else ""
    if len(kept) == len(ordered):
        return kept, f"one-hot: {len(kept)} categories{missing}"
    return kept, f"one-hot: {len(kept)} of {len(ordered):,} categories{missing}, the others together"


def _transformer(names: dict[str, list[str]], categories: list[list[str]], dtype: str) -> Any:
    """Return a ColumnTransformer for columns of these names, by part."""
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from fastnn2.estimators import DateColumns, TextColumns

    def imputer() -> Any:
        return SimpleImputer(strategy="median", add_indicator=True)

    encoder = OneHotEncoder(
        categories=[np.array(found, dtype=object) for found in categories],
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.dtype(dtype).type,
    )
    parts = {
        "numbers": make_pipeline(imputer(), StandardScaler()),
        "texts": make_pipeline(TextColumns(), encoder),
        "dates": make_pipeline(DateColumns(dtype=dtype), imputer(), StandardScaler()),
    }
    chosen = [(part, step, names[part]) for part, step in parts.items() if names[part]]
    return ColumnTransformer(chosen, sparse_threshold=0)


def as_input(frame: Any, columns: Sequence[Column], dtype: str) -> Any:
    """Return the columns of a frame as the transformer takes them: numbers in the dtype of the network."""
    import polars

    kind = polars.Float32 if dtype == "float32" else polars.Float64
    return frame.select(
        frame[column.name].cast(kind) if column.kind == NUMBER else frame[column.name] for column in columns
    )
