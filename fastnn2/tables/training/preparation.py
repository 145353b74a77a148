"""The Pipeline's first step: which columns are used, and how they become numbers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from fastnn2.estimators.date_columns import periods_of
from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT, Column
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.reading.text_values import ISO, MISSING_VALUE
from fastnn2.tables.reading.text_values import MISSING as MISSING_IN_FILES
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.summary import ColumnUse

NAMES_SHARE = 0.9  # a column in which at least this part of the rows has a text of its own has names or keys
FEW_NAMES = 10  # this many different texts are always categories: in a table of few rows nearly all texts differ
LARGEST = 1e150  # the square of a larger number, of which a variance is made, may be infinite
MISSING_TEXTS = tuple(sorted(MISSING_IN_FILES))  # which a model takes for missing in a frame, as in a file
MISSING_BOOLEANS = tuple(sorted(MISSING_VALUE))
PARTS = {NUMBER: "numbers", TEXT: "texts", BOOLEAN: "booleans", DATE: "dates"}
DROPPED = "dropped: "
MISSING = "missing: median, and an input that says so"


@dataclasses.dataclass
class Preparation:
    """How a table becomes numbers.

    Attributes
    ----------
    transformer : sklearn.compose.ColumnTransformer
        Not fitted.
    columns : list of Column
        Those that it takes.
    uses : list of ColumnUse
        What becomes of each column.
    notes : list of str
    """

    transformer: Any
    columns: list[Column]
    uses: list[ColumnUse]
    notes: list[str]


def prepare(frame: Any, columns: Sequence[Column], options: TrainingOptions) -> Preparation:
    """Return how the rows of training become numbers.

    Parameters
    ----------
    frame : polars.DataFrame
        As a Batch has it.
    columns : sequence of Column
        Of the frame, which may have others.

    Raises
    ------
    TableError
        No column is left, or a number is too large.
    """
    kept: dict[str, list[str]] = {part: [] for part in PARTS.values()}
    categories: dict[str, list[list[str]]] = {part: [] for part in PARTS.values()}
    uses, notes = [], []
    for column in columns:
        values = frame[column.name].alias("values")  # polars takes names such as "^a$" for patterns, also of a Series
        reason = _reason_to_drop(values, column)
        if reason is not None:
            notes.append(f"column {column.name!r} {reason}: it is dropped")
            uses.append(ColumnUse(column.name, column.kind, f"{DROPPED}{reason}", 0))
            continue
        kept[PARTS[column.kind]].append(column.name)
        if column.kind in (TEXT, BOOLEAN):
            found, words = _categories(values, options.max_categories)
            categories[PARTS[column.kind]].append(found)
            uses.append(ColumnUse(column.name, column.kind, words, len(found)))
        else:
            uses.append(_use_of_numbers(values, column))
    if not any(kept.values()):
        raise TableError(f"no column is left to predict from: {'; '.join(notes) or 'there is only the target'}")
    for use, column in zip(uses, columns, strict=True):
        use.form = None if column.form == ISO else column.form
    used = [column for column, use in zip(columns, uses, strict=True) if use.width]
    return Preparation(_transformer(kept, categories), used, uses, notes)


def _reason_to_drop(values: Any, column: Column) -> str | None:
    """Return why a column is of no use, or None."""
    present = len(values) - values.null_count()
    if not present:
        return "has no values"
    has_missing = present < len(values)
    if column.kind != TEXT:
        return "has one value in all rows" if values.min() == values.max() and not has_missing else None
    distinct = values.n_unique() - has_missing
    if distinct == 1 and not has_missing:
        return "has one value in all rows"
    if distinct > FEW_NAMES and distinct >= NAMES_SHARE * present:
        return f"has a different text in nearly every row ({distinct:,} of {present:,}), as names or keys have"
    return None


def _use_of_numbers(values: Any, column: Column) -> ColumnUse:
    """Return what becomes of a column of numbers or dates."""
    has_missing = values.null_count() > 0
    missing = f"; {MISSING}" if has_missing else ""
    if column.kind == DATE:
        has_time = bool((values.dt.truncate("1d") != values).any())
        waves = "year, the week and the day" if has_time else "year and the week"
        words = f"days, standardised, and waves of the {waves}{missing}"
        return ColumnUse(column.name, column.kind, words, 1 + 2 * len(periods_of(has_time)) + has_missing)
    largest = max(-values.min(), values.max())
    if largest > LARGEST:
        raise TableError(
            f"column {column.name!r} has numbers up to {largest:.3g}; expected at most {LARGEST:g}. Correct them, or "
            f"leave the column out (--drop)"
        )
    return ColumnUse(column.name, column.kind, f"standardised{missing}", 1 + has_missing)


def _categories(values: Any, most: int) -> tuple[list[str], str]:
    """Return the categories of a column that get an input of their own, the most frequent ones, and words on them."""
    import polars

    texts = values.cast(polars.String).fill_null("")
    counts = texts.value_counts(name="rows").sort(["rows", texts.name], descending=[True, False])
    kept = sorted(counts[texts.name].head(most).to_list())
    missing = ", one of them for missing" if "" in kept and values.null_count() else ""
    if len(kept) == len(counts):
        return kept, f"one-hot: {len(kept)} categories{missing}"
    return kept, f"one-hot: {len(kept)} of {len(counts):,} categories{missing}, the others together"


def _transformer(names: dict[str, list[str]], categories: dict[str, list[list[str]]]) -> Any:
    """Return a ColumnTransformer for columns of these names and categories, by part.

    It computes in float64 for a network in float32, too, which cannot tell 1,700,000,000 from the number after it.
    """
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from fastnn2.estimators import DateColumns, NumberColumns, TextColumns

    def imputer() -> Any:
        return SimpleImputer(strategy="median", add_indicator=True)

    def encoder(part: str) -> Any:
        found = [np.array(each, dtype=object) for each in categories[part]]
        return OneHotEncoder(categories=found, handle_unknown="ignore", sparse_output=False)

    parts = {
        "numbers": make_pipeline(NumberColumns(), imputer(), StandardScaler()),
        "texts": make_pipeline(TextColumns(MISSING_TEXTS), encoder("texts")),
        "booleans": make_pipeline(TextColumns(MISSING_BOOLEANS, booleans=True), encoder("booleans")),
        "dates": make_pipeline(DateColumns(), imputer(), StandardScaler()),
    }
    chosen = [(part, step, names[part]) for part, step in parts.items() if names[part]]
    return ColumnTransformer(chosen, sparse_threshold=0)


def as_input(frame: Any, columns: Sequence[Column]) -> Any:
    """Return the columns of a frame that the transformer takes."""
    return frame[[column.name for column in columns]]  # select() would take some names for patterns
