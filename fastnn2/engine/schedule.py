"""Learning rates of a training with warm-up and half a cosine, the same bits on every machine.

They are made of additions, multiplications and divisions alone: the cosine of a C library or of NumPy may differ in its
last bit between processors.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

WARM_UP = 0.03  # of all steps
TERMS = 12  # of the series of the sine: the first one left out is below 1e-20


def cosine_rates(steps: int, learning_rate: float, beta_1: float, beta_2: float) -> Array:
    """Return the learning rate of each step, with the bias corrections of Adam.

    Step t, from 0 on, of `steps` has

        learning_rate * (1 + cos(pi t / steps)) / 2 * min(1, (t + 1) / (0.03 steps + 1))
            * sqrt(1 - beta_2^(t + 1)) / (1 - beta_1^(t + 1))

    Parameters
    ----------
    steps : int
    learning_rate, beta_1, beta_2 : float

    Returns
    -------
    ndarray (steps,)
        float64.
    """
    t = np.arange(steps, dtype=np.float64)
    warm_up = np.minimum(1.0, (t + 1.0) / (WARM_UP * steps + 1.0))
    corrections = np.sqrt(1.0 - powers(beta_2, steps)) / (1.0 - powers(beta_1, steps))
    rates: Array = learning_rate * (0.5 + 0.5 * cosine(t / max(steps, 1))) * warm_up * corrections
    return rates


def powers(base: float, count: int) -> Array:
    """Return base, base^2, ..., each the one before times the base."""
    result: Array = np.cumprod(np.full(count, base))
    return result


def cosine(x: Array) -> Array:
    """Return cos(pi x) for x from 0 to 1, as the sine of pi (1/2 - x), by its series."""
    angle = np.pi * (0.5 - x)
    square = angle * angle
    total = np.ones_like(x)
    for k in range(2 * TERMS, 0, -2):  # 1 - a^2/(2 3) (1 - a^2/(4 5) (1 - ...))
        total = 1.0 - square / (k * (k + 1.0)) * total
    return angle * total
