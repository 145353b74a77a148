"""Compiled kernels, wherever they come from: ``kernel(name, dtype)`` returns a function to call.

They come from a library of the package (:mod:`bundled`), else from the kernel store (:mod:`store`), which compiles what
it lacks. ``FASTNN2_KERNELS`` chooses: ``bundled``, ``store``, or ``numba``, which is the store with plain Numba.
"""

import functools
from types import ModuleType
from typing import Any

from fastnn2.codegen import bundled
from fastnn2.codegen.loader import Kernel
from fastnn2.codegen.settings import wanted_kernels
from fastnn2.codegen.warn import warn_once


def kernel(name: str, dtype: Any) -> Kernel:
    """Return the compiled entry `name` for `dtype`, a function that takes a record."""
    return origin().kernel(name, dtype)  # type: ignore[no-any-return]


@functools.cache
def origin() -> bundled.Library | ModuleType:
    """Return where this process takes its kernels from: a library, or the module of the store."""
    wanted = wanted_kernels()
    if wanted in (None, "bundled"):
        try:
            library = bundled.open_best()
        except bundled.UnusableLibraryError as error:
            if wanted == "bundled":
                raise RuntimeError(f"FASTNN2_KERNELS is bundled, but {error}; {error.remedy}, or unset it") from error
            warn_once(f"fastnn2 compiles its kernels, as {error}; {error.remedy}, or set FASTNN2_KERNELS=store")
            library = None
        if library is not None:
            return library
        if wanted == "bundled":
            raise RuntimeError(
                f"FASTNN2_KERNELS is bundled, but fastnn2 has no kernels for this processor in {bundled.FOLDER} "
                f"({bundled.platform_here()}); unset it, and fastnn2 compiles its kernels"
            )
    from fastnn2.codegen import store

    return store
