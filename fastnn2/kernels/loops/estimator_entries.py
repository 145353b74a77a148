"""The kernels of the estimators as Python calls them; see :mod:`entries`.

Thread 0 of a team is the caller's, or in longer calls one that the caller watches. The others make one call of an entry
for one of thread 0, or, if they are to stay, for all calls that it makes until it is done with them, as the way from
Python to a kernel takes a tenth of a millisecond. Tiles that are kept are laid out in the first of them.
"""

from numba import njit

from fastnn2.kernels.loops import epochs as mini_batches
from fastnn2.kernels.loops import unit_epochs as small_batches
from fastnn2.kernels.loops.float_mode import enter_default_mode, set_float_mode
from fastnn2.kernels.loops.team import begin_call, end_call
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining


@njit(**NOT_INLINED)
def epoch_calls(job):
    """Run epochs of mini-batches as one thread of a team: :mod:`~fastnn2.kernels.loops.epochs`."""
    forbid_inlining()
    call = 1
    while begin_call(job.control, job.thread, call):
        mini_batches.epochs(job)
        if not end_call(job.control, job.thread, job.threads):
            break
        call += 1


@njit(**NOT_INLINED)
def unit_epoch_calls(job):
    """Run epochs of small mini-batches as one thread of a team: :mod:`~fastnn2.kernels.loops.unit_epochs`."""
    forbid_inlining()
    call = 1
    while begin_call(job.control, job.thread, call):
        small_batches.unit_epochs(job)
        if not end_call(job.control, job.thread, job.threads):
            break
        call += 1


def epochs(job):
    """Run :func:`epoch_calls`."""
    mode = enter_default_mode()
    epoch_calls(job)
    set_float_mode(mode)


def unit_epochs(job):
    """Run :func:`unit_epoch_calls`."""
    mode = enter_default_mode()
    unit_epoch_calls(job)
    set_float_mode(mode)


def infer(job):
    """Run :func:`epochs.infer`."""
    mode = enter_default_mode()
    mini_batches.infer(job)
    set_float_mode(mode)
