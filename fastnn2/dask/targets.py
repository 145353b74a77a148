"""What becomes of Y on the workers: which numbers are valid, and how labels become the targets of outputs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.functional import checks

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class UnitInterval:
    """Numbers from 0 to 1, as fit takes them."""

    def __call__(self, rows: Any, place: Callable[[tuple[int, ...]], str]) -> Array:
        """Return targets (m, o) of some rows, or raise ValueError with the place of the first that is not valid."""
        array = checks.as_real_array(rows, "Y")
        if not checks.is_in_unit_interval(array):
            checks.check_in_unit_interval(array, "Y", axes=place)
        return array.reshape(len(array), -1)
