"""Kernels that come with the package: shared libraries, built ahead and loaded by ctypes.

The folder ``libraries`` of a wheel has one library for each level of its platform, and a list of them, all made by
:mod:`fastnn2.codegen.build`. The best one that this processor can run is loaded, if it has the hash in the list: the
loader of a system crashes on a damaged file. Neither Numba nor llvmlite is imported, and no cache is read or
written. An installation from the sources has no such folder.
"""

import ctypes
import hashlib
import json
import os
import pathlib
import sys
from typing import Any, NamedTuple

import numpy as np

from fastnn2.codegen.loader import Kernel
from fastnn2.kernels import LOADED_SOURCES
from fastnn2.kernels.shared import features
from fastnn2.kernels.shared.records import RECORDS
from fastnn2.kernels.shared.sources import source_hash

FOLDER = pathlib.Path(__file__).parents[1] / "libraries"
LIST = "libraries.json"


class UnusableLibraryError(Exception):
    """No library of the package can be used; the text says why.

    Attributes
    ----------
    remedy : str
        What to do.
    """

    def __init__(self, reason: str, remedy: str = "install fastnn2 again") -> None:
        super().__init__(reason)
        self.remedy = remedy


class _Listed(NamedTuple):
    """What the list says of a library."""

    level: str
    file: str
    features: frozenset[str]
    sha256: str


def platform_here() -> str:
    """Return the platform of this Python, such as "linux-x86-64", as :mod:`~fastnn2.codegen.build` calls it."""
    system = {"win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    return f"{system}-{features.machine()}"


def symbol_of(name: str, dtype: str) -> str:
    """Return the name under which a library exports an entry."""
    return f"{name}_{dtype}"


class Library:
    """A library of kernels that is loaded.

    Attributes
    ----------
    path : pathlib.Path
    level : str
        The level that it is compiled for.
    """

    def __init__(self, path: pathlib.Path, level: str) -> None:
        self.path, self.level = path, level
        self._library = ctypes.CDLL(str(path))
        self._kernels: dict[tuple[str, Any], Kernel] = {}

    def kernel(self, name: str, dtype: Any) -> Kernel:
        """Return the entry `name` for `dtype`, a function that takes a record."""
        key = name, np.dtype(dtype)
        if key not in self._kernels:
            function = getattr(self._library, symbol_of(name, key[1].name))
            address = ctypes.cast(function, ctypes.c_void_p).value
            assert address is not None
            self._kernels[key] = Kernel(RECORDS[name], address)
        return self._kernels[key]


def open_best() -> Library | None:
    """Load the best library that this processor can run; return None where the package has none for it.

    Raise UnusableLibraryError where there should be one.
    """
    if not FOLDER.is_dir():
        return None
    platform, sources, libraries = _read_list(FOLDER / LIST)
    if platform != platform_here():
        raise UnusableLibraryError(f"{FOLDER} has libraries for {platform}, and this Python is for {platform_here()}")
    if sources != LOADED_SOURCES:
        if sources == source_hash():  # as after an upgrade
            raise UnusableLibraryError(
                f"the files of fastnn2 in {FOLDER.parent} have changed since it was imported", "start Python again"
            )
        raise UnusableLibraryError(
            f"the libraries in {FOLDER} were not built from the sources of fastnn2 beside them",
            f'build them again (python -m fastnn2.codegen.build --platform {platform} --out "{FOLDER}")',
        )
    here = features.features_here() or frozenset()
    usable = [library for library in libraries if library.features <= here]
    return _open(max(usable, key=lambda library: len(library.features))) if usable else None


def _read_list(path: pathlib.Path) -> tuple[str, str, list[_Listed]]:
    """Return the platform, the hash of the sources, and the libraries."""
    try:
        content = json.loads(path.read_bytes())
        return _text(content["platform"]), _text(content["sources"]), [_listed(each) for each in content["libraries"]]
    except OSError as error:
        raise UnusableLibraryError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableLibraryError(f"{path} is damaged") from error


def _listed(entry: Any) -> _Listed:
    if not isinstance(entry["features"], list):
        raise TypeError("the features are no list")
    result = _Listed(
        _text(entry["level"]),
        _text(entry["file"]),
        frozenset(_text(each) for each in entry["features"]),
        _text(entry["sha256"]),
    )
    if pathlib.PurePath(result.file).name != result.file:
        raise ValueError(f"{result.file!r} is not in the folder of the list")
    if b"\0" in os.fsencode(result.file):  # which also raises ValueError, where no file can have that name
        raise ValueError(f"{result.file!r} is not the name of a file")
    return result


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _open(library: _Listed) -> Library:
    path = FOLDER / library.file
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnusableLibraryError(f"{path} cannot be read ({error.strerror})") from error
    if found != library.sha256:
        raise UnusableLibraryError(f"{path} is damaged: its hash is not that of {LIST}")
    try:
        return Library(path, library.level)
    except OSError as error:
        raise UnusableLibraryError(f"{path} cannot be loaded ({error})") from error
