"""The lock of the compiler: one thread compiles at a time, and a fork waits for it.

Else a child would inherit Numba's lock, held by a thread that it does not have.
"""

import contextlib
import functools
import os
import threading

_lock = threading.RLock()


def compile_lock() -> threading.RLock:
    """Return the lock of this process."""
    return _lock


@functools.cache
def let_forks_wait_first() -> None:
    """Let a fork take the lock before that of logging, which a thread that compiles needs as well, to import Numba.

    What is registered last is called first. So this is called once logging is imported, and before Numba is.
    """
    import logging  # noqa: F401

    _let_forks_wait()


def _let_forks_wait() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lambda: _lock.acquire(), after_in_parent=_unlock, after_in_child=_renew)


def _unlock() -> None:
    with contextlib.suppress(RuntimeError):  # it was registered amid the fork
        _lock.release()


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


_let_forks_wait()
