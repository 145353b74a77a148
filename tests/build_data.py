"""Libraries for all platforms that several tests of the build look into, made once per session."""

import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from c_programs import zig_folder
from data import DTYPES, extra

# Few and quick to compile; of both dtypes, and one of them calls fma on processors without the instruction.
ENTRIES = tuple((name, dtype) for name in ("update", "cost") for dtype in DTYPES)
SYMBOLS = [f"{name}_{dtype}" for name, dtype in ENTRIES]


def needs_build():
    """Skip a test, or a whole file of tests, where ziglang or lief is missing."""
    extra("ziglang", "build")
    extra("lief", "build")


@functools.cache
def folder():
    """Return a folder for this session."""
    name = tempfile.mkdtemp(prefix="fastnn2-build-")
    atexit.register(shutil.rmtree, name, ignore_errors=True)
    return pathlib.Path(name)


@functools.cache
def built(platform_name):
    """Return a folder with the libraries of a platform, of few entries."""
    from fastnn2.codegen.build.libraries import build_platform
    from fastnn2.codegen.build.platforms import PLATFORMS

    out = folder() / platform_name
    build_platform(PLATFORMS[platform_name], out, ENTRIES)
    return out


@functools.cache
def compile_c(platform, source):
    """Return the object file of a C program for a platform."""
    needs_build()
    here = pathlib.Path(tempfile.mkdtemp(dir=folder()))
    (here / "source.c").write_text(source)
    target = platform.target.split(".")[0]  # without the version of the system
    flags = ["-O2", "-g0", "-fno-sanitize=undefined", "-fno-stack-protector", "-fno-unwind-tables", "-fno-builtin"]
    environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": zig_folder(), "ZIG_LOCAL_CACHE_DIR": zig_folder()}
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *flags, "-c", "source.c", "-o", "object.o"]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (here / "object.o").read_bytes()
