"""The kernel store: machine code of the kernels in files, so that a process runs them without importing Numba.

``kernel(name, dtype)`` returns a function to call. It looks for an object file made for exactly this processor, then
for one made for a processor whose features this one has too; else it compiles the entry and keeps the result. A file
is one line of JSON and the object. Its name has a hash of all that the machine code depends on, the sources of the
kernels and the versions of the compiler, so an old file is never found. Before LLVM sees a byte, owner, length, hash
and the list of undefined symbols are checked: LLVM's loader crashes on a damaged object, and where one symbol is
unknown it gives address 0 to all of them without a word.

``FASTNN2_CACHE_DIR`` sets the folder; ``FASTNN2_STORE=off`` compiles in memory with plain Numba, as do systems whose
object files are not ELF.
"""

import functools
import gc
import hashlib
import importlib
import importlib.util
import json
import os
import pathlib
import sys
import threading
import time
import warnings
from _thread import start_new_thread
from collections.abc import Callable
from typing import Any

import llvmlite
import numpy as np

from fastnn2.codegen.elf import undefined_symbols
from fastnn2.codegen.loader import load_object, wrap_compiled
from fastnn2.codegen.processor import Processor
from fastnn2.kernels import LOADED_SOURCES
from fastnn2.kernels.shared.sources import source_hash

FORMAT = 1
# What machine code may call: functions of the C library that are the same everywhere (fma is exact).
ALLOWED_SYMBOLS = frozenset({"sched_yield", "usleep", "memset", "memcpy", "memmove", "fma", "fmaf"})

HAS_ELF = sys.platform.startswith(("linux", "freebsd"))  # elsewhere objects cannot be checked: plain Numba, no store

_functions: dict[tuple[str, Any], Callable[..., None]] = {}
_lock = threading.RLock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    # A fork waits for a compile to end: the child would inherit Numba's lock, held by a thread that it does not have.
    os.register_at_fork(
        before=lambda: _lock.acquire(), after_in_parent=lambda: _lock.release(), after_in_child=_renew_lock
    )


class DamagedFileError(Exception):
    """A file of the store cannot be used, with the reason."""


def is_terminal(stream: Any) -> bool:
    """Return whether somebody looks at a stream, which may be closed or any object."""
    try:
        return stream is not None and bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False


def enabled() -> bool:
    """Return whether kernels are kept in files."""
    return HAS_ELF and os.environ.get("FASTNN2_STORE", "").lower() not in ("off", "0", "no", "false")


def kernel(name: str, dtype: Any) -> Callable[..., None]:
    """Return the compiled entry `name` for `dtype`, a function that takes addresses and numbers."""
    key = name, np.dtype(dtype)
    if key not in _functions:
        with _lock:
            if key not in _functions:
                _functions[key] = _make(name, key[1].name)
    return _functions[key]


def _make(name: str, dtype: str) -> Callable[..., None]:
    if not enabled():
        return wrap_compiled(run_uninterrupted("compile_function", name, dtype), name)
    processor = Processor.here()
    found = find(name, dtype, processor)
    content, symbol = found if found else compile_and_keep(name, dtype, processor)
    return load_object(content, symbol, name)


# Files
def folder() -> pathlib.Path:
    """Return the folder of the store."""
    own = os.environ.get("FASTNN2_CACHE_DIR")
    if own:
        return pathlib.Path(own).expanduser()
    import platformdirs

    try:
        return pathlib.Path(platformdirs.user_cache_dir("fastnn2", appauthor=False))
    except RuntimeError:  # no home; files of others are not trusted, wherever they are
        import tempfile

        return pathlib.Path(tempfile.gettempdir()) / f"fastnn2-{os.getuid()}"


@functools.cache
def source_key() -> str:
    """Return a hash of all that machine code depends on beside the processor."""
    digest = hashlib.sha256(f"{FORMAT} {llvmlite.__version__} {LOADED_SOURCES}".encode())
    numba = importlib.util.find_spec("numba")  # does not import it
    if numba and numba.submodule_search_locations:
        digest.update((pathlib.Path(numba.submodule_search_locations[0]) / "_version.py").read_bytes())
    return digest.hexdigest()[:16]


def path_of(name: str, dtype: str, processor: Processor) -> pathlib.Path:
    """Return where the store keeps an entry made for exactly this processor."""
    return folder() / f"{name}-{dtype}-{source_key()}-{processor.key}.kernel"


def find(name: str, dtype: str, processor: Processor) -> tuple[bytes, str] | None:
    """Return (object, symbol) from the store, or None: for this processor, else the richest one that it includes."""
    exact = path_of(name, dtype, processor)
    try:
        others = sorted(set(exact.parent.glob(f"{name}-{dtype}-{source_key()}-*.kernel")) - {exact})
    except OSError:  # such as a name that is too long
        others = []
    best: tuple[bytes, str] | None = None
    features = -1
    for path in [exact, *others]:
        try:
            made_for, symbol, content = read(path)
        except (OSError, DamagedFileError):
            continue
        if path == exact and made_for == processor:
            return content, symbol
        if processor.runs(made_for) and len(made_for.features) > features:
            best, features = (content, symbol), len(made_for.features)
    return best


def stored(name: str, dtype: str, processor: Processor) -> bool:
    """Return whether the store has an entry made for exactly this processor, in good order."""
    try:
        return read(path_of(name, dtype, processor))[0] == processor
    except (OSError, DamagedFileError):
        return False


def read(path: pathlib.Path) -> tuple[Processor, str, bytes]:
    """Return (processor, symbol, object) of a file; raise DamagedFileError where it is not to be trusted."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if hasattr(os, "geteuid") and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022):
            raise DamagedFileError(f"{path} belongs to another user, or others may write to it")
        line, _, content = file.read().partition(b"\n")
    try:
        header = json.loads(line)
        checked, symbol = header.pop("sha256"), header["symbol"]
        processor = Processor(header["triple"], header["cpu"], frozenset(header["features"]))
        length = header["length"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFileError(f"{path} does not begin with the header of a kernel") from error
    if len(content) != length or checked != _hash(header, content):
        raise DamagedFileError(f"{path} is damaged: its length or hash is not what its header says")
    _check_symbols(content)
    return processor, symbol, content


def _hash(header: dict[str, Any], content: bytes) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"\n" + content).hexdigest()


def _check_symbols(content: bytes) -> None:
    try:
        unknown = set(undefined_symbols(content)) - ALLOWED_SYMBOLS
    except ValueError as error:
        raise DamagedFileError(f"the machine code is {error}") from error
    if unknown:
        raise DamagedFileError(f"the machine code calls {', '.join(sorted(unknown))}, which it may not")


def compile_and_keep(name: str, dtype: str, processor: Processor) -> tuple[bytes, str]:
    """Compile an entry, write it to the store, and return (object, symbol)."""
    content, symbol = compile_entry(name, dtype, processor)
    try:
        write(name, dtype, processor, content, symbol)
    except OSError as error:
        _warn_once(folder(), error.strerror or str(error))
    return content, symbol


@functools.cache
def _warn_once(where: pathlib.Path, reason: str) -> None:
    package = str(pathlib.Path(__file__).parents[1])
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1  # the caller's line, not one of ours
    warnings.warn(
        f"fastnn2 cannot keep its compiled kernels in {where} ({reason}), so every process compiles them again; set "
        "FASTNN2_CACHE_DIR to a folder that you can write to",
        stacklevel=level,
    )


def compile_entry(name: str, dtype: str, processor: Processor, announce: bool = True) -> tuple[bytes, str]:
    """Compile an entry and return (object, symbol); say so on a terminal."""
    show = announce and is_terminal(sys.stderr)
    if show:
        print("compiling kernels for this processor, once …", end="", file=sys.stderr, flush=True)
    try:
        with _lock:
            content, symbol = run_uninterrupted(
                "compile_object", name, dtype, processor.cpu, processor.feature_string()
            )
            if source_hash() != LOADED_SOURCES:
                raise RuntimeError("the files of fastnn2 have changed since it was imported: start Python again")
    finally:
        if show:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    _check_symbols(content)
    return content, symbol


def _is_compiling() -> bool:
    """Return whether this thread has Numba's lock, as it does amid a compile."""
    module = sys.modules.get("numba.core.compiler_lock")
    return module is not None and bool(module.global_compiler_lock.is_locked())


def run_uninterrupted(name: str, *arguments: Any) -> Any:
    """Return what a function of the compiler gives, called by another thread where this one is the main one.

    That is where a signal raises its exception, and amid the import of Numba or in a callback of LLVM it would leave
    these broken for the rest of the process. So it comes when the compiler is done. (Where Numba itself is compiling
    something that led here, another thread would wait for it, and it for that thread.)
    """

    def call() -> None:
        collecting = gc.isenabled()
        gc.disable()  # a compile, and the import of Numba, make many objects and little garbage: a sixth of the time
        result: tuple[Any, BaseException | None]
        try:
            function = getattr(importlib.import_module("fastnn2.codegen.compile"), name)
            result = function(*arguments), None
        except BaseException as error:
            result = None, error
        if collecting:
            gc.enable()
        outcome.append(result)
        finished.release()

    outcome: list[tuple[Any, BaseException | None]] = []
    finished = threading.Lock()
    finished.acquire()
    try:
        if threading.current_thread() is threading.main_thread() and not _is_compiling():
            start_new_thread(call, ())
        else:
            call()
    except RuntimeError:  # the system starts no more threads
        call()
    try:
        finished.acquire()
    finally:
        while not outcome:
            time.sleep(0.001)
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def write(name: str, dtype: str, processor: Processor, content: bytes, symbol: str) -> None:
    """Write an object to the store: to a temporary name first, so that nobody sees half a file."""
    header: dict[str, Any] = {
        "triple": processor.triple,
        "cpu": processor.cpu,
        "features": sorted(processor.features),
        "symbol": symbol,
        "length": len(content),
    }
    header["sha256"] = _hash(header, content)
    import tempfile  # only here: a process with a warm store starts sooner

    path = path_of(name, dtype, processor)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with open(handle, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n" + content)
        os.chmod(temporary, 0o644)  # a store that root fills is for every user
        os.replace(temporary, path)
    except BaseException:  # a full disk, or Ctrl-C
        os.unlink(temporary)
        raise
