"""What rows of the table of results are made of: a row, its digest, and inputs that are the same on every processor.

:mod:`results_fits` and :mod:`results_estimators` have the rows, :mod:`results_table` the table.
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

DTYPES = ("float64", "float32")
THREADS = (1, 2, 7)
TARGETS = np.array([0.0, 1.0, 0.0, 1.0, 0.25, 0.625])


@dataclasses.dataclass(frozen=True)
class Row:
    """One result: rows of one `case` have the same inputs, so the same digest; rows of other cases have others.

    What follows the case in the name must not change a bit: the number of threads, say, or the layout of X. The suite
    has one test for each `group`. A row is machine-bound if its numbers pass through other software, which may
    compute them otherwise on another processor; `bound_by` names it.
    """

    group: str
    case: str
    variant: str
    compute: Callable[[], Any]
    bound_by: str = ""

    @property
    def name(self) -> str:
        return self.case + self.variant

    @property
    def machine_bound(self) -> bool:
        return bool(self.bound_by)

    def digest(self) -> str:
        return digest(self.compute())


def of_threads(threads: int | None) -> str:
    """Return how the name of a row ends that is for a number of threads; None is for rows that name no number."""
    return "" if threads is None else f", {threads} thread{'s' * (threads > 1)}"


def digest(results: Any) -> str:
    """Return 16 hexadecimal digits that change with any bit, dtype, shape or place of a result.

    Results are arrays and numbers, in lists, tuples or dicts.
    """
    hashed = hashlib.sha256()
    _add(hashed, results)
    return hashed.hexdigest()[:16]


def _add(hashed: Any, value: Any) -> None:
    if isinstance(value, dict):
        hashed.update(f"dict {sorted(value)}".encode())
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list | tuple):
        hashed.update(f"list {len(value)}".encode())
        for each in value:
            _add(hashed, each)
        return
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a digest of {array.dtype} would be of addresses, or depend on the machine")
    array = array.astype(array.dtype.newbyteorder("<"))
    hashed.update(f"{array.dtype.str} {array.shape}".encode() + array.tobytes())


# RandomState's streams are frozen, and its uniform draws and integers, + - * / and the square root are exact or rounded
# in one way everywhere. NumPy's exp, sine, power and gaussian draws differ between processors.


def problem(d: int, h: int, o: int, n: int, dtype: str = "float64") -> tuple[Any, Any, dict[str, Any], Any]:
    """Return X, Y, initial parameters and weights, drawn in float64 and rounded to `dtype`.

    Weights are eighths, so that their sum is exact in whatever order they are added; some are 0, not the first.
    """
    source = np.random.RandomState([d, h, o, n])
    X = 4 * source.random_sample((d, n)) - 2
    Y = TARGETS[source.randint(0, len(TARGETS), (o, n), dtype=np.int64)]
    sizes = {"W1": 2 / (1 + math.isqrt(d)), "b1": 0.5, "W2": 2 / (1 + math.isqrt(h)), "b2": 0.5}
    shapes = {"W1": (h, d), "b1": (h, 1), "W2": (o, h), "b2": (o, 1)}
    params = {
        name: (sizes[name] * (2 * source.random_sample(shape) - 1)).astype(dtype) for name, shape in shapes.items()
    }
    weights = source.randint(1, 33, n, dtype=np.int64) / 8
    weights[3::5] = 0.0
    return X.astype(dtype), Y.astype(dtype), params, weights.astype(dtype)


class PortableState(np.random.RandomState):
    """A source for the estimators, which draw initial parameters with `uniform`.

    NumPy computes it in C, which compilers for Arm turn into fused multiply-adds; the stream is the same.
    """

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return low + (high - low) * self.random_sample(size)
