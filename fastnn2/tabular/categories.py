"""Categories of a feature as rows of a table: one for each known category, one for rare and new ones, one if missing.

The categories of a feature are sorted texts. Row k is the category k, the next row has all others, and the last one
is that of missing values.
"""

import collections
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def frequent_categories(texts: Sequence[str | None], most: int) -> list[str]:
    """Return the most frequent texts, sorted, at most `most`; of equally frequent ones the first ones count."""
    counts = collections.Counter(text for text in texts if text is not None)
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    return sorted(ranked[:most])


def count_rows(categories: Sequence[str]) -> int:
    """Return the number of rows for a feature with these categories."""
    return len(categories) + 2


def rows_of(texts: Sequence[str | None], categories: Sequence[str]) -> Array:
    """Return the row of each text (n,), None for a missing one."""
    places: dict[str | None, int] = {text: row for row, text in enumerate(categories)}
    other = len(places)
    places[None] = other + 1
    return np.fromiter((places.get(text, other) for text in texts), dtype=np.uint32, count=len(texts))
