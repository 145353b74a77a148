"""The specification of the tabular networks: a step worked by hand, central differences, published random numbers."""

import numpy as np
import pytest
from data import DIFFERENCES_TOLERANCE, central_differences
from numpy.testing import assert_allclose, assert_array_equal
from tabular_data import HAND, LOSSES, hand_problem, noisy_problem, problem, shape_of

from fastnn2.reference import tabular as reference


def test_encoded_rows_worked_by_hand():
    numbers = np.array([[2.0], [-1.0], [0.5]])
    bins, fractions = np.array([[0, 2], [2, 3], [3, 1]]), np.array([[0.25, 1.0], [0.0, 9.0], [1.0, 0.5]])
    categories = np.array([[0, 2], [1, 3], [1, 2]])
    encoded = [
        [2.0, 0.25, 0, 0, 0, 1, 1, 1, 0, 1, 0, 1, 0],
        [-1.0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1],
        [0.5, 0, 0, 0, 1, 1, 0.5, 0, 0, 0, 1, 1, 0],
    ]
    assert_array_equal(reference.encode(numbers, bins, fractions, categories, 3, 4), encoded)


def test_the_layer_is_a_continuous_piecewise_linear_function_of_a_binned_feature():
    random = np.random.default_rng(0)
    place = np.linspace(0, 5, 501)  # bins begin at the integers
    t = np.minimum(place.astype(int), 4)
    none = np.zeros((501, 0))
    x = reference.encode(none, t[:, None], (place - t)[:, None], none, 5, 0)
    W, b1 = random.standard_normal((6, 3)), random.standard_normal(3)
    params = {"W": W, "b1": b1, "W2": np.zeros((1, 3)), "b2": np.zeros(1)}
    _, cache = reference.forward(x, params, "squared_error")
    knots = b1 + np.concatenate([np.zeros((1, 3)), W[:5].cumsum(axis=0)])
    expected = np.stack([np.interp(place, np.arange(6), knots[:, u]) for u in range(3)], axis=1)
    assert_allclose(cache["Z1"], expected, atol=1e-12)


def test_a_step_worked_by_hand():
    one = hand_problem("float64")
    loss, gradients = reference.loss_and_gradient(one.x, one.Y, one.params, one.loss)
    assert loss == HAND["loss"]
    assert gradients.keys() == HAND["gradients"].keys()
    for name, expected in HAND["gradients"].items():
        assert_array_equal(gradients[name], expected, err_msg=name)


@pytest.mark.parametrize("has_mask", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_equal_central_differences(loss, weighted, has_mask):
    one = problem(shape_of(2, 2, 2, bins=3, h=4, o=3), 14, loss, weighted=weighted)
    x, Y, params, weights = one.as_double()
    mask = np.random.default_rng(3).choice([0.0, 1.25], (14, 4)) if has_mask else None
    total = 14 if weights is None else weights.sum()
    # As in scikit-learn, the squared error is the mean over the outputs, but its gradient is that of the sum.
    scale = (3 if loss == "squared_error" else 1) / total

    def mean(moved):
        return reference.loss_and_gradient(x, Y, moved, loss, mask=mask, weights=weights)[0] * scale

    gradients = reference.loss_and_gradient(x, Y, params, loss, mask=mask, weights=weights)[1]
    for name, slope in central_differences(mean, params).items():
        assert_allclose(gradients[name], slope, rtol=DIFFERENCES_TOLERANCE, atol=1e-8, err_msg=name)


def test_samples_of_weight_zero_count_for_nothing():
    one = problem(shape_of(2, 2, 1, o=3), 12, "cross_entropy", weighted=True)
    used = one.weights > 0
    whole = reference.loss_and_gradient(one.x, one.Y, one.params, one.loss, weights=one.weights)
    rest = reference.loss_and_gradient(one.x[used], one.Y[used], one.params, one.loss, weights=one.weights[used])
    assert_allclose(whole[0], rest[0], rtol=1e-14)
    for name in whole[1]:
        assert_allclose(whole[1][name], rest[1][name], atol=1e-15, err_msg=name)
    loss, gradients = reference.loss_and_gradient(one.x, one.Y, one.params, one.loss, weights=np.zeros(12))
    assert loss == 0
    assert all((value == 0).all() for value in gradients.values())


def test_random_bits_are_those_that_are_published():
    """The first numbers of splitmix64 with the seed 1234567, of Vigna's program."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert reference.random_bits(1234567, 0, 4).tolist() == published
    assert reference.random_bits(1234567, 2, 2).tolist() == published[2:]
    assert reference.random_bits(0, 0, 1).tolist() == [0xE220A8397B1DCDAF]
    assert reference.random_bits(2**63 - 1, 10**12, 3).dtype == np.uint64


@pytest.mark.parametrize("n", [0, 1, 2, 10, 1000])
def test_shuffled_orders_have_every_sample_once(n):
    order, draws = reference.shuffle(np.arange(n), 5, 100)
    assert_array_equal(np.sort(order), np.arange(n))
    assert draws == 100 + max(0, n - 1)


def test_all_orders_of_four_samples_are_as_frequent():
    counts = {}
    draws = 0
    for _ in range(24_000):
        order, draws = reference.shuffle(np.arange(4), 9, draws)
        counts[tuple(order)] = counts.get(tuple(order), 0) + 1
    assert len(counts) == 24
    # Chi-square with 23 degrees of freedom: above 49.7 once in a thousand seeds.
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 49.7


@pytest.mark.parametrize("drop", [1, 38, 128, 255])
def test_masks_drop_as_many_units_as_they_should_and_keep_the_mean(drop):
    mask, draws = reference.dropout_mask(11, 3, 1000, 64, drop)
    assert draws == 3 + 8000
    scale = 256 / (256 - drop)
    assert set(np.unique(mask)) == {0.0, scale}
    rate = drop / 256
    assert abs((mask == 0).mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / mask.size)
    again, _ = reference.dropout_mask(11, 4, 1, 64, drop)
    assert_array_equal(again.ravel()[:56], mask[0, 8:])


def test_without_dropout_nothing_is_drawn():
    mask, draws = reference.dropout_mask(11, 3, 5, 8, 0)
    assert draws == 3
    assert (mask == 1).all()


def training(held, rates=0.3, epochs=12):
    one = noisy_problem(shape_of(2, 1, 1, h=20), 40)
    order = np.setdiff1d(np.arange(40), held)
    result = reference.train(
        one.x, one.Y, one.params, one.loss, order, held, batch=8, epochs=epochs, rates=np.full(5 * epochs, rates),
        betas=(0.9, 0.95), epsilon=1e-3, seed=2, drop=38, padded_units=32,
    )  # fmt: skip
    return one, result


def test_the_parameters_of_the_epoch_with_the_lowest_held_out_loss_are_kept():
    held = np.arange(12, 20)
    one, (kept, losses, held_losses) = training(held)
    best = held_losses.argmin()
    assert 0 < best < len(held_losses) - 1
    assert reference.mean_loss(one.x[held], one.Y[held], kept, one.loss) == held_losses[best]
    _, (same, first_losses, _) = training(held, epochs=best + 1)
    assert_array_equal(losses[: best + 1], first_losses)
    for name, value in kept.items():
        assert_array_equal(value, same[name])


def test_without_held_out_samples_the_last_parameters_are_kept_and_the_initial_ones_do_not_change():
    one, (kept, losses, held_losses) = training(np.arange(0))
    before = {name: value.copy() for name, value in one.params.items()}
    assert losses[-1] < losses[0] / 2
    assert (held_losses == 0).all()
    assert all((kept[name] != before[name]).any() for name in kept)
    _, (kept, losses, _) = training(np.arange(0), epochs=0)
    assert len(losses) == 0
    for name, value in kept.items():
        assert_array_equal(value, before[name])
