"""The kernels of the estimators as Python calls them; see :mod:`entries`.

Thread 0 of a team is the caller's. The others make one call of an entry for one of thread 0, or, if they are to stay,
for all calls that it makes until it is done with them, as the way from Python to a kernel takes a tenth of a
millisecond. Tiles that are kept are laid out in the first of them.
"""

from fastnn2.kernels import epochs as mini_batches
from fastnn2.kernels import unit_epochs as small_batches
from fastnn2.kernels.simd import flat
from fastnn2.kernels.team import DEFAULT_MXCSR, enter, float_mode, set_float_mode, stay


def epochs(control, thread, threads, d, h, o, n, batch, epochs, chunks, tile_groups, keep, activation, loss, optimiser,
           X, columns, starts, is_sparse, Y, weights, has_weights, order, has_order, params, decay, gradients, stride,
           penalties, first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses, X_tile, Y_tile,
           weight_tile, A1, dZ2, spare):  # fmt: skip
    """Run epochs of mini-batches as one thread of a team: :func:`fastnn2.kernels.epochs.epochs`."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    call = 1
    while enter(flat(control), thread, call):
        mini_batches.epochs(
            flat(control), thread, threads, d, h, o, n, batch, epochs, chunks, tile_groups, keep, activation, loss,
            optimiser, flat(X), flat(columns), flat(starts), is_sparse, flat(Y), flat(weights), has_weights,
            flat(order), has_order, flat(params), flat(decay), flat(gradients), stride, flat(penalties),
            flat(first_moments), flat(second_moments), flat(rates), beta_1, beta_2, epsilon, nesterov, flat(losses),
            flat(X_tile), flat(Y_tile), flat(weight_tile), flat(A1), flat(dZ2), flat(spare),
        )  # fmt: skip
        if not stay(flat(control), thread, threads):
            break
        call += 1
    set_float_mode(mode)


def unit_epochs(control, thread, threads, d, h, o, n, batch, epochs, parts, activation, loss, optimiser, X, columns,
                starts, is_sparse, Y, weights, has_weights, order, has_order, params, stride, decay, gradients,
                penalties, first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses, Z2,
                Z2_stride, X_tile, Y_tile, weight_tile, A1, dZ2, spare, db2):  # fmt: skip
    """Run epochs of small mini-batches as one thread of a team: :func:`fastnn2.kernels.unit_epochs.unit_epochs`."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    call = 1
    while enter(flat(control), thread, call):
        small_batches.unit_epochs(
            flat(control), thread, threads, d, h, o, n, batch, epochs, parts, activation, loss, optimiser, flat(X),
            flat(columns), flat(starts), is_sparse, flat(Y), flat(weights), has_weights, flat(order), has_order,
            flat(params), stride, flat(decay), flat(gradients), flat(penalties), flat(first_moments),
            flat(second_moments), flat(rates), beta_1, beta_2, epsilon, nesterov, flat(losses), flat(Z2), Z2_stride,
            flat(X_tile), flat(Y_tile), flat(weight_tile), flat(A1), flat(dZ2), flat(spare), flat(db2),
        )  # fmt: skip
        if not stay(flat(control), thread, threads):
            break
        call += 1
    set_float_mode(mode)


def infer(params, d, h, o, first, last, tile_groups, activation, loss, X, columns, starts, is_sparse, out,
          X_tile, A1, y, not_finite):  # fmt: skip
    """Write the outputs of some samples: :func:`fastnn2.kernels.epochs.infer`."""
    mode = float_mode()
    set_float_mode(DEFAULT_MXCSR)
    mini_batches.infer(
        flat(params), d, h, o, first, last, tile_groups, activation, loss, flat(X), flat(columns), flat(starts),
        is_sparse, flat(out), flat(X_tile), flat(A1), flat(y), flat(not_finite))  # fmt: skip
    set_float_mode(mode)
