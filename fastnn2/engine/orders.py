"""The order of the samples in each epoch, from scikit-learn's random numbers."""

import ctypes
import functools
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.kernels.shared.records import ShuffleRecord

Array = np.ndarray[Any, Any]

MIN_DRAWS = 1000  # from which on the kernel pays off: its call takes some 10 microseconds
MAX_SAMPLES = 1 << 32  # NumPy takes two numbers for a place beyond
STATE_WORDS = 625  # of MT19937: 624 numbers, and how many of them are used


def shuffled_orders(order: Array, epochs: int, random_state: np.random.RandomState, dtype: Any) -> Array:
    """Return the order of each of the next `epochs`, where `order` is that of the last one.

    scikit-learn shuffles an array of places in each epoch and takes the order at these places. That is the order
    itself, shuffled. The random state is left as ``RandomState.shuffle`` leaves it.

    Parameters
    ----------
    order : ndarray (n,) of int64
    epochs : int
    random_state : RandomState
    dtype : dtype
        Of the kernels of this fit.

    Returns
    -------
    ndarray (epochs, n) of int64
    """
    n = len(order)
    orders = np.empty((1 + epochs, n), dtype=np.int64)
    orders[0] = order
    # A subclass may shuffle in its own way.
    generator = getattr(random_state, "_bit_generator", None) if type(random_state) is np.random.RandomState else None
    if MIN_DRAWS <= epochs * n < MAX_SAMPLES and type(generator) is np.random.MT19937 and is_state_known():
        state = state_of(generator)
        record = ShuffleRecord(n=n, epochs=epochs, state=state, drawn=np.empty_like(state), orders=orders)
        kernel = provider.kernel("shuffle", dtype)
        with generator.lock:
            kernel(record)
    else:
        for row in range(1, 1 + epochs):
            orders[row] = orders[row - 1]
            random_state.shuffle(orders[row])
    return orders[1:]


def state_of(generator: np.random.MT19937) -> Array:
    """Return the state of a generator, which it must outlive, as NumPy keeps it."""
    words = (ctypes.c_uint32 * STATE_WORDS).from_address(generator.ctypes.state_address)
    return np.ctypeslib.as_array(words)


@functools.cache
def is_state_known() -> bool:
    """Return whether NumPy keeps the state as expected."""
    generator = np.random.MT19937(1)
    generator.random_raw(700)
    state = generator.state["state"]
    return bool((state_of(generator) == [*state["key"], state["pos"]]).all())
