"""The compiled forward, cost, backward, update and predict against the reference: one step, over a grid of shapes."""

import itertools

import numpy as np
import pytest
from data import (
    DIFFERENCES_TOLERANCE,
    DTYPES,
    HAND_PARAMS,
    HAND_RATE,
    HAND_STEPS,
    HAND_TOLERANCE,
    HAND_X,
    HAND_Y,
    RATE,
    STEP_COUNT_NAMES,
    as_double,
    assert_close,
    assert_same_bits,
    backward_magnitudes,
    central_differences,
    forward_magnitudes,
    problem,
    sample_counts,
)

import fastnn2
from fastnn2 import reference
from fastnn2.engine import forward_pass
from fastnn2.kernels.shared import tuning

# Inputs and units just below, at and above the numbers from which on layers are computed in blocks; ones, primes, and
# incomplete blocks of 4 and 5.
SMALL = list(
    itertools.product(
        (1, 2, 3, tuning.BLOCK_INPUTS - 1, tuning.BLOCK_INPUTS, tuning.BLOCK_INPUTS + 1),
        (1, tuning.BLOCK_UNITS - 1, tuning.BLOCK_UNITS, 7, tuning.BLOCK_INPUTS),
        (1, 2, tuning.BLOCK_UNITS),
    )
)
LARGE = [(17, 13, 5), (67, 31, 1), (5, 67, 7), (13, 6, 4), (31, 14, 6), (390, 5, 1), (2, 101, 1), (150, 129, 2)]
WEIGHTS_AND_ALPHA = [(False, 0.0), (True, 0.0), (False, 0.75), (True, 0.75)]


def test_grid_has_blocked_and_unblocked_layers_and_several_tile_sizes():
    for first, second in ((0, 1), (1, 2)):
        blocked = {s[first] >= tuning.BLOCK_INPUTS and s[second] >= tuning.BLOCK_UNITS for s in SMALL}
        assert blocked == {True, False}
    assert len({tuning.count_tile_groups(*shape) for shape in SMALL + LARGE}) > 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", STEP_COUNT_NAMES)
@pytest.mark.parametrize("shape", SMALL + LARGE, ids=str)
def test_one_step_equals_the_reference(shape, count, dtype):
    d, h, o = shape
    X, Y, params, weights = problem(d, h, o, sample_counts(d, h, o, dtype)[count], dtype)
    X64, Y64, params64, weights64 = as_double(X, Y, params, weights)

    # Each formula on the kernel's own result of the formula before, so that both sides have the same rounded inputs.
    y, cache = fastnn2.forward(X, params)
    assert cache["y"] is y
    assert all(array.dtype == dtype for array in cache.values())
    Z1, A1, Z2, y64 = (cache[name].astype(float) for name in ("Z1", "A1", "Z2", "y"))
    W1, b1, W2, b2 = (params64[name] for name in ("W1", "b1", "W2", "b2"))
    assert_close(Z1, W1 @ X64 + b1, abs(W1) @ abs(X64) + abs(b1), dtype, "Z1")
    assert_close(A1, np.tanh(Z1), abs(np.tanh(Z1)), dtype, "A1")
    assert_close(Z2, W2 @ A1 + b2, abs(W2) @ abs(A1) + abs(b2), dtype, "Z2")
    assert_close(y64, reference.sigmoid(Z2), reference.sigmoid(Z2), dtype, "y")

    # All formulas at once.
    _, expected = reference.forward(X64, params64)
    magnitudes = forward_magnitudes(X64, params64)
    for name in cache:
        assert_close(cache[name], expected[name], magnitudes[name], dtype, name)
    labels = fastnn2.predict(X, params)
    assert np.issubdtype(labels.dtype, np.integer)
    assert (labels == (y > 0.5)).all()

    cache64 = {"A1": A1, "y": y64}
    for weighted, alpha in WEIGHTS_AND_ALPHA:
        w, w64 = (weights, weights64) if weighted else (None, None)
        what = f"weights {weighted}, alpha {alpha}"
        cost = fastnn2.cost(y, Y, sample_weight=w, params=params, alpha=alpha)
        expected = reference.cost(y64, Y64, sample_weight=w64, params=params64, alpha=alpha)
        assert isinstance(cost, float)
        # No term of the cost is negative: the sum of their magnitudes is the cost itself.
        assert_close(cost, expected, expected, dtype, f"cost, {what}")

        gradients = fastnn2.backward(X, Y, params, cache, sample_weight=w, alpha=alpha)
        expected = reference.backward(X64, Y64, params64, cache64, sample_weight=w64, alpha=alpha)
        magnitudes = backward_magnitudes(X64, Y64, params64, cache64, w64, alpha)
        assert gradients.keys() == expected.keys()
        for name in gradients:
            assert gradients[name].dtype == dtype
            assert_close(gradients[name], expected[name], magnitudes[name], dtype, f"{name}, {what}")

    new = fastnn2.update(gradients, params, RATE)
    (gradients64,) = as_double(gradients)
    expected = reference.update(gradients64, params64, RATE)
    assert new.keys() == expected.keys()
    for name in new:
        assert new[name].dtype == dtype
        magnitude = abs(params64[name]) + RATE * abs(gradients64["d" + name])
        assert_close(new[name], expected[name], magnitude, dtype, name)


@pytest.mark.parametrize("name", HAND_STEPS)
def test_step_worked_by_hand(name):
    keywords, cost, gradients, params = HAND_STEPS[name]
    y, cache = fastnn2.forward(HAND_X, HAND_PARAMS)
    np.testing.assert_allclose(cache["A1"], [[0.6, 0.0], [0.0, 0.8]], rtol=0, atol=HAND_TOLERANCE)
    np.testing.assert_allclose(y, [[0.75, 0.25]], rtol=0, atol=HAND_TOLERANCE)
    assert abs(fastnn2.cost(y, HAND_Y, params=HAND_PARAMS, **keywords) - cost) <= HAND_TOLERANCE
    found = fastnn2.backward(HAND_X, HAND_Y, HAND_PARAMS, cache, **keywords)
    new = fastnn2.update(found, HAND_PARAMS, HAND_RATE)
    for key in params:
        np.testing.assert_allclose(found["d" + key], gradients["d" + key], rtol=0, atol=HAND_TOLERANCE)
        np.testing.assert_allclose(new[key], params[key], rtol=0, atol=HAND_TOLERANCE)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 1.5])
@pytest.mark.parametrize("shape", [(2, 5, 1, 40), (3, 4, 2, 30), (1, 1, 1, 10), (9, 6, 4, 70)])
def test_gradient_equals_central_differences(shape, alpha, weighted):
    X, Y, params, weights = problem(*shape)
    keywords = {"sample_weight": weights if weighted else None, "alpha": alpha}
    _, cache = fastnn2.forward(X, params)
    gradients = fastnn2.backward(X, Y, params, cache, **keywords)

    def cost(moved):
        return fastnn2.cost(fastnn2.forward(X, moved)[0], Y, params=moved, **keywords)

    slopes = central_differences(cost, params)
    for name in gradients:
        np.testing.assert_allclose(gradients[name], slopes[name], rtol=DIFFERENCES_TOLERANCE, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cost_of_predictions_of_0_and_1(dtype):
    def cost(y, Y, **keywords):
        return fastnn2.cost(np.array(y, dtype=dtype), Y, **keywords)

    assert cost([[0.0, 1.0]], [[0, 1]]) == 0
    assert cost([[1.0, 0.5]], [[0, 1]]) == np.inf
    assert cost([[0.0, 0.5]], [[1, 1]]) == np.inf
    assert cost([[0.0, 0.5]], [[0.5, 1]]) == np.inf
    # A sample of weight 0 does not count, even if its cost is infinite.
    expected = float(np.log(2))
    assert_close(cost([[1.0, 0.5]], [[0, 1]], sample_weight=[0, 2]), expected, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("distance", [0.25, 1e-2, 1e-4, 1e-7])
def test_cost_of_a_small_right_prediction_is_accurate(distance, dtype):
    # For a small y, 1 - y rounds to 1, but log(1 - y) is about -y.
    y = np.array([[distance]], dtype=dtype)
    expected = -np.log1p(-float(y[0, 0]))
    assert_close(fastnn2.cost(y, [[0]]), expected, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cost_of_many_equal_outputs_is_accurate(dtype):
    # Equal terms that are added one by one are all rounded in the same direction: ten times the tolerance.
    y = np.full((1000, 3), 0.3, dtype=dtype)
    expected = -1000 * np.log1p(-float(y[0, 0]))
    assert_close(fastnn2.cost(y, np.zeros((1000, 3))), expected, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_outputs_of_saturated_units(dtype):
    params = {"W1": [[0.0]], "b1": [[30.0]], "W2": [[1000.0], [-1000.0], [-80.0]], "b2": [[0.0], [0.0], [0.0]]}
    y, cache = fastnn2.forward(np.zeros((1, 3), dtype=dtype), params)
    assert (cache["A1"] == 1).all()
    assert (y[0] == 1).all()
    assert (y[1] == 0).all()
    assert_close(y[2], np.full(3, np.exp(-80.0)), np.exp(-80.0), dtype)
    assert fastnn2.predict(np.zeros((1, 3), dtype=dtype), params).tolist() == [[1] * 3, [0] * 3, [0] * 3]


def test_predict_is_1_only_above_one_half():
    params = {"W1": [[0.0]], "b1": [[0.0]], "W2": [[0.0], [0.0]], "b2": [[0.0], [1e-9]]}
    assert fastnn2.predict([[0.0, 1.0, 2.0]], params).tolist() == [[0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_of_blocks_of_samples_are_joined(dtype, monkeypatch):
    # Blocks of one group, not of a million numbers; this changes the order of the sums over blocks.
    X, Y, params, weights = problem(3, 4, 2, 5 * tuning.group_size(dtype) + 3, dtype)
    y, cache = fastnn2.forward(X, params)
    whole = fastnn2.backward(X, Y, params, cache, sample_weight=weights)
    cost = fastnn2.cost(y, Y, sample_weight=weights)
    monkeypatch.setattr(forward_pass, "BLOCK_ELEMENTS", 1)
    assert_same_bits(fastnn2.forward(X, params)[1], cache)
    assert_same_bits(fastnn2.predict(X, params), (y > 0.5).astype(int))
    assert_close(fastnn2.cost(y, Y, sample_weight=weights), cost, cost, dtype)
    X64, Y64, params64, cache64, weights64 = as_double(X, Y, params, cache, weights)
    magnitudes = backward_magnitudes(X64, Y64, params64, cache64, weights64, 0.0)
    for name, value in fastnn2.backward(X, Y, params, cache, sample_weight=weights).items():
        assert_close(value, whole[name], magnitudes[name], dtype, name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arguments_are_not_changed(dtype):
    X, Y, params, weights = problem(4, 5, 2, 77, dtype)
    y, cache = fastnn2.forward(X, params)
    gradients = fastnn2.backward(X, Y, params, cache, sample_weight=weights, alpha=1.0)
    arguments = (X, Y, weights, params, cache, gradients)
    kept = tuple(a.copy() if isinstance(a, np.ndarray) else {k: v.copy() for k, v in a.items()} for a in arguments)
    fastnn2.cost(y, Y, sample_weight=weights, params=params, alpha=1.0)
    fastnn2.backward(X, Y, params, cache, sample_weight=weights, alpha=1.0)
    fastnn2.update(gradients, params, RATE)
    fastnn2.predict(X, params)
    assert_same_bits(arguments, kept)


@pytest.mark.parametrize(("given", "used"), [("float16", "float64"), ("int32", "float64"), (">f4", "float32")])
def test_dtype_of_a_step_is_that_of_X(given, used):
    X = np.arange(12).reshape(2, 6).astype(given)
    _, Y, params, _ = problem(2, 3, 1, 6)
    y, cache = fastnn2.forward(X, params)
    assert {array.dtype for array in cache.values()} == {np.dtype(used)}
    assert_same_bits(y, fastnn2.forward(X.astype(used), params)[0])
    gradients = fastnn2.backward(X, Y, params, cache)
    assert {array.dtype for array in gradients.values()} == {np.dtype(used)}
