"""The sizes of the buffers of a run whose samples are divided among threads; they follow from its shape and dtype."""

import functools
import itertools
from typing import Any

import numpy as np

from fastnn2.engine.layout import gradient_length, padded_length
from fastnn2.kernels.shared import tuning


class SampleLayout:
    """What :mod:`fastnn2.kernels.loops.train` needs for a network of d, h, o and n samples, in numbers of the dtype.

    Attributes
    ----------
    count : int
        Parameters.
    chunks : int
        Of all threads together.
    tile_groups : int
        Groups of a tile.
    shared : bool
        Whether all threads share the parameters, and each updates a range of them.
    params_stride : int
        Numbers of one set of params.
    updated : int
        The parameters with the zeros after the last one: the kernel writes whole vectors.
    gradients_stride : int
        Numbers (float64) of one gradient.
    sums : int
        The numbers (float64) of all gradients, after which comes the room for sums.
    scratch_ends : list of int
        Where A1, dZ2 and scratch of a thread begin, and where they end, in an array of all three.
    """

    def __init__(self, d: int, h: int, o: int, n: int, dtype: Any) -> None:
        self.count = tuning.count_params(d, h, o)
        self.chunks = tuning.count_chunks(n, d, h, o, dtype)
        self.tile_groups = tuning.count_tile_groups(d, h, o)
        self.shared = self.count >= tuning.SHARED_PARAMS
        self.params_stride = padded_length(self.count, dtype)
        self.updated = -(-self.count // tuning.UPDATE_WIDTH) * tuning.UPDATE_WIDTH
        self.gradients_stride = gradient_length(self.count)
        # One set of gradients is enough where each iteration has a second barrier, as with shared parameters.
        self.sums = (1 if self.shared else 2) * self.chunks * self.gradients_stride
        rows = (self.tile_groups * h, self.tile_groups * o, tuning.count_scratch_rows(h))
        self.scratch_ends = list(itertools.accumulate((count * tuning.group_size(dtype) for count in rows), initial=0))

    def sums_size(self, threads: int, is_mixed: bool) -> int:
        """Return the numbers (float64) of a thread's room for sums, in a team of at most `threads` threads.

        The system may refuse some of the threads, and a smaller team may need more room: three threads leave more
        gradients to be summed after the barrier than four. For `is_mixed` see :func:`tuning.count_shares`.
        """
        if self.shared:
            return 0
        shares = max(tuning.count_shares(self.chunks, team, is_mixed) for team in range(1, threads + 1))
        return shares // 2 * self.gradients_stride


@functools.lru_cache(maxsize=1024)
def sample_layout(d: int, h: int, o: int, n: int, dtype: "np.dtype[Any]") -> SampleLayout:
    """Return the layout of a shape, of which a process has few."""
    return SampleLayout(d, h, o, n, dtype)
