"""The features of the processor as NumPy reports them, and what the environment leaves of them."""

import platform
import sys
import types

import numpy as np
import pytest

from fastnn2.codegen.processor import LEVELS, Processor
from fastnn2.kernels.shared import features

NUMPY = (getattr(np, "_core", None) or np.core)._multiarray_umath  # the latter before NumPy 2
IS_X86 = platform.machine().lower() in ("x86_64", "amd64")


@pytest.fixture(autouse=True)
def look_again(monkeypatch):
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        monkeypatch.delenv(name, raising=False)
    features.seen_features.cache_clear()
    features._has_fma.cache_clear()
    yield
    features.seen_features.cache_clear()
    features._has_fma.cache_clear()


def test_numpy_and_llvm_see_the_same():
    assert features.seen_features() == Processor.here().features & features.VISIBLE
    assert features.has_fma() == Processor.here().has_fma


@pytest.mark.skipif(not IS_X86, reason="needs an x86-64 processor")
def test_numpy_knows_each_name():
    assert set(features.OF_NUMPY) <= set(NUMPY.__cpu_features__)


def test_what_is_not_visible_is_for_whole_numbers_or_everywhere():
    hidden = frozenset(LEVELS["x86-64-v4"].split()) - frozenset(LEVELS["x86-64"].split()) - features.VISIBLE
    assert hidden == {"bmi", "bmi2", "crc32", "cx16", "lzcnt", "movbe", "sahf", "xsave"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, ""),
        ({"SSE3": True, "AVX2": False}, "sse3"),
        ({"AVX512_SKX": True}, "avx512bw avx512dq avx512vl"),
        ({"NEON": True, "ASIMD": True, "SOMETHING NEW": True}, ""),
    ],
)
def test_names(found, expected, monkeypatch):
    monkeypatch.setattr(NUMPY, "__cpu_features__", found)
    assert features.seen_features() == features.features_here() == set(expected.split())


@pytest.mark.parametrize("found", [None, "AVX2", ["AVX2"]])
def test_a_numpy_that_says_it_in_another_way(found, monkeypatch):
    monkeypatch.setattr(NUMPY, "__cpu_features__", found)
    assert features.seen_features() is None
    assert features.features_here() is None
    assert features.has_fma()
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx2")
    features.seen_features.cache_clear()
    assert features.features_here() is None


def test_a_numpy_without_the_table(monkeypatch):
    monkeypatch.delattr(NUMPY, "__cpu_features__")
    assert features.seen_features() is None


def test_a_numpy_whose_module_is_elsewhere(monkeypatch):
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert features.seen_features() is None
    before_2 = types.SimpleNamespace(__cpu_features__={"SSE3": True})
    monkeypatch.setitem(sys.modules, "numpy.core._multiarray_umath", before_2)
    features.seen_features.cache_clear()
    assert features.seen_features() == {"sse3"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"NUMBA_CPU_NAME": "haswell"}, None),  # Numba keeps the features of this processor
        ({"NUMBA_CPU_NAME": "generic"}, ""),
        ({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+avx"}, "avx"),
        ({"NUMBA_CPU_FEATURES": ""}, ""),
        ({"NUMBA_CPU_FEATURES": "+avx, +avx2,-fma,bmi,,"}, "avx avx2"),
    ],
)
def test_the_environment(environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(NUMPY, "__cpu_features__", {"AVX": True, "FMA3": True})
    assert features.named_features() == (expected if expected is None else set(expected.split()))
    everything = {"avx", "fma"}
    assert features.features_here() == (everything if expected is None else everything & set(expected.split()))


def test_fma_of_the_environment(monkeypatch):
    monkeypatch.setattr(NUMPY, "__cpu_features__", {"FMA3": True})
    monkeypatch.setattr(features, "machine", lambda: "x86-64")
    assert features.has_fma()
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert not features.has_fma()
    monkeypatch.delenv("NUMBA_CPU_NAME")
    assert features.has_fma()
    monkeypatch.setattr(features, "machine", lambda: "aarch64")
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    features._has_fma.cache_clear()
    assert features.has_fma()


@pytest.mark.skipif(not hasattr(features.os, "uname"), reason="needs POSIX")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x86_64", "x86-64"),
        ("i686", "x86-64"),  # in a process of 64 bits that setarch has started
        ("aarch64", "aarch64"),
        ("armv8l", "aarch64"),
        ("arm64", "arm64"),
        ("riscv64", "riscv64"),
    ],
)
def test_the_kind_of_processor(name, expected, monkeypatch):
    monkeypatch.setattr(features.os, "uname", lambda: types.SimpleNamespace(machine=name))
    assert features.machine() == expected


@pytest.mark.skipif(not hasattr(features.os, "uname"), reason="needs POSIX")
def test_a_python_of_32_bits_on_a_processor_of_64(monkeypatch):
    monkeypatch.setattr(features.os, "uname", lambda: types.SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(features.sys, "maxsize", (1 << 31) - 1)
    assert features.machine() == "32-bit"


@pytest.mark.parametrize(("name", "expected"), [("win-amd64", "x86-64"), ("win-arm64", "arm64"), ("win32", "win32")])
def test_the_kind_of_processor_on_windows(name, expected, monkeypatch):
    monkeypatch.setattr("sysconfig.get_platform", lambda: name)
    monkeypatch.setattr(features.sys, "platform", "win32")
    assert features.machine() == expected
