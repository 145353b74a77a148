"""From samples as rows to groups, by a kernel; :func:`layout.to_groups` takes samples as columns."""

from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.kernels.shared.records import LayOutRecord

Array = np.ndarray[Any, Any]


class RowsToGroups:
    """Writes rows of matrices (m, columns) to groups of a dtype. One thread may use it at a time."""

    def __init__(self, columns: int, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)
        self._kernel = provider.kernel("lay_out", dtype)
        nothing = np.zeros(1, dtype=self._dtype)
        self._record = LayOutRecord(
            matrix=nothing, columns=columns, first=0, count=0, groups=nothing, group=0,
            no_order=np.zeros(1, dtype=np.int64))  # fmt: skip

    def __call__(self, matrix: Array, groups: Array, group: int) -> None:
        """Write the rows of a matrix (m, columns) to `groups`, from number `group` on, in place.

        They are cast to the dtype; zeros follow in the last group.
        """
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite; callers check
            rows = np.ascontiguousarray(matrix, dtype=self._dtype)
        self._record.point(matrix=rows, count=len(rows), groups=groups, group=group)
        self._kernel(self._record)
