"""The kernel store: machine code of the kernels in files, so that a process runs them without importing Numba.

``kernel(name, dtype)`` returns a function to call. It looks for an object file made for exactly this processor, then
for one made for a processor whose features this one has too; else it compiles the entry and keeps the result. The name
of a file has a hash of all that the machine code depends on, the sources of the kernels and the versions of the
compiler, so an old file is never found. What is in a file, and which files are trusted, is in :mod:`store_files`.

``FASTNN2_CACHE_DIR`` sets the folder; ``FASTNN2_STORE=off`` compiles in memory with plain Numba, as do systems whose
object files are not ELF.
"""

import functools
import gc
import hashlib
import importlib
import importlib.util
import os
import pathlib
import sys
import threading
import time
import warnings
from _thread import start_new_thread
from typing import Any

import llvmlite
import numpy as np

from fastnn2.codegen.loader import Kernel, load_object, wrap_compiled
from fastnn2.codegen.processor import Processor
from fastnn2.codegen.store_files import (
    SUFFIX,
    DamagedFileError,
    Entry,
    Folder,
    UntrustedFolderError,
    check_symbols,
    open_folder,
)
from fastnn2.kernels import LOADED_SOURCES
from fastnn2.kernels.shared.sources import source_hash

FORMAT = 2
HAS_ELF = sys.platform.startswith(("linux", "freebsd"))  # elsewhere objects cannot be checked: plain Numba, no store

_functions: dict[tuple[str, Any], Kernel] = {}
_lock = threading.RLock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    # A fork waits for a compile to end: the child would inherit Numba's lock, held by a thread that it does not have.
    os.register_at_fork(
        before=lambda: _lock.acquire(), after_in_parent=lambda: _lock.release(), after_in_child=_renew_lock
    )


def is_terminal(stream: Any) -> bool:
    """Return whether somebody looks at a stream, which may be closed or any object."""
    try:
        return stream is not None and bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False


def enabled() -> bool:
    """Return whether kernels are kept in files."""
    return HAS_ELF and os.environ.get("FASTNN2_STORE", "").lower() not in ("off", "0", "no", "false")


def kernel(name: str, dtype: Any) -> Kernel:
    """Return the compiled entry `name` for `dtype`, a function that takes a record."""
    key = name, np.dtype(dtype)
    if key not in _functions:
        with _lock:
            if key not in _functions:
                _functions[key] = _make(name, key[1].name)
    return _functions[key]


def _make(name: str, dtype: str) -> Kernel:
    if not enabled():
        return wrap_compiled(run_uninterrupted("compile_function", name, dtype))
    processor = Processor.here()
    entry = find(name, dtype, processor)
    return load_object(entry.content if entry else compile_and_keep(name, dtype, processor)[0])


# Files
def folder() -> pathlib.Path:
    """Return the folder of the store."""
    own = os.environ.get("FASTNN2_CACHE_DIR")
    if own:
        return pathlib.Path(os.path.expanduser(own))  # as it is where no user has that name
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
    return folder() / f"{_prefix(name, dtype)}{processor.key}{SUFFIX}"


def _prefix(name: str, dtype: str) -> str:
    return f"{name}-{dtype}-{source_key()}-"


def find(name: str, dtype: str, processor: Processor, use: bool = True) -> Entry | None:
    """Return an entry of the store, or None: made for this processor, else for the richest one that it includes.

    With `use`, it is noted in the store that the entry was used.
    """
    exact = path_of(name, dtype, processor)
    try:
        with open_folder(exact.parent) as opened:
            entry = _read(opened, exact.name)
            if entry is None or entry.processor != processor:
                others = [_read(opened, other) for other in opened.names(_prefix(name, dtype)) if other != exact.name]
                fitting = [one for one in (entry, *others) if one and processor.runs(one.processor)]
                entry = max(fitting, key=lambda one: len(one.processor.features), default=None)
            if entry and use:
                opened.set_used(entry)
            return entry
    except OSError:  # no folder yet, or one that is not to be used
        return None


def _read(opened: Folder, file: str) -> Entry | None:
    try:
        return opened.read(file)
    except (OSError, DamagedFileError):
        return None


def read(path: pathlib.Path) -> Entry:
    """Return what a file of the store holds; raise DamagedFileError or OSError where it is not to be used."""
    with open_folder(path.parent) as opened:
        return opened.read(path.name)


def stored(name: str, dtype: str, processor: Processor) -> Entry | None:
    """Return the entry made for exactly this processor, or None where the store has none in good order."""
    try:
        entry = read(path_of(name, dtype, processor))
    except (OSError, DamagedFileError):
        return None
    return entry if entry.processor == processor else None


def write(name: str, dtype: str, processor: Processor, content: bytes, symbol: str, keep: bool = False) -> None:
    """Write an entry; with `keep`, it stays however long nobody uses it. Raise OSError where it cannot be written."""
    path = path_of(name, dtype, processor)
    with open_folder(path.parent, make=True) as opened:
        opened.write(path.name, processor, content, symbol, keep)


def compile_and_keep(name: str, dtype: str, processor: Processor) -> tuple[bytes, str]:
    """Compile an entry, write it to the store, and return (object, symbol)."""
    content, symbol = compile_entry(name, dtype, processor)
    try:
        write(name, dtype, processor, content, symbol)
    except OSError as error:
        reason, remedy = explain(error)
        does = "neither reads nor keeps" if isinstance(error, UntrustedFolderError) else "cannot keep its"
        _warn_once(
            f"fastnn2 {does} compiled kernels in {folder()} ({reason}), so every process compiles them again; {remedy}"
        )
    return content, symbol


def explain(error: OSError) -> tuple[str, str]:
    """Return why a kernel cannot be kept, and what the user can do about it."""
    if isinstance(error, UntrustedFolderError):
        return str(error), error.remedy
    return error.strerror or str(error), "set FASTNN2_CACHE_DIR to a folder that you can write to"


@functools.cache
def _warn_once(message: str) -> None:
    package = str(pathlib.Path(__file__).parents[1])
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1  # the caller's line, not one of ours
    warnings.warn(message, stacklevel=level)


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
    check_symbols(content)
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
