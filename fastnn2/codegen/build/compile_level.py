"""Compile kernels for one level of a platform: a process of its own does this for each level.

Numba keeps the types of register blocks, which differ between levels (see :mod:`fastnn2.kernels.simd.target`), and
puts numbers into the names of functions: a process that compiles the same entries in the same order writes the same
bytes. It prints the name of each entry that is done.
"""

import json
import pathlib
import sys
from collections.abc import Iterable, Iterator

from fastnn2.codegen.build.platforms import PLATFORMS, Level, Platform
from fastnn2.codegen.bundled import symbol_of
from fastnn2.codegen.compiler_calls import FastCompileError


def compile_entries(
    platform: Platform, level: Level, entries: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, bytes]]:
    """Yield the symbol and the object file of each entry; the process compiles for one level only."""
    from fastnn2.codegen.compile import compile_object

    for name, dtype in entries:
        symbol = symbol_of(name, dtype)
        yield symbol, compile_object(name, dtype, level.cpu, level.feature_string(), platform.triple, symbol)


def main(platform_name: str, level_name: str, folder: str, entries: str) -> int:
    """Write an object file for each of `entries`, a list in JSON, into a folder."""
    platform = PLATFORMS[platform_name]
    try:
        for symbol, content in compile_entries(platform, platform.level(level_name), json.loads(entries)):
            (pathlib.Path(folder) / f"{symbol}.o").write_bytes(content)
            print(symbol, flush=True)
    except (FastCompileError, ValueError, OSError) as error:  # Ctrl-C does not come here, see `libraries`
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
