"""The kernels as Python calls them: plain functions over pointers and sizes, compiled for each dtype when needed.

An entry sets the floating-point mode to its default and back, as a library may have changed it for this thread. It
allocates nothing and raises nothing, so its machine code needs nothing of Numba or Python when it runs.
``SIGNATURES`` in :mod:`signatures` has the types of their arguments.
"""

from fastnn2.kernels.loops import train as training_loop
from fastnn2.kernels.loops import train_wide as wide
from fastnn2.kernels.loops.team import DEFAULT_MXCSR, float_mode, set_float_mode
from fastnn2.kernels.nn import steps
from fastnn2.kernels.nn import update as updating


def _training(loop):
    """Return the entry of a training loop of :mod:`fastnn2.kernels.loops.train`."""

    def train(control, thread, threads, shared, d, h, o, n, iterations, chunks, tile_groups, stealing, may_drop_workers,
              X, Y, weights, has_weights, params, params_of_first, params_stride, first, last, l2, has_l2, gradients,
              gradients_stride, sums, A1, dZ2, scratch, costs, learning_rate, total_weight):  # fmt: skip
        """Run gradient descent as one thread of a team: :func:`fastnn2.kernels.loops.train.train`."""
        mode = float_mode()
        set_float_mode(DEFAULT_MXCSR)
        loop(
            control, thread, threads, shared, d, h, o, n, iterations, chunks, tile_groups, stealing, may_drop_workers,
            X, Y, weights, has_weights, params, params_of_first, params_stride, first, last,
            l2, has_l2, gradients, gradients_stride, sums, A1, dZ2, scratch,
            costs, learning_rate, total_weight,
        )  # fmt: skip
        set_float_mode(mode)

    return train


train, train_narrow = _training(training_loop.train), _training(training_loop.train_narrow)


def train_wide(control, thread, threads, d, h, o, n, iterations, parts, batches, X, Y, weights, has_weights, params,
               stride, l2, has_l2, gradients, penalties, Z2, Z2_stride, A1, dZ2, scratch, db2, costs, learning_rate,
               total_weight):  # fmt: skip
    """Run gradient descent as one thread of a team: :func:`fastnn2.kernels.loops.train_wide.train_wide`."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    wide.train_wide(
        control, thread, threads, d, h, o, n, iterations, parts, batches, X, Y, weights, has_weights,
        params, stride, l2, has_l2, gradients, penalties, Z2, Z2_stride, A1, dZ2, scratch, db2,
        costs, learning_rate, total_weight,
    )  # fmt: skip
    set_float_mode(mode)


def forward(params, d, h, o, groups, X, Z1, A1, Z2, y):
    """Write Z1, A1, Z2 and y of all groups in place."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    steps.forward(params, d, h, o, groups, X, Z1, A1, Z2, y)
    set_float_mode(mode)


def cost(o, n, y, Y, weights, has_weights, total):
    """Write the summed cost of all samples to ``total[0]``."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    total[0] = steps.cost(o, n, y, Y, weights, has_weights)
    set_float_mode(mode)


def backward(params, d, h, o, n, tile_groups, X, Y, weights, has_weights, A1, y, scratch, gradient):
    """Add the summed gradients of all samples to `gradient` in place; A1 and y are overwritten."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    steps.backward(
        params, d, h, o, n, tile_groups, X, Y, weights, has_weights, A1, y,
        scratch, gradient)  # fmt: skip
    set_float_mode(mode)


def update(params, new, count, gradient, l2, learning_rate):
    """Write ``new = params - learning_rate (gradient + l2 params)`` in place; `count` is a multiple of eight."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    updating.update(params, 0, new, 0, gradient, 0, 0, count, l2, learning_rate)
    set_float_mode(mode)
