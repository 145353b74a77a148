"""Orders of samples: those of scikit-learn, and the random state that its shuffles leave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn2.engine import orders
from fastnn2.engine.orders import Shuffler, is_state_known, state_of


def scikit_learns(order, epochs, random_state):
    """Return the orders as ``sklearn.utils.shuffle`` gives them, epoch after epoch."""
    found = []
    for _ in range(epochs):
        places = np.arange(len(order))
        random_state.shuffle(places)
        order = order[places]
        found.append(order)
    return np.array(found)


def assert_same_state(one, other):
    """What is drawn next is the same, of integers and of normal numbers, of which two are made at a time."""
    for state, expected in zip(one.get_state(), other.get_state(), strict=True):
        assert np.array_equal(state, expected)
    assert (one.standard_normal(3) == other.standard_normal(3)).all()


def assert_as_scikit_learn(n, epochs, make):
    ours, theirs = make(), make()
    order = np.random.default_rng(n).permutation(n)
    before = order.copy()
    shuffled = Shuffler(ours, n, "float64")
    for _ in range(2):  # the second run goes on where the first one ended
        found, expected = shuffled(order, epochs), scikit_learns(order, epochs, theirs)
        assert (order == before).all()
        assert found.dtype == np.int64
        assert np.array_equal(found, expected)
        order = before = found[-1]
    assert_same_state(ours, theirs)


def random_state(seed, drawn):
    """Return a function that makes a random state of which some numbers are drawn."""

    def make():
        made = np.random.RandomState(seed)
        made.random_sample(drawn // 2)
        made.standard_normal(drawn % 2)
        return made

    return make


@pytest.fixture(params=["kernel", "NumPy"])
def way(request, monkeypatch):
    monkeypatch.setattr(orders, "MIN_DRAWS", 0 if request.param == "kernel" else 1 << 60)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 31, 32, 33, 256, 257, 569, 4097])
@pytest.mark.parametrize("epochs", [1, 2, 11])
def test_orders_and_state(n, epochs, way):
    assert_as_scikit_learn(n, epochs, random_state(n, 3))


@given(st.integers(1, 3000), st.integers(1, 5), st.integers(0, 2**32 - 1), st.integers(0, 1300))
def test_any_state(n, epochs, seed, drawn):
    least, orders.MIN_DRAWS = orders.MIN_DRAWS, 0
    try:
        assert_as_scikit_learn(n, epochs, random_state(seed, drawn))
    finally:
        orders.MIN_DRAWS = least


def test_a_large_order(way):
    assert_as_scikit_learn(200_000, 1, random_state(0, 0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_kinds_of_kernels(dtype, monkeypatch):
    asked = []
    kernel = orders.provider.kernel
    monkeypatch.setattr(orders.provider, "kernel", lambda *key: asked.append(key) or kernel(*key))
    found = Shuffler(np.random.RandomState(0), 1000, dtype)(np.arange(1000), 3)
    assert asked == [("shuffle", dtype)]
    assert (found == scikit_learns(np.arange(1000), 3, np.random.RandomState(0))).all()


@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.Philox, np.random.SFC64])
def test_other_generators_are_left_to_numpy(generator, monkeypatch):
    monkeypatch.setattr(orders.provider, "kernel", None)
    monkeypatch.setattr(orders, "MIN_DRAWS", 0)
    ours, theirs = (np.random.RandomState(generator(3)) for _ in range(2))
    found = Shuffler(ours, 500, "float64")(np.arange(500), 4)
    assert (found == scikit_learns(np.arange(500), 4, theirs)).all()
    assert ours.randint(1 << 30) == theirs.randint(1 << 30)


class Reversed(np.random.RandomState):
    """A random state with a shuffle of its own."""

    def shuffle(self, x):
        super().shuffle(x)
        x[:] = x[::-1].copy()


def test_a_subclass_shuffles_in_its_own_way(way):
    assert_as_scikit_learn(700, 3, lambda: Reversed(0))


def test_a_state_that_is_not_as_expected_is_left_to_numpy(monkeypatch):
    is_state_known.cache_clear()
    changed = lambda generator: np.zeros(625, dtype=np.uint32)  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(orders, "state_of", changed)
        patched.setattr(orders.provider, "kernel", None)
        assert not is_state_known()
        assert_as_scikit_learn(700, 3, random_state(1, 1))
    is_state_known.cache_clear()
    assert is_state_known()


def test_the_state_is_numpys_own():
    generator = np.random.MT19937(0)
    words = state_of(generator)
    generator.random_raw(5)
    assert words[-1] == generator.state["state"]["pos"]


def test_small_orders_are_left_to_numpy(monkeypatch):
    """A call of the kernel takes as long as some of NumPy's shuffles."""
    monkeypatch.setattr(orders.provider, "kernel", None)
    assert_as_scikit_learn(90, 11, random_state(0, 0))
