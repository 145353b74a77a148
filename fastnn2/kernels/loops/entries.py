"""The kernels as Python calls them: functions over pointers and sizes, compiled for each dtype when needed.

An entry runs a kernel in the default floating-point mode, with the same arguments. It allocates nothing and raises
nothing, so its machine code needs nothing of Numba or Python when it runs. ``SIGNATURES`` in :mod:`signatures` has the
types of the arguments.
"""

from fastnn2.kernels.loops import train as training_loop
from fastnn2.kernels.loops import train_wide as wide
from fastnn2.kernels.loops.float_mode import in_default_mode
from fastnn2.kernels.nn import steps

train = in_default_mode(training_loop.train)
train_narrow = in_default_mode(training_loop.train_narrow)
train_wide = in_default_mode(wide.train_wide)
forward = in_default_mode(steps.forward)
cost = in_default_mode(steps.cost)
backward = in_default_mode(steps.backward)
update = in_default_mode(steps.update)
