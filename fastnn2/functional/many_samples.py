"""X or Y of many networks: checked before any work, and brought into the layout of the kernel when it is needed."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastnn2.engine.layout import BLOCK_BYTES, is_finite, to_groups
from fastnn2.engine.network_run import Samples
from fastnn2.functional import checks
from fastnn2.functional.entries import Argument

Array = np.ndarray[Any, Any]
IsValid = Callable[[Array], bool]

SMALL_BYTES, BATCH = 1 << 12, 32  # arrays that are small, and how many of them are looked at together


class ManySamples:
    """The samples of many networks. Those that several networks have are laid out once, in groups.

    Parameters
    ----------
    arrays : sequence of ndarray (rows, n)
        One for each network.
    dtypes : sequence of dtype
        Those of the runs.
    n_threads : int, optional
    """

    def __init__(self, arrays: Sequence[Array], dtypes: Sequence[Any], n_threads: int | None) -> None:
        self._arrays, self._dtypes, self._n_threads = arrays, dtypes, n_threads
        self._counts = Counter(map(id, arrays))
        self._shared: dict[Any, Samples] = {}

    def check_finite(self, argument: Argument) -> None:
        """Raise ValueError if a number is infinite or NaN in the dtype of its run."""

        def check(i: int) -> None:
            checks.check_finite(self._arrays[i], argument.name_of(i), self._dtypes[i])

        first = self._first_of_each()
        for i in first:
            if _may_overflow(self._arrays[i].dtype, self._dtypes[i]):
                check(i)
        self._check_each(first, is_finite, check)

    def check_in_unit_interval(self, argument: Argument) -> None:
        """Raise ValueError if a number is not from 0 to 1."""
        self._check_each(
            self._first_of_each(), checks.is_in_unit_interval,
            lambda i: checks.check_in_unit_interval(self._arrays[i], argument.name_of(i)))  # fmt: skip

    def _first_of_each(self) -> list[int]:
        """Return the first network of each array."""
        if len(self._counts) == 1:
            return [0]
        return sorted({id(array): i for i, array in reversed(list(enumerate(self._arrays)))}.values())

    def _check_each(self, networks: Sequence[int], is_valid: IsValid, check: Callable[[int], None]) -> None:
        """Call ``check(i)``, which raises an error, for the first array that is not valid.

        Small ones are looked at together: for each call NumPy takes as long as for a thousand numbers.
        """
        arrays = self._arrays
        for is_small, indices in itertools.groupby(networks, lambda i: arrays[i].nbytes <= SMALL_BYTES):
            while batch := list(itertools.islice(indices, BATCH if is_small else 1)):
                joined = arrays[batch[0]]
                if len(batch) > 1:
                    joined = np.concatenate([arrays[i].ravel(order="K") for i in batch])
                if not _all_blocks(joined, is_valid):
                    for i in batch:
                        check(i)

    def of(self, i: int) -> Samples:
        """Return the samples of a network as the kernel reads them."""
        array, dtype = self._arrays[i], self._dtypes[i]
        if self._counts[id(array)] == 1:
            return Samples.in_rows(_readable(array, dtype))
        key = id(array), dtype
        if key not in self._shared:
            self._shared[key] = Samples.in_groups(to_groups(array, dtype, self._n_threads, lambda _: True)[0])
        return self._shared[key]


def _may_overflow(found: "np.dtype[Any]", wanted: "np.dtype[Any]") -> bool:
    """Return whether finite numbers may be infinite after the cast."""
    return found.kind == "f" and found.itemsize > wanted.itemsize


def _readable(array: Array, dtype: Any) -> Array:
    """Return the array, or a copy that a kernel can read."""
    size, (stride, step) = array.itemsize, array.strides
    if array.dtype == dtype and array.flags.aligned and step and not stride % size and not step % size:
        return array
    return np.array(array, dtype=dtype, order="C")


def _all_blocks(array: Array, is_valid: IsValid) -> bool:
    """Return whether all blocks of an array are valid."""
    if array.nbytes <= BLOCK_BYTES:
        return is_valid(array)
    step = max(1, BLOCK_BYTES * array.shape[-1] // array.nbytes)
    return all(is_valid(array[..., first : first + step]) for first in range(0, array.shape[-1], step))
