"""Many networks in one call: an array of job records, of which the threads of a team take the next.

A network is trained by one thread, with the kernel that trains it alone (:mod:`train`), which is called by its address.
So its bits are those of a run of its own, and networks of all shapes, narrow or not, are trained in one call.

Buffers belong to threads. A thread takes a network, writes the addresses of its buffers to the network's record, lays
the samples out, unless they already are, and copies the initial parameters; then it calls the kernel, and copies the
last parameters back. No thread waits for another.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn2.kernels.loops.team import atomic_add, atomic_load
from fastnn2.kernels.shared.control_words import (
    ABANDONED,
    COMPLETED,
    CONTROL_SIZE,
    DIVERGED,
    INTERRUPTED,
    NEVER,
    NEXT_BLOCK,
    OUTCOME,
    PARAMS_NOT_FINITE,
    PAUSE_AT,
    RUNNING,
    SERIAL_FROM,
    STOP,
    WORD,
)
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.kernels.simd.vector import INLINE, group_lanes, load_group, store


@intrinsic
def record_at(typingctx, records, index):
    """Return record number `index` of many."""

    def codegen(context, builder, signature, args):
        index = context.cast(builder, args[1], signature.args[1], types.int64)
        return builder.gep(args[0], [builder.mul(index, ir.IntType(64)(len(records.places)))])

    return records(records, index), codegen


@intrinsic
def call_entry(typingctx, address, job):
    """Call the entry at an address with a record."""

    def codegen(context, builder, signature, args):
        function_type = ir.FunctionType(ir.VoidType(), [args[1].type])
        builder.call(builder.inttoptr(args[0], function_type.as_pointer()), [args[1]])
        return context.get_dummy_value()

    return types.void(address, job), codegen


@njit(**INLINE)
def lay_out_matrix(source, stride, step, rows, n, groups):
    """Write a matrix (rows, n) to groups (groups, rows, G), in place, with zeros after the last sample.

    Row r of sample s is ``source[r * stride + s * step]``.
    """
    lanes = group_lanes(groups)
    for first in range(0, n, lanes):
        count = smaller(lanes, n - first)
        for r in range(rows):
            begin, out = r * stride + first * step, first * rows + r * lanes
            if step == 1 and count == lanes:
                store(groups, out, load_group(source, begin))
                continue
            for lane in range(count):
                groups[out + lane] = source[begin + lane * step]
            for lane in range(count, lanes):
                groups[out + lane] = 0.0


@njit(**INLINE)
def begin_network(job, network):
    """Prepare this thread's buffers and the record of a network for its kernel, in place."""
    own, params, l2, d, h, o = job.own_control, job.params, job.l2, network.d, network.h, network.o
    stride, packed, count, alpha = network.params_stride, network.packed, network.count, network.alpha
    for word in range(0, CONTROL_SIZE, WORD):
        if word != STOP:  # which Python may set at any time
            own[word] = 0
    own[ABANDONED] = own[DIVERGED] = own[SERIAL_FROM] = own[OUTCOME] = RUNNING
    own[PAUSE_AT] = NEVER
    # The whole of both sets, as the last network may have left numbers that are not finite.
    for i in range(count):
        params[i] = packed[i]
    for i in range(count, 2 * stride):
        params[i] = 0.0
    for i in range(stride):
        is_weight = i < h * d or (h * (d + 1) <= i and i < h * (d + 1 + o))
        l2[i] = alpha if is_weight else 0.0
    network.X, network.Y, network.weights = network.X_source, network.Y_source, network.weight_source
    if network.X_step != 0:
        lay_out_matrix(network.X_source, network.X_stride, network.X_step, d, network.n, job.X_groups)
        network.X = job.X_groups
    if network.Y_step != 0:
        lay_out_matrix(network.Y_source, network.Y_stride, network.Y_step, o, network.n, job.Y_groups)
        network.Y = job.Y_groups
    if network.weight_step != 0:
        lay_out_matrix(network.weight_source, 0, network.weight_step, 1, network.n, job.weight_groups)
        network.weights = job.weight_groups
    if network.keeps_costs == 0:
        network.costs = job.costs
    network.control, network.params, network.params_of_thread_0 = own, params, params
    network.l2, network.gradients = l2, job.gradients
    network.A1, network.dZ2, network.scratch = job.A1, job.dZ2, job.scratch


@njit(**INLINE)
def end_network(job, network):
    """Write what a network's kernel has reached to its record and to its packed parameters, in place."""
    own, params, costs = job.own_control, job.params, network.costs
    completed, outcome = atomic_load(own, COMPLETED), atomic_load(own, OUTCOME)
    packed, offset = network.packed, completed % 2 * network.params_stride
    for i in range(network.count):
        packed[i] = params[offset + i]
    costs_count = completed + (outcome == PARAMS_NOT_FINITE)
    if costs_count > 0:
        network.last_cost = costs[costs_count - 1]
    network.completed, network.outcome = completed, outcome
    return outcome


@njit(**NOT_INLINED)
def networks(job):
    """Train networks as one thread of a team, until none is left or STOP is set; write to their records in place.

    For the fields of `job` see :class:`~fastnn2.kernels.shared.records.NetworksRecord`. COMPLETED of `control` counts
    the networks that are done.
    """
    forbid_inlining()
    control, own, count = job.control, job.own_control, job.networks_count
    while atomic_load(own, STOP) == 0:
        i = atomic_add(control, NEXT_BLOCK, 1)
        if i >= count:
            break
        network = record_at(job.networks, i)
        begin_network(job, network)
        call_entry(network.entry, network)
        if end_network(job, network) != INTERRUPTED:
            atomic_add(control, COMPLETED, 1)
