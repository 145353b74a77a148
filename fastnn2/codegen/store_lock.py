"""One process compiles a kernel, and the others that need it wait for its file.

The lock is one that the operating system keeps for a process, on a file beside the kernel's. It ends with its process,
however that ends, so a process that is killed amid a compile blocks nobody. It is a POSIX record lock: a forked child
does not inherit it, and only a process that may write to the file can take it. The process that has the lock removes
the file. What a killed process left is used by the next compile of the kernel, or goes with old files.

Every process compiles for itself in a folder that cannot be written or is not trusted, and on a file system without
locks. So does a process that has waited for WAIT_SECONDS, as the other one may be stopped.
"""

import contextlib
import os
import pathlib
import time
from collections.abc import Iterator

from fastnn2.codegen.store_files import LOCK_SUFFIX, DamagedFileError, open_folder
from fastnn2.codegen.terminal import shown
from fastnn2.storage.lock import try_lock

WAIT_SECONDS = 120.0  # several times as long as a compile takes on a busy machine
POLL_SECONDS = 0.02  # short beside a compile; a call that blocks could not end after a time


@contextlib.contextmanager
def turn_to_compile(kernel: pathlib.Path) -> Iterator[None]:
    """Wait for a process that compiles a kernel, if there is one; then keep others waiting in the ``with`` statement.

    Parameters
    ----------
    kernel : path
        Where the store keeps the kernel. The caller looks again whether it is there, before it compiles.
    """
    with contextlib.ExitStack() as at_exit:
        with contextlib.suppress(OSError, DamagedFileError):
            folder = at_exit.enter_context(open_folder(kernel.parent, make=True))
            name = kernel.stem + LOCK_SUFFIX
            descriptor = folder.open_lock(name)
            at_exit.callback(os.close, descriptor)  # which also ends the lock
            if _wait(descriptor):
                at_exit.callback(folder.remove_lock, name, descriptor)
        yield


def _wait(descriptor: int) -> bool:
    """Wait for the lock; return whether no other process has it."""
    if try_lock(descriptor):
        return True
    begin = time.monotonic()
    with shown("waiting for another process, which compiles kernels for this processor, once …"):
        while time.monotonic() - begin < WAIT_SECONDS:
            time.sleep(POLL_SECONDS)
            if try_lock(descriptor):
                return True
    return False
