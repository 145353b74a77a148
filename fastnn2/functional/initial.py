"""The parameters that a run begins with."""

from typing import Any

import numpy as np

from fastnn2.functional import checks
from fastnn2.reference import init_params

Array = np.ndarray[Any, Any]


def check_init(init: Any, random_state: Any, shape: tuple[int, int, int], dtype: Any, of: str) -> Any:
    """Return flat parameters in `dtype` if `init` is a dict, else the source of the draws; nothing is drawn yet.

    `shape` is (d, h, o); `of` are the arguments that it comes from, for a message.
    """
    if isinstance(init, str):
        if init not in ("he", "small"):
            raise ValueError(f"init is {init!r}; expected 'he', 'small' or a dict of parameters")
        return checks.as_random_source(random_state)
    if not isinstance(init, dict):
        raise TypeError(f"init is {type(init).__name__}; expected 'he', 'small' or a dict of parameters")
    params, d, units, o = checks.as_params(init, "init")
    if (d, units, o) != shape:
        raise ValueError(
            f"init is for {d} features, {units} hidden units and {o} outputs; expected {shape[0]}, {shape[1]} and "
            f"{shape[2]}, from {of}"
        )
    return checks.pack_finite_params(params, dtype, "init[{!r}]")


def initial_params(init: Any, source: Any, shape: tuple[int, int, int], dtype: Any) -> Array:
    """Return flat parameters in `dtype`, drawn from a source if `init` is a string (see :func:`check_init`)."""
    if isinstance(init, dict):
        return np.asarray(source)
    d, h, o = shape
    X, Y = range(d), np.zeros((o, 1))  # only their lengths count
    return checks.pack_finite_params(init_params(X, Y, h, init=init, random_state=source), dtype, "init[{!r}]")
