"""The NumPy reference: published figures, steps worked by hand, central differences, scikit-learn."""

import inspect
import warnings

import numpy as np
import pytest
from data import (
    DIFFERENCES_TOLERANCE,
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
    assert_same_bits,
    central_differences,
    problem,
    published_data,
)

import fastnn2
from fastnn2 import reference


def test_published_figures():
    X, Y, params = published_data()
    trained, cost_ = reference.fit(X, Y, 0.3, 5, 5000, init=params)
    assert abs(cost_[0] - PUBLISHED_FIRST_COST) <= PUBLISHED_FIRST_TOLERANCE
    assert abs(cost_[-1] - PUBLISHED_LAST_COST) <= PUBLISHED_LAST_TOLERANCE
    # random_state=3 draws the same initial parameters.
    assert_same_bits(reference.init_params(X, Y, 5), params)
    assert (reference.predict(X, trained) == Y).mean() > 0.96


@pytest.mark.parametrize("name", HAND_STEPS)
def test_step_worked_by_hand(name):
    keywords, cost, gradients, params = HAND_STEPS[name]
    y, cache = reference.forward(HAND_X, HAND_PARAMS)
    np.testing.assert_allclose(cache["A1"], [[0.6, 0.0], [0.0, 0.8]], rtol=0, atol=HAND_TOLERANCE)
    np.testing.assert_allclose(y, [[0.75, 0.25]], rtol=0, atol=HAND_TOLERANCE)
    assert abs(reference.cost(y, HAND_Y, params=HAND_PARAMS, **keywords) - cost) <= HAND_TOLERANCE
    found = reference.backward(HAND_X, HAND_Y, HAND_PARAMS, cache, **keywords)
    assert found.keys() == gradients.keys()
    for key in gradients:
        np.testing.assert_allclose(found[key], gradients[key], rtol=0, atol=HAND_TOLERANCE)
    new = reference.update(found, HAND_PARAMS, HAND_RATE)
    trained, cost_ = reference.fit(HAND_X, HAND_Y, HAND_RATE, 2, 1, init=HAND_PARAMS, **keywords)
    assert abs(cost_[0] - cost) <= HAND_TOLERANCE
    for key in params:
        np.testing.assert_allclose(new[key], params[key], rtol=0, atol=HAND_TOLERANCE)
        np.testing.assert_allclose(trained[key], params[key], rtol=0, atol=HAND_TOLERANCE)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 1.5])
@pytest.mark.parametrize("shape", [(2, 5, 1, 40), (3, 4, 2, 30), (1, 1, 1, 10), (5, 3, 4, 17)])
def test_gradient_equals_central_differences(shape, alpha, weighted):
    X, Y, params, weights = problem(*shape)
    keywords = {"sample_weight": weights if weighted else None, "alpha": alpha}
    _, cache = reference.forward(X, params)
    gradients = reference.backward(X, Y, params, cache, **keywords)

    def cost(moved):
        return reference.cost(reference.forward(X, moved)[0], Y, params=moved, **keywords)

    slopes = central_differences(cost, params)
    for name in gradients:
        np.testing.assert_allclose(gradients[name], slopes[name], rtol=DIFFERENCES_TOLERANCE, atol=1e-12)


def test_sigmoid_neither_overflows_nor_warns():
    x = np.array([-np.inf, -1e308, -1000.0, -745.0, -1.0, -0.0, 0.0, 1.0, 40.0, 1000.0, np.inf])
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        y = reference.sigmoid(x)
    assert y[[0, 1, 2, -2, -1]].tolist() == [0, 0, 0, 1, 1]
    assert y[3] == np.exp(-745.0) > 0
    assert y[5] == y[6] == 0.5
    np.testing.assert_allclose(y[4] + y[7], 1, rtol=1e-15)
    assert np.isnan(reference.sigmoid(np.nan))
    assert reference.sigmoid(np.float32([1.0])).dtype == np.float32
    for dtype in (
        "u1",
        "u4",
        "u8",
        "i1",
        "?",
        "f2",
        ">f8",
    ):  # the negative of an unsigned number would be a large number
        y = reference.sigmoid(np.array([0, 1], dtype))
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y, reference.sigmoid([0.0, 1.0]))
    for x in (1j, "a", None):
        with pytest.raises(TypeError, match="expected real numbers"):
            reference.sigmoid(x)
    assert fastnn2.sigmoid is reference.sigmoid


def test_cost_of_predictions_of_0_and_1():
    assert reference.cost([[0.0, 1.0]], [[0, 1]]) == 0
    assert reference.cost([[1.0, 0.5]], [[0, 1]]) == np.inf
    assert reference.cost([[0.0, 0.5]], [[1, 1]]) == np.inf
    assert reference.cost([[0.0, 0.5]], [[0.5, 1]]) == np.inf
    # A sample of weight 0 does not count, even if its cost is infinite.
    assert reference.cost([[1.0, 0.5]], [[0, 1]], sample_weight=[0, 2]) == np.log(2)


def test_cost_equals_log_loss_of_scikit_learn():
    from sklearn.metrics import log_loss

    X, _, params, weights = problem(4, 6, 1, 300)
    Y = np.random.default_rng(1).integers(0, 2, (1, 300))
    y, _ = reference.forward(X, params)
    np.testing.assert_allclose(reference.cost(y, Y), log_loss(Y[0], y[0]), rtol=1e-13)
    np.testing.assert_allclose(
        reference.cost(y, Y, sample_weight=weights), log_loss(Y[0], y[0], sample_weight=weights), rtol=1e-13
    )


def test_cost_of_several_outputs_is_the_sum_of_their_costs():
    X, Y, params, weights = problem(3, 4, 3, 50)
    y, _ = reference.forward(X, params)
    single = [reference.cost(y[r : r + 1], Y[r : r + 1], sample_weight=weights) for r in range(3)]
    np.testing.assert_allclose(reference.cost(y, Y, sample_weight=weights), sum(single), rtol=1e-14)


def test_penalty_includes_weights_but_not_biases():
    X, Y, params, weights = problem(3, 4, 2, 50)
    y, _ = reference.forward(X, params)
    squares = (params["W1"] ** 2).sum() + (params["W2"] ** 2).sum()
    extra = reference.cost(y, Y, params=params, alpha=3.0) - reference.cost(y, Y)
    np.testing.assert_allclose(extra, 3.0 / (2 * 50) * squares, rtol=1e-12)
    extra = reference.cost(y, Y, sample_weight=weights, params=params, alpha=3.0)
    extra -= reference.cost(y, Y, sample_weight=weights)
    np.testing.assert_allclose(extra, 3.0 / (2 * weights.sum()) * squares, rtol=1e-12)


def test_cost_of_fit_is_exact_where_the_output_rounds_to_1():
    # Z2 = 1000 for both samples, one right and one wrong: y is 1 to the last digit, and the mean cost 500.
    params = {"W1": np.zeros((1, 1)), "b1": np.full((1, 1), 30.0), "W2": np.full((1, 1), 1e3), "b2": np.zeros((1, 1))}
    X, Y = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    trained, cost_ = reference.fit(X, Y, 0.5, 1, 1, init=params)
    assert cost_[0] == 500
    # dZ2 = [0, 1], so db2 = dW2 = 1/2, and tanh is flat there.
    assert trained["W2"][0, 0] == 999.75
    assert trained["b2"][0, 0] == -0.25
    assert trained["W1"][0, 0] == 0
    assert reference.cost(reference.forward(X, params)[0], Y) == np.inf  # computed from y, the cost is infinite


def test_costs_of_fit_belong_to_the_parameters_before_each_update():
    X, Y, params, weights = problem(3, 4, 2, 30)
    keywords = {"alpha": 0.5, "sample_weight": weights}
    _, cost_ = reference.fit(X, Y, RATE, 4, 3, init=params, **keywords)
    for expected in cost_:
        y, _ = reference.forward(X, params)
        np.testing.assert_allclose(reference.cost(y, Y, params=params, **keywords), expected, rtol=1e-13)
        params, _ = reference.fit(X, Y, RATE, 4, 1, init=params, **keywords)


def test_fit_continues_from_parameters_and_accepts_one_dimensional_targets():
    X, Y, params, _ = problem(2, 3, 1, 20)
    kept = {name: value.copy() for name, value in params.items()}
    whole = reference.fit(X, Y, RATE, 3, 7, init=params)
    first, costs = reference.fit(X, Y[0], RATE, 3, 4, init=params)
    rest, more = reference.fit(X, Y[0].tolist(), RATE, 3, 3, init=first)
    assert_same_bits((rest, np.concatenate([costs, more])), whole)
    assert_same_bits(params, kept)
    unchanged, none = reference.fit(X, Y, RATE, 3, 0, init=params)
    assert_same_bits(unchanged, params)
    assert none.shape == (0,)


def test_predict_is_1_only_above_one_half():
    params = {"W1": np.zeros((1, 1)), "b1": np.zeros((1, 1)), "W2": np.zeros((2, 1)), "b2": np.array([[0.0], [1e-9]])}
    labels = reference.predict(np.zeros((1, 3)), params)
    assert labels.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert np.issubdtype(labels.dtype, np.integer)


def test_update_returns_new_arrays():
    params, gradients = {"W": np.array([1.0, 2.0])}, {"dW": np.array([4.0, -4.0])}
    new = reference.update(gradients, params, 0.25)
    assert new["W"].tolist() == [0, 3]
    assert params["W"].tolist() == [1, 2]


X, Y = np.zeros((3, 4)), np.zeros((2, 4))


def test_init_params_from_an_int_are_legacy_draws_in_the_order_of_the_tutorial():
    params = reference.init_params(X, Y, 6, random_state=11)
    source = np.random.RandomState(11)
    expected = source.randn(6, 3) * np.sqrt(2 / 3)
    assert_same_bits(params["W1"], expected)
    assert_same_bits(params["W2"], source.randn(2, 6) * np.sqrt(2 / 6))
    assert_same_bits(params["b1"], np.zeros((6, 1)))
    assert_same_bits(params["b2"], np.zeros((2, 1)))
    small = reference.init_params(X, Y, 6, init="small", random_state=11)
    assert_same_bits(small["W1"], np.random.RandomState(11).randn(6, 3) * 0.01)
    assert_same_bits(small["W2"], np.random.RandomState(11).randn(30)[18:].reshape(2, 6) * 0.01)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_init_params_continue_the_stream_of_a_generator(make):
    source = make(7)
    first, second = (reference.init_params(X, Y, 6, random_state=source) for _ in range(2))
    assert (first["W1"] != second["W1"]).all()
    again = make(7)
    assert_same_bits(first["W1"], again.standard_normal((6, 3)) * np.sqrt(2 / 3))
    assert_same_bits(first["W2"], again.standard_normal((2, 6)) * np.sqrt(2 / 6))


def test_init_params_from_fresh_entropy_differ():
    first, second = (reference.init_params(X, Y, 6, random_state=None) for _ in range(2))
    assert (first["W1"] != second["W1"]).all()


@pytest.mark.parametrize("random_state", [3, None, np.random.RandomState(1), np.random.default_rng(1)])
def test_global_random_state_is_neither_read_nor_changed(random_state):
    kept = np.random.get_state()
    try:
        np.random.seed(1)
        before = np.random.get_state()[1].copy()
        params = reference.init_params(X, Y, 6, random_state=random_state)
        assert (np.random.get_state()[1] == before).all()
        if random_state == 3:
            np.random.seed(2)
            assert_same_bits(reference.init_params(X, Y, 6, random_state=3), params)
    finally:
        np.random.set_state(kept)


def test_compiled_functions_have_the_same_names_and_arguments():
    for name in ("forward", "cost", "backward", "update", "predict"):
        plain = list(inspect.signature(getattr(reference, name)).parameters.values())
        compiled = list(inspect.signature(getattr(fastnn2, name)).parameters.values())
        assert [(p.name, p.kind, p.default) for p in plain] == [(p.name, p.kind, p.default) for p in compiled]
    plain, compiled = (list(inspect.signature(f).parameters) for f in (reference.fit, fastnn2.fit))
    assert compiled[: len(plain)] == plain
