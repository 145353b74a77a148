"""The layer by look-up, piece by piece: against products with encoded rows, the order of sums, and what is written."""

import numpy as np
import pytest
from data import DTYPES, TOLERANCE, assert_close, assert_same_bits
from numba import njit
from tabular_data import forward_magnitudes, pack, problem, shape_of, sums_of_bins, unpack

from fastnn2.engine.layout import aligned_zeros
from fastnn2.kernels.nn import lookups
from fastnn2.kernels.shared import tuning
from fastnn2.reference import mlp
from fastnn2.reference import tabular as reference

# d, p, q, bins, h
SHAPES = [(0, 1, 0, 1, 1), (0, 3, 0, 16, 65), (5, 0, 0, 1, 9), (0, 0, 2, 1, 33), (3, 2, 2, 4, 128), (1, 7, 1, 64, 200)]


@njit
def cumulate(params, v_offset, features, bins, units, E):
    lookups.cumulate(params, v_offset, features, bins, units, E)


@njit
def lookup_layer(params, offset, v, c, b, d, p, q, units, numbers, rows, fractions, categories, m, E, E_offset, A):
    lookups.lookup_layer(
        params, offset, v, c, b, d, p, q, units, numbers, rows, fractions, categories, m, E, E_offset, A
    )


@njit
def lookup_step(
    dZ, v, b, d, p, bins, units, numbers, rows, fractions, m, counts, totals, E, params, first, second, scale, rate,
    beta_1, beta_2, epsilon,
):  # fmt: skip
    lookups.lookup_step(
        dZ, v, b, d, p, bins, units, numbers, rows, fractions, m, counts, totals, E, params, first, second, scale,
        rate, beta_1, beta_2, epsilon,
    )  # fmt: skip


@njit
def adam_range(params, first_moments, second_moments, gradient, first, last, scale, rate, beta_1, beta_2, epsilon):
    lookups.adam_range(
        params, first_moments, second_moments, gradient, first, last, scale, rate, beta_1, beta_2, epsilon
    )


@njit
def category_gradient(dZ, c_offset, q, units, categories, m, gradient):
    lookups.category_gradient(dZ, c_offset, q, units, categories, m, gradient)


@njit
def lookup_outputs(params, params_offset, w2_offset, b2_offset, o, units, A, m, Z2):
    lookups.lookup_outputs(params, params_offset, w2_offset, b2_offset, o, units, A, m, Z2)


@njit
def output_gradient(params, w2_offset, o, units, scale, dZ2, A, m, dZ, gradient):
    lookups.output_gradient(params, w2_offset, o, units, scale, dZ2, A, m, dZ, gradient)


def batch_of(one):
    """Return numbers, rows, fractions and categories of all samples as a batch has them, flat."""
    samples = one.samples
    return (
        samples.numbers.ravel(),
        *(np.ascontiguousarray(array.T).ravel() for array in (samples.rows, samples.fractions, samples.categories)),
    )


def offsets_of(shape):
    return [shape.offsets()[name] for name in ("V", "C", "b1")]


def in_groups(M, lanes):
    """Return M (n, o) in groups (groups, o, lanes), flat, with NaN past the last sample."""
    n, o = M.shape
    groups = -(-n // lanes)
    padded = np.full((groups * lanes, o), np.nan, M.dtype)
    padded[:n] = M
    return np.ascontiguousarray(padded.reshape(groups, lanes, o).transpose(0, 2, 1)).ravel()


def out_of_groups(flat, n, o, lanes):
    """Return the samples (n, o) of groups, and what is past the last of them."""
    padded = flat.reshape(-1, o, lanes).transpose(0, 2, 1).reshape(-1, o)
    return padded[:n], padded[n:]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_of_bins_are_added_in_their_order_and_the_last_row_is_zero(shape, dtype):
    d, p, q, bins, h = shape
    shape = shape_of(d, p, q, bins=bins, h=h, dtype=dtype)
    packed = pack(shape, problem(shape, 3).params)
    E = np.full(shape.E_count + 3, np.nan, dtype)
    cumulate(packed, shape.offsets()["V"], p, bins, shape.units, E)
    assert_same_bits(E[: shape.E_count], sums_of_bins(shape, packed).ravel())
    assert np.isnan(E[shape.E_count :]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [1, 7, 64, 200])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_hidden_units_equal_those_of_encoded_rows(shape, m, dtype):
    d, p, q, bins, h = shape
    shape = shape_of(d, p, q, bins=bins, h=h, dtype=dtype)
    one = problem(shape, m)
    packed = pack(shape, one.params)
    lanes = tuning.group_size(dtype)
    # Both begin behind others, as those of the second network of an ensemble do.
    params = np.concatenate([np.full(lanes, np.nan, dtype), packed])
    E = np.concatenate([np.full(2 * lanes, np.nan, dtype), sums_of_bins(shape, packed).ravel()])
    A = np.full(m * shape.units + 3, np.nan, dtype)
    lookup_layer(
        params, lanes, *offsets_of(shape), d, p, q, shape.units, *batch_of(one), m, E, 2 * lanes, A
    )  # fmt: skip
    A, behind = A[:-3].reshape(m, shape.units), A[-3:]
    _, cache = reference.forward(one.x, one.params, one.loss)
    _, of_A1, *_ = forward_magnitudes(one, np.ones((m, h)))
    assert_close(A[:, :h], cache["A1"], of_A1, dtype)
    assert (A[:, h:] == 0).all()
    assert np.isnan(behind).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [1, 31, 32, 33, 150])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_step_has_the_gradient_of_encoded_rows(shape, m, dtype):
    """All numbers are small multiples of 1/16, so that sums are exact in any order."""
    d, p, q, bins, h = shape
    shape = shape_of(d, p, q, bins=bins, h=h, dtype=dtype)
    one = problem(shape, m)
    random = np.random.default_rng(m)
    one.samples.numbers[:] = random.integers(-3, 4, (m, d)) / 4
    one.x[:, :d] = one.samples.numbers
    fractions = one.samples.fractions
    fractions[:] = np.where(one.samples.rows % (bins + 1) == bins, 1.0, random.integers(0, 5, (m, p)) / 4)
    t = one.samples.rows.astype(int) - np.arange(p) * (bins + 1)
    one.x[:] = reference.encode(
        one.x[:, :d], t, fractions.astype(float), one.samples.categories.astype(int), bins, shape.category_rows
    )
    dZ = np.zeros((m, shape.units), dtype)
    dZ[:, :h] = random.integers(-8, 9, (m, h)) / 4
    params, first, second = pack(shape, one.params), *(aligned_zeros(shape.count, dtype) for _ in range(2))
    E, before = aligned_zeros(max(1, shape.E_count), dtype), params.copy()
    lanes = tuning.group_size(dtype)
    counts, totals = (np.full((bins + 1) * lanes, np.nan, dtype) for _ in range(2))
    v_offset, c_offset, b_offset = offsets_of(shape)
    numbers, rows, batch_fractions, _ = batch_of(one)
    lookup_step(
        dZ.ravel(), v_offset, b_offset, d, p, bins, shape.units, numbers, rows, batch_fractions, m, counts, totals, E,
        params, first, second, 0.5, 0.25, 0.5, 0.75, 1.0,
    )  # fmt: skip
    found = unpack(shape, first)
    last = d + p * (bins + 1)
    np.testing.assert_array_equal(found["W"][:last], one.x[:, :last].T @ dZ[:, :h] * 0.25)
    np.testing.assert_array_equal(found["b1"], dZ[:, :h].sum(axis=0) * 0.25)
    assert_same_bits(E[: shape.E_count], sums_of_bins(shape, params).ravel())
    # Categories and the output layer are not of this step.
    for array, expected in ((params, before), (first, np.zeros_like(first)), (second, np.zeros_like(second))):
        assert_same_bits(array[c_offset:b_offset], expected[c_offset:b_offset])
        behind = b_offset + shape.units
        assert_same_bits(array[behind:], expected[behind:])


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam_takes_the_steps_of_the_reference_in_whole_groups(dtype):
    lanes = tuning.group_size(dtype)
    random = np.random.default_rng(0)
    params, first, second, gradient = (random.standard_normal(5 * lanes).astype(dtype) for _ in range(4))
    np.abs(second, out=second)
    gradient[lanes : lanes + 2], second[lanes : lanes + 2] = 0.0, 0.0
    before = [array.copy() for array in (params, first, second)]
    scale, rate, beta_1, beta_2, epsilon = 0.3, 0.01, 0.9, 0.95, 1e-8
    adam_range(params, first, second, gradient, lanes, 4 * lanes, scale, rate, beta_1, beta_2, epsilon)
    inner = slice(lanes, 4 * lanes)
    p, m, v, g = (array[inner].astype(float) for array in (*before, gradient))
    moved, state = {"p": p.copy()}, [{"p": m}, {"p": v}]
    mlp.adam(moved, {"dp": scale * g}, state, rate, beta_1, beta_2, epsilon)
    g = scale * abs(g)
    of_m, of_v = beta_1 * abs(m) + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
    assert_close(first[inner], state[0]["p"], of_m, dtype, "first moments")
    assert_close(second[inner], state[1]["p"], 3 * of_v, dtype, "second moments")
    step = rate * (of_m + 3 * abs(state[0]["p"])) / (np.sqrt(state[1]["p"]) + epsilon)
    assert_close(params[inner], moved["p"], abs(p) + step, dtype, "parameters")
    for array, unchanged in zip((params, first, second), before, strict=True):
        for outer in (slice(lanes), slice(4 * lanes, None)):
            assert_same_bits(array[outer], unchanged[outer])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("q", [0, 1, 3])
def test_gradients_of_categories_are_added(q, dtype):
    m, rows, units, offset = 50, 5, tuning.group_size(dtype), 7
    random = np.random.default_rng(q)
    dZ = random.integers(-3, 4, (m, units)).astype(dtype)
    categories = random.integers(0, rows, (q, m)).astype(np.uint32)
    gradient = random.integers(-9, 9, offset + rows * units + 3).astype(dtype)
    expected = gradient.copy()
    one_hot = (categories[:, :, None] == np.arange(rows)).sum(axis=0)
    expected[offset:-3] += (one_hot.T @ dZ).ravel().astype(dtype)
    category_gradient(dZ.ravel(), offset, q, units, categories.ravel(), m, gradient)
    assert_same_bits(gradient, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("o", [1, 3, 12])
@pytest.mark.parametrize("m", [1, 32, 33, 150])
def test_outputs_before_their_activation(m, o, dtype):
    lanes = tuning.group_size(dtype)
    units, offset = 2 * lanes, lanes
    random = np.random.default_rng(m + o)
    params = random.standard_normal(offset + o * units + o + 2).astype(dtype)
    A = np.maximum(random.standard_normal((m, units)), 0).astype(dtype)
    Z2 = np.full(-(-m // lanes) * lanes * o, np.nan, dtype)
    lookup_outputs(params, offset, 2, 2 + o * units, o, units, A.ravel(), m, Z2)
    W2, b2 = params[offset + 2 : -o].reshape(o, units).astype(float), params[-o:].astype(float)
    found, past = out_of_groups(Z2, m, o, lanes)
    assert_close(found, A.astype(float) @ W2.T + b2, A.astype(float) @ abs(W2).T + abs(b2), dtype)
    assert np.isnan(past).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("o", [1, 3, 12])
@pytest.mark.parametrize("m", [1, 32, 33, 150])
def test_gradients_of_the_output_layer(m, o, dtype):
    """All numbers are small multiples of 1/16, so that sums are exact in any order."""
    lanes = tuning.group_size(dtype)
    units, offset, scale = 2 * lanes, 5, 1.25
    random = np.random.default_rng(m + o)
    W2 = (random.integers(-8, 9, (o, units)) / 4).astype(dtype)
    A = (np.maximum(random.integers(-8, 9, (m, units)), 0) / 4).astype(dtype)
    dZ2 = (random.integers(-4, 5, (m, o)) / 4).astype(dtype)
    params = np.concatenate([np.full(offset, np.nan, dtype), W2.ravel()])
    gradient, dZ = np.zeros(len(params) + 3, dtype), np.full(m * units + 3, np.nan, dtype)
    output_gradient(params, offset, o, units, scale, in_groups(dZ2, lanes), A.ravel(), m, dZ, gradient)
    assert_same_bits(dZ[:-3].reshape(m, units), np.where(A > 0, scale * (dZ2 @ W2), 0).astype(dtype))
    assert_same_bits(gradient[offset:-3].reshape(o, units), (dZ2.T @ A).astype(dtype))
    assert (gradient[:offset] == 0).all()
    assert (gradient[-3:] == 0).all()
    assert np.isnan(dZ[-3:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [32, 128, 200, 1000])
def test_rounding_of_equal_terms(m, dtype):
    """Equal terms are all rounded in the same direction. Those of W and b1 are summed a few at a time."""
    d, p, bins, units = 1, 1, 2, tuning.group_size(dtype)
    random = np.random.default_rng(m)
    one_by_one = max(TOLERANCE[dtype], m * np.finfo(dtype).eps / 4)
    for _ in range(10):
        x, f, e = random.uniform(0.5, 1, 3).astype(dtype)
        dZ = np.repeat(random.uniform(0.5, 1, (1, units)), m, axis=0).astype(dtype)
        count = (d + p * (bins + 1) + 1) * units
        params, first, second, E = (aligned_zeros(count, dtype) for _ in range(4))
        counts, totals = (aligned_zeros((bins + 1) * units, dtype) for _ in range(2))
        lookup_step(
            dZ.ravel(), units, 4 * units, d, p, bins, units, np.full(m, x), np.ones(m, np.uint32), np.full(m, f), m,
            counts, totals, E, params, first, second, 1.0, 0.1, 0.0, 0.5, 1.0,
        )  # fmt: skip
        total = m * dZ[0].astype(float)
        W, below, within, missing, b1 = first.astype(float).reshape(5, units)
        assert (abs(W - float(x) * total) <= TOLERANCE[dtype] * total).all()
        assert (abs(b1 - total) <= TOLERANCE[dtype] * total).all()
        assert (abs(below - total) <= one_by_one * total).all()
        assert (abs(within - float(f) * total) <= one_by_one * total).all()
        assert (missing == 0).all()
        gradient = np.zeros(units, dtype)
        category_gradient(dZ.ravel(), 0, 1, units, np.zeros(m, np.uint32), m, gradient)
        assert (abs(gradient - total) <= one_by_one * total).all()
        gradient, W2 = np.zeros(units, dtype), np.ones(units, dtype)
        dZ2 = in_groups(np.full((m, 1), e), units)
        output_gradient(W2, 0, 1, units, 1.0, dZ2, dZ.ravel(), m, np.empty(m * units, dtype), gradient)
        assert (abs(gradient - float(e) * total) <= one_by_one * total).all()
