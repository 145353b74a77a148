"""Inference for the estimators: the outputs of samples, of which each thread of a team takes the next block."""

from numba import njit

from fastnn2.kernels.loops.epochs import lay_out
from fastnn2.kernels.loops.team import atomic_add, atomic_load, atomic_store
from fastnn2.kernels.nn.layers import forward_tile, lanes_used
from fastnn2.kernels.nn.losses import activate_outputs
from fastnn2.kernels.nn.rows import scatter
from fastnn2.kernels.shared.control_words import NEXT_BLOCK, NOT_FINITE, STOP
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.lanes import fold_group, sum_lanes
from fastnn2.kernels.simd.vector import fma, group_lanes, load_group, zero_group


@njit(**NOT_INLINED)
def infer(job):
    """Write the outputs y of the samples to `out` in place, as one thread of a team; each depends on its sample alone.

    For the fields of `job` see :class:`~fastnn2.kernels.shared.records.InferRecord`; X_tile, A1 and y are overwritten.
    A thread stops before its next tile if it finds STOP.
    """
    forbid_inlining()
    control, d, o = job.control, job.d, job.o
    n, tile_groups, block = job.n, job.tile_groups, job.block
    X, X_tile, y = job.X, job.X_tile, job.y
    lanes = group_lanes(X)
    zero_or_nan = zero_group(X)  # 0 times a number that is not finite is NaN
    first = atomic_add(control, NEXT_BLOCK, 1) * block
    while first < n:
        last = smaller(n, first + block)
        for sample in range(first, last, tile_groups * lanes):
            if atomic_load(control, STOP) != 0:
                return
            valid = smaller(tile_groups * lanes, last - sample)
            groups = (valid + lanes - 1) // lanes
            lay_out(X, job.columns, job.starts, job.is_sparse, d, job.starts, 0, sample, valid, X_tile, 0)
            for i in range(0, groups * d * lanes, lanes):
                zero_or_nan = fma(load_group(X_tile, i), 0.0, zero_or_nan)
            used = lanes_used(valid, groups, X)
            forward_tile(job.params, 0, d, job.h, o, groups, used, job.activation, X_tile, 0, job.A1, 0, y, 0, False)
            for g in range(groups):
                activate_outputs(job.loss, o, y, g * o * lanes)
            scatter(y, o, sample, valid, job.out)
        first = atomic_add(control, NEXT_BLOCK, 1) * block
    if sum_lanes(fold_group(zero_or_nan)) != 0.0:
        atomic_store(control, NOT_FINITE, 1)
