"""C compilers, and the programs that tests make with them of what ``fastnn2.to_c`` writes."""

import atexit
import ctypes
import functools
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from data import EXTRAS_ARE_REQUIRED, PATIENCE, extra

import fastnn2

STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off"]
# Without what a compiler says of fused multiply-add, the file computes it from other operations.
IN_SOFTWARE = ["-U__FMA__", "-U__FP_FAST_FMA", "-U__FP_FAST_FMAF", "-U__ARM_FEATURE_FMA", "-U__riscv_flen"]
C_TYPES = {"float32": "float", "float64": "double"}

_numbers = itertools.count()


def zig(*arguments):
    """Return the command of Zig's C compiler, which is Clang with libraries for other systems; skip without it."""
    extra("ziglang", "test-extras")
    return [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=undefined", *arguments]


@functools.cache
def zig_folder():
    """Return a folder for what Zig keeps, so that nothing is left in the user's."""
    folder = tempfile.mkdtemp(prefix="fastnn2-zig-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def compiler(name):
    """Return the command of a compiler: gcc, clang (or Zig's) or g++; skip by name where there is none."""
    if shutil.which(name):
        return [name]
    if name == "clang":
        return zig()
    if name == "gcc" and EXTRAS_ARE_REQUIRED:
        return zig()
    return pytest.skip(f"needs {name}, which is not installed")


def compile_c(command, source, target, *flags, standard="c99"):
    """Compile a file; return the path of what comes of it."""
    source, target = pathlib.Path(source), pathlib.Path(target)
    environment = dict(os.environ)
    if "ziglang" in command:
        environment["ZIG_GLOBAL_CACHE_DIR"] = environment["ZIG_LOCAL_CACHE_DIR"] = zig_folder()
    done = subprocess.run(
        [*command, f"-std={standard}", *STRICT, *flags, "-o", str(target), str(source)],
        env=environment, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return target


def rows_function(name, element, n_inputs, n_results):
    """Return C that calls a function of `to_c` for each of `n` rows."""
    return (
        f"void {name}_rows(const {element} *x, {element} *y, long n);\n"
        f"void {name}_rows(const {element} *x, {element} *y, long n)\n{{\n    long i;\n    for (i = 0; i < n; i++)\n"
        f"        {name}(x + {n_inputs} * i, y + {n_results} * i);\n}}\n"
    )


class Collection:
    """Models as C, all in one file, which takes a compiler less time than many files."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.source, self.functions = "", {}

    def add(self, name, model, n_inputs, n_results, dtype):
        file = self.folder / f"{name}.c"
        declaration = fastnn2.to_c(model, file)
        assert declaration == f"void {name}(const {C_TYPES[dtype]} *x, {C_TYPES[dtype]} *y);"
        text = file.read_text(encoding="ascii")
        file.unlink()
        self.source += text + rows_function(name, C_TYPES[dtype], n_inputs, n_results)
        self.functions[name] = (n_inputs, n_results, np.dtype(dtype))

    def write(self, name="all.c"):
        source = self.folder / name
        source.write_text(self.source, encoding="ascii")
        return source

    def load(self, command, *flags):
        """Compile all as a library; return a function (name, X) -> results."""
        target = self.folder / f"all-{next(_numbers)}.so"  # a path that was loaded once stays what it was
        library = ctypes.CDLL(str(compile_c(command, self.write(), target, *flags, "-shared", "-fPIC")))

        def call(name, X):
            n_inputs, n_results, dtype = self.functions[name]
            assert X.dtype == dtype
            assert X.shape[1] == n_inputs
            X = np.ascontiguousarray(X)
            results = np.empty((len(X), n_results), dtype=dtype)
            pointers = [ctypes.c_void_p(array.ctypes.data) for array in (X, results)]
            getattr(library, f"{name}_rows")(*pointers, ctypes.c_long(len(X)))
            return results

        return call


def same(found, expected):
    """Assert equal bits; which NaN a NaN is depends on the processor."""
    expected = np.ascontiguousarray(expected).reshape(found.shape)
    assert found.dtype == expected.dtype
    found, expected = (np.where(np.isnan(array), array.dtype.type(np.nan), array) for array in (found, expected))
    wrong = np.flatnonzero((found.view(f"u{found.itemsize}") != expected.view(f"u{found.itemsize}")).any(axis=1))
    assert not wrong.size, (len(wrong), found[wrong[0]], expected[wrong[0]])
