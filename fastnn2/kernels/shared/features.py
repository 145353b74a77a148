"""The features of this processor, in LLVM's names but without LLVM: NumPy looks for them when it is imported.

NumPy asks the processor, and the system whether it keeps the wide registers. It does not report all features of a
level of x86-64 (not before version 2.4 those for whole numbers: bmi, bmi2, lzcnt, movbe), but all that matter to
vectors.
"""

import functools
import os
import sys

# NumPy's name -> LLVM's names.
OF_NUMPY = {
    "SSE3": "sse3",
    "SSSE3": "ssse3",
    "SSE41": "sse4.1",
    "SSE42": "sse4.2",
    "POPCNT": "popcnt",
    "AVX": "avx",
    "F16C": "f16c",
    "FMA3": "fma",
    "AVX2": "avx2",
    "AVX512F": "avx512f",
    "AVX512CD": "avx512cd",
    "AVX512_SKX": "avx512bw avx512dq avx512vl",
}
# What systems call a kind of processor -> its name here. The last two are what Linux says in a process that `setarch`
# or `linux32` has started, of 64 bits or not.
SAME_MACHINE = {"x86_64": "x86-64", "amd64": "x86-64", "i686": "x86-64", "armv8l": "aarch64"}
# All that this module knows of: the features that NumPy reports.
VISIBLE = frozenset(" ".join(OF_NUMPY.values()).split())


def machine() -> str:
    """Return the kind of processor that this Python is made for, such as "x86-64", "aarch64" or "arm64"."""
    if sys.platform == "win32":
        import sysconfig

        name = sysconfig.get_platform().removeprefix("win-")  # of this Python; the system's may be another
    else:
        name = os.uname().machine if sys.maxsize > 1 << 32 else "32-bit"
    return SAME_MACHINE.get(name.lower(), name.lower())


def named_features() -> frozenset[str] | None:
    """Return the features that NUMBA_CPU_FEATURES and NUMBA_CPU_NAME name; None where they name none."""
    text = os.environ.get("NUMBA_CPU_FEATURES")
    if text is None and os.environ.get("NUMBA_CPU_NAME") == "generic":  # no optional features
        text = ""
    if text is None:
        return None
    return frozenset(word.strip()[1:] for word in text.split(",") if word.strip().startswith("+"))


@functools.cache
def seen_features() -> frozenset[str] | None:
    """Return those of VISIBLE that NumPy has found; None where this NumPy does not say."""
    import numpy  # noqa: F401

    module = sys.modules.get("numpy._core._multiarray_umath") or sys.modules.get("numpy.core._multiarray_umath")
    found = getattr(module, "__cpu_features__", None)
    if not isinstance(found, dict):
        return None
    return frozenset(" ".join(names for name, names in OF_NUMPY.items() if found.get(name)).split())


def features_here() -> frozenset[str] | None:
    """Return those of VISIBLE that code may use: what NumPy has found, less what the environment does not name."""
    found, wanted = seen_features(), named_features()
    return found if found is None or wanted is None else found & wanted


def has_fma() -> bool:
    """Return whether code may use fused multiply-add instructions; assumed where NumPy does not say."""
    return _has_fma(named_features())


@functools.cache
def _has_fma(named: frozenset[str] | None) -> bool:  # `named`, on which features_here depends, is the cache's key
    found = features_here()
    if not machine().startswith("x86"):
        return True  # all 64-bit Arm processors have them
    return found is None or "fma" in found
