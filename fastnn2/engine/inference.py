"""The outputs of a trained network, for rows of samples."""

from typing import Any

import numpy as np

from fastnn2.codegen import store
from fastnn2.engine.layout import BLOCK_BYTES, address, aligned_zeros, padded
from fastnn2.engine.mini_batch import Network, SampleMatrix, threads_for, tiles_of
from fastnn2.kernels.shared import tuning
from fastnn2.threads.parallel_for import parallel_for

Array = np.ndarray[Any, Any]

INFER_PER_THREAD = 2_000_000  # multiplications of a call that are worth the start of another thread


def outputs(network: Network, X: SampleMatrix, params: Array, n_threads: int | None = None) -> tuple[Array, bool]:
    """Return the outputs (n, o) of a network, and whether all of X is finite, in the dtype of the run.

    The rows are taken in blocks by whichever thread comes next, several threads where that is worth it.
    """
    X.check_network(network)
    dtype, n = X.values.dtype, X.n
    flat = aligned_zeros(padded(network.count, np.float64), dtype)
    flat[: network.count] = params
    out = np.empty((n, network.o), dtype=dtype)
    groups = min(tuning.count_tile_groups(network.d, network.h, network.o), tuning.count_groups(n, dtype))
    lanes = groups * tuning.group_size(dtype)
    tiles = -(-n // lanes)
    threads = min(threads_for(n * network.count, tiles, n_threads, INFER_PER_THREAD), tiles)
    tiles_of_block = max(1, min(BLOCK_BYTES // (lanes * network.d * dtype.itemsize), -(-tiles // threads)))
    scratch = [tiles_of((network.d, network.h, network.o), groups, dtype) for _ in range(threads)]
    kernel = store.kernel("infer", dtype)
    not_finite = aligned_zeros(1, np.int64)

    def work(thread: int, first: int) -> None:
        last = min(n, first + tiles_of_block * lanes)
        kernel(
            *(address(flat), network.d, network.h, network.o, first, last),
            *(groups, network.activation, network.loss, *X.arguments()),
            *(address(out), *(address(tile) for tile in scratch[thread]), address(not_finite)),
        )

    parallel_for(work, range(0, n, tiles_of_block * lanes), threads)
    return out, not not_finite[0]
