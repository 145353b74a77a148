"""Libraries of kernels: compile the entries for each level of a platform, link them, and list them.

A process compiles for one level, as Numba keeps the types of register blocks (see :mod:`fastnn2.kernels.simd.target`).
"""

import concurrent.futures
import hashlib
import json
import multiprocessing
import os
import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastnn2.codegen.build.link import link
from fastnn2.codegen.build.platforms import PLATFORMS, Level, Platform
from fastnn2.codegen.bundled import LIST
from fastnn2.kernels import LOADED_SOURCES
from fastnn2.kernels.shared.records import DTYPES, RECORDS
from fastnn2.kernels.shared.sources import source_hash

ENTRIES = tuple((name, dtype) for name in RECORDS for dtype in DTYPES)


def symbol_of(name: str, dtype: str) -> str:
    """Return the name under which a library exports an entry."""
    return f"{name}_{dtype}"


def compile_entries(
    platform: Platform, level: Level, entries: Iterable[tuple[str, str]] = ENTRIES
) -> Iterator[tuple[str, bytes]]:
    """Yield the symbol and the object file of each entry; the process compiles for one level only."""
    from fastnn2.codegen.compile import compile_object

    for name, dtype in entries:
        symbol = symbol_of(name, dtype)
        yield symbol, compile_object(name, dtype, level.cpu, level.feature_string(), platform.triple, symbol)


def build_library(
    platform_name: str, level_name: str, folder: str, entries: Sequence[tuple[str, str]] = ENTRIES
) -> str:
    """Compile and link the library of one level into a folder; return the name of the file."""
    platform = PLATFORMS[platform_name]
    (level,) = (level for level in platform.levels if level.name == level_name)
    path = pathlib.Path(folder) / (level.name + platform.suffix)
    link(platform, dict(compile_entries(platform, level, entries)), path)
    return path.name


def build_platform(
    platform: Platform, out: pathlib.Path, entries: Sequence[tuple[str, str]] = ENTRIES, processes: int | None = None
) -> None:
    """Write the libraries of a platform and their list into a folder, which is made where it is missing.

    The files are written when all is built, the list last. Raise LinkError, or OSError where they cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=out) as temporary:
        with concurrent.futures.ProcessPoolExecutor(
            processes or os.cpu_count(), multiprocessing.get_context("spawn"), max_tasks_per_child=1
        ) as pool:
            futures = [
                pool.submit(build_library, platform.name, level.name, temporary, entries) for level in platform.levels
            ]
            files = [future.result() for future in futures]
        if source_hash() != LOADED_SOURCES:
            raise RuntimeError("the files of fastnn2 have changed while its kernels were compiled; build again")
        built = pathlib.Path(temporary)
        (built / LIST).write_text(json.dumps(_contents(platform, built), indent=1) + "\n")
        for file in [*files, LIST]:
            os.replace(built / file, out / file)


def _contents(platform: Platform, folder: pathlib.Path) -> dict[str, Any]:
    """Return what the list says: for each library, what a processor must have, and the hash of the file."""
    return {
        "platform": platform.name,
        "sources": LOADED_SOURCES,
        "libraries": [
            {
                "level": level.name,
                "file": level.name + platform.suffix,
                "features": sorted(level.needed),
                "sha256": hashlib.sha256((folder / (level.name + platform.suffix)).read_bytes()).hexdigest(),
            }
            for level in platform.levels
        ],
    }
