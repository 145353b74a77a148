"""Numbers that are comparable: shifted, divided and clipped, without overflow at any magnitude."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Numbers whose binary exponent is within this are used as they are: neither sums of their squares overflow, nor is the
# square of the difference of two of them 0.
SAFE_EXPONENT = 400
LIMIT = 3.0  # of numbers that are clipped


def safe_exponent(largest: float) -> int:
    """Return the power of 2 to divide numbers by, 0 for most, given the largest magnitude."""
    exponent = int(np.frexp(largest)[1])
    return exponent if abs(exponent) > SAFE_EXPONENT else 0


def divided(values: Array, exponent: int) -> Array:
    """Return values / 2**exponent, which are exact unless they are far outside the range that the exponent is for."""
    if exponent == 0:
        return values
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.ldexp(values, -exponent))


def median_and_spread(values: Array) -> tuple[float, float]:
    """Return the median and the distance of the quartiles of values (n,), or half the range where that is 0."""
    least, lower, median, upper, greatest = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    return float(median), float(upper - lower if upper > lower else (greatest - least) / 2)


def smoothly_clipped(z: Array) -> Array:
    """Return z / sqrt(1 + (z / 3)**2), which is between -3 and 3."""
    z = np.clip(z, -1e9, 1e9)  # where the result is 3 in float64; squares of larger ones may overflow
    return np.asarray(z / np.sqrt(1 + np.square(z / LIMIT)))
