"""Rows of a table as the kernels of the tabular networks read them."""

import dataclasses
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class EncodedRows:
    """Rows of a table as a network reads them; all arrays are C-contiguous.

    Attributes
    ----------
    numbers : ndarray of float32 or float64 (n, d)
        Scaled and clipped; 0 where a value is missing.
    rows : ndarray of uint32 (n, p)
        For each binned feature the row of the bin in a table of p (bins + 1) rows; the last row of a feature is for
        missing values.
    fractions : ndarray of the dtype of `numbers` (n, p)
        How far through its bin a value is, from 0 to 1; 1 where it is missing.
    categories : ndarray of uint32 (n, q)
        For each categorical feature the row in the table of categories.
    """

    numbers: Array
    rows: Array
    fractions: Array
    categories: Array

    @property
    def n(self) -> int:
        """Return the number of rows of the table."""
        return len(self.numbers)

    def fields(self) -> dict[str, Any]:
        """Return the fields of a record."""
        return {
            "X": self.numbers, "rows": self.rows, "fractions": self.fractions, "categories": self.categories
        }  # fmt: skip
