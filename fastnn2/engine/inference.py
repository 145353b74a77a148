"""The outputs of a trained network, for rows of samples."""

from typing import Any

import numpy as np

from fastnn2.codegen import store
from fastnn2.engine.layout import BLOCK_BYTES, aligned_zeros, padded_length
from fastnn2.engine.samples import Network, SampleMatrix, allocate_tiles, count_threads
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.records import InferRecord
from fastnn2.threads.team import Team, is_short_job, run_team

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
    control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)

    def job(thread: int, threads: int) -> InferRecord:
        X_tile, A1, y = allocate_tiles((network.d, network.h, network.o), groups, dtype)
        return InferRecord(
            **network.fields(), **X.fields(), control=control, block=tiles_per_block * lanes, tile_groups=groups,
            params=flat, X_tile=X_tile, A1=A1, y=y, out=out,
        )  # fmt: skip

    kernel = store.kernel("infer", dtype)
    is_short = is_short_job(tuning.work_of_iteration(network.d, n, network.h, network.o), 1, network.n_params)
    if threads == 1 and is_short:
        kernel(job(0, 1))  # a team would take a tenth of the time of a prediction of one row
    elif run_team(Team(kernel, job, control, threads), is_short, 1, progress=False):
        raise KeyboardInterrupt
    return out, not control[control_words.NOT_FINITE]
