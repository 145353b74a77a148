"""Inference for the tabular estimators: the outputs of several networks, for blocks of samples that threads take."""

from numba import njit

from fastnn2.kernels.loops.team import atomic_add, atomic_load
from fastnn2.kernels.nn.lookups import lookup_outputs
from fastnn2.kernels.nn.losses import activate_outputs
from fastnn2.kernels.nn.tabular_batch import hidden_units, lay_out_rows
from fastnn2.kernels.shared.control_words import NEXT_BLOCK, STOP
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.vector import group_lanes, load_scalar


@njit(**NOT_INLINED)
def tabular_outputs(job):
    """Write the outputs y (members, n, o) of the samples to `out` in place, as one thread of a team.

    For the fields of `job` see :class:`~fastnn2.kernels.shared.records.TabularOutputsRecord`. A thread takes the next
    batch, and stops if it finds STOP.
    """
    forbid_inlining()
    control, n, o, batch, out, Z2 = job.control, job.n, job.o, job.batch, job.out, job.Z2
    params, lanes = job.params, group_lanes(job.params)
    while atomic_load(control, STOP) == 0:
        first = atomic_add(control, NEXT_BLOCK, 1) * batch
        if first >= n:
            break
        m = smaller(batch, n - first)
        lay_out_rows(job, control, 0, first, m)
        for member in range(job.members):
            offset = member * job.stride
            hidden_units(job, params, offset, member * job.E_stride, m)
            lookup_outputs(params, offset, job.w2_offset, job.b2_offset, o, job.units, job.A, m, Z2)
            for g in range((m + lanes - 1) // lanes):
                activate_outputs(job.loss, o, Z2, g * o * lanes)
            for s in range(m):
                for r in range(o):
                    y = load_scalar(Z2, (s // lanes * o + r) * lanes + s % lanes)
                    out[((member * n) + first + s) * o + r] = y
