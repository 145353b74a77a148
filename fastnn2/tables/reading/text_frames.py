"""All columns of a chunk of a text file at once: a query for each column would take longer than its work, where there
are thousands of columns.
"""

import math
from collections.abc import Sequence
from typing import Any

from fastnn2.tables.reading.columns import BOOLEAN, NUMBER, TEXT
from fastnn2.tables.reading.text_kinds import KindFinder
from fastnn2.tables.reading.text_values import MISSING


def convert_at_once(texts: Any, kinds: Sequence[str]) -> list[Any]:
    """Return the values of the columns in which each text is of the kind, or nothing; None for all other columns.

    Parameters
    ----------
    texts : polars.DataFrame
        The names of its columns are numbers, as others may be patterns for polars.
    kinds : sequence of str
        Of its columns. Dates are left to `text_kinds.convert`.

    Returns
    -------
    list of polars.Series or None
        Numbers are finite.
    """
    import polars

    columns = []
    for name, kind in zip(texts.columns, kinds, strict=True):
        text = polars.col(name)
        if kind == NUMBER:
            columns.append(text.cast(polars.Float64, strict=False))
        elif kind == BOOLEAN:
            lower = text.str.to_lowercase()
            columns.append(polars.when(lower == "true").then(True).when(lower == "false").then(False).alias(name))
        elif kind == TEXT:
            is_missing = text.str.strip_chars().is_in(sorted(MISSING))
            columns.append(polars.when(~is_missing).then(text).alias(name))
    if not columns:
        return [None] * len(kinds)
    values = texts.select(columns)
    numbers = [name for name, kind in zip(texts.columns, kinds, strict=True) if kind == NUMBER]
    sums = values.select(numbers).sum().row(0, named=True) if numbers else {}
    nulls, nulls_before = (frame.null_count().row(0, named=True) for frame in (values, texts))
    found: list[Any] = []
    for name, kind in zip(texts.columns, kinds, strict=True):
        # A sum is finite, if each number is; where it is too large, the slower way finds that nothing is wrong.
        is_right = kind == TEXT or (kind in (NUMBER, BOOLEAN) and nulls[name] == nulls_before[name])
        is_finite = kind != NUMBER or sums[name] is None or math.isfinite(sums[name])
        found.append(values[name] if is_right and is_finite else None)
    return found


def find_kinds(finders: Sequence[KindFinder], texts: Any, first: int) -> None:
    """Let the finders of all columns look at their texts, in the rows from number `first` on."""
    import polars

    all_numbers = convert_at_once(texts, [NUMBER] * len(finders))
    wanted = [
        values.alias(str(place))
        for place, (finder, values) in enumerate(zip(finders, all_numbers, strict=True))
        if values is not None and finder.wants_different
    ]
    different = {}
    if wanted:
        query = polars.DataFrame(wanted).select(polars.all().drop_nulls().unique().head(KindFinder.MOST).implode())
        different = query.row(0, named=True)
    columns = texts.get_columns()
    for place, (finder, column, numbers) in enumerate(zip(finders, columns, all_numbers, strict=True)):
        if numbers is None:
            finder.add(column, first)
        else:
            finder.add_numbers(column, len(numbers) - numbers.null_count(), different.get(str(place), ()), first)
