"""Constants and comments in C, and fused multiply-add without an instruction for it: rounded once, always."""

import ctypes
import re
from fractions import Fraction

import numpy as np
import pytest
from c_programs import C_TYPES, IN_SOFTWARE, compile_c, compiler, same
from data import DTYPES
from hypothesis import given
from hypothesis import strategies as st

from fastnn2.files.c import functions

# Constants


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants_are_exact(dtype):
    info = np.finfo(dtype)
    numbers = np.random.default_rng(0).standard_normal(500).astype(dtype)
    special = [0.0, -0.0, 1.0, 16.0, info.max, info.min, info.tiny, info.smallest_subnormal, 0.1, 1 / 3]
    for number in np.concatenate([numbers, np.array(special, dtype=dtype)]):
        text = functions.constant(number, np.dtype(dtype))
        assert text.endswith("f") == (dtype == "float32")
        found = np.array(float.fromhex(text.removesuffix("f")), dtype=dtype)
        assert found.tobytes() == number.tobytes()
    assert functions.constant(-0.0, np.dtype("float64")) == "-0x0p+0"
    assert functions.constant(1.5, np.dtype("float32")) == "0x1.8p+0f"


def test_lines_of_tables():
    lines = functions.table("t", (str(i) for i in range(1000)), "long").splitlines()
    assert max(map(len, lines)) <= functions.LINE
    assert lines[0] == "static const long t[] = {"
    assert lines[-1] == "};"
    assert [int(word) for word in " ".join(lines[1:-1]).split(",")] == list(range(1000))


# Comments


@given(st.text(alphabet="*/?\\\n\r\t =é☃x'", max_size=30))
def test_comments(text):
    found = functions.in_comment(text)
    assert found.isascii()
    assert found.isprintable()
    assert not re.search(r"\*/|/\*|\?\?", f"{found}")


def test_long_text_in_comments():
    assert functions.in_comment("x" * 1000) == "x" * 197 + "..."


# Functions


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_what_is_used(dtype):
    names = {"identity": set(), "NAME_tanh(x)": {"tanh", "with_sign", "power_of_two"}, "NAME_not_a_number()": None}
    names["NAME_sigmoid(x)"] = {"sigmoid", "exp_negative", "exp_parts", "with_sign", "power_of_two"}
    for code, expected in names.items():
        text = functions.functions(np.dtype(dtype), code)
        defined = set(re.findall(r"^static .*NAME_(\w+)\(", text, re.MULTILINE))
        if expected is not None:
            assert expected <= defined
            assert defined - expected <= {"fma", "two_sum", "exponent", "shift_right", "fma_of_any_size"}
            assert ("fma" in defined) == bool(expected)
        else:
            assert defined == {"not_a_number"}


def rounded(exact, dtype):
    """Return a Fraction rounded to the dtype, to nearest and even, with integers; without a sign if it is 0."""
    info = np.finfo(dtype)
    if exact == 0:
        return 0.0
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    last = max(exponent, info.minexp) - info.nmant  # of the last bit
    number = round(size / Fraction(2) ** last) * Fraction(2) ** last
    if number > Fraction(float(info.max)):
        return np.inf if exact > 0 else -np.inf
    return float(number) if exact > 0 else -float(number)


def fma_operands(dtype):
    """Return numbers of all sizes, whose sums cancel, lie halfway between two numbers, or are denormal."""
    source, info = np.random.default_rng(0), np.finfo(dtype)
    count, span = 4000, info.maxexp - info.minexp

    def numbers(low, high):
        bits = source.integers(1, 2**info.nmant, count) >> source.integers(0, info.nmant, count)
        mantissa = 1 + bits * 2.0**-info.nmant
        with np.errstate(over="ignore", under="ignore"):
            return (np.ldexp(mantissa, source.integers(low, high, count)) * source.choice([-1, 1], count)).astype(dtype)

    def of_exact(a, b, factor):
        exact = [Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b, strict=True)]
        return np.array([rounded(-value * factor, dtype) for value in exact], dtype=dtype)

    cases = []
    for middle in (0, info.minexp // 2, info.minexp // 2 - info.nmant // 2, info.maxexp // 2):
        a, b = numbers(middle - 4, middle + 4), numbers(middle - 4, middle + 4)
        with np.errstate(over="ignore"):
            products = of_exact(a, b, 1)
        cases += [(a, b, products), (a, b, np.nextafter(products, dtype(0)))]
        for shift in (1, 2, info.nmant - 1, info.nmant, info.nmant + 1, info.nmant + 2, 2 * info.nmant + 3):
            cases.append((a[:500], b[:500], of_exact(a[:500], b[:500], Fraction(2) ** shift)))
            cases.append((a[:500], b[:500], of_exact(a[:500], b[:500], Fraction(2) ** -shift)))
    cases.append((numbers(-span // 4, span // 4), numbers(-span // 4, span // 4), numbers(-span // 4, span // 4)))
    cases.append(tuple(numbers(info.minexp - info.nmant, info.maxexp) for _ in range(3)))
    cases.append(tuple(numbers(-3, 3) for _ in range(3)))
    special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        info.max,
        info.min,
        info.tiny,
        -info.tiny,
        info.smallest_subnormal,
        np.inf,
        -np.inf,
    ]
    special = np.array([*special, np.nan, 1 + info.eps, -info.smallest_subnormal, info.max / 2, 3.0], dtype=dtype)
    cases.append(tuple(array.ravel() for array in np.meshgrid(special, special, special)))
    return tuple(np.concatenate([case[k] for case in cases]) for k in range(3))


def exact_fma(a, b, c, dtype):
    a, b, c = float(a), float(b), float(c)
    if not np.isfinite([a, b]).all():
        return a * b + c
    if not np.isfinite(c):
        return c
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:  # the sign is that of a sum of zeros, or of numbers that cancel
        product = np.copysign(0.0, np.copysign(1, a) * np.copysign(1, b))
        return product + c if a == 0 or b == 0 else 0.0
    return rounded(exact, dtype)


@pytest.mark.parametrize("compiler_name", ["gcc", "clang"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fma_without_an_instruction(dtype, compiler_name, tmp_path):
    t = C_TYPES[dtype]
    code = "#include <stdint.h>\n" + functions.functions(np.dtype(dtype), "NAME_fma")
    code += f"void each(const {t} *a, const {t} *b, const {t} *c, {t} *y, long n);\n"
    code += f"void each(const {t} *a, const {t} *b, const {t} *c, {t} *y, long n)\n{{\n    long i;\n"
    code += "    for (i = 0; i < n; i++)\n        y[i] = NAME_fma(a[i], b[i], c[i]);\n}\n"
    (tmp_path / "fma.c").write_text(code, encoding="ascii")
    target = tmp_path / "fma.so"
    flags = ["-O3", *IN_SOFTWARE, "-shared", "-fPIC"]
    library = ctypes.CDLL(str(compile_c(compiler(compiler_name), tmp_path / "fma.c", target, *flags)))
    a, b, c = fma_operands(np.dtype(dtype).type)
    found = np.empty_like(a)
    library.each(*(ctypes.c_void_p(array.ctypes.data) for array in (a, b, c, found)), ctypes.c_long(len(a)))
    with np.errstate(invalid="ignore"):
        expected = np.array([exact_fma(*operands, dtype) for operands in zip(a, b, c, strict=True)], dtype=dtype)
    same(found[:, np.newaxis], expected)
    assert (np.abs(expected) < np.finfo(dtype).tiny).mean() > 0.05
    assert np.isinf(expected).any()
