"""The kernel of many networks as Python calls it; see :mod:`entries`."""

from fastnn2.kernels.loops import networks as many
from fastnn2.kernels.loops.float_mode import enter_default_mode, set_float_mode


def networks(job):
    """Run :func:`networks.networks`."""
    mode = enter_default_mode()
    many.networks(job)
    set_float_mode(mode)
