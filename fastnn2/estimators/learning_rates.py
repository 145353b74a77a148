"""Learning rates whose bits follow from the hyperparameters and the step alone.

Adam and "invscaling" need powers. scikit-learn takes them from the C library, which computes them with fused
multiply-add where the processor has it, and NumPy has yet another implementation for AVX-512; the last bits differ.
Here powers come from integers and from the operations of float64 that IEEE 754 defines to the last bit. They are
rounded to float64 where scikit-learn rounds them, and its formulas follow, so that rates are mostly scikit-learn's in
every bit.
"""

import bisect
import functools
import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Numbers are integers in units of 2^-UNIT_BITS, or sums of two float64 with about 100 bits.
UNIT_BITS = 128
ONE = 1 << UNIT_BITS
NEGLIGIBLE = ONE >> 54  # 1 - beta^t is rounded to 1 for smaller powers
SPAN = 512  # powers that are computed, and kept, together
SPLITTER = 2.0**27 + 1.0

# ln(2) = 2 artanh(1/3), and the powers of 2 between 1 and 2 whose exponents are multiples of 1/ROOT.
LN_2: int = 2 * sum(ONE // (k * 3**k) for k in range(1, UNIT_BITS, 2))
ROOT = 128
LN_ROOT = LN_2 // ROOT


def adam_rates(optimizer: Any, first: int, count: int) -> Array:
    """Return the learning rates of `count` updates of Adam from number `first` on, with the bias corrections.

    A rate depends on the number of its update, not on the others of the call.
    """
    corrections = (one_minus_powers(float(beta), first, count) for beta in (optimizer.beta_1, optimizer.beta_2))
    of_first, of_second = corrections
    rates: Array = optimizer.learning_rate_init * np.sqrt(of_second) / of_first
    return rates


def invscaling_rate(optimizer: Any, samples_seen: int) -> float:
    """Return the learning rate of "invscaling" after a number of samples."""
    return float(optimizer.learning_rate_init) / power(int(samples_seen) + 1, float(optimizer.power_t))


def one_minus_powers(beta: float, first: int, count: int) -> Array:
    """Return 1 - beta^t for `count` numbers t from `first` on, for 0 <= beta < 1."""
    numbers = range(first // SPAN, (first + count - 1) // SPAN + 1)
    spans = [_span(beta, number) for number in numbers]
    whole = spans[0] if len(spans) == 1 else np.concatenate(spans)
    return whole[first % SPAN :][:count]


@functools.lru_cache(maxsize=256)  # 1 MB; with a beta of 0.999, powers are negligible after 74 spans
def _span(beta: float, number: int) -> Array:
    """Return 1 - beta^t for the SPAN numbers t from ``SPAN * number`` on.

    beta^t is the product of beta^(SPAN number) and beta^j in pairs of float64, rounded once, and nearly always as the
    exact power would be.
    """
    start = _fixed_power(beta, SPAN * number)
    if start < NEGLIGIBLE:
        return _ones()
    high, low = _pairs([start])
    highs, lows = _first_powers(beta)
    product = high * highs
    error = _product_error(high, highs, product)
    result: Array = 1.0 - (product + (error + (high * lows + low * highs)))
    result.flags.writeable = False
    return result


@functools.cache
def _ones() -> Array:
    ones = np.ones(SPAN)
    ones.flags.writeable = False
    return ones


@functools.lru_cache(maxsize=16)
def _first_powers(beta: float) -> tuple[Array, Array]:
    """Return beta^j for j from 0 to SPAN - 1, as pairs of float64."""
    powers, factor = [ONE], int(beta * 2.0**UNIT_BITS)
    for _ in range(SPAN - 1):
        powers.append(powers[-1] * factor >> UNIT_BITS)
    return _pairs(powers)


def _fixed_power(beta: float, exponent: int) -> int:
    """Return beta^exponent in units of 2^-UNIT_BITS, to about `exponent` units."""
    result, square = ONE, int(beta * 2.0**UNIT_BITS)
    while exponent:
        if exponent & 1:
            result = result * square >> UNIT_BITS
        square = square * square >> UNIT_BITS
        exponent >>= 1
    return result


def _pairs(fixed: list[int]) -> tuple[Array, Array]:
    """Return numbers in units of 2^-UNIT_BITS as float64, and what is left of them, as float64 too."""
    highs = [float(each) for each in fixed]
    lows = [float(each - int(high)) for each, high in zip(fixed, highs, strict=True)]
    return np.array(highs) * 2.0**-UNIT_BITS, np.array(lows) * 2.0**-UNIT_BITS


def _product_error(a: Array, b: Array, product: Array) -> Array:
    """Return ``a b - product`` exactly (Dekker, "A floating-point technique for extending the precision", 1971)."""
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    error: Array = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return error


def _halves(a: Any) -> tuple[Any, Any]:
    """Return two numbers with sum `a`, of so few bits that products of such numbers are exact."""
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


@functools.lru_cache(maxsize=4096)
def power(base: int, exponent: float) -> float:
    """Return base^exponent for a positive base and an exponent of 0 or more.

    OverflowError is raised where Python's ``**`` raises it.
    """
    if exponent == 0.5:  # the default, and ten times faster
        return math.sqrt(base)
    if math.isinf(exponent):
        return float(base**exponent)
    numerator, denominator = exponent.as_integer_ratio()
    return _exp(_ln(base) * numerator // denominator)


@functools.cache
def _roots() -> list[int]:
    """Return 2^(j / ROOT) for j from 0 to ROOT - 1, in units of 2^-UNIT_BITS."""
    root = 2 * ONE
    for _ in range(ROOT.bit_length() - 1):
        root = math.isqrt(root << UNIT_BITS)
    roots = [ONE]
    for _ in range(ROOT - 1):
        roots.append(roots[-1] * root >> UNIT_BITS)
    return roots


def _ln(number: int) -> int:
    """Return the natural logarithm of a positive integer in units of 2^-UNIT_BITS, to about 75 bits after the point.

    ``number = 2^exponent roots[j] (1 + x)``. Of the series for x < 2^-7 the terms from x^3 on may be of float64.
    """
    exponent = number.bit_length() - 1
    mantissa = (number << UNIT_BITS) >> exponent
    j = bisect.bisect(_roots(), mantissa) - 1
    fixed = (mantissa << UNIT_BITS) // _roots()[j] - ONE
    x = float(fixed) * 2.0**-UNIT_BITS
    series = 1 / 3 - x * (1 / 4 - x * (1 / 5 - x * (1 / 6 - x * (1 / 7 - x * (1 / 8 - x / 9)))))
    rest = int(x * x * x * series * 2.0**UNIT_BITS)
    return (ROOT * exponent + j) * LN_ROOT + fixed - (fixed * fixed >> UNIT_BITS + 1) + rest


def _exp(fixed: int) -> float:
    """Return e to the power of a number in units of 2^-UNIT_BITS; the inverse of :func:`_ln`, by the same means."""
    multiple, fixed = divmod(fixed, LN_ROOT)
    exponent, j = divmod(multiple, ROOT)
    x = float(fixed) * 2.0**-UNIT_BITS
    series = 1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720 + x / 5040)))
    rest = int(x * x * x * series * 2.0**UNIT_BITS)
    factor = ONE + fixed + (fixed * fixed >> UNIT_BITS + 1) + rest
    return math.ldexp(float(_roots()[j] * factor >> UNIT_BITS), exponent - UNIT_BITS)
