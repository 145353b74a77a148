"""Arguments of fit_many: what is one value for all, what is a list, and what is checked or converted once."""

import numpy as np
import pytest

from fastnn2.functional.entries import Argument, count_networks, each_once


def test_lists_and_tuples_have_an_entry_for_each_network_and_all_else_is_one_value():
    for value in ([1, 2, 3], (1, 2, 3)):
        argument = Argument("alpha", value)
        assert argument.count == 3
        assert argument.values(3) == [1, 2, 3]
        assert argument.name_of(2) == "alpha[2]"
    for value in (1, "he", {"W1": 1}, None, np.ones(3), range(3)):
        argument = Argument("alpha", value)
        assert argument.count is None
        assert all(each is value for each in argument.values(3))
        assert argument.name_of(2) == "alpha"


def test_each_number_is_checked_and_one_for_all_once():
    calls = []

    def check(value, name):
        calls.append((value, name))
        return 2 * value

    assert Argument("a", [1, 1, 2]).numbers(3, check) == [2, 2, 4]
    assert Argument("b", 5).numbers(3, check) == [10, 10, 10]
    assert calls == [(1, "a[0]"), (1, "a[1]"), (2, "a[2]"), (5, "b")]


def test_each_object_is_converted_once():
    one, other, calls = np.ones(2), np.ones(2), []

    def check(i, value, name):
        calls.append((i, name))
        return value.copy()

    converted = Argument("X", [one, other, one, other, one[:]]).objects(5, check, 1)
    assert calls == [(0, "X[0]"), (1, "X[1]"), (4, "X[4]")]
    assert converted[2] is converted[0]
    assert converted[3] is converted[1]
    assert converted[1] is not converted[0]


def test_conversions_are_told_of_repetitions_and_keys_tell_the_same_object_apart():
    value, other = object(), object()
    values, keys, calls = [value, other, value, value], ["a", "a", "b", "a"], []

    def convert(i, found, is_repeated):
        assert found is values[i]
        calls.append((i, is_repeated))
        return len(calls)

    assert each_once(values, convert, keys) == [1, 2, 3, 1]
    assert calls == [(0, True), (1, False), (2, False)]
    calls.clear()
    assert each_once([value] * 3, convert) == [1, 1, 1]
    assert calls == [(0, True)]
    calls.clear()
    assert each_once([value], convert) == [1]
    assert calls == [(0, False)]


def test_objects_that_do_not_live_on_are_not_taken_for_each_other():
    """Values may be made one after the other, and have the address of one that is gone."""
    converted = each_once((np.full(1, i) for i in range(1000)), lambda i, array, _: int(array[0]))
    assert converted == list(range(1000))


@pytest.mark.parametrize(
    ("values", "expected"), [([1, "he"], 1), ([[], 3], 0), ([[5], 3, (1,)], 1), ([[1, 2], (3, 4), None], 2)]
)
def test_the_number_of_networks(values, expected):
    assert count_networks([Argument("a", value) for value in values]) == expected


def test_lists_of_other_lengths_are_named():
    arguments = [Argument("X", [1, 2]), Argument("Y", 3), Argument("alpha", [])]
    with pytest.raises(ValueError, match=r"entries: X has 2, alpha has 0; expected one for each network in each list"):
        count_networks(arguments)
