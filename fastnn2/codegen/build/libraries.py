"""Libraries of kernels: compile the entries for each level of a platform, link them, inspect and list them."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastnn2.codegen.build.inspection import inspect_library
from fastnn2.codegen.build.link import link
from fastnn2.codegen.build.platforms import Level, Platform
from fastnn2.codegen.bundled import LIST, symbol_of
from fastnn2.kernels import LOADED_SOURCES
from fastnn2.kernels.shared.records import DTYPES, RECORDS
from fastnn2.kernels.shared.sources import source_hash

ENTRIES = tuple((name, dtype) for name in RECORDS for dtype in DTYPES)
COMPILER = "fastnn2.codegen.build.compile_level"


class CompileError(Exception):
    """A process that compiles has failed; the text has its last line of errors."""


def build_platform(
    platform: Platform,
    out: pathlib.Path,
    entries: Sequence[tuple[str, str]] = ENTRIES,
    processes: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Write the libraries of a platform and their list into a folder, which is made where it is missing.

    The files are written when all is built, the list last. `progress` is called for each compiled entry of each level.
    Raise CompileError, LinkError or InspectionError, OSError where files cannot be written, and RuntimeError where the
    sources have changed meanwhile.
    """
    with temporary_folder(out) as built:
        files = _build_levels(platform, built, entries, processes or len(available_processors()), progress)
        if source_hash() != LOADED_SOURCES:
            raise RuntimeError("the files of fastnn2 have changed while its kernels were compiled; build again")
        (built / LIST).write_text(json.dumps(_contents(platform, built), indent=1) + "\n", newline="\n")
        for file in [*files, LIST]:
            os.replace(built / file, out / file)


@contextlib.contextmanager
def temporary_folder(out: pathlib.Path) -> Iterator[pathlib.Path]:
    """Make a folder in `out`, which is made where it is missing. After a failure or Ctrl-C neither is left."""
    existed = out.is_dir()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".building-", dir=out) as temporary:
            yield pathlib.Path(temporary)
    except BaseException:
        if not existed:
            with contextlib.suppress(OSError):  # somebody else has put a file there
                out.rmdir()
        raise


def available_processors() -> Sequence[int]:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def _build_levels(
    platform: Platform,
    folder: pathlib.Path,
    entries: Sequence[tuple[str, str]],
    processes: int,
    progress: Callable[[], object],
) -> list[str]:
    """Build the library of each level, `processes` at a time; return the names of the files."""
    compilers = _Compilers()
    with concurrent.futures.ThreadPoolExecutor(processes) as pool:
        futures = [
            pool.submit(_build_library, platform, level, folder, entries, compilers, progress)
            for level in platform.levels
        ]
        try:
            done, _ = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
            for future in done:
                future.result()  # raises what was raised
            return [future.result() for future in futures]
        except BaseException:  # Ctrl-C, too
            pool.shutdown(wait=False, cancel_futures=True)
            compilers.kill()
            raise


def _build_library(
    platform: Platform,
    level: Level,
    folder: pathlib.Path,
    entries: Sequence[tuple[str, str]],
    compilers: "_Compilers",
    progress: Callable[[], object],
) -> str:
    """Compile, link and inspect the library of a level; return the name of its file."""
    objects = folder / f"{level.name}-objects"
    objects.mkdir()
    compilers.compile([platform.name, level.name, str(objects), json.dumps(entries)], objects, progress)
    path = folder / (level.name + platform.suffix)
    symbols = [symbol_of(*entry) for entry in entries]
    link(platform, {symbol: (objects / f"{symbol}.o").read_bytes() for symbol in symbols}, path)
    inspect_library(platform, level, symbols, path)
    return path.name


class _Compilers:
    """The processes that compile. All end at once where one fails, or at Ctrl-C, which they do not get themselves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._is_killed = False

    def compile(self, arguments: list[str], folder: pathlib.Path, progress: Callable[[], object]) -> None:
        """Run a process, whose arguments are those of :func:`fastnn2.codegen.build.compile_level.main`."""
        # The user's settings of Numba, such as NUMBA_BOUNDSCHECK, would be in the code.
        settings = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        # With the same sys.path and -P, the process finds this fastnn2 and no other.
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environment = settings | {"PYTHONPATH": paths, "PYTHONHASHSEED": "0"}
        with (folder / "errors").open("w+") as errors:
            with subprocess.Popen(
                [sys.executable, "-P", "-m", COMPILER, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                start_new_session=True,
            ) as process:
                self._add(process)
                assert process.stdout is not None
                for _ in process.stdout:
                    progress()
            with self._lock:
                self._running.discard(process)
            if process.returncode:
                errors.seek(0)
                last = errors.read().strip().splitlines()[-1:] or ["no message"]
                end = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
                what = " ".join(arguments[:2])
                raise CompileError(f"the process that compiles for {what} has ended with {end}: {last[0]}")

    def _add(self, process: "subprocess.Popen[str]") -> None:
        with self._lock:
            self._running.add(process)
            if self._is_killed:
                process.kill()

    def kill(self) -> None:
        """End the processes that run, and those that are about to start."""
        with self._lock:
            self._is_killed = True
            for process in self._running:
                process.kill()


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
