"""The parameters that a run begins with."""

import functools
import math
from typing import Any

import numpy as np

from fastnn2.functional import checks
from fastnn2.kernels.shared.tuning import count_params, weights_of

Array = np.ndarray[Any, Any]


def check_init(init: Any, shape: tuple[int, int, int], dtype: Any, of: str, name: str = "init") -> Array | None:
    """Return flat parameters in `dtype` if `init` is a dict, None if they are to be drawn.

    `shape` is (d, h, o). For a message, `of` are the arguments that it comes from.
    """
    if isinstance(init, str):
        if init not in ("he", "small"):
            raise ValueError(f"{name} is {init!r}; expected 'he', 'small' or a dict of parameters")
        return None
    if not isinstance(init, dict):
        raise TypeError(f"{name} is {type(init).__name__}; expected 'he', 'small' or a dict of parameters")
    params, d, units, o = checks.as_params(init, name)
    if (d, units, o) != shape:
        raise ValueError(
            f"{name} is for {d} features, {units} hidden units and {o} outputs; expected {shape[0]}, {shape[1]} and "
            f"{shape[2]}, from {of}"
        )
    return checks.pack_finite_params(params, dtype, name + "[{!r}]")


def initial_source(init: Any, random_state: Any, shape: tuple[int, int, int], dtype: Any, of: str) -> Any:
    """Return flat parameters as :func:`check_init`, or the random state, checked; nothing is drawn yet."""
    given = check_init(init, shape, dtype, of)
    if given is not None:
        return given
    checks.check_random_state(random_state)
    return random_state


def initial_params(init: Any, source: Any, shape: tuple[int, int, int], dtype: Any) -> Array:
    """Return flat parameters in `dtype`, drawn from a random state if `init` is a string (see :func:`check_init`).

    They are those of :func:`fastnn2.reference.init_params`, which draws W1 and then W2, here in one call.
    """
    if isinstance(init, dict):
        return np.asarray(source)
    first, count, (W1, W2), scales = _plan(init, *shape)
    normal = checks.draw_from(source, lambda state: (state or np.random.RandomState()).standard_normal(count))
    flat = np.zeros(count_params(*shape), dtype=dtype)
    np.multiply(normal[:first], scales[0], out=flat[W1], casting="unsafe")  # cast after the product
    np.multiply(normal[first:], scales[1], out=flat[W2], casting="unsafe")
    return flat


@functools.lru_cache(maxsize=1024)
def _plan(init: str, d: int, h: int, o: int) -> tuple[int, int, tuple[slice, slice], tuple[float, float]]:
    """Return the number of weights in W1, and in both, where they are among the parameters, and their scales."""
    scales = (math.sqrt(2 / d), math.sqrt(2 / h)) if init == "he" else (0.01, 0.01)
    return h * d, h * d + o * h, weights_of(d, h, o), scales
