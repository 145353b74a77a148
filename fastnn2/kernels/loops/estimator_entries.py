"""The kernels of the estimators as Python calls them; see :mod:`entries`.

Thread 0 of a team is the caller's, or in longer calls one that the caller watches. The others make one call of an entry
for one of thread 0, or, if they are to stay, for all calls that it makes until it is done with them, as the way from
Python to a kernel takes a tenth of a millisecond. Tiles that are kept are laid out in the first of them.
"""

from fastnn2.kernels.loops import epochs as mini_batches
from fastnn2.kernels.loops import unit_epochs as small_batches
from fastnn2.kernels.loops.team import DEFAULT_MXCSR, enter, float_mode, set_float_mode, stay


def epochs(control, thread, threads, d, h, o, n, batch, epochs, chunks, tile_groups, keep, activation, loss, optimizer,
           X, columns, starts, is_sparse, Y, weights, has_weights, order, has_order, params, l2, gradients, stride,
           penalties, first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses, X_tile, Y_tile,
           weight_tile, A1, dZ2, scratch):  # fmt: skip
    """Run epochs of mini-batches as one thread of a team: :mod:`~fastnn2.kernels.loops.epochs`."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    call = 1
    while enter(control, thread, call):
        mini_batches.epochs(
            control, thread, threads, d, h, o, n, batch, epochs, chunks, tile_groups, keep, activation, loss,
            optimizer, X, columns, starts, is_sparse, Y, weights, has_weights,
            order, has_order, params, l2, gradients, stride, penalties,
            first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses,
            X_tile, Y_tile, weight_tile, A1, dZ2, scratch,
        )  # fmt: skip
        if not stay(control, thread, threads):
            break
        call += 1
    set_float_mode(mode)


def unit_epochs(control, thread, threads, d, h, o, n, batch, epochs, parts, activation, loss, optimizer, X, columns,
                starts, is_sparse, Y, weights, has_weights, order, has_order, params, stride, l2, gradients,
                penalties, first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses, Z2,
                Z2_stride, X_tile, Y_tile, weight_tile, A1, dZ2, scratch, db2):  # fmt: skip
    """Run epochs of small mini-batches as one thread of a team: :mod:`~fastnn2.kernels.loops.unit_epochs`."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    call = 1
    while enter(control, thread, call):
        small_batches.unit_epochs(
            control, thread, threads, d, h, o, n, batch, epochs, parts, activation, loss, optimizer, X,
            columns, starts, is_sparse, Y, weights, has_weights, order, has_order,
            params, stride, l2, gradients, penalties, first_moments,
            second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses, Z2, Z2_stride,
            X_tile, Y_tile, weight_tile, A1, dZ2, scratch, db2,
        )  # fmt: skip
        if not stay(control, thread, threads):
            break
        call += 1
    set_float_mode(mode)


def infer(params, d, h, o, first, last, tile_groups, activation, loss, X, columns, starts, is_sparse, out,
          X_tile, A1, y, not_finite):  # fmt: skip
    """Write the outputs of some samples: :func:`fastnn2.kernels.loops.epochs.infer`."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    mini_batches.infer(
        params, d, h, o, first, last, tile_groups, activation, loss, X, columns, starts,
        is_sparse, out, X_tile, A1, y, not_finite)  # fmt: skip
    set_float_mode(mode)
