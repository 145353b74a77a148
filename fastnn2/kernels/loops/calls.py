"""Kernels whose workers stay for many calls.

Thread 0 makes one call of such a kernel after the other. A worker stays in its call: after each of thread 0 it waits
for the next one, until it is told to leave, as starting a thread takes a tenth of a millisecond.
"""

from numba import njit

from fastnn2.kernels.loops.team import begin_call, end_call
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining


def calls_of(work, max_yields):
    """Return a kernel that does ``work(job)`` again and again; for `max_yields` see :func:`team.back_off`."""

    @njit(**NOT_INLINED)
    def calls(job):
        """Make one call as thread 0 of a team, or all calls as a worker."""
        forbid_inlining()
        control, thread = job.control, job.thread
        call = 1
        while begin_call(control, thread, call, max_yields):
            work(job)
            end_call(control, thread, job.threads, max_yields)
            if thread == 0:
                break
            call += 1

    return calls
