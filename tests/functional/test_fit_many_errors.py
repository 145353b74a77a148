"""fit_many refuses wrong arguments before any work, and says which entry is wrong, what was expected and what to do."""

import re

import numpy as np
import pandas
import pytest
from data import RATE, problem

import fastnn2
from fastnn2.engine import networks as engine
from fastnn2.functional import fit_many as module

X, Y, INIT, WEIGHTS = problem(2, 5, 1, 60)
NETWORKS, WRONG = 20, 17  # the entry that is wrong


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch):
    """No test here comes as far as training."""
    monkeypatch.setattr(module, "run_networks", None)


def refused(kind, message, **wrong):
    """Assert that arguments are refused with exactly this message, and that nothing is drawn from a random state."""
    given, other = np.random.RandomState(1), np.random.RandomState(1)
    arguments = {
        "X": X, "Y": Y, "learning_rate": RATE, "hidden_size": 5, "number_of_iterations": 3, "random_state": given,
    }  # fmt: skip
    with pytest.raises(kind) as caught:
        fastnn2.fit_many(**{**arguments, **wrong})
    assert re.fullmatch(message, str(caught.value)), str(caught.value)
    assert given.randint(1 << 30) == other.randint(1 << 30)


def changed(array, place, number):
    result = array.astype(float)
    result[place] = number
    return result


# Argument -> what is right, what is wrong, the error, and its message after the name of the argument
WRONG_VALUES = {
    "learning_rate": (0.1, [
        (-1.0, ValueError, " is -1.0; expected a finite number above 0"),
        (0, ValueError, " is 0; expected a finite number above 0"),
        (np.inf, ValueError, " is inf; expected a finite number above 0"),
        (None, TypeError, " is None; expected a finite number above 0"),
        ("0.1", TypeError, " is '0.1'; expected a finite number above 0"),
        (True, TypeError, " is True; expected a finite number above 0"),
    ]),
    "hidden_size": (5, [
        (0, ValueError, " is 0; expected an integer of 1 or more"),
        (5.0, ValueError, " is 5.0; expected an integer of 1 or more"),
        (10**9, ValueError, " is 1000000000; expected an integer from 1 to 100000000"),
        (None, TypeError, " is None; expected an integer of 1 or more"),
    ]),
    "number_of_iterations": (3, [
        (-1, ValueError, " is -1; expected an integer of 0 or more"),
        (1.5, ValueError, " is 1.5; expected an integer of 0 or more"),
    ]),
    "alpha": (0.5, [
        (-0.5, ValueError, " is -0.5; expected a finite number of 0 or more"),
        (np.nan, ValueError, " is nan; expected a finite number of 0 or more"),
    ]),
    "random_state": (1, [
        (-1, ValueError, " is -1; expected an integer from 0 to 2\\*\\*32 - 1, a RandomState, a Generator or None"),
        ("1", ValueError, " is '1'; expected an integer from 0 .*"),
    ]),
    "init": ("small", [
        ("his", ValueError, " is 'his'; expected 'he', 'small' or a dict of parameters"),
        (None, TypeError, " is NoneType; expected 'he', 'small' or a dict of parameters"),
        ({"W1": 0}, ValueError, " has the keys \\['W1'\\]; expected a dict with W1, b1, W2 and b2"),
        (problem(3, 5, 1, 1)[2], ValueError,
         " is for 3 features, 5 hidden units and 1 outputs; expected 2, 5 and 1, from X, hidden_size and Y"),
        ({**INIT, "b2": np.full((1, 1), np.nan)}, ValueError,
         r"\['b2'\] has nan at row 0, column 0; expected finite numbers. Remove or replace it"),
    ]),
    "X": (X, [
        (None, TypeError, " is None; expected an array of numbers"),
        (X[:, :0], ValueError, " has shape \\(2, 0\\), which is empty; .*"),
        (changed(X, (1, 3), np.nan), ValueError, " has nan at row 1, sample 3; expected finite numbers. .*"),
        (changed(X, (1, 59), -np.inf), ValueError, " has -inf at row 1, sample 59; expected finite numbers. .*"),
        (X.astype(complex), TypeError, " has dtype complex128; expected real numbers .*"),
        (X.astype(str), TypeError, " has dtype <U[0-9]+; expected real numbers .*"),
    ]),
    "Y": (Y, [
        (changed(Y, (0, 3), 1.5), ValueError, " has 1.5 at row 0, sample 3; expected targets from 0 to 1 .*"),
        (changed(Y, (0, 3), -1), ValueError, " has -1.0 at row 0, sample 3; expected targets from 0 to 1 .*"),
        (changed(Y, (0, 3), np.nan), ValueError, " has nan at row 0, sample 3; .*"),
        (np.full(60, 2, dtype="uint8"), ValueError, " has 2 at row 0, sample 0; .*"),
    ]),
    "sample_weight": (WEIGHTS, [
        (WEIGHTS[:9], ValueError, " has shape \\(9,\\); expected \\(60,\\), one weight for each sample"),
        (-WEIGHTS, ValueError, " has -[0-9.]+ at sample 0; expected weights of 0 or more"),
        (0 * WEIGHTS, ValueError, " is zero for all samples; expected at least one weight above 0"),
        (changed(WEIGHTS, 3, np.nan), ValueError, " has nan at sample 3; .*"),
        (np.full(60, 1e308), ValueError, " sums to inf; expected a normal floating-point number. .*"),
    ]),
}  # fmt: skip
CASES = [(name, number) for name, (_, values) in WRONG_VALUES.items() for number in range(len(values))]


@pytest.mark.parametrize(("name", "number"), CASES, ids=[f"{name} {number}" for name, number in CASES])
def test_a_wrong_value_is_named(name, number):
    """Alone it has the name of the argument, in a list its place, too; where several are wrong, the first one."""
    right, values = WRONG_VALUES[name]
    value, kind, message = values[number]
    refused(kind, name + message, **{name: value})
    entries = [right] * NETWORKS
    entries[WRONG] = value
    refused(kind, rf"{name}\[{WRONG}\]{message}", **{name: entries})
    refused(kind, rf"{name}\[{WRONG}\]{message}", **{name: tuple(entries[: WRONG + 1] * 2)})


def test_the_first_of_many_small_arrays_that_are_wrong_is_named():
    """They are looked at together."""
    entries = [X + i for i in range(100)]
    for i in (77, 70, 99):
        entries[i] = changed(entries[i], (1, 5), np.nan)
    refused(ValueError, r"X\[70\] has nan at row 1, sample 5; .*", X=entries)
    entries[69] = np.asfortranarray(changed(entries[69], (0, 50), np.inf))[:, ::-1]
    refused(ValueError, r"X\[69\] has inf at row 0, sample 9; .*", X=entries)
    targets = [Y[:, ::-1].copy() for _ in range(100)]
    targets[33][0, 7] = 1.25
    refused(ValueError, r"Y\[33\] has 1.25 at row 0, sample 7; .*", Y=targets)


def test_large_and_small_arrays_in_turn():
    large = np.zeros((2, 200_000))
    entries = [X, large, X[:], large[:], X[:, ::-1], changed(large, (1, 199_999), np.nan), changed(X, (0, 0), np.nan)]
    targets = [np.zeros(x.shape[1]) for x in entries]
    refused(ValueError, r"X\[5\] has nan at row 1, sample 199999; .*", X=entries, Y=targets)
    refused(ValueError, r"X\[5\] has nan at row 0, sample 0; .*", X=[*entries[:5], entries[6]], Y=[*targets[:5], Y])


def test_numbers_that_are_too_large_for_the_dtype_of_their_run():
    large = changed(X, (1, 3), 1e39)
    message = " has 1e\\+39 at row 1, sample 3, too large for float32; scale it or use float64"
    refused(ValueError, "X" + message, X=large, dtype="float32")
    refused(ValueError, r"X\[1\]" + message, X=[X, large], dtype="float32")
    weights = changed(WEIGHTS, 3, 1e39)
    message = r"sample_weight\[1\] has 1e\+39 at sample 3, too large for float32; scale it or use float64"
    refused(ValueError, message, X=[X, X.astype("float32")], sample_weight=[weights, weights])
    init = {**INIT, "W1": np.full((5, 2), 1e39)}
    message = r"init\[1\]\['W1'\] has 1e\+39 at row 0, column 0, too large for float32; scale it or use float64"
    refused(ValueError, message, X=[X, X.astype("float32")], init=[init, init])


def test_samples_of_different_numbers():
    message = " has 9 samples \\(columns\\) and {} has 60; expected the same number in both"
    refused(ValueError, "X" + message.format("Y"), X=X[:, :9])
    refused(ValueError, r"X\[2\]" + message.format("Y"), X=[X, X, X[:, :9]])
    refused(ValueError, r"X\[2\]" + message.format(r"Y\[2\]"), X=[X, X, X[:, :9]], Y=[Y] * 3)
    refused(
        ValueError,
        r"X\[1\] has 2 samples .* and Y has 60; .*\. X\[1\] of shape \(60, 2\) looks .*: pass X\[1\].T",
        X=[X, X.T],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"X": [X] * 3, "Y": (Y, Y)}, "X has 3, Y has 2"),
        ({"learning_rate": [0.1] * 3, "random_state": [], "alpha": [0]},
         "learning_rate has 3, random_state has 0, alpha has 1"),
        ({"hidden_size": [5] * 3, "sample_weight": np.ones((4, 60))}, "hidden_size has 3, sample_weight has 4"),
        ({"init": ("he", "he"), "number_of_iterations": [1]}, "number_of_iterations has 1, init has 2"),
    ],
)  # fmt: skip
def test_lists_of_different_lengths(arguments, found):
    refused(
        ValueError,
        rf"lists have different numbers of entries: {found}; expected one for each network .*np\.asarray.*",
        **arguments,
    )


@pytest.mark.parametrize(
    "name", ["learning_rate", "hidden_size", "number_of_iterations", "alpha", "random_state", "init"]
)
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (np.arange, "ndarray"),
        (lambda n: pandas.Series([1] * n), "Series"),
        (range, "range"),
        (lambda n: iter(range(n)), "range_iterator"),
        (lambda n: dict.fromkeys(range(n), 1).values(), "dict_values"),
        (lambda n: set(range(n)), "set"),
    ],
)
def test_an_array_in_the_place_of_a_list(name, make, kind):
    refused(
        TypeError,
        rf"{name} is of type {kind}; expected one value for all networks, or a list with one for each: "
        rf"pass {name}=list\({name}\)",
        **{name: make(3)},
    )


def test_a_list_that_was_meant_as_one_array():
    hint = r"\. The list {0} has one entry for each network; for one {0} for all of them pass np\.asarray\({0}\)"
    refused(ValueError, r"X\[0\] has shape \(60,\); expected two dimensions.*" + hint.format("X"), X=X.tolist())
    refused(ValueError, r"Y\[0\] has shape \(\); expected .*" + hint.format("Y"), Y=Y[0].tolist())
    refused(ValueError, r"sample_weight\[0\] has shape \(\); .*" + hint.format("sample_weight"),
            sample_weight=WEIGHTS.tolist())  # fmt: skip


def test_an_array_that_was_meant_as_a_list_of_arrays():
    hint = r"\. For one {0} for each network pass {0}=list\({0}\)"
    refused(ValueError, r"X has shape \(2, 2, 60\); .*" + hint.format("X"), X=np.stack([X, X]))
    refused(ValueError, r"Y has shape \(2, 1, 60\); .*" + hint.format("Y"), Y=np.stack([Y, Y]))
    refused(ValueError, r"sample_weight has shape \(2, 1, 60\); expected .*", sample_weight=np.ones((2, 1, 60)))


@pytest.mark.parametrize(("name", "one"), [("X", X), ("Y", Y), ("sample_weight", WEIGHTS)])
def test_arrays_by_name_or_one_after_the_other_that_were_meant_as_a_list(name, one):
    message = rf"{name} has dtype object; expected real numbers .*\. For one {name} for each network pass {name}="
    refused(TypeError, message + rf"list\({name}\)", **{name: (each for each in [one, one])})
    refused(TypeError, message + rf"list\({name}\)", **{name: pandas.Series([one, one])})
    refused(TypeError, message + rf"list\({name}\.values\(\)\)", **{name: {"a": one, "b": one}})


def test_numbers_by_name_that_were_meant_as_a_list():
    refused(TypeError, r"alpha is of type dict; .*: pass alpha=list\(alpha\.values\(\)\)", alpha={"a": 1, "b": 2})


def test_one_value_for_all_that_does_not_fit_an_entry():
    """The message names the entry."""
    message = (
        r"init is for 2 features, 5 hidden units and 1 outputs; expected 2, 6 and 1, from X, hidden_size\[3\] and Y"
    )
    refused(ValueError, message, init=INIT, hidden_size=[5, 5, 5, 6])
    message = r"sample_weight has shape \(60,\); expected \(9,\), one weight for each sample of X\[1\]"
    refused(ValueError, message, X=[X, X[:, :9]], Y=[Y, Y[:, :9]], sample_weight=WEIGHTS)


@pytest.mark.parametrize(
    ("name", "value", "kind", "message"),
    [
        ("dtype", "float16", ValueError, "dtype is float16; expected float32, float64 or None"),
        ("dtype", ["float32"], TypeError, r"dtype is \['float32'\]; expected float32, float64 or None"),
        ("costs", "first", ValueError, "costs is 'first'; expected 'all' or 'last'"),
        ("costs", ["all"], ValueError, r"costs is \['all'\]; expected 'all' or 'last'"),
        ("on_divergence", None, ValueError, "on_divergence is None; expected 'raise' or 'keep'"),
        ("n_threads", 0, ValueError, "n_threads is 0; expected an integer of 1 or more"),
        ("n_threads", [1], TypeError, r"n_threads is \[1\]; expected an integer of 1 or more"),
        ("progress", 1, ValueError, "progress is 1; expected True, False or None"),
    ],
)
def test_arguments_of_the_whole_call(name, value, kind, message):
    refused(kind, message, **{name: value})


def test_the_call_would_train_without_the_wrong_value(monkeypatch):
    """The tests above could otherwise be right for another reason."""
    monkeypatch.setattr(module, "run_networks", engine.run_networks)
    for name, (right, _) in WRONG_VALUES.items():
        arguments = {"X": X, "Y": Y, "learning_rate": RATE, "hidden_size": 5, "number_of_iterations": 3}
        assert len(fastnn2.fit_many(**{**arguments, name: [right] * NETWORKS})) == NETWORKS
