"""Many jobs in one call: each thread of a team takes the next record, and calls the kernel of all of them with it."""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn2.kernels.loops.team import atomic_add, atomic_load
from fastnn2.kernels.shared.control_words import NEXT_BLOCK, STOP
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining


@intrinsic
def call_entry(typingctx, entry, record):
    """Call the entry at an address with a record, or with the address of one."""

    def codegen(context, builder, signature, args):
        function_type = ir.FunctionType(ir.VoidType(), [args[1].type])
        builder.call(builder.inttoptr(args[0], function_type.as_pointer()), [args[1]])
        return context.get_dummy_value()

    return types.void(entry, record), codegen


@njit(**NOT_INLINED)
def jobs(job):
    """Run jobs as one thread of a team, until none is left or STOP is set.

    For the fields of `job` see :class:`~fastnn2.kernels.shared.records.JobsRecord`.
    """
    forbid_inlining()
    control, entry, addresses, count = job.control, job.entry, job.addresses, job.count
    while atomic_load(control, STOP) == 0:
        i = atomic_add(control, NEXT_BLOCK, 1)
        if i >= count:
            break
        call_entry(entry, addresses[i])
