"""exp, tanh, log, log1p and sigmoid on vectors, lane by lane, with errors of at most 4 ulp in both dtypes.

No function of the C library is called, as these differ between machines. An argument is reduced by multiples of ln 2;
polynomials and rational functions on the reduced range are nearly minimax (Chebyshev fits in 60 digits). The tests
measure the errors against mpmath, over the whole range of arguments. Where float64 and float32 need different forms,
``is_double`` chooses at compile time.

Reference: J.-M. Muller, "Elementary Functions", 3rd ed., 2016, chapters 6 and 11.
"""

from numba import njit

from fastnn2.kernels.simd.bits import exponent_above, is_double, mantissa_above, power_of_two, with_sign
from fastnn2.kernels.simd.blocks import horner
from fastnn2.kernels.simd.vector import INLINE, absolute, copysign, fma, maximum, minimum, select_equal, select_less

INFINITY = float("inf")
NAN = float("nan")

# log2(e), and its rounding error in each dtype.
LOG2_E, LOG2_E_LOW, LOG2_E_LOW_SINGLE = 1.4426950408889634, 2.0355273740931033e-17, 1.9259629911266175e-08
HALF_LN2 = 0.34657359027997264
# ln 2 as a sum: the mantissa of the first ends in zeros, so that its product with an integer k is exact.
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
LN2_HIGH_SINGLE, LN2_LOW_SINGLE = 0.693145751953125, 1.428606765330187e-06
SQRT_HALF = 0.7071067811865476

# Coefficients of polynomials, the highest power first; the functions below say of what.
EXP_DOUBLE = (
    2.5100375924709717e-08, 2.762007599981065e-07, 2.7557268480116333e-06, 2.4801521322116825e-05,
    0.0001984126986304067, 0.0013888888917196881, 0.008333333333330065, 0.041666666666624164, 0.16666666666666669,
    0.5,
)  # fmt: skip
EXP_SINGLE = (0.0013926176191150312, 0.00836317313152351, 0.04166655466162291, 0.16666577025255677, 0.5)
TANH_DOUBLE_P = (15.005461881313163, 420.24585303259107, 945.5736684765203)
TANH_DOUBLE_Q = (105.05463020708493, 945.5736684765203)  # without the leading coefficient, which is 1
TANH_SINGLE = (-0.022158836664078155, 0.33333309550197254, 1.0)
# The same for t in units of ln(2)/2: p and q are divided by its fifth power (float64) or its first (float32).
EXP2_DOUBLE_P = (43.296610884837754, 10095.249117991687, 189111.54508892112)
EXP2_DOUBLE_Q = (874.6297944961652, 65541.06714486032)
EXP2_SINGLE = (-0.0009224298585667698, 0.11552444766725563, 2.8853900817779268)
LOG_DOUBLE = (
    0.14616452274062186, 0.1533172139109577, 0.18182889131563204, 0.22222211134708592, 0.28571428625976014,
    0.39999999999899505, 0.666666666666667,
)  # fmt: skip
LOG_SINGLE = (0.23330469404444681, 0.28550820735546273, 0.4000012184051494, 0.6666666655449622)
# To add 1.5 * 2^m, where m is the number of mantissa bits, rounds to the nearest integer and leaves that integer in the
# lowest bits of the sum. With the bias added to it, these bits are the exponent of a power of two.
ROUNDER, BIAS = 1.5 * 2.0**52, 1023.0
ROUNDER_SINGLE, BIAS_SINGLE = 1.5 * 2.0**23, 127.0


@njit(**INLINE)
def rounder(x):
    """Return the constant c such that the lowest bits of x + c are x rounded to an integer, plus the exponent's bias.

    :func:`bits.power_of_two` takes such a sum.
    """
    return ROUNDER + BIAS if is_double(x) else ROUNDER_SINGLE + BIAS_SINGLE


@njit(**INLINE)
def _exp_parts(x, shift):
    """Return (p, k, shifted) with e^x = 2^k p, where x = k ln 2 + r, |r| <= ln(2) / 2 and p = e^r.

    p is formed as 1 + (r + r^2 Q(r)); ``power_of_two(shifted)`` is 2^(k + shift).
    """
    shifted = fma(x, LOG2_E, rounder(x) + shift)
    k = shifted - (rounder(x) + shift)
    if is_double(x):
        r = fma(k, -LN2_LOW, fma(k, -LN2_HIGH, x))
        q = horner(r, EXP_DOUBLE)
    else:
        r = fma(k, -LN2_LOW_SINGLE, fma(k, -LN2_HIGH_SINGLE, x))
        q = horner(r, EXP_SINGLE)
    return 1.0 + fma(r * r, q, r), k, shifted


@njit(**INLINE)
def exp(x):
    """Return e^x, lane by lane.

    2^k is applied as two factors, as it is not a normal number if e^x is denormal or k = 1024.
    """
    if is_double(x):
        x = minimum(710.0, maximum(-746.0, x))
    else:
        x = minimum(89.0, maximum(-104.5, x))
    p, k, _ = _exp_parts(x, 0.0)
    half = fma(k, 0.5, rounder(x))
    rest = (k - (half - rounder(x))) + rounder(x)
    return p * power_of_two(half) * power_of_two(rest)


@njit(**INLINE)
def exp_negative(x):
    """Return e^x, lane by lane, for x <= 0, in fewer operations than :func:`exp`.

    2^(k + 64) is a normal number for all these k; the factor 2^-64 then rounds a denormal result once.
    """
    x = maximum(-746.0, x) if is_double(x) else maximum(-104.5, x)
    p, _, shifted = _exp_parts(x, 64.0)
    return p * power_of_two(shifted) * 2.0**-64


@njit(**INLINE)
def tanh(x):
    """Return the hyperbolic tangent, lane by lane, to a relative error of 2.5 epsilon, tiny x included.

    |x| = k ln(2)/2 + t with an integer k and |t| <= ln(2)/4. With s = 2^k, f = (s - 1)/2 and the even function
    t coth(t) = p / q,

        e^(2t) = (p + t q) / (p - t q),    tanh|x| = (s e^(2t) - 1) / (s e^(2t) + 1)
                                                   = (f (p + t q) + t q) / (f (p + t q) + p),

    with one division in all, and without subtracting nearly equal numbers if x is small (f = 0). In float32 p is a
    polynomial in t^2 and q is 1; in float64 both are quadratic in t^2, which takes fewer multiplications. (The leading
    coefficient of q is 1, which makes p and q slightly less than 1024: at the upper end of a binade the relative
    rounding error is smallest.) ln(2)/2 needs no second constant: its rounding error, k * 1e-17, is damped by the slope
    of tanh, which falls as 2^-k.
    """
    a = minimum(22.0, absolute(x))  # tanh(22) rounds to 1
    half = rounder(x) - 1.0  # for 2^(k - 1), which is s/2
    shifted = fma(a, 2.0 * LOG2_E, half)
    t = fma(shifted - half, -HALF_LN2, a)
    f = power_of_two(shifted) - 0.5
    u = t * t
    if is_double(x):
        p = horner(u, TANH_DOUBLE_P)
        tq = fma(u + TANH_DOUBLE_Q[0], u, TANH_DOUBLE_Q[1]) * t
    else:
        p, tq = horner(u, TANH_SINGLE), t
    both = p + tq
    return copysign(fma(f, both, tq) / fma(f, both, p), x)


@njit(**INLINE)
def tanh2(x):
    """Return tanh(x ln(2)/2) = (2^x - 1) / (2^x + 1), lane by lane.

    As :func:`tanh`, but the reduction x = k + t is exact and takes no multiplication. A caller that computes x from
    weights multiplies these by 2/ln(2) beforehand.
    """
    f, t = tanh2_reduced(x)
    a, b = tanh2_quotient(x, f, t)
    return a / b


@njit(**INLINE)
def tanh2_reduced(x):
    """Return (f, t) of :func:`tanh2`: f = (2^k - 1) / 2 and t = |x| - k, with |x| limited to 64."""
    a = minimum(64.0, absolute(x))  # tanh(22.2) rounds to 1
    half = rounder(x) - 1.0  # for 2^(k - 1), which is s/2
    shifted = a + half
    return power_of_two(shifted) - 0.5, a - (shifted - half)


@njit(**INLINE)
def tanh2_quotient(x, f, t):
    """Return (a, b) with ``tanh2(x) = a / b`` from x and ``f, t = tanh2_reduced(x)``; b > 0."""
    p, tq = _exp2_parts(t)
    both = p + tq
    a, b = fma(f, both, tq), fma(f, both, p)
    return copysign(a, x) if is_double(x) else with_sign(a, x), b


@njit(**INLINE)
def exp_quotient(x):
    """Return (a, b) with e^x = a / b, b > 0, lane by lane, for x <= 0; a may be denormal or 0, as e^x.

    Expressions such as 1 / (1 + e^x) = b / (a + b) then need one division in all. With x = (k + t) ln 2,
    t = x log2(e) - k is formed to full precision, as log2(e) is the sum of two constants.
    """
    x = maximum(-746.0, x) if is_double(x) else maximum(-104.5, x)
    bias = rounder(x) + 64.0  # as in exp_negative
    shifted = fma(x, LOG2_E, bias)
    low = LOG2_E_LOW if is_double(x) else LOG2_E_LOW_SINGLE
    p, tq = _exp2_parts(fma(x, low, fma(x, LOG2_E, bias - shifted)))
    return (p + tq) * power_of_two(shifted) * 2.0**-64, p - tq


@njit(**INLINE)
def _exp2_parts(t):
    """Return (p, t q) with 2^t = (p + t q) / (p - t q), for |t| <= 1/2; see :func:`tanh`."""
    u = t * t
    if is_double(t):
        return horner(u, EXP2_DOUBLE_P), fma(u + EXP2_DOUBLE_Q[0], u, EXP2_DOUBLE_Q[1]) * t
    return horner(u, EXP2_SINGLE), t


@njit(**INLINE)
def _log_normal(x):
    """Return log(x) for normal, finite x > 0.

    x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2). With s = f / (2 + f),

        log(1 + f) = 2 atanh(s) = f - (f^2/2 - s (f^2/2 + s^2 R(s^2))),

    a form that loses no digits if f is small.
    """
    k = exponent_above(x, SQRT_HALF)
    f = mantissa_above(x, SQRT_HALF) - 1.0
    s = f / (f + 2.0)
    z = s * s
    if is_double(x):
        q = horner(z, LOG_DOUBLE)
        high, low = LN2_HIGH, LN2_LOW
    else:
        q = horner(z, LOG_SINGLE)
        high, low = LN2_HIGH_SINGLE, LN2_LOW_SINGLE
    half_square = 0.5 * f * f
    rest = fma(k, low, s * fma(z, q, half_square))
    return fma(k, high, f - (half_square - rest))


@njit(**INLINE)
def log(x):
    """Return the natural logarithm, lane by lane: -infinity for 0, NaN for negative numbers."""
    # Denormals are scaled to normal numbers first.
    if is_double(x):
        tiny, scale, shift = 2.2250738585072014e-308, 2.0**54, -37.42994775023705
    else:
        tiny, scale, shift = 1.1754943508222875e-38, 2.0**25, -17.328679513998633
    y = _log_normal(select_less(x, tiny, x * scale, x)) + select_less(x, tiny, shift, x * 0.0)
    y = select_less(x, INFINITY, y, x)  # infinity and NaN
    return select_less(x, 0.0, NAN, select_equal(x, 0.0, -INFINITY, y))


@njit(**INLINE)
def log1p(x):
    """Return log(1 + x), lane by lane, for -1 <= x < infinity.

    With u = 1 + x rounded, log(1 + x) = log(u) + (x - (u - 1)) / u: the second term corrects the rounding of u.
    """
    u = x + 1.0
    lost = select_less(x, 1.0, x - (u - 1.0), 1.0 - (u - x))
    y = log(u) + select_equal(u, 0.0, 0.0, lost / u)
    return select_equal(x, 0.0, x, y)  # a zero keeps its sign


@njit(**INLINE)
def sigmoid(x):
    """Return 1 / (1 + e^-x), lane by lane.

    Computed from e = e^-|x|, which cannot overflow, as 1 / (1 + e), or e / (1 + e) for x < 0.
    """
    e = exp_negative(copysign(x, -1.0))
    return select_less(x, 0.0, e, 1.0) / (e + 1.0)
