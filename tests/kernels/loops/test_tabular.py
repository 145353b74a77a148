"""The training of a tabular network against its specification: one step, whole trainings, and how they end."""

import threading
import time

import numpy as np
import pytest
from data import DTYPES, ITERATIONS_TOLERANCE, PATIENCE, TOLERANCE, assert_close, assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from tabular_data import (
    HAND,
    LOSSES,
    hand_problem,
    noisy_problem,
    pack,
    padding,
    problem,
    run_training,
    shape_of,
    step_magnitudes,
    sums_of_bins,
    train,
    train_by_reference,
    training_fields,
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


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_worked_by_hand(dtype):
    one = hand_problem(dtype)
    fields = train(one, **HAND["options"])
    bound = {"float64": 1e-15, "float32": 1e-6}[dtype]
    assert fields["losses"] == [HAND["loss"] / 2]
    for name, value in unpack(one.shape, fields["params"]).items():
        np.testing.assert_allclose(value, HAND["params"][name], atol=bound, err_msg=name)
    first = unpack(one.shape, fields["first_moments"])
    for name, gradient in HAND["gradients"].items():
        np.testing.assert_array_equal(first[name.removeprefix("d")], gradient / 2, err_msg=name)
    E = fields["E"].reshape(3, -1)
    np.testing.assert_allclose(E[:, :3], HAND["E"], atol=bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bins", [1, 2, 16, 64])
def test_sums_of_bins_after_a_training_have_the_bits_of_those_of_its_parameters(bins, dtype):
    one = problem(shape_of(1, 3, 1, bins=bins, h=70, dtype=dtype), 50)
    fields = train(one, batch=16, epochs=3, held=[3], epsilon=1e-8, rates=0.01)
    assert_same_bits(fields["E"], sums_of_bins(one.shape, fields["params"]).ravel())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("h", [1, 9, 31, 33, 65])
def test_padding_stays_zero(h, dtype):
    one = problem(shape_of(2, 2, 1, h=h, o=3, dtype=dtype), 90, "cross_entropy")
    fields = train(one, batch=16, epochs=4, drop=38, epsilon=1e-8, rates=0.01)
    for name in ("params", "best", "first_moments", "second_moments"):
        assert padding(one.shape, fields[name]).size > 0
        assert (padding(one.shape, fields[name]) == 0).all(), name
    for name in ("E", "A", "dZ"):
        assert (fields[name].reshape(-1, one.shape.units)[:, h:] == 0).all(), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_are_never_seen_stay_as_they_are(dtype):
    one = problem(shape_of(1, 3, 2, bins=4, dtype=dtype), 90, one_bin=True, missing=0)
    fields = train(one, batch=16, epochs=4, drop=38, epsilon=1e-8, rates=0.1)
    before, after = one.shape.views(pack(one.shape, one.params)), one.shape.views(fields["best"])
    assert (after["V"][:, 0] != before["V"][:, 0]).any(axis=1).all()
    assert_same_bits(after["V"][:, 1:], before["V"][:, 1:])
    assert (after["V"][:, 4] == 0).all()  # missing values
    assert_same_bits(after["C"][-1], before["C"][-1])
    assert (after["C"][:-1] != before["C"][:-1]).any(axis=1).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mini_batch_whose_weights_are_zero_has_a_gradient_of_zero(dtype):
    one = problem(shape_of(2, 2, 1, dtype=dtype), 8, weighted=True)
    one.weights[1:] = 0
    fields, _, _ = assert_training_equals_the_reference(one, batch=2, epochs=3)
    assert np.isfinite(fields["losses"]).all()


# Which parameters are kept


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_parameters_of_the_epoch_with_the_lowest_held_out_loss_are_kept(weighted, dtype):
    one = noisy_problem(shape_of(3, 2, 0, h=60, dtype=dtype), 60, weighted=weighted)
    options = {"batch": 8, "held": np.arange(0, 60, 4), "epsilon": 1e-3, "rates": 0.02}
    fields = train(one, epochs=20, **options)
    best = fields["held_losses"].argmin()
    assert 0 < best < 19
    assert_same_bits(fields["best"], train(one, epochs=best + 1, **options)["params"])
    assert (fields["params"] != fields["best"]).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_held_out_samples_the_last_parameters_are_kept(dtype):
    one = problem(shape_of(3, 2, 1, dtype=dtype), 60)
    fields = train(one, batch=8, epochs=5)
    assert_same_bits(fields["best"], fields["params"])
    assert (fields["held_losses"] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("held", [[], [1, 2]])
def test_without_epochs_the_initial_parameters_are_kept(held, dtype):
    one = problem(shape_of(3, 2, 1, dtype=dtype), 60)
    fields = train(one, batch=8, epochs=0, held=held)
    for name in ("params", "best"):
        assert_same_bits(fields[name], pack(one.shape, one.params))
    assert fields["control"][control_words.COMPLETED] == 0
    assert fields["control"][control_words.OUTCOME] == control_words.FINISHED


# Trainings that end early


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_ends_the_training(value, dtype):
    one = problem(shape_of(3, 2, 1, dtype=dtype), 60, "squared_error")
    one.Y[7] = value
    fields = train(one, batch=8, epochs=5, held=[1, 2])
    assert fields["control"][control_words.OUTCOME] == control_words.COST_NOT_FINITE
    assert fields["control"][control_words.COMPLETED] == 0
    assert not np.isfinite(fields["losses"][0])
    assert (fields["losses"][1:] == 0).all()
    assert_same_bits(fields["best"], pack(one.shape, one.params))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["W1", "V", "C", "b1", "W2", "b2"])
def test_initial_parameters_that_are_not_finite_end_the_training(name, value, dtype):
    one = problem(shape_of(3, 2, 1, o=3, dtype=dtype), 60, "cross_entropy")
    fields = training_fields(one, batch=8, epochs=5, held=[1, 2])
    one.shape.views(fields["params"])[name].flat[-1] = value
    before = fields["params"].copy()
    run_training(one, fields)
    assert fields["control"][control_words.OUTCOME] in (control_words.COST_NOT_FINITE, control_words.PARAMS_NOT_FINITE)
    assert fields["control"][control_words.COMPLETED] == 0
    assert_same_bits(fields["best"], before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("held", [[], [1, 2]])
def test_parameters_that_become_infinite_end_the_training_and_those_before_are_kept(held, dtype):
    one = problem(shape_of(3, 2, 1, dtype=dtype), 60)
    rates = np.full(5, 0.05)
    expected = train(one, epochs=3, held=held, rates=rates[:3])
    rates[3] = np.inf
    fields = train(one, epochs=5, held=held, rates=rates)
    assert fields["control"][control_words.OUTCOME] == control_words.PARAMS_NOT_FINITE
    assert fields["control"][control_words.COMPLETED] == 3
    assert np.isfinite(fields["losses"][:4]).all()
    for name in ("losses", "held_losses"):
        assert_same_bits(fields[name][:3], expected[name])
    assert_same_bits(fields["best"], expected["best"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_training_that_is_to_stop_does_not_begin(dtype):
    one = problem(shape_of(3, 2, 1, dtype=dtype), 60)
    fields = training_fields(one, batch=8, epochs=5)
    fields["control"][control_words.STOP] = 1
    run_training(one, fields)
    assert fields["control"][control_words.OUTCOME] == control_words.INTERRUPTED
    assert fields["control"][control_words.COMPLETED] == 0
    for name in ("params", "best"):
        assert_same_bits(fields[name], pack(one.shape, one.params))


def stop_when(one, fields, has_come):
    """Train in a thread of its own, and stop it when ``has_come()``."""
    thread = threading.Thread(target=run_training, args=(one, fields))
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not has_come() and time.monotonic() < deadline:
        time.sleep(0.0001)
    fields["control"][control_words.STOP] = 1
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert fields["control"][control_words.OUTCOME] == control_words.INTERRUPTED


def test_a_training_that_is_stopped_keeps_whole_epochs():
    one = problem(shape_of(3, 2, 1, h=60), 200)
    fields = training_fields(one, batch=16, epochs=400_000, rates=1e-3)
    stop_when(one, fields, lambda: fields["control"][control_words.COMPLETED] >= 2)
    done = fields["control"][control_words.COMPLETED]
    expected = train(one, batch=16, epochs=done, rates=1e-3)
    assert_same_bits(fields["losses"][:done], expected["losses"])
    assert_same_bits(fields["best"], expected["params"])


def test_a_training_stops_within_an_epoch():
    one = problem(shape_of(3, 2, 1, h=200), 1)
    n = 10_000_000  # times the same sample: an epoch of some seconds
    fields = training_fields(one, batch=1) | {"n": n, "order": np.zeros(n, dtype=np.int64), "rates": np.full(n, 1e-6)}
    initial = fields["params"].copy()
    stop_when(one, fields, lambda: (fields["params"] != initial).any())
    assert fields["control"][control_words.COMPLETED] == 0
    assert np.isfinite(fields["params"]).all()
    assert_same_bits(fields["best"], initial)
