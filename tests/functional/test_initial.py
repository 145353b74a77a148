"""The parameters that a run begins with: checked before anything is drawn, and drawn as init_params does."""

import numpy as np
import pytest
from data import DTYPES, problem
from numpy.testing import assert_array_equal

import fastnn2
from fastnn2 import reference
from fastnn2.functional.checks import draw_from
from fastnn2.functional.initial import check_init, initial_params, initial_source

SHAPE = (3, 7, 2)


def flat_of(params, dtype):
    return np.concatenate([np.ravel(params[name]) for name in ("W1", "b1", "W2", "b2")]).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("init", ["he", "small"])
def test_draws(init, dtype):
    state, other = np.random.RandomState(5), np.random.RandomState(5)
    source = initial_source(init, state, SHAPE, dtype, "X")
    assert state.get_state()[2] == other.get_state()[2]  # nothing is drawn yet
    found = initial_params(init, source, SHAPE, dtype)
    expected = fastnn2.init_params(np.zeros((3, 1)), np.zeros((2, 1)), 7, init=init, random_state=other)
    assert found.dtype == dtype
    assert found.tobytes() == flat_of(expected, dtype).tobytes()
    assert state.randint(1 << 30) == other.randint(1 << 30)


GENERATORS = {"RandomState": np.random.RandomState, "Generator": np.random.default_rng}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("init", ["he", "small"])
@pytest.mark.parametrize("make", GENERATORS.values(), ids=GENERATORS)
@pytest.mark.parametrize("shape", [(1, 1, 1), SHAPE, (40, 110, 3), (1, 2000, 1)], ids=str)
def test_draws_have_the_bits_of_the_reference(shape, make, init, dtype):
    """The reference draws W1 and then W2, and casts the products; the source is left as the reference leaves it."""
    d, h, o = shape
    source, other = make(5), make(5)
    found = [initial_params(init, source, shape, dtype) for _ in range(2)]
    for flat in found:
        expected = reference.init_params(np.zeros((d, 1)), np.zeros((o, 1)), h, init=init, random_state=other)
        assert flat.dtype == dtype
        assert flat.tobytes() == flat_of(expected, dtype).tobytes()
    assert source.standard_normal() == other.standard_normal()


def test_none_draws_anew():
    first, second = (initial_params("he", None, SHAPE, "float64") for _ in range(2))
    assert (first != second).any()


@pytest.mark.parametrize("state", [-1, 1.5, True, 2**32, "3"])
def test_a_wrong_random_state_is_refused_where_it_is_drawn_from(state):
    with pytest.raises(ValueError, match="random_state is"):
        initial_source("he", state, SHAPE, "float64", "X")
    assert initial_source(problem(*SHAPE, 1)[2], state, SHAPE, "float64", "X").dtype == "float64"


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters(dtype):
    params = problem(*SHAPE, 1)[2]
    source = initial_source(params, None, SHAPE, dtype, "X")
    assert initial_params(params, source, SHAPE, dtype).tobytes() == flat_of(params, dtype).tobytes()


@pytest.mark.parametrize(
    ("init", "error", "message"),
    [
        ("his", ValueError, r"^init is 'his'; expected 'he', 'small' or a dict of parameters$"),
        (None, TypeError, r"^init is NoneType; expected 'he'"),
        (
            problem(4, 7, 2, 1)[2],
            ValueError,
            r"^init is for 4 features, 7 hidden units and 2 outputs; expected 3, 7 and 2",
        ),
        ({**problem(*SHAPE, 1)[2], "b2": np.full((2, 1), np.nan)}, ValueError, r"init\['b2'\]"),
    ],
)
def test_what_is_refused(init, error, message):
    with pytest.raises(error, match=message):
        check_init(init, SHAPE, "float64", "X and Y")


def test_numbers_too_large_for_the_dtype_are_refused():
    params = problem(*SHAPE, 1)[2]
    params["W1"][1, 2] = 1e39
    check_init(params, SHAPE, "float64", "X")
    with pytest.raises(ValueError, match=r"init\['W1'\]"):
        check_init(params, SHAPE, "float32", "X")


def test_draws_inside_others_change_none():
    """As where a caller's blocks are made by other networks, or the handler of a signal trains one."""
    within = []

    def draw(source):
        first = source.standard_normal(3)
        within.append(initial_params("he", 2, SHAPE, "float64"))
        return [*first, *source.standard_normal(3)]

    for _ in range(2):
        assert_array_equal(draw_from(1, draw), np.random.RandomState(1).standard_normal(6))
    for params in within:
        assert_array_equal(params, initial_params("he", np.random.RandomState(2), SHAPE, "float64"))
