"""One of many training runs of fit: what it is given, and what it reaches."""

import dataclasses
from typing import Any

import numpy as np

from fastnn2.engine.layout import pack_params, to_groups
from fastnn2.exceptions import Params
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.record import address

Array = np.ndarray[Any, Any]

NOT_DRAWN = np.empty(0)  # initial parameters that are not needed yet


@dataclasses.dataclass(slots=True, eq=False)
class Samples:
    """Numbers of samples as a kernel reads them: a matrix (rows, n) of the dtype of the run, or groups.

    Attributes
    ----------
    array : ndarray
        A matrix with any strides that are multiples of the item size, or flat groups.
    address : int
    stride, step : int
        The distances of two rows and of two samples, in numbers; 0 for groups.
    """

    array: Array
    address: int
    stride: int
    step: int

    @classmethod
    def in_groups(cls, groups: Array) -> "Samples":
        """Return samples that are laid out."""
        return cls(groups, address(groups), 0, 0)

    @classmethod
    def in_rows(cls, matrix: Array) -> "Samples":
        """Return samples as columns of a matrix."""
        (stride, step), size = matrix.strides, matrix.itemsize
        return cls(matrix, address(matrix), stride // size, step // size)

    def groups(self, n_threads: int | None) -> Array:
        """Return them in groups."""
        return to_groups(self.array, self.array.dtype, n_threads)[0] if self.step else self.array


NO_SAMPLES = Samples(np.empty(0), 0, 0, 0)


@dataclasses.dataclass(slots=True, eq=False)
class NetworkRun:
    """A run of one network, and what it has reached.

    Attributes
    ----------
    index : int
        Among all runs.
    shape : tuple
        (d, h, o, n)
    dtype : dtype
    learning_rate, alpha, total_weight : float
    iterations : int
    costs : ndarray
        (iterations,), or (1,) for the last one alone, or (0,) where there is none.
    packed : ndarray
        The initial parameters, which those that were reached replace; empty until they are needed.
    X, Y : Samples
        Given before the run, and released after it.
    weights : Samples or None
    completed : int
        Iterations.
    outcome : int
        See :mod:`fastnn2.kernels.shared.control_words`; RUNNING before, and where the run was stopped.
    result : object
        For the caller, once it has one.
    work : int
        About how many multiplications the run takes.
    """

    index: int
    shape: tuple[int, int, int, int]
    dtype: "np.dtype[Any]"
    learning_rate: float
    alpha: float
    total_weight: float
    iterations: int
    costs: Array
    packed: Array
    X: Samples = NO_SAMPLES
    Y: Samples = NO_SAMPLES
    weights: Samples | None = None
    completed: int = 0
    outcome: int = control_words.RUNNING
    result: Any = None
    work: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        d, h, o, n = self.shape
        self.work = self.iterations * tuning.work_of_iteration(d, n, h, o)

    @property
    def keeps_costs(self) -> bool:
        """Return whether all costs are kept, not only the last one."""
        return len(self.costs) == self.iterations

    def release(self) -> None:
        """Let the samples go, which may be copies of the caller's."""
        self.X = self.Y = NO_SAMPLES
        self.weights = None

    def write_result(self, params: Params, costs: Array) -> None:
        """Write parameters and finite costs that a job of its own has reached."""
        self.packed[:] = pack_params(params, self.dtype)
        kept = costs if self.keeps_costs else costs[-1:]  # none if the first one was not finite
        self.costs[: len(kept)] = kept

    def finite_costs(self) -> Array:
        """Return the costs of the completed iterations, or the last one of them, where there are any."""
        count = self.completed + (self.outcome == control_words.PARAMS_NOT_FINITE)
        return self.costs if count >= len(self.costs) else self.costs[:count]
