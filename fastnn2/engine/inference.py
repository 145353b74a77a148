"""The outputs of a trained network, for rows of samples."""

from typing import Any

import numpy as np

from fastnn2.codegen import store
from fastnn2.engine.layout import BLOCK_BYTES, aligned_zeros, padded_length
from fastnn2.engine.mini_batch import Network, SampleMatrix, allocate_tiles, count_threads
from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.records import InferRecord
from fastnn2.threads.parallel_for import parallel_for

Array = np.ndarray[Any, Any]

WORK_PER_THREAD = 2_000_000  # multiplications of a call that pay for the start of another thread


def outputs(network: Network, X: SampleMatrix, params: Array, n_threads: int | None = None) -> tuple[Array, bool]:
    """Return the outputs (n, o) of a network in the dtype of X, and whether all of X is finite.

    Rows are computed in blocks, by several threads if the call is large enough; each thread takes the next block.
    """
    X.check_network(network)
    dtype, n = X.values.dtype, X.n
    flat = aligned_zeros(padded_length(network.n_params, np.float64), dtype)
    flat[: network.n_params] = params
    out = np.empty((n, network.o), dtype=dtype)
    groups = min(tuning.count_tile_groups(network.d, network.h, network.o), tuning.count_groups(n, dtype))
    lanes = groups * tuning.group_size(dtype)
    tiles = -(-n // lanes)
    threads = min(count_threads(n * network.n_params, tiles, n_threads, WORK_PER_THREAD), tiles)
    tiles_per_block = max(1, min(BLOCK_BYTES // (lanes * network.d * dtype.itemsize), -(-tiles // threads)))
    scratch = [allocate_tiles((network.d, network.h, network.o), groups, dtype) for _ in range(threads)]
    kernel = store.kernel("infer", dtype)
    not_finite = aligned_zeros(1, np.int64)

    def body(thread: int, first: int) -> None:
        last = min(n, first + tiles_per_block * lanes)
        X_tile, A1, y = scratch[thread]
        job = InferRecord(
            d=network.d,
            h=network.h,
            o=network.o,
            first=first,
            last=last,
            tile_groups=groups,
            activation=network.activation,
            loss=network.loss,
            params=flat,
            **X.fields(),
            out=out,
            X_tile=X_tile,
            A1=A1,
            y=y,
            not_finite=not_finite,
        )
        kernel(job)

    parallel_for(body, range(0, n, tiles_per_block * lanes), threads)
    return out, not not_finite[0]
