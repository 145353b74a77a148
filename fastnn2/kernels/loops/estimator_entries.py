"""The kernels of the estimators as Python calls them; see :mod:`entries`. Thread 0 makes one call for each run."""

from fastnn2.kernels.loops import epochs as mini_batches
from fastnn2.kernels.loops import infer as inference
from fastnn2.kernels.loops import shuffle as shuffling
from fastnn2.kernels.loops import unit_epochs as small_batches
from fastnn2.kernels.loops.calls import calls_of
from fastnn2.kernels.loops.float_mode import enter_default_mode, set_float_mode
from fastnn2.kernels.loops.team import MAX_YIELDS

epoch_calls = calls_of(mini_batches.epochs, MAX_YIELDS)
unit_epoch_calls = calls_of(small_batches.unit_epochs, MAX_YIELDS)


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
