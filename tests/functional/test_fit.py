"""fastnn2.fit: published figures, agreement with the reference, and equality bit for bit where it is promised."""

import itertools

import numpy as np
import pytest
from array_forms import FORMS, KINDS
from data import (
    COUNT_NAMES,
    DIFFERENCES_TOLERANCE,
    DTYPES,
    HAND_PARAMS,
    HAND_RATE,
    HAND_STEPS,
    HAND_TOLERANCE,
    HAND_X,
    HAND_Y,
    PUBLISHED_FIRST_COST,
    PUBLISHED_FIRST_TOLERANCE,
    PUBLISHED_LAST_COST,
    PUBLISHED_LAST_TOLERANCE,
    RATE,
    as_double,
    assert_iteration_equals_the_reference,
    assert_nearly,
    assert_same_bits,
    central_differences,
    problem,
    published_data,
    sample_counts,
)
from hypothesis import given
from hypothesis import strategies as st

import fastnn2
from fastnn2 import reference
from fastnn2.kernels.shared import tuning

THREADS = (1, 2, 3, 4, 7, 8)
ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24}  # the rounding error of numbers of about 1


# Figures and steps


@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_published_figures(n_threads):
    X, Y, _ = published_data()
    params, cost_ = fastnn2.fit(X, Y, 0.3, 5, 5000, n_threads=n_threads)
    assert cost_.shape == (5000,)
    assert abs(cost_[0] - PUBLISHED_FIRST_COST) <= PUBLISHED_FIRST_TOLERANCE
    assert abs(cost_[-1] - PUBLISHED_LAST_COST) <= PUBLISHED_LAST_TOLERANCE
    assert (fastnn2.predict(X, params) == Y).mean() > 0.96


def test_whole_published_run_equals_the_reference():
    X, Y, _ = published_data()
    params, cost_ = fastnn2.fit(X, Y, 0.3, 5, 5000)
    expected, expected_costs = reference.fit(X, Y, 0.3, 5, 5000)
    np.testing.assert_allclose(cost_, expected_costs, rtol=0, atol=PUBLISHED_LAST_TOLERANCE)
    for name in expected:
        np.testing.assert_allclose(params[name], expected[name], rtol=0, atol=1e-12)


def test_published_run_in_float32_stays_close():
    # float32 rounds the parameters 5,000 times; the cost still agrees to four digits.
    X, Y, _ = published_data()
    params, cost_ = fastnn2.fit(X, Y, 0.3, 5, 5000, dtype="float32")
    assert params["W1"].dtype == np.float32
    assert abs(cost_[0] - PUBLISHED_FIRST_COST) <= 1e-6
    np.testing.assert_allclose(cost_[-1], PUBLISHED_LAST_COST, rtol=1e-4)


@pytest.mark.parametrize("name", HAND_STEPS)
def test_step_worked_by_hand(name):
    keywords, cost, _, expected = HAND_STEPS[name]
    params, cost_ = fastnn2.fit(HAND_X, HAND_Y, HAND_RATE, 2, 1, init=HAND_PARAMS, **keywords)
    assert abs(cost_[0] - cost) <= HAND_TOLERANCE
    for key in expected:
        np.testing.assert_allclose(params[key], expected[key], rtol=0, atol=HAND_TOLERANCE)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 1.5])
@pytest.mark.parametrize("shape", [(2, 5, 1, 40), (3, 4, 2, 30), (1, 1, 1, 10), (9, 6, 4, 70)])
def test_update_equals_central_differences_of_the_cost(shape, alpha, weighted):
    X, Y, params, weights = problem(*shape)
    keywords = {"sample_weight": weights if weighted else None, "alpha": alpha}

    def fit(init):
        return fastnn2.fit(X, Y, 1.0, shape[1], 1, init=init, **keywords)

    new, _ = fit(params)
    slopes = central_differences(lambda moved: fit(moved)[1][0], params)
    for name in params:
        np.testing.assert_allclose(params[name] - new[name], slopes["d" + name], rtol=DIFFERENCES_TOLERANCE, atol=1e-12)


# Against the reference

SMALL = list(
    itertools.product(
        (1, 2, 3, tuning.BLOCK_INPUTS - 1, tuning.BLOCK_INPUTS, tuning.BLOCK_INPUTS + 1),
        (1, tuning.BLOCK_UNITS - 1, tuning.BLOCK_UNITS, 7),
        (1, 2, tuning.BLOCK_UNITS),
    )
)
# (390, 5, 1) has several tiles in a chunk even with few samples.
LARGE = [(17, 13, 5), (67, 31, 1), (5, 67, 7), (13, 6, 4), (390, 5, 1), (2, 101, 1), (150, 129, 2)]
# Narrow networks with whole blocks of units, and with one unit less or more.
BLOCKS = [(1, 4, 1), (2, 4, 1), (1, 5, 1), (2, 5, 1), (2, 6, 1), (1, 10, 1), (2, 11, 1)]
# Units, outputs and rows in blocks of 5 and 4 (see tuning.end_of_full_blocks): no block of 5, one and more; no block of
# 4, one to four of them; an incomplete last block of 4.
BLOCKS += [(8, 4, 1), (9, 6, 1), (9, 8, 4), (10, 11, 6), (9, 12, 8), (10, 16, 1), (9, 18, 9), (30, 32, 1), (33, 32, 16)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", COUNT_NAMES)
@pytest.mark.parametrize("shape", SMALL + LARGE + BLOCKS, ids=str)
def test_one_iteration_equals_the_reference(shape, count, dtype):
    n = sample_counts(*shape, dtype)[count]
    assert_iteration_equals_the_reference(shape, n, dtype, weighted=False, alpha=0.0)
    assert_iteration_equals_the_reference(shape, n, dtype, weighted=True, alpha=0.75)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_one_iteration_of_chunks_with_several_tiles(more, weighted, dtype):
    # The maximum number of chunks, each with one tile, one group more or one group less.
    tile = tuning.count_tile_groups(1, 3, 1) * tuning.group_size(dtype)
    n = tuning.MAX_CHUNKS * tile + more * tuning.group_size(dtype) * tuning.MAX_CHUNKS + more
    assert tuning.count_chunks(n, 1, 3, 1, dtype) == tuning.MAX_CHUNKS
    assert_iteration_equals_the_reference((1, 3, 1), n, dtype, weighted, alpha=0.0, n_threads=2)


@given(
    d=st.integers(1, 40),
    h=st.integers(1, 40),
    o=st.integers(1, 6),
    n=st.integers(1, 900),
    dtype=st.sampled_from(DTYPES),
    weighted=st.booleans(),
    alpha=st.sampled_from([0.0, 0.01, 10.0]),
    n_threads=st.integers(1, 3),
)
def test_one_iteration_of_any_shape_equals_the_reference(d, h, o, n, dtype, weighted, alpha, n_threads):
    assert_iteration_equals_the_reference((d, h, o), n, dtype, weighted, alpha, n_threads)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", ["1", "7", "group-1", "group+1", "chunk+1", "tile+1"])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 5, 1), (3, 7, 2), (8, 3, 3), (9, 6, 1), (17, 13, 5), (390, 5, 1)], ids=str
)
def test_tens_of_iterations_equal_the_reference(shape, count, dtype):
    d, h, o = shape
    X, Y, init, weights = problem(d, h, o, sample_counts(d, h, o, dtype)[count], dtype)
    X64, Y64, init64, weights64 = as_double(X, Y, init, weights)
    # With hundreds of inputs the usual rate makes the costs jump, and each jump multiplies the rounding errors by ten.
    rate = RATE if d < 100 else RATE / 30
    for w, w64, alpha in ((None, None, 0.0), (weights, weights64, 0.75)):
        result = fastnn2.fit(X, Y, rate, h, 50, init=init, alpha=alpha, sample_weight=w)
        expected = reference.fit(X64, Y64, rate, h, 50, init=init64, alpha=alpha, sample_weight=w64)
        assert_nearly(result, expected, dtype)


# Bit for bit: threads and split runs

# Name -> d, h, o, n. "small" has at least as many chunks as the largest number of threads. In those with "shared", all
# threads share one set of parameters; "shared, large" has few chunks, as its gradient takes much memory; "shared units"
# divides the hidden units among the threads.
NETWORKS = {
    "small": (2, 5, 1, 4200),
    "several outputs": (9, 7, 3, 4300),
    "two chunks": (2, 5, 1, 500),
    "one group": (3, 4, 2, 5),
    "shared": (100, 50, 2, 4000),
    "shared, large": (400, 500, 1, 1600),
    "shared units": (220, 640, 2, 1700),
}


def test_networks_have_the_properties_in_their_names():
    for name, (d, h, o, n) in NETWORKS.items():
        assert (tuning.count_params(d, h, o) >= tuning.SHARED_PARAMS) == name.startswith("shared")
        for dtype in DTYPES:
            chunks = tuning.count_chunks(n, d, h, o, dtype)
            assert (chunks >= max(THREADS)) == (name in ("small", "several outputs", "shared"))
            assert (chunks == 2) == (name == "two chunks")
        assert (tuning.train_kernel(d, h, o) == "train_wide") == (name == "shared units")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_threads_do_not_change_a_bit(name, weighted, dtype):
    d, h, o, n = NETWORKS[name]
    X, Y, init, weights = problem(d, h, o, n, dtype)
    keywords = {"init": init, "alpha": 0.5, "sample_weight": weights} if weighted else {"init": init}
    iterations = 3 if name in ("shared, large", "shared units") else 21
    rate = RATE if name != "shared units" else RATE / 30  # small enough for the first costs to fall
    one, *others = (fastnn2.fit(X, Y, rate, h, iterations, n_threads=t, **keywords) for t in THREADS)
    assert one[1][-1] < one[1][0]
    for other in others:
        assert_same_bits(other, one)
    assert_same_bits(fastnn2.fit(X, Y, rate, h, iterations, **keywords), one)


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_do_not_change_a_bit_of_the_published_run(dtype):
    X, Y, _ = published_data()
    one, *others = (fastnn2.fit(X, Y, 0.3, 5, 5000, dtype=dtype, n_threads=t) for t in THREADS)
    for other in others:
        assert_same_bits(other, one)


def fit_in_runs(X, Y, h, runs, init, **keywords):
    costs = []
    for iterations in runs:
        init, cost_ = fastnn2.fit(X, Y, RATE, h, iterations, init=init, **keywords)
        costs.append(cost_)
    return init, np.concatenate(costs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_2000_and_3000_iterations_equal_5000(weighted, dtype):
    X, Y, _ = published_data()
    keywords = {"dtype": dtype}
    if weighted:
        keywords |= {"alpha": 0.25, "sample_weight": np.random.default_rng(2).uniform(0, 2, 500)}
    whole = fastnn2.fit(X, Y, RATE, 5, 5000, **keywords)
    assert_same_bits(fit_in_runs(X, Y, 5, [2000, 3000], "he", **keywords), whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("runs", [[1] * 8, [3, 5], [7, 1], [0, 8], [1, 2, 5, 0]], ids=str)
@pytest.mark.parametrize("name", ["small", "several outputs", "one group", "shared", "shared units"])
def test_split_runs_do_not_change_a_bit(name, runs, dtype):
    d, h, o, n = NETWORKS[name]
    X, Y, init, weights = problem(d, h, o, n, dtype)
    for keywords in ({}, {"alpha": 0.5, "sample_weight": weights, "n_threads": 2}):
        whole = fastnn2.fit(X, Y, RATE, h, sum(runs), init=init, **keywords)
        assert_same_bits(fit_in_runs(X, Y, h, runs, init, **keywords), whole)


def test_rerun_has_the_same_bits_and_memory_of_its_own():
    X, Y, init, _ = problem(2, 5, 1, 300)
    first = fastnn2.fit(X, Y, RATE, 5, 10, init=init)
    kept = {name: value.copy() for name, value in first[0].items()}
    second = fastnn2.fit(X, Y, RATE, 5, 10, init=init)
    assert_same_bits(second, first)
    for value in (*second[0].values(), second[1]):
        value[...] = 7.0
    assert_same_bits(first[0], kept)
    assert first[1][0] != 7.0


# Weights, penalty, outputs


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_of_one_equal_no_weights(dtype):
    X, Y, init, _ = problem(3, 6, 2, 700, dtype)
    plain = fastnn2.fit(X, Y, RATE, 6, 40, init=init, alpha=0.5)
    assert_nearly(fastnn2.fit(X, Y, RATE, 6, 40, init=init, alpha=0.5, sample_weight=np.ones(700)), plain, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_integer_weights_equal_repeated_samples(dtype):
    X, Y, init, _ = problem(3, 6, 2, 200, dtype)
    counts = np.random.default_rng(4).integers(0, 4, 200)  # 0 leaves a sample out
    weighted = fastnn2.fit(X, Y, RATE, 6, 40, init=init, alpha=0.5, sample_weight=counts)
    X, Y = np.repeat(X, counts, axis=1), np.repeat(Y, counts, axis=1)
    assert_nearly(fastnn2.fit(X, Y, RATE, 6, 40, init=init, alpha=0.5), weighted, dtype)


def test_scaling_all_weights_changes_nothing_without_a_penalty():
    X, Y, init, weights = problem(3, 6, 2, 200)
    once = fastnn2.fit(X, Y, RATE, 6, 40, init=init, sample_weight=weights)
    assert_nearly(fastnn2.fit(X, Y, RATE, 6, 40, init=init, sample_weight=1000 * weights), once, "float64")


def test_penalty_shrinks_weights_and_alpha_0_changes_nothing():
    X, Y, init, _ = problem(3, 6, 2, 200)
    plain = fastnn2.fit(X, Y, RATE, 6, 200, init=init)
    assert_same_bits(fastnn2.fit(X, Y, RATE, 6, 200, init=init, alpha=0), plain)
    sizes = [abs(fastnn2.fit(X, Y, RATE, 6, 200, init=init, alpha=a)[0]["W1"]).sum() for a in (0.0, 5.0, 50.0)]
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("dtype", DTYPES)
def test_step_of_several_outputs_is_the_sum_of_their_steps(dtype):
    # From the same parameters, costs and steps of the hidden layer add up; the rows of the output layer are separate.
    X, Y, init, weights = problem(3, 6, 3, 200, dtype)
    params, cost_ = fastnn2.fit(X, Y, RATE, 6, 1, init=init, sample_weight=weights)
    single = []
    for r in range(3):
        start = init | {"W2": init["W2"][r : r + 1], "b2": init["b2"][r : r + 1]}
        single.append((start, *fastnn2.fit(X, Y[r], RATE, 6, 1, init=start, sample_weight=weights)))
    bound = 30 * ROUNDING[dtype]
    np.testing.assert_allclose(cost_, sum(c for _, _, c in single), rtol=bound)
    for name in ("W1", "b1"):
        step = sum(start[name].astype(float) - p[name] for start, p, _ in single)
        np.testing.assert_allclose(init[name].astype(float) - params[name], step, rtol=0, atol=bound)
    for name in ("W2", "b2"):
        rows = np.concatenate([p[name] for _, p, _ in single])
        np.testing.assert_allclose(params[name], rows, rtol=0, atol=bound)


# Initial parameters, dtypes, counts


@pytest.mark.parametrize("init", ["he", "small"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_iterations_return_the_initial_parameters(init, dtype):
    X, Y, _, _ = problem(3, 6, 2, 40, dtype)
    params, cost_ = fastnn2.fit(X, Y, RATE, 6, 0, init=init, random_state=11)
    expected = fastnn2.init_params(X, Y, 6, init=init, random_state=11)
    assert_same_bits(params, {name: value.astype(dtype) for name, value in expected.items()})
    assert cost_.shape == (0,)
    assert cost_.dtype == np.float64


def test_small_initial_weights_equal_the_reference():
    X, Y, _, weights = problem(3, 6, 2, 40)
    keywords = {"init": "small", "random_state": 8, "sample_weight": weights}
    assert_nearly(fastnn2.fit(X, Y, RATE, 6, 30, **keywords), reference.fit(X, Y, RATE, 6, 30, **keywords), "float64")


@pytest.mark.parametrize("make", [lambda: 5, lambda: np.random.RandomState(5), lambda: np.random.default_rng(5)])
def test_random_state_is_used_as_by_init_params(make):
    X, Y, _, _ = problem(3, 6, 2, 40)
    init = fastnn2.init_params(X, Y, 6, random_state=make())
    kept = np.random.get_state()[1].copy()
    assert_same_bits(
        fastnn2.fit(X, Y, RATE, 6, 3, random_state=make()),
        fastnn2.fit(X, Y, RATE, 6, 3, init=init),
    )
    assert (np.random.get_state()[1] == kept).all()


def test_random_state_none_draws_fresh_weights():
    X, Y, _, _ = problem(3, 6, 2, 40)
    first, second = (fastnn2.fit(X, Y, RATE, 6, 1, random_state=None)[0] for _ in range(2))
    assert (first["W1"] != second["W1"]).all()


@pytest.mark.parametrize(
    ("given_dtype", "asked", "used"),
    [
        ("float32", None, "float32"),
        (">f4", None, "float32"),
        ("float64", None, "float64"),
        (">f8", None, "float64"),
        ("float16", None, "float64"),
        ("longdouble", None, "float64"),
        ("int32", None, "float64"),
        ("uint8", None, "float64"),
        ("bool", None, "float64"),
        ("float64", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("int8", np.float32, "float32"),
        ("float32", np.dtype(">f8"), "float64"),
    ],
)
def test_dtype_of_a_run(given_dtype, asked, used):
    X = np.random.default_rng(6).integers(0, 2, (3, 50)).astype(given_dtype)
    _, Y, init, weights = problem(3, 4, 1, 50)  # float64, which does not decide the dtype
    result = fastnn2.fit(X, Y, RATE, 4, 5, init=init, dtype=asked, sample_weight=weights)
    assert {value.dtype for value in result[0].values()} == {np.dtype(used)}
    assert result[1].dtype == np.float64
    cast = [value.astype(used) for value in (X, Y, weights)]
    init = {name: value.astype(used) for name, value in init.items()}
    assert_same_bits(result, fastnn2.fit(cast[0], cast[1], RATE, 4, 5, init=init, sample_weight=cast[2]))


def test_one_dimensional_targets_are_one_row():
    X, Y, init, _ = problem(3, 4, 1, 50)
    assert_same_bits(fastnn2.fit(X, Y[0], RATE, 4, 5, init=init), fastnn2.fit(X, Y, RATE, 4, 5, init=init))


# Arguments of any memory order and number type give the same bits as a plain array

array_of = st.tuples(st.sampled_from(sorted(FORMS)), st.sampled_from(KINDS))


def snapshot(value):
    return np.array(value), np.asarray(value).dtype


@given(
    d=st.integers(1, 9),
    h=st.integers(1, 9),
    o=st.integers(1, 3),
    n=st.integers(1, 150),
    forms=st.tuples(array_of, array_of, st.none() | array_of),
    form_of_params=array_of,
)
def test_memory_order_and_number_type_do_not_change_a_bit(d, h, o, n, forms, form_of_params):
    # Small integers, which every number type represents.
    source = np.random.default_rng([d, h, o, n])
    plain = [source.integers(0, 2, shape).astype(float) for shape in ((d, n), (o, n), (n,))]
    plain[2][0] = 1  # weights may not all be zero
    shapes = {"W1": (h, d), "b1": (h, 1), "W2": (o, h), "b2": (o, 1)}
    init = {name: source.integers(0, 2, shape).astype(float) for name, shape in shapes.items()}

    given_arrays = [
        None if form is None else FORMS[form[0]](array.astype(form[1]))
        for array, form in zip(plain, forms, strict=True)
    ]
    given_init = {name: FORMS[form_of_params[0]](a.astype(form_of_params[1])) for name, a in init.items()}
    kept = [snapshot(value) for value in (*given_arrays, *given_init.values()) if value is not None]
    X, Y, weights = given_arrays
    result = fastnn2.fit(X, Y, RATE, h, 3, init=given_init, sample_weight=weights, alpha=0.5)

    # A list of float32 numbers is a list of Python's floats.
    single = forms[0][1] in ("float32", ">f4") and forms[0][0] != "list"
    dtype = np.float32 if single else np.float64
    expected = fastnn2.fit(
        plain[0], plain[1], RATE, h, 3, init=init, alpha=0.5, dtype=dtype,
        sample_weight=None if weights is None else plain[2],
    )  # fmt: skip
    assert_same_bits(result, expected)
    for value, (before, before_dtype) in zip(
        [value for value in (*given_arrays, *given_init.values()) if value is not None], kept, strict=True
    ):
        assert np.asarray(value).dtype == before_dtype
        assert (np.asarray(value) == before).all()


@given(d=st.integers(1, 9), n=st.integers(1, 150), dtype=st.sampled_from(DTYPES), axis=st.sampled_from([0, 1]))
def test_broadcast_arrays_do_not_change_a_bit(d, n, dtype, axis):
    row = np.random.default_rng(d).standard_normal((1, n) if axis == 0 else (d, 1)).astype(dtype)
    X, Y = np.broadcast_to(row, (d, n)), np.broadcast_to(np.float32(1.0), (2, n))
    weights = np.broadcast_to(2, n)
    assert X.strides[axis] == 0
    result = fastnn2.fit(X, Y, RATE, 4, 3, sample_weight=weights)
    assert_same_bits(result, fastnn2.fit(X.copy(), Y.copy(), RATE, 4, 3, sample_weight=weights.copy()))
    _, cache = fastnn2.forward(X, result[0])
    assert_same_bits(cache, fastnn2.forward(X.copy(), result[0])[1])
    gradients = fastnn2.backward(X, Y, result[0], cache)
    assert_same_bits(gradients, fastnn2.backward(X.copy(), Y.copy(), result[0], cache))


@given(
    d=st.integers(1, 9),
    o=st.integers(1, 3),
    n=st.integers(1, 150),
    form_of_X=st.sampled_from(sorted(FORMS)),
    form_of_Y=st.sampled_from(sorted(FORMS)),
)
def test_memory_order_does_not_change_a_bit_of_the_steps(d, o, n, form_of_X, form_of_Y):
    X, Y, params, weights = problem(d, 5, o, n)
    given_X, given_Y = FORMS[form_of_X](X), FORMS[form_of_Y](Y)
    y, cache = fastnn2.forward(X, params)
    assert_same_bits(fastnn2.forward(given_X, params), (y, cache))
    keywords = {"sample_weight": weights, "alpha": 0.5}
    assert_same_bits(
        fastnn2.backward(given_X, given_Y, params, cache, **keywords),
        fastnn2.backward(X, Y, params, cache, **keywords),
    )
    expected = fastnn2.cost(y, Y, params=params, **keywords)
    assert fastnn2.cost(FORMS[form_of_X](y), given_Y, params=params, **keywords) == expected
    assert_same_bits(fastnn2.predict(given_X, params), fastnn2.predict(X, params))


# Divergence


def diverged(X, Y, h, **keywords):
    with pytest.raises(fastnn2.TrainingDiverged) as caught:
        fastnn2.fit(X, Y, hidden_size=h, number_of_iterations=40, **keywords)
    error = caught.value
    assert isinstance(error, ValueError)
    assert all(np.isfinite(value).all() for value in error.params.values())
    assert np.isfinite(error.cost_).all()
    assert "scale the inputs" in str(error)
    return error


# A small network, and one large enough for shared parameters; both have work for two threads.
DIVERGING = {"small": (2, 5, 1, 600), "shared": (100, 50, 2, 600)}


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("name", DIVERGING)
@pytest.mark.parametrize(("dtype", "what"), [("float64", "cost is"), ("float32", "parameters after the update are")])
def test_divergence_after_some_iterations(dtype, what, name, n_threads):
    # The penalty multiplies every weight by -1e10 in each iteration. In float64 the sum of their squares becomes
    # infinite first. In float32 the weights do, as that sum is computed in float64.
    d, h, o, n = DIVERGING[name]
    X, Y, init, _ = problem(d, h, o, n, dtype)
    keywords = {"learning_rate": 1e10 * n, "alpha": 1.0, "init": init, "n_threads": n_threads}
    error = diverged(X, Y, h, **keywords)
    done = len(error.cost_) - (what != "cost is")
    assert done > 2
    last = f"{error.cost_[-1]:.6g}"
    assert f"at iteration {done} the {what} not finite; the last finite cost was {last}." in str(error)
    # The parameters are those before the failed iteration: a run that ends there returns the same.
    params, cost_ = fastnn2.fit(X, Y, hidden_size=h, number_of_iterations=done, **keywords)
    assert_same_bits(error.params, params)
    assert_same_bits(error.cost_[:done], cost_)
    if n_threads == 2:
        assert_same_bits((error.params, error.cost_), outcome_on_one_thread(X, Y, h, keywords))


def outcome_on_one_thread(X, Y, h, keywords):
    error = diverged(X, Y, h, **(keywords | {"n_threads": 1}))
    return error.params, error.cost_


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("name", DIVERGING)
def test_divergence_in_the_first_update(name, n_threads, dtype):
    d, h, o, n = DIVERGING[name]
    X, Y, init, _ = problem(d, h, o, n, dtype)
    X *= 1e4
    init["W1"][...] = 0.0  # else the large inputs saturate tanh
    rate = float(np.finfo(dtype).max)
    error = diverged(X, Y, h, learning_rate=rate, init=init, n_threads=n_threads)
    assert "at iteration 0 the parameters after the update are not finite" in str(error)
    assert_same_bits(error.params, init)
    assert_same_bits(error.cost_, fastnn2.fit(X, Y, RATE, h, 1, init=init)[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("name", DIVERGING)
def test_divergence_in_the_first_cost(name, n_threads, dtype):
    d, h, o, n = DIVERGING[name]
    X, Y, init, _ = problem(d, h, o, n, dtype)
    init["b1"][...] = 30.0  # hidden units are 1, and the sum of the output weights overflows
    init["W1"][...] = 0.0
    init["W2"][...] = np.finfo(dtype).max
    error = diverged(X, Y, h, learning_rate=RATE, init=init, n_threads=n_threads)
    assert "at iteration 0 the cost is not finite; there was no finite cost before." in str(error)
    assert_same_bits(error.params, init)
    assert error.cost_.shape == (0,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cost_is_exact_where_the_output_rounds_to_1(dtype):
    init = {"W1": [[0.0]], "b1": [[30.0]], "W2": [[1000.0]], "b2": [[0.0]]}
    X, Y = np.array([[0.0, 1.0]], dtype=dtype), [[1, 0]]
    for weights in (None, [2.0, 2.0]):
        params, cost_ = fastnn2.fit(X, Y, 0.5, 1, 1, init=init, sample_weight=weights)
        assert cost_[0] == 500
        assert {name: value.item() for name, value in params.items()} == {"W1": 0, "b1": 30, "W2": 999.75, "b2": -0.25}


@pytest.mark.parametrize("shape", [(2, 5, 1), (3, 7, 2), (220, 600, 1)], ids=str)
def test_huge_bias_is_not_part_of_the_penalty(shape):
    d, h, o = shape
    X, Y, init, _ = problem(d, h, o, 100)
    init["b1"][0] = 1e160
    expected = reference.fit(X, Y, 0.01, h, 3, init=init, alpha=0.5)
    assert np.isfinite(expected[1]).all()
    assert_nearly(fastnn2.fit(X, Y, 0.01, h, 3, init=init, alpha=0.5), expected, "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_product_of_a_tile_does_not_overflow(dtype):
    # The cost is the logarithm of a product of 1 + e^-|z| over a tile, which is largest for Z2 = 0.
    init = {"W1": [[0.0]], "b1": [[0.0]], "W2": [[0.0]], "b2": [[0.0]]}
    X = np.zeros((1, 64 * 1024 + 1), dtype=dtype)
    _, cost_ = fastnn2.fit(X, np.ones(X.shape), RATE, 1, 1, init=init)
    np.testing.assert_allclose(cost_[0], np.log(2), rtol=10 * ROUNDING[dtype])


def test_very_many_samples_have_the_same_bits_on_any_number_of_threads():
    """From 2^24 samples on there are more than 64 chunks; a sum of blocks has as many."""
    n = (1 << 24) + 77
    X = np.empty((2, n), dtype=np.float32)
    X[0] = np.linspace(-1, 1, n)
    X[1] = np.modf(X[0] * 777)[0]
    Y = X[:1] > 0
    assert tuning.count_chunks(n, 2, 5, 1, X.dtype) == 128
    expected = fastnn2.fit(X, Y, RATE, 5, 1, n_threads=1)
    assert_same_bits(fastnn2.fit(X, Y, RATE, 5, 1, n_threads=3), expected)
    assert_same_bits(fastnn2.fit_blocks((X.T, Y[0]), RATE, 5, 1, n_threads=3, memory_limit="60MB"), expected)
