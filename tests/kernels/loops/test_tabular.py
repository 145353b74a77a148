"""The training of a tabular network against its specification: one step, whole trainings, and how they end."""

import numpy as np
import pytest
from data import DTYPES, ITERATIONS_TOLERANCE, TOLERANCE, assert_close
from hypothesis import given
from hypothesis import strategies as st
from tabular_data import (
    LOSSES,
    problem,
    shape_of,
    step_magnitudes,
    train,
    train_by_reference,
    unpack,
)

from fastnn2.kernels.shared import control_words
from fastnn2.reference import tabular as reference


def assert_step_equals_the_reference(one, drop):
    shape, dtype = one.shape, one.shape.dtype.name
    betas, epsilon, rate = (0.75, 0.5), 1.0, 0.5
    fields = train(one, betas=betas, epsilon=epsilon, rates=rate, drop=drop, seed=7)
    # The one mini-batch has the samples in the order in which they are shuffled.
    order, draws = reference.shuffle(np.arange(one.n), 7, 0)
    np.testing.assert_array_equal(fields["order"], order)
    mask = np.empty((one.n, shape.units))
    mask[order], _ = reference.dropout_mask(7, draws, one.n, shape.units, drop)
    mask = mask[:, : shape.h]
    x, Y, params, weights = one.as_double()
    loss, gradients = reference.loss_and_gradient(x, Y, params, one.loss, mask=mask, weights=weights)
    total = one.n if weights is None else weights.sum()
    of_loss, of_gradients = step_magnitudes(one, mask)
    assert_close(fields["losses"][0], loss / total, of_loss, dtype, "loss")
    first, second = (unpack(shape, fields[name]) for name in ("first_moments", "second_moments"))
    new = unpack(shape, fields["params"])
    for name, p in params.items():
        g, of_g = gradients["d" + name], of_gradients["d" + name]
        assert_close(first[name], (1 - betas[0]) * g, (1 - betas[0]) * of_g, dtype, name)
        of_square = abs(g) * of_g + TOLERANCE[dtype] * of_g**2
        assert_close(second[name], (1 - betas[1]) * g**2, 2 * (1 - betas[1]) * of_square, dtype, name)
        expected = p - rate * (1 - betas[0]) * g / (np.sqrt(1 - betas[1]) * abs(g) + epsilon)
        assert_close(new[name], expected, abs(p) + 2 * rate * (1 - betas[0]) * of_g / epsilon, dtype, name)


@pytest.mark.parametrize("loss", LOSSES)
@given(data=st.data())
def test_a_step_of_any_shape_equals_the_reference(loss, data):
    draw = data.draw
    shape = shape_of(
        draw(st.integers(0, 12)), draw(st.integers(0, 12)), draw(st.integers(0, 4)),
        bins=draw(st.sampled_from([1, 2, 3, 16, 64])), h=draw(st.one_of(st.integers(1, 200), st.sampled_from([1, 64]))),
        o=draw(st.sampled_from([1, 3, 12])), dtype=draw(st.sampled_from(DTYPES)),
    )  # fmt: skip
    n = draw(st.one_of(st.integers(1, 200), st.sampled_from([1, 32, 64, 65])))
    one = problem(shape, n, loss, weighted=draw(st.booleans()), one_bin=draw(st.booleans()))
    assert_step_equals_the_reference(one, draw(st.sampled_from([0, 38, 128])))


def assert_training_equals_the_reference(one, **options):
    """Trainings carry rounding errors from step to step, so the bound is relative to the largest number."""
    fields = train(one, **options)
    kept, losses, held_losses = train_by_reference(one, **options)
    bound = ITERATIONS_TOLERANCE[one.shape.dtype.name]
    np.testing.assert_allclose(fields["losses"], losses, rtol=0, atol=bound * losses.max())
    np.testing.assert_allclose(fields["held_losses"], held_losses, rtol=0, atol=bound * max(1.0, held_losses.max()))
    for name, value in unpack(one.shape, fields["best"]).items():
        np.testing.assert_allclose(value, kept[name], rtol=0, atol=bound * abs(kept[name]).max(initial=1), err_msg=name)
    assert fields["control"][control_words.COMPLETED] == options["epochs"]
    assert fields["control"][control_words.OUTCOME] == control_words.FINISHED
    return fields, losses, held_losses


TRAININGS = [
    # d, p, q, bins, h, o, n, held-out samples, batch, loss, dropout
    (3, 2, 1, 4, 9, 1, 100, 20, 32, "log_loss", 38),
    (0, 5, 0, 16, 70, 1, 150, 0, 64, "log_loss", 0),
    (2, 0, 3, 1, 128, 12, 90, 30, 17, "cross_entropy", 38),
    (5, 0, 0, 1, 33, 3, 61, 7, 60, "squared_error", 0),
    (0, 0, 2, 1, 1, 1, 40, 10, 7, "poisson", 64),
    (1, 3, 1, 64, 200, 3, 300, 65, 200, "squared_error", 38),
    (2, 2, 2, 3, 17, 3, 30, 5, 1, "cross_entropy", 0),
    (0, 0, 0, 1, 5, 1, 20, 5, 8, "log_loss", 0),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", TRAININGS, ids=str)
def test_a_training_equals_the_reference(case, weighted, dtype):
    d, p, q, bins, h, o, n, held, batch, loss, drop = case
    one = problem(shape_of(d, p, q, bins=bins, h=h, o=o, dtype=dtype), n, loss, weighted=weighted)
    held = np.random.default_rng(n).choice(n, held, replace=False)
    assert_training_equals_the_reference(one, batch=batch, epochs=6, held=held, drop=drop, rates=0.2)
