"""The kernels as Python calls them, compiled for each dtype when needed.

An entry runs a kernel in the default floating-point mode, on the same record (see
:mod:`~fastnn2.kernels.shared.records`). It allocates nothing and raises nothing, so its machine code needs nothing of
Numba or Python when it runs. (Entries are written out, and not made by a function, as Numba's cache does not know such
functions again.)
"""

from fastnn2.kernels.loops import train as training
from fastnn2.kernels.loops import train_wide as wide_training
from fastnn2.kernels.loops.float_mode import enter_default_mode, set_float_mode
from fastnn2.kernels.nn import steps


def train(job):
    """Run :func:`train.train`."""
    mode = enter_default_mode()
    training.train(job)
    set_float_mode(mode)


def train_narrow(job):
    """Run :func:`train.train_narrow`."""
    mode = enter_default_mode()
    training.train_narrow(job)
    set_float_mode(mode)


def train_wide(job):
    """Run :func:`train_wide.train_wide`."""
    mode = enter_default_mode()
    wide_training.train_wide(job)
    set_float_mode(mode)


def forward(job):
    """Run :func:`steps.forward`."""
    mode = enter_default_mode()
    steps.forward(job)
    set_float_mode(mode)


def cost(job):
    """Run :func:`steps.cost`."""
    mode = enter_default_mode()
    steps.cost(job)
    set_float_mode(mode)


def backward(job):
    """Run :func:`steps.backward`."""
    mode = enter_default_mode()
    steps.backward(job)
    set_float_mode(mode)


def update(job):
    """Run :func:`steps.update`."""
    mode = enter_default_mode()
    steps.update(job)
    set_float_mode(mode)
