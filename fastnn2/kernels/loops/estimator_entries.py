"""The kernels of the estimators as Python calls them; see :mod:`entries`.

Thread 0 makes one call of a training kernel for each run. A worker stays in its call: after each run it waits for the
next one, until it is told to leave, as starting a thread takes a tenth of a millisecond.
"""

from numba import njit

from fastnn2.kernels.loops import epochs as mini_batches
from fastnn2.kernels.loops import infer as inference
from fastnn2.kernels.loops import shuffle as shuffling
from fastnn2.kernels.loops import unit_epochs as small_batches
from fastnn2.kernels.loops.float_mode import enter_default_mode, set_float_mode
from fastnn2.kernels.loops.team import MAX_YIELDS, begin_call, end_call
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining


def calls_of(run_epochs):
    """Return a kernel that runs epochs again and again: ``epochs.epochs`` or ``unit_epochs.unit_epochs``."""

    @njit(**NOT_INLINED)
    def calls(job):
        """Make one call as thread 0 of a team, or all calls as a worker."""
        forbid_inlining()
        control, thread = job.control, job.thread
        call = 1
        while begin_call(control, thread, call, MAX_YIELDS):
            run_epochs(job)
            end_call(control, thread, job.threads, MAX_YIELDS)
            if thread == 0:
                break
            call += 1

    return calls


epoch_calls = calls_of(mini_batches.epochs)
unit_epoch_calls = calls_of(small_batches.unit_epochs)


def epochs(job):
    """Run :func:`epochs.epochs` in each call."""
    mode = enter_default_mode()
    epoch_calls(job)
    set_float_mode(mode)


def unit_epochs(job):
    """Run :func:`unit_epochs.unit_epochs` in each call."""
    mode = enter_default_mode()
    unit_epoch_calls(job)
    set_float_mode(mode)


def infer(job):
    """Run :func:`infer.infer`."""
    mode = enter_default_mode()
    inference.infer(job)
    set_float_mode(mode)


def shuffle(job):
    """Run :func:`shuffle.shuffle`."""
    mode = enter_default_mode()
    shuffling.shuffle(job)
    set_float_mode(mode)
