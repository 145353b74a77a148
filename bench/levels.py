"""``python -m bench --cpu LEVEL``: fastnn2 is compiled for a level of x86-64, and all peers are held to it.

Most libraries choose their kernels when they are loaded, so the environment is set first, and the bench starts again.
Whether a peer obeys is looked at in :mod:`bench.held`.
"""

import argparse
import os

HELD = "FASTNN2_BENCH_CPU"  # names the level in this process and in those that it starts
# Nothing here has to be known of x86-64-v1: no peer can be told to do without SSE4.2.
NAMES = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
SETTINGS = {
    "x86-64-v2": {
        "OPENBLAS_CORETYPE": "Nehalem", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
    "x86-64-v3": {
        "OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "x86-64-v4": {
        "OPENBLAS_CORETYPE": "SkylakeX", "ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
    },
}  # fmt: skip
# Settings that others may have, too: ours comes last, which counts. (name, what is between two, ours)
XLA = {"x86-64-v2": "SSE4_2", "x86-64-v3": "AVX2", "x86-64-v4": "AVX512"}
AVX512_OF_GLIBC = "-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ"
GLIBC = {"x86-64-v2": f"-AVX,-AVX2,-FMA,{AVX512_OF_GLIBC}", "x86-64-v3": AVX512_OF_GLIBC}
# NumPy's names of what each level has; older versions of NumPy have a name for each feature, newer ones for each level.
_NUMPY_V2 = "SSE SSE2 SSE3 SSSE3 SSE41 POPCNT SSE42 X86_V2"
_NUMPY_V3 = f"{_NUMPY_V2} AVX F16C FMA3 AVX2 X86_V3"
NUMPY = {"x86-64-v2": _NUMPY_V2, "x86-64-v3": _NUMPY_V3, "x86-64-v4": f"{_NUMPY_V3} AVX512F AVX512CD AVX512_SKX X86_V4"}


def held():
    """Return the level to which this process is held, or None."""
    return os.environ.get(HELD)


def runnable(name):
    """Return the name of a level that this processor runs; the type of ``--cpu`` in argparse."""
    from bench.inside import Processor

    if name not in NAMES:
        raise argparse.ArgumentTypeError(f"{name}: expected {', '.join(NAMES)}")
    missing = Processor.level(name).features - Processor.level("x86-64").features - features_here()
    if missing:
        raise argparse.ArgumentTypeError(f"{name}: this processor has no {', '.join(sorted(missing))}")
    return name


def features_here():
    """Return the features of this machine's processor in LLVM's terms, whatever the environment names."""
    import llvmlite.binding as llvm

    return {name for name, present in llvm.get_host_cpu_features().items() if present}


def settings(level, before, dispatched):
    """Return the environment variables that hold all peers to a level.

    Parameters
    ----------
    level : str
    before : mapping
        The environment so far.
    dispatched : iterable of str
        The features for which the installed NumPy has kernels, and which this machine has.
    """
    from bench.inside import Processor, kernel_store

    found = {
        HELD: level,
        # A store of its own: processes without a level would take its kernels where they have none of their own.
        "FASTNN2_CACHE_DIR": str(kernel_store.folder() / level),
        "NUMBA_CPU_NAME": level,
        "NUMBA_CPU_FEATURES": Processor.level(level).feature_string(),
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in dispatched if name not in NUMPY[level].split()),
        "TORCHINDUCTOR_CPP_MARCH": level,
        "XLA_FLAGS": joined(before.get("XLA_FLAGS"), " ", f"--xla_cpu_max_isa={XLA[level]}"),
        **SETTINGS[level],
    }
    if level in GLIBC:
        found["GLIBC_TUNABLES"] = joined(before.get("GLIBC_TUNABLES"), ":", f"glibc.cpu.hwcaps={GLIBC[level]}")
    return found


def joined(before, between, own):
    """Return both settings as one, the own one last.

    >>> joined(None, " ", "--b"), joined("--a", " ", "--b")
    ('--b', '--a --b')
    """
    return between.join([before, own] if before else [own])


def hold(level):
    """Set the environment for a level; it counts for processes that start from now on."""
    os.environ.update(settings(level, os.environ, features_of_numpy()))


def features_of_numpy():
    """Return the features for which NumPy has kernels of its own and which are there, also those switched off."""
    present = numpy_features()
    return [name for name in multiarray().__cpu_dispatch__ if present[name] or name in disabled_features()]


def numpy_features():
    """Return for each feature that NumPy knows whether it uses it."""
    return multiarray().__cpu_features__


def multiarray():
    """Return NumPy's module that tells its features; no public function tells which are switched off."""
    try:
        from numpy._core import _multiarray_umath
    except ImportError:  # NumPy 1
        from numpy.core import _multiarray_umath
    return _multiarray_umath


def disabled_features():
    """Return the features of NumPy that the environment has switched off."""
    return os.environ.get("NPY_DISABLE_CPU_FEATURES", "").replace(",", " ").split()
