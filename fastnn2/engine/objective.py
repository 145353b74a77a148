"""What is summed over all samples of a network: by which formulas, and how they are cut for the order of the sums."""

import dataclasses
from typing import Any

import numpy as np

from fastnn2.engine.layout import gradient_length, padded_length
from fastnn2.engine.pieces import Cut
from fastnn2.kernels.shared import tuning

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Objective:
    """Cost and gradient of n samples.

    Attributes
    ----------
    d, h, o, n : int
        Features, hidden units, outputs, samples.
    dtype : dtype
        Of samples and parameters.
    has_weights : bool
    activation, loss : int or None
        As numbers of :mod:`fastnn2.kernels.shared.choices`: the sums of the estimators. None are the tanh, the sigmoid
        and the cross-entropy of fit.
    """

    d: int
    h: int
    o: int
    n: int
    dtype: np.dtype[Any]
    has_weights: bool
    activation: int | None = None
    loss: int | None = None

    @property
    def is_of_fit(self) -> bool:
        """Return whether these are the sums of fit."""
        return self.loss is None

    @property
    def is_by_samples(self) -> bool:
        """Return whether fit, or L-BFGS, shares the samples. Otherwise it shares hidden units, in another order."""
        if self.is_of_fit:
            return tuning.train_kernel(self.d, self.h, self.o) != "train_wide"
        return tuning.count_parts(self.n, self.d, self.h, self.o, self.dtype) == 1

    @property
    def kernel(self) -> str:
        """Return the name of the kernel that sums."""
        if not self.is_of_fit:
            return "loss_sums"
        return "narrow_sums" if tuning.train_kernel(self.d, self.h, self.o) == "train_narrow" else "block_sums"

    @property
    def params(self) -> int:
        """Return the number of parameters."""
        return tuning.count_params(self.d, self.h, self.o)

    @property
    def stride(self) -> int:
        """Return the numbers of a chunk's gradient; the last are the sum of its weights (not for fit) and its cost."""
        if self.is_of_fit:
            return gradient_length(self.params)
        return padded_length(self.params + 2 * tuning.UPDATE_WIDTH, np.float64)

    @property
    def cut(self) -> Cut:
        """Return how the samples are cut: as fit does, or L-BFGS of the estimators."""
        groups = tuning.count_groups(self.n, self.dtype)
        chunks = tuning.count_chunks(self.n, self.d, self.h, self.o, self.dtype)
        tile_groups = tuning.count_tile_groups(self.d, self.h, self.o)
        if not self.is_of_fit:
            tile_groups = tuning.even_tiles(-(-groups // chunks), tile_groups)
        return Cut(groups, chunks, tile_groups)
