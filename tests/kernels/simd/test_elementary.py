"""exp, tanh, log, log1p and sigmoid against mpmath: at most 4 ulp, over the whole range of both dtypes."""

import math

import mpmath
import numpy as np
import pytest
from data import DTYPES, ULP
from mpmath import mpf
from numba import njit

from fastnn2.kernels.shared.tuning import group_size
from fastnn2.kernels.simd import elementary
from fastnn2.kernels.simd.vector import group_lanes, load_group, store

INF, NAN = math.inf, math.nan

# Bits of the exact values. 1 + x needs more than a thousand if x is tiny; mpmath's log1p takes care of that itself.
mpmath.mp.prec = 150


def exact_exp(x):
    return mpmath.exp(x)


def exact_sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def exact_tanh2(x):
    return mpmath.tanh(x * mpmath.ln2 / 2)


EXACT = {
    "exp": exact_exp,
    "exp_negative": exact_exp,
    "exp_quotient": exact_exp,
    "tanh": mpmath.tanh,
    "tanh2": exact_tanh2,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "sigmoid": exact_sigmoid,
}

# Arguments at which a kernel takes another branch, changes the integer of its range reduction or clamps, and at which a
# result overflows or becomes denormal. Test points are dense around these.
HALF_LN2 = math.log(2) / 2
BRANCHES = {
    "exp": [
        *(k * HALF_LN2 for k in range(-9, 10)),
        *(709.78, 710.0, -708.4, -745.13, -746.0, 88.72, 89.0, -87.34, -103.97, -104.5),
    ],
    "exp_negative": [*(k * HALF_LN2 for k in range(-9, 1)), -708.4, -745.13, -746.0, -87.34, -103.97, -104.5],
    "exp_quotient": [*(k * HALF_LN2 for k in range(-9, 1)), -708.4, -745.13, -746.0, -87.34, -103.97, -104.5],
    "tanh2": [*(k / 2 for k in range(-9, 10)), 26.0, 55.0, 64.0, -26.0, -55.0, -64.0],
    "tanh": [*(k * HALF_LN2 / 2 for k in range(-9, 10)), 9.0, 19.06, 22.0, -9.0, -19.06, -22.0],
    "log": [0.5, math.sqrt(0.5), 1.0, math.sqrt(2), 2.0, 4.0, 2.0**-1022, 2.0**-126],
    "log1p": [0.0, -1.0, -0.5, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 1.0, 2.0**-53, 2.0**-24, 2.0**53, 2.0**24],
    "sigmoid": [*(k * HALF_LN2 for k in range(-9, 10)), 37.0, 709.78, -708.4, -745.13, 17.0, -87.34, -103.97],
}


@njit(error_model="numpy")
def divided(x):
    a, b = elementary.exp_quotient(x)
    return a / b


def driver(name):
    function = divided if name == "exp_quotient" else getattr(elementary, name)

    @njit(error_model="numpy")
    def apply(x, out):
        for i in range(0, len(x), group_lanes(x)):
            store(out, i, function(load_group(x, i)))

    return apply


DRIVERS = {name: driver(name) for name in EXACT}


def apply(name, x):
    """Return the results of the kernel for a flat array of any length."""
    padded = np.zeros(-(-len(x) // group_size(x.dtype)) * group_size(x.dtype), dtype=x.dtype)
    padded[: len(x)] = x
    out = np.full_like(padded, NAN)
    DRIVERS[name](padded, out)
    return out[: len(x)]


def points(name, dtype):
    """Return arguments of a function: magnitudes of all sizes, denormals, many near the branches."""
    source = np.random.default_rng(5)
    info = np.finfo(dtype)
    smallest, largest = float(info.smallest_subnormal), float(info.max)
    magnitudes = 2.0 ** source.uniform(math.log2(smallest), math.log2(largest), 1500)
    near_one = np.exp(source.normal(0, 3, 1500))
    parts = [magnitudes, near_one, [smallest, 3 * smallest, float(info.tiny), largest, largest / 2]]
    # Denormals, and their neighbours on both sides of the smallest normal number.
    parts.append(smallest * source.integers(1, 2**20, 100))
    parts.append(float(info.tiny) * source.uniform(0.25, 4, 100))
    for branch in BRANCHES[name]:
        parts.append(branch + max(abs(branch), 2.0**-20) * source.normal(0, 1, 30) * 2.0 ** source.uniform(-40, -2, 30))
        neighbours = [np.array(branch, dtype=dtype)]
        for direction in (-INF, INF):
            for _ in range(4):
                neighbours.append(np.nextafter(neighbours[-1], np.array(direction, dtype=dtype)))
            neighbours.append(neighbours[0])
        parts.append(neighbours)
    x = np.concatenate([np.asarray(part, dtype=float) for part in parts])
    with np.errstate(over="ignore", under="ignore"):
        x = np.concatenate([x, -x]).astype(dtype)
    x = x[np.isfinite(x) & (x != 0)]
    if name == "log":
        x = x[x > 0]
    elif name == "log1p":
        x = x[x > -1]
    elif name in ("exp_negative", "exp_quotient"):
        x = x[x < 0]
    return np.unique(x)


def exact_value(name, x):
    """Return the value of the function; for arguments far outside, one that rounds to the same number."""
    if name in ("exp", "exp_negative", "exp_quotient", "sigmoid"):
        x = max(-2000.0, min(2000.0, x))
    elif name in ("tanh", "tanh2"):
        x = max(-100.0, min(100.0, x))
    return EXACT[name](mpf(x))


def error_in_ulp(result, exact, dtype):
    """Return |result - exact| in units in the last place of `exact`, which may be denormal.

    Infinity counts as the number that would follow the largest one.
    """
    info = np.finfo(dtype)
    exponent = info.minexp
    if exact != 0:
        exponent = max(exponent, int(mpmath.floor(mpmath.log(abs(exact), 2))))
    exponent = min(exponent, info.maxexp - 1)
    unit = mpf(2) ** (exponent - info.nmant)
    if math.isinf(result):
        result = mpf(2) ** info.maxexp * (1 if result > 0 else -1)
        exact = max(-abs(result), min(abs(result), exact))  # larger numbers round to infinity too
    return float(abs(mpf(result) - exact) / unit)


@pytest.mark.parametrize("dtype", DTYPES)
def test_error_is_measured_in_units_of_the_last_place(dtype):
    info = np.finfo(dtype)
    for value in (1.0, 3.0, float(info.tiny), float(info.smallest_subnormal), float(info.max)):
        x = np.array(value, dtype=dtype)
        below = float(np.nextafter(x, np.array(0, dtype=dtype)))
        unit = 0.5 if value == 1.0 else 1  # numbers below a power of two are twice as dense
        assert error_in_ulp(float(x), mpf(float(x)), dtype) == 0
        assert error_in_ulp(below, mpf(float(x)), dtype) == unit
    assert error_in_ulp(INF, mpf(float(info.max)), dtype) == 1
    assert math.isnan(error_in_ulp(NAN, mpf(1), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXACT)
def test_few_ulp_from_mpmath(name, dtype):
    x = points(name, dtype)
    assert len(x) > 1500
    worst, where = 0.0, None
    for argument, result in zip(x.tolist(), apply(name, x).tolist(), strict=True):
        error = error_in_ulp(result, exact_value(name, argument), dtype)
        if not error <= worst:  # NaN too
            worst, where = error, (argument, result)
    assert worst <= ULP, f"{name} is {worst:.2f} ulp off: (argument, result) = {where}"


SPECIAL_OF = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN)],
    "exp_negative": [(0.0, 1.0), (-0.0, 1.0), (-INF, 0.0), (NAN, NAN)],
    "exp_quotient": [(0.0, 1.0), (-0.0, 1.0), (-INF, 0.0), (NAN, NAN)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (NAN, NAN)],
    "tanh2": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (NAN, NAN)],
    "log": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (NAN, NAN), (-1.0, NAN), (-INF, NAN)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (NAN, NAN)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (NAN, NAN)],
}
SPECIAL = [(name, *pair) for name, pairs in SPECIAL_OF.items() for pair in pairs]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "argument", "expected"), SPECIAL)
def test_zeros_infinities_and_nan(name, argument, expected, dtype):
    # A special value changes no other lane.
    x = np.full(2 * group_size(dtype), 0.75, dtype=dtype)
    usual = apply(name, x)[0]
    x[[0, 5, -1]] = argument
    results = apply(name, x)
    assert (np.delete(results, [0, 5, len(x) - 1]) == usual).all()
    for result in results[[0, 5, -1]].tolist():
        if math.isnan(expected):
            assert math.isnan(result)
        else:
            assert (result, math.copysign(1, result)) == (expected, math.copysign(1, expected))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["log", "sigmoid", "exp", "exp_negative", "exp_quotient", "tanh"])
def test_denormals_are_not_flushed(name, dtype):
    info = np.finfo(dtype)
    smallest = info.smallest_subnormal
    if name == "tanh":
        x = np.array([smallest, -smallest, 5 * smallest, info.tiny / 2], dtype=dtype)
        assert (apply(name, x) == x).all()
    elif name == "log":
        x = np.array([smallest], dtype=dtype)
        assert abs(apply(name, x)[0] - math.log(smallest)) <= ULP * np.spacing(np.array(-math.log(smallest), dtype))
    else:
        x = np.array(
            [math.log(smallest) + 0.1, math.log(smallest) + 2.0], dtype=dtype
        )  # logs of about 1.1 and 7.4 times the smallest number
        assert (apply(name, x) == np.array([1, 7], dtype=dtype) * smallest).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_and_sigmoid_are_symmetric_and_bounded(dtype):
    for name in ("tanh", "tanh2"):
        x = points(name, dtype)
        assert (apply(name, -x) == -apply(name, x)).all()
        assert (abs(apply(name, x)) <= 1).all()
    y = apply("sigmoid", x)
    assert ((y >= 0) & (y <= 1)).all()
