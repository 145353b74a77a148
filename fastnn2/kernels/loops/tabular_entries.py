"""The kernels of the tabular estimators as Python calls them; see :mod:`entries`."""

from fastnn2.kernels.loops import jobs as many
from fastnn2.kernels.loops import tabular as training
from fastnn2.kernels.loops import tabular_outputs as inference
from fastnn2.kernels.loops.float_mode import enter_default_mode, set_float_mode


def jobs(job):
    """Run :func:`jobs.jobs`."""
    mode = enter_default_mode()
    many.jobs(job)
    set_float_mode(mode)


def tabular(job):
    """Run :func:`tabular.tabular`."""
    mode = enter_default_mode()
    training.tabular(job)
    set_float_mode(mode)


def tabular_outputs(job):
    """Run :func:`tabular_outputs.tabular_outputs`."""
    mode = enter_default_mode()
    inference.tabular_outputs(job)
    set_float_mode(mode)
