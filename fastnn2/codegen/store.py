"""The kernel store: machine code of the kernels in files, so that a process runs them without importing Numba.

``kernel(name, dtype)`` returns a function to call. It looks for an object file made for exactly this processor, then
for one made for a processor whose features this one has too; else it compiles the entry and keeps the result. Of
several processes that lack an entry, one compiles it (see :mod:`store_lock`).

The name of a file has a hash of all that the machine code depends on, the sources of the kernels and the versions of
the compiler, so an old file is never found. What is in a file, and which files are trusted, is in :mod:`store_files`.

Plain Numba compiles where objects are not ELF, and where the fast compile does not work with the installed version of
Numba (a warning says so). What its own cache keeps of an entry is packed into a file of the store; such a file serves
one processor and one version of Python, and Numba is imported to load it.

``FASTNN2_CACHE_DIR`` sets the folder; with ``FASTNN2_STORE=off`` no file is read or written.
"""

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import os
import pathlib
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastnn2.codegen import store_files
from fastnn2.codegen.compile_lock import compile_lock, let_forks_wait_first
from fastnn2.codegen.compiler_calls import FastCompileError, run_uninterrupted
from fastnn2.codegen.loader import Kernel, load_object, wrap_compiled
from fastnn2.codegen.processor import Processor
from fastnn2.codegen.settings import is_store_on, wanted_kernels
from fastnn2.codegen.store_files import (
    NUMBA_SUFFIX,
    SUFFIX,
    DamagedFileError,
    Entry,
    Folder,
    UntrustedFolderError,
    check_symbols,
    open_folder,
)
from fastnn2.codegen.store_lock import turn_to_compile
from fastnn2.codegen.terminal import shown
from fastnn2.codegen.warn import warn_once
from fastnn2.kernels import LOADED_SOURCES
from fastnn2.kernels.shared.records import RECORDS
from fastnn2.kernels.shared.sources import source_hash

Result = TypeVar("Result")

FORMAT = 2
TESTED = "Numba 0.61 to 0.68"
COMPILING = "compiling kernels for this processor, once …"
HAS_ELF = sys.platform.startswith(("linux", "freebsd"))  # elsewhere objects cannot be checked: plain Numba

_functions: dict[tuple[str, Any], Kernel] = {}
_fast_compile_errors: list[str] = []  # the first one of this process; no other entry tries again


def kernel(name: str, dtype: Any) -> Kernel:
    """Return the compiled entry `name` for `dtype`, a function that takes a record."""
    key = name, np.dtype(dtype)
    if key not in _functions:
        with compile_lock():
            if key not in _functions:
                _functions[key] = _make(name, key[1].name)
    return _functions[key]


def _make(name: str, dtype: str) -> Kernel:
    processor = Processor.here()
    if not is_store_on():
        return _compiled(name, dtype, processor)
    found = _loaded(name, dtype, processor)
    if found is None:
        with turn_to_compile(path_of(name, dtype, processor)):
            found = _loaded(name, dtype, processor)  # which another process may have written meanwhile
            if found is None:
                found = _compiled(name, dtype, processor)
    return found


def is_fast_wanted() -> bool:
    """Return whether the fast compile is tried: where objects are ELF, unless FASTNN2_KERNELS is numba."""
    return HAS_ELF and wanted_kernels() != "numba"


def _loaded(name: str, dtype: str, processor: Processor) -> Kernel | None:
    """Return an entry of the store, ready to call, or None."""
    entry = find(name, dtype, processor) if is_fast_wanted() else None
    if entry:
        return load_object(entry.content, RECORDS[name])
    kept = find_plain(name, dtype, processor)
    return _made_plain(name, dtype, processor, kept) if kept else None


def _compiled(name: str, dtype: str, processor: Processor) -> Kernel:
    if is_fast_wanted():
        with contextlib.suppress(FastCompileError):
            return load_object(compile_and_keep(name, dtype, processor), RECORDS[name])
    return _made_plain(name, dtype, processor, None)


def _made_plain(name: str, dtype: str, processor: Processor, kept: Entry | None) -> Kernel:
    compiled, reasons = make_plain(name, dtype, processor, kept)
    if _fast_compile_errors and not kept:
        warn_once(_fast_compile_failed(reasons))
    elif reasons:
        warn_once(_cannot_keep(reasons[0]))
    return wrap_compiled(compiled, RECORDS[name])


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

        return pathlib.Path(tempfile.gettempdir()) / f"fastnn2-{store_files.user()}"


@functools.cache
def source_key() -> str:
    """Return a hash of all that machine code depends on beside the processor."""
    import llvmlite

    digest = hashlib.sha256(f"{FORMAT} {llvmlite.__version__} {LOADED_SOURCES}".encode())
    numba = importlib.util.find_spec("numba")  # does not import it
    if numba and numba.submodule_search_locations:
        digest.update((pathlib.Path(numba.submodule_search_locations[0]) / "_version.py").read_bytes())
    return digest.hexdigest()[:16]


def path_of(name: str, dtype: str, processor: Processor) -> pathlib.Path:
    """Return where the store keeps an entry made for exactly this processor."""
    return folder() / f"{_prefix(name, dtype)}{processor.key}{SUFFIX}"


def plain_path_of(name: str, dtype: str, processor: Processor) -> pathlib.Path:
    """Return where the store keeps what plain Numba has made of an entry.

    Numba only finds it for the same version of Python, and where the sources are in the same folder.
    """
    place = f"{processor.key} {sys.implementation.cache_tag} {pathlib.Path(__file__).parents[1]}"
    key = hashlib.sha256(place.encode()).hexdigest()[:12]
    return folder() / f"{_prefix(name, dtype)}{key}{NUMBA_SUFFIX}"


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


def find_plain(name: str, dtype: str, processor: Processor, use: bool = True) -> Entry | None:
    """Return what plain Numba has made of an entry for exactly this processor, or None; `use` as for :func:`find`."""
    path = plain_path_of(name, dtype, processor)
    try:
        with open_folder(path.parent) as opened:
            entry = _read(opened, path.name)
            if entry and use:
                opened.set_used(entry)
            return entry
    except OSError:
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


def write(name: str, dtype: str, processor: Processor, content: bytes, keep: bool = False) -> None:
    """Write an entry; with `keep`, it stays however long nobody uses it. Raise OSError where it cannot be written."""
    _write(path_of(name, dtype, processor), processor, content, keep)


def write_plain(name: str, dtype: str, processor: Processor, content: bytes, keep: bool = False) -> None:
    """Write what plain Numba has made of an entry, as :func:`write`."""
    _write(plain_path_of(name, dtype, processor), processor, content, keep)


def _write(path: pathlib.Path, processor: Processor, content: bytes, keep: bool) -> None:
    with open_folder(path.parent, make=True) as opened:
        opened.write(path.name, processor, content, keep)


# Compiling
def compile_and_keep(name: str, dtype: str, processor: Processor) -> bytes:
    """Compile an entry the fast way, write it to the store, and return the object."""
    reasons: list[OSError] = []

    def keep(content: bytes) -> None:
        if is_store_on():
            try:
                write(name, dtype, processor, content)
            except OSError as error:
                reasons.append(error)

    content = compile_entry(name, dtype, processor, keep=keep)
    if reasons:
        warn_once(_cannot_keep(reasons[0]))
    return content


def _cannot_keep(error: OSError) -> str:
    reason, remedy = explain(error)
    does = "neither reads nor keeps" if isinstance(error, UntrustedFolderError) else "cannot keep its"
    return f"fastnn2 {does} compiled kernels in {folder()} ({reason}), so every process compiles them again; {remedy}"


def explain(error: OSError) -> tuple[str, str]:
    """Return why a kernel cannot be kept, and what the user can do about it."""
    if isinstance(error, UntrustedFolderError):
        return str(error), error.remedy
    return error.strerror or str(error), "set FASTNN2_CACHE_DIR to a folder that you can write to"


def compile_entry(
    name: str,
    dtype: str,
    processor: Processor,
    announce: bool = True,
    keep: Callable[[bytes], None] | None = None,
) -> bytes:
    """Compile an entry the fast way and return the object; say so on a terminal.

    `keep` is called with it before a signal can interrupt this thread. Raise FastCompileError where the fast way
    does not work.
    """

    def work() -> bytes:
        compiler = importlib.import_module("fastnn2.codegen.compile")
        content: bytes = compiler.compile_object(name, dtype, processor.cpu, processor.feature_string())
        _check_sources()
        try:
            check_symbols(content)
        except DamagedFileError as error:
            raise FastCompileError(str(error)) from error
        if keep:
            keep(content)
        return content

    if _fast_compile_errors:
        raise FastCompileError(_fast_compile_errors[0])
    try:
        return _run_alone(work, announce)
    except FastCompileError as error:
        _fast_compile_errors.append(str(error))
        raise


def make_plain(
    name: str, dtype: str, processor: Processor, kept: Entry | None, announce: bool = True, keep: bool = False
) -> tuple[Any, list[OSError]]:
    """Compile an entry with plain Numba and write it to the store, or load what Numba has `kept`.

    Return what Numba gives, and why it could not be written.
    """
    reasons: list[OSError] = []

    def work() -> Any:
        compiler = importlib.import_module("fastnn2.codegen.compile")
        compiled = None
        if kept:
            with contextlib.suppress(Exception):  # whatever Numba finds wrong with its files
                compiled, content = compiler.compile_plain(name, dtype, kept.content)
                if content is kept.content:
                    return compiled
        if compiled is None:
            try:
                compiled, content = compiler.compile_plain(name, dtype, caching=is_store_on())
            except OSError as error:  # there is no folder for temporary files
                reasons.append(error)
                compiled, content = compiler.compile_plain(name, dtype, caching=False)
        _check_sources()
        if content is not None:
            try:
                write_plain(name, dtype, processor, content, keep)
            except OSError as error:
                reasons.append(error)
        return compiled

    return _run_alone(work, announce and not kept), reasons


def _run_alone(work: Callable[[], Result], announce: bool) -> Result:
    """Return ``work()``, which compiles: in one thread at a time, to its end, and with a note on a terminal."""
    with shown(COMPILING, announce), compile_lock():
        let_forks_wait_first()
        return run_uninterrupted(work)


def compile_for_long(name: str, dtype: str, processor: Processor) -> None:
    """Compile an entry and write it to the store, where it stays.

    Raise OSError where it cannot be written, and FastCompileError where only plain Numba could compile it and the
    processor is not that of this machine.
    """
    if is_fast_wanted():
        try:
            content = compile_entry(name, dtype, processor, announce=False)
        except FastCompileError:
            if processor != Processor.here():
                raise
        else:
            write(name, dtype, processor, content, keep=True)
            return
    _, reasons = make_plain(name, dtype, processor, None, announce=False, keep=True)
    if reasons:
        raise reasons[0]
    if _fast_compile_errors:
        warn_once(_fast_compile_failed([]))


def _fast_compile_failed(reasons: list[OSError]) -> str:
    """Return the warning that plain Numba does the work."""
    import llvmlite

    often = "once"
    if reasons:
        reason, remedy = explain(reasons[0])
        often = f"in every process, as they cannot be kept in {folder()} ({reason}; {remedy})"
    elif not is_store_on():
        often = "in every process, as FASTNN2_STORE=off says"
    return (
        f"fastnn2's fast compile does not work with Numba {sys.modules['numba'].__version__} and llvmlite "
        f"{llvmlite.__version__} ({_fast_compile_errors[0]}). Plain Numba compiles the kernels {often}, which takes "
        f"several times as long; results are the same. Please report this, or install {TESTED}, with which fastnn2 is "
        "tested"
    )


def _check_sources() -> None:
    if source_hash() != LOADED_SOURCES:
        raise RuntimeError("the files of fastnn2 have changed since it was imported: start Python again")
