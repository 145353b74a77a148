"""The kernels of samples in blocks as Python calls them; see :mod:`entries`. A block takes one call or more."""

from fastnn2.kernels.loops import block_sums as blocks
from fastnn2.kernels.loops import loss_sums as losses
from fastnn2.kernels.loops.float_mode import enter_default_mode, set_float_mode


def block_sums(job):
    """Run :func:`block_sums.block_sums`."""
    mode = enter_default_mode()
    blocks.block_sums(job)
    set_float_mode(mode)


def narrow_sums(job):
    """Run :func:`block_sums.narrow_sums`."""
    mode = enter_default_mode()
    blocks.narrow_sums(job)
    set_float_mode(mode)


def descend(job):
    """Run :func:`block_sums.descend`."""
    mode = enter_default_mode()
    blocks.descend(job)
    set_float_mode(mode)


def lay_out(job):
    """Run :func:`block_sums.lay_out`."""
    mode = enter_default_mode()
    blocks.lay_out(job)
    set_float_mode(mode)


def loss_sums(job):
    """Run :func:`loss_sums.loss_sums`."""
    mode = enter_default_mode()
    losses.loss_sums(job)
    set_float_mode(mode)


def mean_gradient(job):
    """Run :func:`loss_sums.mean_gradient`."""
    mode = enter_default_mode()
    losses.mean_gradient(job)
    set_float_mode(mode)
