"""The vector type: each function against NumPy, lane by lane, and the order of each sum, bit by bit."""

from fractions import Fraction

import numpy as np
import pytest
from data import DTYPES
from numba import njit

from fastnn2.kernels.shared.tuning import GROUP_VECTORS, VECTOR_BYTES, group_size
from fastnn2.kernels.simd import bits as bit_kernels
from fastnn2.kernels.simd import lanes as lane_kernels
from fastnn2.kernels.simd import vector


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


def random_lanes(dtype, count, seed=0, exponents=12):
    """Return numbers of both signs, of sizes from about 2^-exponents to 2^exponents."""
    source = np.random.default_rng(seed)
    return (source.standard_normal(count) * 2.0 ** source.integers(-exponents, exponents, count)).astype(dtype)


def halves(values):
    """Sum as sum_lanes: add the second half to the first until one number is left, in float64."""
    values = np.asarray(values, dtype=np.float64)
    while len(values) > 1:
        middle = len(values) // 2
        values = values[:middle] + values[middle:]
    return values[0]


@njit
def copy_group(source, i, target, j):
    vector.store(target, j, vector.load_group(source, i))


@njit
def copy_vector(source, i, target, j):
    vector.store(target, j, vector.load(source, i))


@pytest.mark.parametrize(("copy", "vectors"), [(copy_group, GROUP_VECTORS), (copy_vector, 1)])
@pytest.mark.parametrize(("i", "j"), [(0, 0), (3, 1), (1, 5)])  # indices that are not aligned
def test_load_and_store_move_their_lanes_and_no_others(copy, vectors, i, j, dtype):
    lanes = vectors * VECTOR_BYTES // np.dtype(dtype).itemsize
    source = np.arange(1, 101, dtype=dtype)
    target = np.zeros(100, dtype=dtype)
    expected = target.copy()
    expected[j : j + lanes] = source[i : i + lanes]
    copy(source, i, target, j)
    assert (target == expected).all()


@njit
def lanes_of(array):
    return vector.vector_lanes(array), vector.group_lanes(array), bit_kernels.is_double(vector.zero_vector(array))


def test_lanes(dtype):
    itemsize = np.dtype(dtype).itemsize
    assert lanes_of(np.zeros(1, dtype=dtype)) == (64 // itemsize, 256 // itemsize, dtype == "float64")
    assert group_size(dtype) == 256 // itemsize


@njit
def zeros(out, i):
    vector.store(out, 0, vector.zero_group(out))
    vector.store(out, i, vector.zero_vector(out))


def test_zero_group_and_zero_vector(dtype):
    lanes = group_size(dtype)
    zero_lanes = lanes + lanes // GROUP_VECTORS
    out = np.ones(zero_lanes + 2, dtype=dtype)
    zeros(out, lanes + 1)
    assert (out == 0).sum() == zero_lanes
    assert out[lanes] == 1
    assert out[-1] == 1


@njit
def arithmetic(a, b, out):
    lanes = vector.group_lanes(a)
    x, y = vector.load_group(a, 0), vector.load_group(b, 0)
    vector.store(out, 0 * lanes, x + y)
    vector.store(out, 1 * lanes, x - y)
    vector.store(out, 2 * lanes, x * y)
    vector.store(out, 3 * lanes, x / y)
    vector.store(out, 4 * lanes, x + 0.1)
    vector.store(out, 5 * lanes, 3 - x)
    vector.store(out, 6 * lanes, b[0] * x)
    vector.store(out, 7 * lanes, 1.0 / x)
    vector.store(out, 8 * lanes, vector.absolute(x))
    vector.store(out, 9 * lanes, vector.copysign(x, y))
    vector.store(out, 10 * lanes, vector.copysign(x, -1.0))


def test_arithmetic_rounds_as_numpy_does_in_the_vectors_own_dtype(dtype):
    lanes = group_size(dtype)
    a, b = random_lanes(dtype, lanes, 1), random_lanes(dtype, lanes, 2)
    a[:4], b[:4] = [0.0, -0.0, np.inf, -1.0], [3.0, -2.0, -1.0, 0.0]
    out = np.empty(11 * lanes, dtype=dtype)
    arithmetic(a, b, out)
    scalar = a.dtype.type
    with np.errstate(divide="ignore"):
        expected = [a + b, a - b, a * b, a / b, a + scalar(0.1), scalar(3) - a, b[0] * a, scalar(1) / a]
    expected += [abs(a), np.copysign(a, b), np.copysign(a, scalar(-1))]
    assert np.concatenate(expected).dtype == dtype
    assert out.tobytes() == np.concatenate(expected).tobytes()


@njit
def multiply_add(a, b, c, out):
    x, y, z = vector.load_group(a, 0), vector.load_group(b, 0), vector.load_group(c, 0)
    vector.store(out, 0, vector.fma(x, y, z))
    vector.store(out, vector.group_lanes(a), vector.fma(b[0], x, 0.5))


def test_fma_rounds_once(dtype):
    lanes = group_size(dtype)
    a, b = random_lanes(dtype, lanes, 1), random_lanes(dtype, lanes, 2)
    c = -(a * b)  # only the rounding error of the product is left
    out = np.empty(2 * lanes, dtype=dtype)
    multiply_add(a, b, c, out)
    exact = [Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)) for x, y, z in zip(a, b, c, strict=True)]
    broadcast = [Fraction(float(b[0])) * Fraction(float(x)) + Fraction(1, 2) for x in a]
    assert sum(value != 0 for value in exact) > lanes // 2  # two roundings would give 0 everywhere
    # The errors of products are exact in the dtype, and float of a Fraction rounds once. In float32 a product has at
    # most 48 bits, and the second sum has few enough, too, so that rounding it to float64 first changes nothing.
    assert (out[:lanes] == np.array([float(value) for value in exact]).astype(dtype)).all()
    assert (out[lanes:] == np.array([float(value) for value in broadcast]).astype(dtype)).all()


@njit
def choose(a, b, out):
    lanes = vector.group_lanes(a)
    x, y = vector.load_group(a, 0), vector.load_group(b, 0)
    vector.store(out, 0 * lanes, vector.select_less(x, y, 1.0, 2.0))
    vector.store(out, 1 * lanes, vector.select_equal(x, y, 1.0, 2.0))
    vector.store(out, 2 * lanes, vector.select_less(x, 0.0, x, y))
    vector.store(out, 3 * lanes, vector.select_equal(0.0, x, y, x))
    vector.store(out, 4 * lanes, vector.minimum(0.5, x))
    vector.store(out, 5 * lanes, vector.maximum(0.5, x))
    vector.store(out, 6 * lanes, vector.minimum(x, y))
    vector.store(out, 7 * lanes, vector.maximum(x, y))


def test_selections_and_bounds(dtype):
    lanes = group_size(dtype)
    special = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan], dtype=dtype)
    pairs = np.array([(x, y) for x in special for y in special], dtype=dtype)
    for first in range(0, len(pairs), lanes):
        a, b = random_lanes(dtype, lanes, 1), random_lanes(dtype, lanes, 2)
        some = pairs[first : first + lanes]
        a[: len(some)], b[: len(some)] = some.T
        out = np.empty(8 * lanes, dtype=dtype)
        choose(a, b, out)
        less, equal = a < b, a == b  # false where one is NaN
        expected = [np.where(less, 1, 2), np.where(equal, 1, 2), np.where(a < 0, a, b), np.where(a == 0, b, a)]
        half = np.full_like(a, 0.5)
        expected += [np.where(half < a, half, a), np.where(half > a, half, a), np.where(less, a, b)]
        expected += [np.where(a > b, a, b)]
        expected = np.concatenate([values.astype(dtype) for values in expected])
        np.testing.assert_array_equal(out, expected)
        assert (np.signbit(out) == np.signbit(expected))[~np.isnan(expected)].all()
        bounded = out.reshape(8, lanes)[4:]
        assert (np.isnan(bounded[:2]) == np.isnan(a)).all(), "minimum and maximum return a NaN in x"
        assert (np.isnan(bounded[2:]) == np.isnan(b)).all()


@njit
def mask(a, count, out):
    vector.store(out, 0, vector.mask_tail(vector.load_group(a, 0), count))


@pytest.mark.parametrize(
    "count", [-(2**63), 3 - 2**32, -1, 0, 1, 2, 7, "lanes-1", "lanes", "lanes+1", 2**31, 2**32 + 3]
)
def test_mask_tail(count, dtype):
    lanes = group_size(dtype)
    if isinstance(count, str):
        count = lanes + int(count.removeprefix("lanes") or 0)
    a = random_lanes(dtype, lanes)
    a[1::3] = np.nan  # also NaN becomes zero: the tail is selected, not multiplied by zero
    out = np.empty_like(a)
    mask(a, count, out)
    expected = np.where(np.arange(lanes) < count, a, a.dtype.type(0))
    assert out.tobytes() == expected.tobytes()


@njit
def sums(a, out):
    lanes, width = vector.group_lanes(a), vector.vector_lanes(a)
    group = vector.load_group(a, 0)
    vector.store(out, 0, lane_kernels.fold_group(group))
    four = lane_kernels.four_sums(
        vector.load(a, 0), vector.load(a, width), vector.load(a, 2 * width), vector.load(a, 3 * width)
    )  # fmt: skip
    return (
        lane_kernels.sum_lanes(group),
        lane_kernels.sum_lanes(vector.load(a, lanes - width)),
        [lane_kernels.lane(four, i) for i in range(4)],
    )


SEEDS = range(5)


def test_some_orders_of_a_sum_differ(dtype):
    for seed in SEEDS:
        a = random_lanes(dtype, group_size(dtype), seed, exponents=30).astype(np.float64)
        if halves(a) != np.cumsum(a)[-1]:
            return
    pytest.fail("all orders give the same sums")


@pytest.mark.parametrize("seed", SEEDS)
def test_sums_over_lanes_have_one_order(seed, dtype):
    lanes, width = group_size(dtype), group_size(dtype) // GROUP_VECTORS
    a = random_lanes(dtype, lanes, seed, exponents=30)  # sizes differ so much that sums lose digits in float64
    folded = np.empty(width, dtype=dtype)
    whole, last, four = sums(a, folded)
    v = a.reshape(GROUP_VECTORS, width)
    assert folded.tobytes() == ((v[0] + v[2]) + (v[1] + v[3])).tobytes()
    assert whole == halves(a)
    assert last == halves(v[3])
    for lanes, result in zip(v, four, strict=True):  # several sums at once are formed in their dtype
        while len(lanes) > 1:
            lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
        assert result == lanes[0]


@njit
def parts(a, out):
    group = vector.load_group(a, 0)
    vector.store(out, 0, lane_kernels.second_half(group))
    half = lane_kernels.first_half(group)
    vector.store(out, vector.group_lanes(a) // 2, half)
    vector.store(out, vector.group_lanes(a), vector.load_like(a, 1, half))
    return lane_kernels.lane(vector.load(a, 0), 3), vector.load_scalar(a, 5)


def test_halves_lane_and_scalar(dtype):
    a = random_lanes(dtype, group_size(dtype))
    half = len(a) // 2
    out = np.empty(3 * half, dtype=dtype)
    assert parts(a, out) == (a[3], a[5])
    assert (out[: 2 * half] == np.roll(a, half)).all()
    assert (out[2 * half :] == a[1 : half + 1]).all()


@njit
def bits(a, rounder, out):
    lanes = vector.group_lanes(a)
    x = vector.load_group(a, 0)
    vector.store(out, 0 * lanes, bit_kernels.power_of_two(x + rounder))
    y = vector.load_group(a, lanes)
    vector.store(out, 1 * lanes, bit_kernels.exponent_above(y, 0.7071067811865476))
    vector.store(out, 2 * lanes, bit_kernels.mantissa_above(y, 0.7071067811865476))


def test_powers_exponents_and_mantissas(dtype):
    lanes, info = group_size(dtype), np.finfo(dtype)
    k = np.linspace(info.minexp, info.maxexp - 1, lanes).round().astype(dtype)
    y = abs(random_lanes(dtype, lanes))
    y[:4] = info.tiny, info.max, 1.0, np.nextafter(np.array(2.0, dtype), np.array(0.0, dtype))
    out = np.empty(3 * lanes, dtype=dtype)
    bits(np.concatenate([k, y]), 1.5 * 2.0**info.nmant + 1 - info.minexp, out)
    power, exponent, mantissa = out.reshape(3, lanes)
    assert (power == np.ldexp(np.ones_like(k), k.astype(int))).all()
    floor = np.array(0.7071067811865476, dtype=dtype)
    assert ((mantissa >= floor) & (mantissa < 2 * floor)).all()
    assert (exponent == exponent.round()).all()
    assert (np.ldexp(mantissa.astype(np.longdouble), exponent.astype(int)) == y).all()


@njit
def signed(a, out):
    lanes = vector.group_lanes(a)
    vector.store(out, 0, bit_kernels.with_sign(vector.load_group(a, 0), vector.load_group(a, lanes)))


def test_with_sign(dtype):
    lanes = group_size(dtype)
    magnitude, sign = abs(random_lanes(dtype, lanes)), random_lanes(dtype, lanes)
    magnitude[:4], sign[:4], sign[4:6] = (0.0, np.inf, 0.0, np.inf), (1.0, 1.0, -1.0, -1.0), (0.0, -0.0)
    out = np.empty(lanes, dtype=dtype)
    signed(np.concatenate([magnitude, sign]), out)
    expected = np.copysign(magnitude, sign)
    assert (out == expected).all()
    assert (np.signbit(out) == np.signbit(expected)).all()
