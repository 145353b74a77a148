"""Networks of fit_many that diverge: which are named, what is kept of them, and that the others do not notice."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
from data import DTYPES, assert_same_bits, problem

import fastnn2

THREADS = (1, 2, 7)
X, Y, INIT, WEIGHTS = problem(2, 5, 1, 60)
GOOD = {"learning_rate": 0.3, "alpha": 0.0, "init": INIT}
# The penalty multiplies all weights by -1e10 in each iteration: in float64 the cost becomes infinite, in float32 the
# weights, before their squares, which are float64.
LATER = {**GOOD, "learning_rate": 1e10 * 60, "alpha": 1.0}
FIRST_UPDATE = {**GOOD, "learning_rate": 1e308, "alpha": 1e10}
# Hidden units are 1, and the sum of the output weights overflows.
HUGE = {"W1": np.zeros((5, 2)), "b1": np.full((5, 1), 30.0), "W2": np.full((1, 5), 1.7e308), "b2": np.zeros((1, 1))}
FIRST_COST = {**GOOD, "init": HUGE}


def train(networks, iterations=40, on_divergence="raise", inputs=X, **options):
    lists = {name: [network[name] for network in networks] for name in networks[0]}
    return fastnn2.fit_many(inputs, Y, hidden_size=5, number_of_iterations=iterations, on_divergence=on_divergence,
                            **lists, **options)  # fmt: skip


def own(network, iterations=40, inputs=X):
    """Return what is finite of a network's own fit, and the error's message, None for a network that is finite."""
    try:
        return fastnn2.fit(inputs, Y, hidden_size=5, number_of_iterations=iterations, **network), None
    except fastnn2.TrainingDiverged as error:
        return (error.params, error.cost_), str(error)


def kept(networks, *arguments, **options):
    """Return the results, and the one warning, with ``on_divergence="keep"``."""
    with pytest.warns(RuntimeWarning) as caught:
        results = train(networks, *arguments, on_divergence="keep", **options)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    return results, str(caught[0].message)


CASES = {
    "later, cost": (LATER, "float64", "at iteration [0-9]+ the cost is"),
    "later, params": (LATER, "float32", "at iteration [0-9]+ the parameters after the update are"),
    "first update": (FIRST_UPDATE, "float64", "at iteration 0 the parameters after the update are"),
    "first cost": (FIRST_COST, "float64", "at iteration 0 the cost is"),
}


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("case", CASES)
def test_the_error_names_the_network_and_has_what_its_own_fit_has(case, n_threads):
    network, dtype, what = CASES[case]
    inputs = X.astype(dtype)
    networks = [GOOD, GOOD, network, GOOD]
    (params, costs), message = own(network, inputs=inputs)
    with pytest.raises(fastnn2.TrainingDiverged) as caught:
        train(networks, n_threads=n_threads, inputs=inputs)
    error = caught.value
    assert re.search(what, str(error))
    assert str(error).startswith(f"network 2 of 4: {message.partition('. The error')[0]}")
    assert str(error).endswith('on_divergence="keep" returns all')
    assert_same_bits((error.params, error.cost_), (params, costs))
    assert error.results[2] is None
    for i in (0, 1, 3):
        assert_same_bits(error.results[i], own(GOOD, inputs=inputs)[0])


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("case", CASES)
def test_keep_returns_what_is_finite(case, n_threads):
    network, dtype, _ = CASES[case]
    inputs = X.astype(dtype)
    networks = [network, GOOD, network, GOOD]
    results, message = kept(networks, n_threads=n_threads, inputs=inputs)
    assert message.startswith("2 of 4 networks (0, 2) diverged: a cost or a parameter is no longer finite.")
    for result, each in zip(results, networks, strict=True):
        assert all(np.isfinite(array).all() for array in (*result[0].values(), result[1]))
        assert_same_bits(result, own(each, inputs=inputs)[0])


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("case", CASES)
def test_the_last_finite_cost_alone(case, n_threads):
    network, dtype, _ = CASES[case]
    inputs = X.astype(dtype)
    (params, costs), message = own(network, inputs=inputs)
    results, _ = kept([GOOD, network], n_threads=n_threads, inputs=inputs, costs="last")
    assert_same_bits(results[1], (params, costs[-1:]))
    with pytest.raises(fastnn2.TrainingDiverged) as caught:
        train([GOOD, network], n_threads=n_threads, inputs=inputs, costs="last")
    assert message.partition(". The error")[0] in str(caught.value)
    assert_same_bits((caught.value.params, caught.value.cost_), (params, costs[-1:]))


def test_the_first_network_is_named_whichever_diverges_first():
    """Those of the most work are trained first, and the last of the list ends at once."""
    networks = [GOOD, LATER, *[GOOD] * 30, FIRST_COST]
    iterations = [5, 40, *[5] * 30, 4000]
    with pytest.raises(fastnn2.TrainingDiverged, match=r"^network 1 of 33: ") as caught:
        train(networks, iterations)
    assert "In all, 2 of 33 networks (1, 32) diverged" in str(caught.value)
    assert [i for i, result in enumerate(caught.value.results) if result is None] == [1, 32]


@pytest.mark.parametrize(
    ("finite", "listed"),
    [
        ((), "0 to 69"),
        ((0, 69), "1 to 68"),
        ((1, 3, 6, 10, 68), "0, 2, 4, 5, 7 to 9, 11 to 67, 69"),
        (range(1, 70, 2), ", ".join(map(str, range(0, 70, 2)))),
        (range(69), "69"),
    ],
)
def test_a_message_lists_all_in_ranges(finite, listed):
    networks = [GOOD if i in finite else FIRST_UPDATE for i in range(70)]
    found = f"{70 - len(finite)} of 70 networks ({listed}) diverged"
    _, message = kept(networks, 2)
    assert message.startswith(found)
    if len(finite) < 69:  # else the error names the only one
        with pytest.raises(fastnn2.TrainingDiverged, match=re.escape(f". In all, {found}")):
            train(networks, 2)


def test_no_warning_where_all_are_finite():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(train([GOOD, GOOD], on_divergence="keep")) == 2


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 5, 1, 300), (7, 9, 3, 300), (100, 50, 2, 300)], ids=str)
def test_what_a_diverged_network_leaves_behind_changes_no_bit_of_others(shape, dtype, n_threads):
    """Threads use their buffers again; networks of all sizes follow those that left infinite numbers and NaN there."""
    X, Y, init, weights = problem(*shape, dtype)
    _, h, _, n = shape
    huge = {name: np.full_like(array, np.finfo(dtype).max) for name, array in init.items()}
    diverging = {"init": huge, "learning_rate": 1e300, "alpha": 1e300, "hidden_size": h, "number_of_iterations": 60}
    later = {**diverging, "init": "he", "learning_rate": 1e10 * n, "alpha": 1.0}
    shorter = [(X[:, :m], Y[:, :m], weights[:m]) for m in (n, 1, 7, 33, n - 1)]
    good = [
        {"init": "he", "learning_rate": 0.1, "alpha": 0.5, "hidden_size": size, "number_of_iterations": 5}
        for size in (h, 1, 2, h - 1)
    ]
    networks, samples = [], []
    for each in good:
        for data in shorter:
            networks += [diverging, each, later, {**each, "alpha": 0.0}]
            samples += [data] * 4
    lists = {name: [network[name] for network in networks] for name in diverging}
    inputs, targets, all_weights = (list(column) for column in zip(*samples, strict=True))
    with pytest.warns(RuntimeWarning, match=rf"^{len(networks) // 2} of {len(networks)} networks \(0, 2, 4, "):
        results = fastnn2.fit_many(
            inputs, targets, sample_weight=all_weights, on_divergence="keep", n_threads=n_threads, **lists
        )
    for network, (x, y, weight), result in zip(networks, samples, results, strict=True):
        if network is not diverging and network is not later:
            assert_same_bits(result, fastnn2.fit(x, y, sample_weight=weight, **network))


def test_wide_networks_diverge_alike():
    X, Y, init, _ = problem(220, 600, 1, 40)
    options = {"hidden_size": 600, "number_of_iterations": 40, "init": init}
    rates, penalties = [0.01, 4e11, 0.01], [0.0, 1.0, 1e300]
    results = []
    for rate, alpha in zip(rates, penalties, strict=True):
        try:
            results.append(fastnn2.fit(X, Y, rate, alpha=alpha, **options))
        except fastnn2.TrainingDiverged as error:
            results.append((error.params, error.cost_))
    for costs, part in (("all", slice(None)), ("last", slice(-1, None))):
        with pytest.warns(RuntimeWarning, match=r"^2 of 3 networks \(1, 2\) diverged"):
            found = fastnn2.fit_many(X, Y, rates, alpha=penalties, costs=costs, on_divergence="keep", **options)
        for result, (params, cost_) in zip(found, results, strict=True):
            assert_same_bits(result, (params, cost_[part]))
    with pytest.raises(fastnn2.TrainingDiverged, match=r"^network 1 of 3: .* at iteration [0-9]+ the ") as caught:
        fastnn2.fit_many(X, Y, rates, alpha=penalties, **options)
    assert [result is None for result in caught.value.results] == [False, True, True]


@pytest.mark.parametrize("costs", ["all", "last"])
def test_a_wide_network_diverges_in_its_first_cost(costs):
    X, Y, init, _ = problem(220, 600, 1, 40)
    init |= {"W1": np.zeros((600, 220)), "b1": np.full((600, 1), 30.0), "W2": np.full((1, 600), 1.7e308)}
    with pytest.raises(fastnn2.TrainingDiverged, match=r"network 0 of 1: .* there was no finite cost before") as caught:
        fastnn2.fit_many(X, Y, 0.01, 600, 40, init=init, costs=costs)
    assert_same_bits(caught.value.params, init)
    assert caught.value.cost_.shape == (0,)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_copies_keep_the_results(duplicate):
    with pytest.raises(fastnn2.TrainingDiverged) as caught:
        train([GOOD, FIRST_UPDATE, GOOD])
    error = duplicate(caught.value)
    assert isinstance(error, fastnn2.TrainingDiverged)
    assert str(error) == str(caught.value)
    assert error.results[1] is None
    for i in (0, 2):
        assert_same_bits(error.results[i], own(GOOD)[0])
