"""The order of the samples in each epoch, from scikit-learn's random numbers."""

import ctypes
import functools
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.codegen.loader import Kernel
from fastnn2.kernels.shared.records import ShuffleRecord

Array = np.ndarray[Any, Any]

MIN_DRAWS = 1000  # from which on the kernel pays off: its call takes some 10 microseconds
MOST_BRIEF_DRAWS = 10_000  # up to which the kernel takes less time than a change of threads
MAX_SAMPLES = 1 << 32  # NumPy takes two numbers for a place beyond
STATE_WORDS = 625  # of MT19937: 624 numbers, and how many of them are used


class Shuffler:
    """Calls return the orders of the next epochs of a fit.

    scikit-learn shuffles an array of places in each epoch and takes the order at these places. That is the order
    itself, shuffled. The random state is left as ``RandomState.shuffle`` leaves it.

    Parameters
    ----------
    random_state : RandomState
    n : int
        Number of samples.
    dtype : dtype
        Of the kernels of this fit.
    """

    def __init__(self, random_state: np.random.RandomState, n: int, dtype: Any) -> None:
        self._random_state, self._n, self._dtype = random_state, n, dtype
        # A subclass may shuffle in its own way.
        is_plain = type(random_state) is np.random.RandomState
        generator = getattr(random_state, "_bit_generator", None) if is_plain else None
        self._generator = generator if type(generator) is np.random.MT19937 and is_state_known() else None
        self._kernel: Kernel | None = None
        self._record: ShuffleRecord | None = None  # of the calls so far

    def __call__(self, order: Array, epochs: int) -> Array:
        """Return the order of each of the next `epochs` (epochs, n), where `order` (n,) is that of the last one."""
        n = self._n
        orders = np.empty((1 + epochs, n), dtype=np.int64)
        orders[0] = order
        if self._generator is not None and MIN_DRAWS <= epochs * n < MAX_SAMPLES:
            self._draw(self._generator, orders, epochs)
        else:
            for row in range(1, 1 + epochs):
                orders[row] = orders[row - 1]
                self._random_state.shuffle(orders[row])
        return orders[1:]

    def _draw(self, generator: np.random.MT19937, orders: Array, epochs: int) -> None:
        if self._record is None or self._kernel is None:
            self._words = state_of(generator), np.empty(STATE_WORDS, dtype=np.uint32)
            self._kernel = provider.kernel("shuffle", self._dtype)
            self._record = ShuffleRecord(
                n=self._n, epochs=epochs, state=self._words[0], drawn=self._words[1], orders=orders
            )
            self._record.release()  # of the orders; the words live as long as it
        self._record.point(epochs=epochs, orders=orders)
        with generator.lock:
            if epochs * self._n <= MOST_BRIEF_DRAWS:
                self._kernel.call_briefly(self._record)
            else:
                self._kernel(self._record)


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
