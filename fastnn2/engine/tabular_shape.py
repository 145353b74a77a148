"""The shape of a tabular network, and where its parameters are among the packed ones (see kernels/nn/lookups.py)."""

import dataclasses
from typing import Any

import numpy as np

from fastnn2.kernels.shared import tuning

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class TabularShape:
    """A network of one hidden layer on encoded rows.

    Attributes
    ----------
    d, p, q : int
        Numbers, binned features and categories of a row.
    bins : int
        Bins of a feature, T.
    category_rows : int
        Rows of the table of categories, of all q together.
    h, o : int
        Hidden units and outputs.
    dtype : dtype
    """

    d: int
    p: int
    q: int
    bins: int
    category_rows: int
    h: int
    o: int
    dtype: "np.dtype[Any]"

    @property
    def units(self) -> int:
        """Return H, the hidden units with their padding to whole groups."""
        return tuning.count_groups(self.h, self.dtype) * tuning.group_size(self.dtype)

    @property
    def rows(self) -> dict[str, int]:
        """Return how many rows of H numbers each parameter has, in the order in which they are packed."""
        return {"W1": self.d, "V": self.p * (self.bins + 1), "C": self.category_rows, "b1": 1, "W2": self.o}

    def offsets(self) -> dict[str, int]:
        """Return where each parameter begins, and where b2 does, in packed parameters."""
        offsets, first = {}, 0
        for name, rows in self.rows.items():
            offsets[name] = first
            first += rows * self.units
        return {**offsets, "b2": first}

    @property
    def count(self) -> int:
        """Return the length of packed parameters, a multiple of a group."""
        last = self.offsets()["b2"] + self.o
        return tuning.count_groups(last, self.dtype) * tuning.group_size(self.dtype)

    def views(self, packed: Array) -> dict[str, Array]:
        """Return packed parameters by name, as views without the padding.

        W1 is (d, h), V (p, T + 1, h), C (category_rows, h), b1 (h,), W2 (o, h) and b2 (o,).
        """
        offsets, views = self.offsets(), {}
        for name, rows in self.rows.items():
            whole = packed[offsets[name] : offsets[name] + rows * self.units].reshape(rows, self.units)
            views[name] = whole[:, : self.h]
        by_feature = packed[offsets["V"] : offsets["C"]].reshape(self.p, self.bins + 1, self.units)
        views["V"] = by_feature[:, :, : self.h]
        views["b1"] = views["b1"][0]
        views["b2"] = packed[offsets["b2"] : offsets["b2"] + self.o]
        return views

    @property
    def E_count(self) -> int:
        """Return the numbers of E, (p, T + 1, H)."""
        return self.p * (self.bins + 1) * self.units

    def fields(self) -> dict[str, Any]:
        """Return the fields of a record that describe the network."""
        offsets = self.offsets()
        return {
            "d": self.d, "p": self.p, "q": self.q, "o": self.o, "units": self.units, "v_offset": offsets["V"],
            "c_offset": offsets["C"], "b_offset": offsets["b1"], "w2_offset": offsets["W2"],
            "b2_offset": offsets["b2"],
        }  # fmt: skip
