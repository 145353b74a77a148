"""The kernels of the estimators as Python calls them; see :mod:`entries`.

Thread 0 of a team is the caller's, or in longer calls one that the caller watches. The others make one call of an entry
for one of thread 0, or, if they are to stay, for all calls that it makes until it is done with them, as the way from
Python to a kernel takes a tenth of a millisecond. Tiles that are kept are laid out in the first of them.
"""

from numba import njit

from fastnn2.kernels.loops import epochs as mini_batches
from fastnn2.kernels.loops import unit_epochs as small_batches
from fastnn2.kernels.loops.float_mode import in_default_mode
from fastnn2.kernels.loops.team import begin_call, end_call
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining


@njit(**NOT_INLINED)
def epoch_calls(control, thread, threads, d, h, o, n, batch, epochs, chunks, tile_groups, keep, activation, loss,
                optimizer, X, columns, starts, is_sparse, Y, weights, has_weights, order, has_order, params, l2,
                gradients, stride, penalties, first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov,
                losses, X_tile, Y_tile, weight_tile, A1, dZ2, scratch):  # fmt: skip
    """Run epochs of mini-batches as one thread of a team: :mod:`~fastnn2.kernels.loops.epochs`."""
    forbid_inlining()
    call = 1
    while begin_call(control, thread, call):
        mini_batches.epochs(
            control, thread, threads, d, h, o, n, batch, epochs, chunks, tile_groups, keep, activation, loss,
            optimizer, X, columns, starts, is_sparse, Y, weights, has_weights,
            order, has_order, params, l2, gradients, stride, penalties,
            first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses,
            X_tile, Y_tile, weight_tile, A1, dZ2, scratch,
        )  # fmt: skip
        if not end_call(control, thread, threads):
            break
        call += 1


@njit(**NOT_INLINED)
def unit_epoch_calls(control, thread, threads, d, h, o, n, batch, epochs, parts, activation, loss, optimizer, X,
                     columns, starts, is_sparse, Y, weights, has_weights, order, has_order, params, stride, l2,
                     gradients, penalties, first_moments, second_moments, rates, beta_1, beta_2, epsilon, nesterov,
                     losses, Z2, Z2_stride, X_tile, Y_tile, weight_tile, A1, dZ2, scratch, db2):  # fmt: skip
    """Run epochs of small mini-batches as one thread of a team: :mod:`~fastnn2.kernels.loops.unit_epochs`."""
    forbid_inlining()
    call = 1
    while begin_call(control, thread, call):
        small_batches.unit_epochs(
            control, thread, threads, d, h, o, n, batch, epochs, parts, activation, loss, optimizer, X,
            columns, starts, is_sparse, Y, weights, has_weights, order, has_order,
            params, stride, l2, gradients, penalties, first_moments,
            second_moments, rates, beta_1, beta_2, epsilon, nesterov, losses, Z2, Z2_stride,
            X_tile, Y_tile, weight_tile, A1, dZ2, scratch, db2,
        )  # fmt: skip
        if not end_call(control, thread, threads):
            break
        call += 1


epochs = in_default_mode(epoch_calls)
unit_epochs = in_default_mode(unit_epoch_calls)
infer = in_default_mode(mini_batches.infer)
