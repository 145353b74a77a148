"""How the compiler is called: so that no signal interrupts it; and the error where the fast compile does not work.

Nothing here imports Numba before the compiler is called.
"""

import gc
import sys
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


class FastCompileError(Exception):
    """The fast compile does not work with this version of Numba or llvmlite; plain Numba may."""


def _is_compiling() -> bool:
    """Return whether this thread has Numba's lock, or may have it where Numba does not say."""
    if "numba" not in sys.modules:
        return False
    try:
        from fastnn2.codegen.numba_internals import is_compiling

        return is_compiling()  # type: ignore[no-any-return, no-untyped-call, unused-ignore]
    except Exception:  # whatever a name that is gone leads to
        return True


def run_uninterrupted(work: Callable[[], Result]) -> Result:
    """Return what `work` returns, which imports and calls the compiler; another thread calls it for the main thread.

    A signal raises its exception in the main thread, and amid the import of Numba or in a callback of LLVM it would
    leave these broken for the rest of the process. So it comes when `work` is done. (Where Numba itself is compiling
    something that led here, another thread would wait for it, and it for that thread.)
    """

    def call() -> None:
        collecting = gc.isenabled()
        gc.disable()  # a compile, and the import of Numba, make many objects and little garbage: a sixth of the time
        result: tuple[Any, BaseException | None]
        try:
            result = work(), None
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
    return result  # type: ignore[no-any-return]
