"""A shared library from object files, by zig's linkers, which the package ziglang brings for every platform.

A library exports the entries alone. It calls sched_yield, usleep, memset and, without FMA instructions, fma of the C
library. On Windows it calls SwitchToThread and Sleep of kernel32; the other functions are linked into it, from zig's
compiler_rt.
"""

import pathlib
import subprocess
import sys
import tempfile

from fastnn2.codegen.build.platforms import Platform

VERSION_SCRIPT = "{ global: %s; local: *; };"


class LinkError(Exception):
    """The linker has failed; the text has its errors."""


def link(platform: Platform, objects: dict[str, bytes], path: pathlib.Path) -> None:
    """Write the shared library of `objects`: the symbol of an entry -> its object file.

    Raise LinkError where ziglang is missing or fails.
    """
    with tempfile.TemporaryDirectory(prefix="fastnn2-") as temporary:
        folder = pathlib.Path(temporary)
        for symbol, content in objects.items():
            (folder / f"{symbol}.o").write_bytes(content)
        # The same names in every build: they are in some libraries.
        _run([*_arguments(platform, sorted(objects), folder), f"-femit-bin={path.name}"], folder)
        path.write_bytes((folder / path.name).read_bytes())


def _arguments(platform: Platform, symbols: list[str], folder: pathlib.Path) -> list[str]:
    common = ["build-lib", "-dynamic", "-target", platform.target, "-O", "ReleaseFast", "-fstrip", "--name", "kernels"]
    common += ["--cache-dir", "cache", *(f"{symbol}.o" for symbol in symbols)]
    if platform.suffix == ".dll":
        return [*common, "-fcompiler-rt", "-fno-entry", "-fno-emit-implib", "-lkernel32"]
    if platform.suffix == ".dylib":
        return [*common, "-fno-compiler-rt", "-lc", "-dead_strip"]
    (folder / "exports").write_text(VERSION_SCRIPT % "; ".join(symbols))
    return [*common, "-fno-compiler-rt", "-fno-soname", "-lc", "-lm", "--version-script", "exports"]


def _run(arguments: list[str], folder: pathlib.Path) -> None:
    command = [sys.executable, "-m", "ziglang", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "error:" in line] or lines[-1:]
        raise LinkError(f"zig has failed with status {result.returncode}: {'; '.join(errors)}")
