"""The members of an ensemble: hold-outs, initial parameters, and seeds."""

import numpy as np
import pytest
from tabular_data import shape_of

from fastnn2.tabular.members import count_held, initial_params, new_members, split


def classes_with(*counts):
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))


@pytest.mark.parametrize("n", [1, 2, 3, 50, 1001])
@pytest.mark.parametrize("fraction", [0.001, 0.15, 0.5, 0.999])
def test_a_share_is_held_out_and_one_sample_stays(n, fraction):
    training, held = split(n, None, fraction, np.random.RandomState(0))
    assert sorted([*training, *held]) == list(range(n))
    assert len(held) == min(round(fraction * n), n - 1)
    assert len(training) >= 1


@pytest.mark.parametrize("fraction", [0.15, 0.5, 0.9, 0.999])
def test_the_same_share_of_each_class_is_held_out(fraction):
    classes = classes_with(100, 40, 7, 1, 2, 1)
    training, held = split(len(classes), classes, fraction, np.random.RandomState(0))
    assert sorted([*training, *held]) == list(range(len(classes)))
    counts = np.bincount(classes)
    expected = np.minimum(np.rint(fraction * counts), counts - 1)
    np.testing.assert_array_equal(np.bincount(classes[held], minlength=6), expected)
    assert set(classes[training]) == set(range(6))  # those of one sample, too
    np.testing.assert_array_equal(count_held(len(classes), classes, fraction), expected)


def test_a_class_without_samples():
    classes = np.array([0, 2] * 10)
    training, held = split(20, classes, 0.2, np.random.RandomState(0))
    assert sorted(classes[held]) == [0, 0, 2, 2]
    assert len(training) == 16


def test_nothing_is_held_out_without_a_fraction():
    training, held = split(9, classes_with(3, 6), 0.0, np.random.RandomState(0))
    assert sorted(training) == list(range(9))
    assert len(held) == 0


def test_hold_outs_are_at_random():
    held = [set(split(1000, None, 0.15, np.random.RandomState(seed))[1]) for seed in range(30)]
    share = np.mean([len(one & held[0]) for one in held[1:]]) / 150
    assert 0.12 < share < 0.18
    places = np.concatenate([list(one) for one in held])
    assert abs(places.mean() - 499.5) < 4 * 1000 / np.sqrt(12 * len(places))


def test_members_follow_from_their_seeds():
    shape = shape_of(3, 2, 1, h=9)
    zero_rows = np.array([False, True, True])
    classes = classes_with(30, 30)
    one, other = (new_members(4, np.random.RandomState(7), shape, zero_rows, 60, classes, 0.2) for _ in range(2))
    fewer = new_members(2, np.random.RandomState(7), shape, zero_rows, 60, classes, 0.2)
    for first, second in zip([*one, *fewer], [*other, *one[:2]], strict=True):
        assert first.seed == second.seed
        for name in ("params", "order", "held"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert len({member.seed for member in one}) == 4
    assert len({member.params.tobytes() for member in one}) == 4
    assert len({member.held.tobytes() for member in one}) == 4
    assert len({(len(member.order), len(member.held)) for member in one}) == 1


@pytest.mark.parametrize("bins", [0, 1, 16])
def test_initial_parameters_are_uniform_within_their_bounds(bins):
    shape = shape_of(20, 10, 6, bins=bins, category_rows=40, h=300, o=3)
    zero_rows = np.arange(40) % 7 == 0
    packed = initial_params(shape, zero_rows, np.random.RandomState(0))
    views = shape.views(packed)
    hidden, last = np.sqrt(6 / (20 + 10 + 6 + 300)), np.sqrt(6 / (300 + 3))
    bounds = {"W1": hidden, "C": hidden, "b1": hidden, "W2": last} | ({"V": hidden / np.sqrt(bins)} if bins else {})
    drawn = {**views, "V": views["V"][:, :bins], "C": views["C"][~zero_rows]}
    for name, bound in bounds.items():
        values = drawn[name].ravel()
        assert 0.98 * bound < abs(values).max() <= bound
        assert abs(values.mean()) < 5 * bound / np.sqrt(3 * values.size)
        assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
    assert not views["V"][:, bins].any()  # of missing values
    assert not views["C"][zero_rows].any()
    assert not views["b2"].any()
    for view in views.values():
        view[...] = 0
    assert not packed.any()  # the padding
