"""fastnn2.fit_many: each network has the bits of its own fit, whatever the others are and which thread trains it."""

import numpy as np
import pytest
from array_forms import FORMS, KINDS
from data import DTYPES, RATE, assert_same_bits, problem
from many_fits import THREADS as FEW_THREADS
from many_fits import check, own_fit, together, wide_network

import fastnn2
from fastnn2.engine import networks
from fastnn2.functional import many_runs, many_samples
from fastnn2.kernels.shared import tuning

X, Y, INIT, WEIGHTS = problem(2, 5, 1, 60)


def assert_same(results, expected):
    assert len(results) == len(expected)
    for i, (result, right) in enumerate(zip(results, expected, strict=True)):
        assert len(result) == 2, i
        assert_same_bits(result, right)


def one_by_one(X, Y, rates, sizes, *arguments, **options):
    """Return the results of a loop of fits over learning rates and sizes."""
    return [fastnn2.fit(X, Y, rate, size, *arguments, **options) for rate, size in zip(rates, sizes, strict=True)]


# Bits


def test_a_thousand_random_networks_have_the_bits_of_their_own_fits():
    found = check(1000, seed=0)
    print(dict(found))
    for kind in ("narrow", "layers", "shared", "narrow on shared samples", "layers on shared samples"):
        assert found[kind] > 10
    assert sum(count for kind, count in found.items() if "diverged" in kind) > 10


SHAPES = {
    "narrow": (2, 5, 1, 300),
    "one sample": (1, 1, 1, 1),
    "layers": (7, 9, 3, 300),
    "pieces": (200, 20, 2, 300),
    "shared": (100, 50, 2, 300),
    "wide": (220, 600, 1, 40),
}


@pytest.mark.parametrize("n_threads", [None, *FEW_THREADS])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_three_networks_of_one_shape(shape, dtype, n_threads):
    X, Y, init, weights = problem(*shape, dtype)
    rates = [0.01, 0.02, 0.03]
    results = fastnn2.fit_many(
        X, Y, rates, shape[1], 4, init=init, alpha=0.5, sample_weight=weights, n_threads=n_threads
    )
    assert_same(results, one_by_one(X, Y, rates, [shape[1]] * 3, 4, init=init, alpha=0.5, sample_weight=weights))


def test_the_shapes_use_every_kernel_and_both_ways_to_keep_parameters():
    assert {tuning.train_kernel(d, h, o) for d, h, o, _ in SHAPES.values()} == {"train", "train_narrow", "train_wide"}
    assert (
        tuning.count_params(*SHAPES["shared"][:3])
        >= tuning.SHARED_PARAMS
        > tuning.count_params(*SHAPES["pieces"][:2], 2)
    )


@pytest.mark.parametrize("n_threads", FEW_THREADS)
def test_wide_networks_among_others(n_threads):
    small = {
        "X": X, "Y": Y, "learning_rate": RATE, "hidden_size": 5, "number_of_iterations": 7, "init": "small",
        "random_state": 1, "alpha": 0.0, "sample_weight": None,
    }  # fmt: skip
    mixed = [small, wide_network(0), small | {"X": X.astype("float32")}, wide_network(1), small | {"alpha": 1.0}]
    expected = [own_fit(arguments)[0] for arguments in mixed]
    assert_same(together(mixed, n_threads=n_threads), expected)
    last = together(mixed, n_threads=n_threads, costs="last")
    assert_same(last, [(params, costs[-1:]) for params, costs in expected])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_arguments_of_every_form_and_number_type(form, kind, shared):
    source = np.random.default_rng(3)
    plain = [source.integers(0, 2, shape) for shape in ((3, 37), (2, 37), (37,))]
    plain[2][0] = 1
    x, y, weights = (FORMS[form](array.astype(kind)) for array in plain)
    expected = [fastnn2.fit(x, y, rate, 4, 3, sample_weight=weights) for rate in (0.1, 0.2)]
    rates = [0.1, 0.2]
    if shared and not isinstance(x, list):
        results = fastnn2.fit_many(x, y, rates, 4, 3, sample_weight=weights)
    elif shared:
        results = fastnn2.fit_many([x] * 2, [y] * 2, rates, 4, 3, sample_weight=[weights] * 2)
    else:
        copies = [FORMS[form](array.astype(kind)) for array in plain]
        results = fastnn2.fit_many([x, copies[0]], [y, copies[1]], rates, 4, 3, sample_weight=[weights, copies[2]])
    assert_same(results, expected)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize("axis", [0, 1])
def test_arrays_without_a_stride(axis, shared):
    row = np.random.default_rng(1).standard_normal((1, 37) if axis == 0 else (3, 1))
    x, y = np.broadcast_to(row, (3, 37)), np.broadcast_to(1.0, (2, 37))
    assert x.strides[axis] == 0
    weights = np.broadcast_to(np.float32(2.0), 37)
    expected = [fastnn2.fit(x, y, rate, 4, 3, sample_weight=weights) for rate in (0.1, 0.2)]
    if shared:
        results = fastnn2.fit_many(x, y, [0.1, 0.2], 4, 3, sample_weight=weights)
    else:
        results = fastnn2.fit_many([x, x[:]], [y, y[:]], [0.1, 0.2], 4, 3, sample_weight=[weights, weights[:]])
    assert_same(results, expected)


def test_read_only_samples_and_parameters_are_not_written():
    arrays = [X.copy(), Y.copy(), WEIGHTS.copy(), *INIT.values()]
    kept = [array.copy() for array in arrays]
    for array in arrays[:3]:
        array.flags.writeable = False
    x, y, weights = arrays[:3]
    halves = x[:, ::2], y[:, ::2], weights[::2]
    results = fastnn2.fit_many(
        [x, halves[0]], [y, halves[1]], RATE, 5, 9, init=INIT, sample_weight=[weights, halves[2]]
    )
    assert_same(
        results,
        [
            fastnn2.fit(x, y, RATE, 5, 9, init=INIT, sample_weight=weights),
            fastnn2.fit(halves[0], halves[1], RATE, 5, 9, init=INIT, sample_weight=halves[2]),
        ],
    )
    for array, before in zip(arrays, kept, strict=True):
        assert_same_bits(array, before)


def test_results_are_arrays_of_their_own():
    """To change one result changes no other, nor what the caller has given."""
    results = fastnn2.fit_many(X, Y, [RATE, RATE], 5, [3, 0], init=INIT)
    for params, cost_ in results:
        for array in (*params.values(), cost_):
            array[...] = -1
    again = fastnn2.fit_many(X, Y, [RATE, RATE], 5, [3, 0], init=INIT)
    assert_same(again, [fastnn2.fit(X, Y, RATE, 5, iterations, init=INIT) for iterations in (3, 0)])
    assert (INIT["W1"] != -1).all()


# One value for all, or one for each


def test_without_a_list_there_is_one_network():
    assert_same(fastnn2.fit_many(X, Y, RATE, 5, 9), [fastnn2.fit(X, Y, RATE, 5, 9)])


@pytest.mark.parametrize("empty", [[], ()])
@pytest.mark.parametrize(
    "name",
    [
        "X",
        "Y",
        "learning_rate",
        "hidden_size",
        "number_of_iterations",
        "init",
        "random_state",
        "alpha",
        "sample_weight",
    ],
)
def test_an_empty_list_gives_an_empty_list(name, empty):
    arguments = {"X": X, "Y": Y, "learning_rate": RATE, "hidden_size": 5}
    assert fastnn2.fit_many(**{**arguments, name: empty}) == []
    assert fastnn2.fit_many(**{**arguments, name: empty}, on_divergence="keep", costs="last", progress=True) == []


def test_a_list_for_each_argument():
    lists = {
        "X": (X, X[:, :30]), "Y": [Y, Y[0, :30]], "learning_rate": (0.1, np.float32(0.2)),
        "hidden_size": [5, np.int64(7)], "number_of_iterations": [9, 3], "init": ["he", "small"],
        "random_state": [1, np.uint8(2)], "alpha": [0, 0.5], "sample_weight": [None, WEIGHTS[:30]],
    }  # fmt: skip
    expected = [fastnn2.fit(**{name: values[i] for name, values in lists.items()}) for i in range(2)]
    assert_same(fastnn2.fit_many(**lists), expected)
    for name in lists:  # and with one list alone
        common = {other: values[0] for other, values in lists.items()}
        varied = lists[name] if name not in ("X", "Y", "sample_weight") else [lists[name][0]] * 2
        expected = [fastnn2.fit(**{**common, name: value}) for value in varied]
        assert_same(fastnn2.fit_many(**{**common, name: varied}), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_for_each_network_as_one_array(dtype):
    """As of the bootstrap: one row a network."""
    counts = np.random.default_rng(2).multinomial(60, np.full(60, 1 / 60), size=4)
    for weights in (counts, counts.astype(dtype), np.asfortranarray(counts), np.broadcast_to(counts[0], (4, 60))):
        results = fastnn2.fit_many(X.astype(dtype), Y, RATE, 5, 9, sample_weight=weights)
        expected = [fastnn2.fit(X.astype(dtype), Y, RATE, 5, 9, sample_weight=row) for row in weights]
        assert_same(results, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_of_all_networks(dtype):
    inputs = [X.astype("float32"), X, X > 0]
    results = fastnn2.fit_many(inputs, Y, RATE, 5, 9, dtype=dtype)
    assert_same(results, [fastnn2.fit(one, Y, RATE, 5, 9, dtype=dtype) for one in inputs])


# Samples that networks share


def test_shared_samples_are_laid_out_once(monkeypatch):
    """One value for all, or the same object in several places of a list; in each dtype that it is needed in."""
    laid_out, to_groups = [], many_samples.to_groups
    monkeypatch.setattr(
        many_samples, "to_groups", lambda array, *rest: laid_out.append(array.shape) or to_groups(array, *rest)
    )
    fastnn2.fit_many(X, Y, [RATE] * 5, 5, 3, sample_weight=WEIGHTS)
    assert sorted(laid_out) == [(1, 60), (1, 60), (2, 60)]
    laid_out.clear()
    other = X[:, ::-1]
    inputs, weights = [X, other, X, other, X], [WEIGHTS, None, WEIGHTS, None, 1 + WEIGHTS]
    results = fastnn2.fit_many(inputs, [Y] * 5, RATE, 5, 3, sample_weight=weights)
    assert sorted(laid_out) == [(1, 60), (1, 60), (2, 60), (2, 60)]
    assert_same(
        results,
        [fastnn2.fit(x, Y, RATE, 5, 3, sample_weight=w) for x, w in zip(inputs, weights, strict=True)],
    )
    laid_out.clear()
    single = X.astype("float32")
    results = fastnn2.fit_many([X, X, single, single], Y, RATE, 5, 3)
    assert sorted(laid_out) == [(1, 60), (1, 60), (2, 60), (2, 60)]  # Y in both dtypes
    assert_same(results, [fastnn2.fit(x, Y, RATE, 5, 3) for x in (X, X, single, single)])


def test_samples_of_one_network_are_not_copied_before_it_is_trained():
    weights = np.ones((2, 60))
    runs, prepare = many_runs.as_runs(
        [X, X[:, ::-1]], [Y, Y[:]], RATE, 5, 3, "he", 3, 0.0, weights, None, True, None
    )  # fmt: skip
    prepare(runs)
    run = runs[1]
    assert np.shares_memory(run.X.array, X)
    assert np.shares_memory(run.Y.array, Y)
    assert np.shares_memory(run.weights.array, weights)


# Random states


def states():
    shared, generator = np.random.RandomState(4), np.random.default_rng(4)
    return [shared, 7, generator, np.random.RandomState(5), shared, generator, 7, shared, np.int32(9)]


def test_random_states_are_drawn_in_the_order_of_the_list():
    """Though networks are trained in another order: those of the most work first."""
    sizes = [2, 9, 3, 4, 30, 5, 3, 6, 2]
    for init in ("he", "small"):
        given, other = states(), states()
        results = fastnn2.fit_many(X, Y, RATE, sizes, 3, init=init, random_state=given)
        expected = [
            fastnn2.fit(X, Y, RATE, size, 3, init=init, random_state=state)
            for size, state in zip(sizes, other, strict=True)
        ]
        assert_same(results, expected)
        assert given[0].randint(1 << 30) == other[0].randint(1 << 30)
        assert given[2].integers(1 << 30) == other[2].integers(1 << 30)


def test_a_random_state_for_all_is_drawn_from_once_a_network():
    for make in (np.random.RandomState, np.random.default_rng):
        given, other = make(4), make(4)
        results = fastnn2.fit_many(X, Y, [0.1, 0.2, 0.3], [5, 8, 2], 3, random_state=given)
        assert_same(results, one_by_one(X, Y, [0.1, 0.2, 0.3], [5, 8, 2], 3, random_state=other))


def test_networks_with_given_parameters_draw_nothing():
    given, other = np.random.RandomState(4), np.random.RandomState(4)
    inits = ["he", INIT, "he"]
    results = fastnn2.fit_many(X, Y, RATE, 5, 3, init=inits, random_state=given)
    assert_same(results, [fastnn2.fit(X, Y, RATE, 5, 3, init=init, random_state=other) for init in inits])
    assert given.randint(1 << 30) == other.randint(1 << 30)


def test_an_int_for_all_gives_networks_of_one_shape_the_same_parameters():
    results = fastnn2.fit_many(X, Y, [0.1, 0.2, 0.3], [5, 5, 6], 0, random_state=8)
    assert_same(results, one_by_one(X, Y, [0.1, 0.2, 0.3], [5, 5, 6], 0, random_state=8))
    assert_same_bits(results[0], results[1])


def test_none_draws_other_parameters_for_each():
    kept = np.random.get_state()[1].copy()
    first, second = fastnn2.fit_many(X, Y, [RATE, RATE], 5, 0, random_state=None)
    assert (first[0]["W1"] != second[0]["W1"]).all()
    assert (np.random.get_state()[1] == kept).all()


# Costs


@pytest.mark.parametrize("n_threads", FEW_THREADS)
def test_the_last_cost_alone(n_threads):
    counts = [0, 1, 2, 9, 40]
    everything = fastnn2.fit_many(X, Y, RATE, 5, counts, n_threads=n_threads)
    last = fastnn2.fit_many(X, Y, RATE, 5, counts, costs="last", n_threads=n_threads)
    assert [len(cost_) for _, cost_ in everything] == counts
    assert_same(last, [(params, cost_[-1:]) for params, cost_ in everything])
    assert_same(everything, [fastnn2.fit(X, Y, RATE, 5, count) for count in counts])


# Slabs


@pytest.mark.parametrize("n_threads", FEW_THREADS)
def test_many_slabs(n_threads, monkeypatch):
    """Networks are trained in the order of their work, in slabs of one dtype; results are in the order of the lists."""
    monkeypatch.setattr(networks, "SLAB", 16)
    monkeypatch.setattr(networks, "FIRST_SLAB", 3)
    source = np.random.default_rng(0)
    inputs = [(X if i % 3 else X.astype("float32"))[:, : 10 + i % 50] for i in range(100)]
    targets = [Y[:, : x.shape[1]] for x in inputs]
    sizes = source.integers(1, 9, 100).tolist()
    results = fastnn2.fit_many(inputs, targets, RATE, sizes, 3, random_state=list(range(100)), n_threads=n_threads)
    expected = [
        fastnn2.fit(x, y, RATE, size, 3, random_state=i)
        for i, (x, y, size) in enumerate(zip(inputs, targets, sizes, strict=True))
    ]
    assert_same(results, expected)
