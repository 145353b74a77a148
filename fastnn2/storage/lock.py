"""A lock for a file that one run at a time may write, in this process and in others.

The lock is one that the operating system keeps for a process, on a file beside the one that it protects. It ends with
its process, however that ends. It is a POSIX record lock, which a forked child does not inherit. Such a lock does not
keep apart two runs of one process, so this module also remembers the locks of its own process.
"""

import contextlib
import errno
import os
import pathlib
import sys

SUFFIX = ".lock"
MODE = 0o600  # who can open a file can hold its lock
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

# The locks of this process, by process and path, as a forked child has another number. A dict's setdefault is atomic.
_own: dict[tuple[int, str], object] = {}


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file if no other process has it; return whether none has. There may be no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in HELD_BY_ANOTHER
    return True


class FileLock:
    """The right to write a file. It ends, at the latest, with this object.

    Parameters
    ----------
    path : Path
        The file to protect. The lock is on a file beside it, whose name ends with ``.lock``.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._token = object()
        self._key: tuple[int, str] | None = None
        path = pathlib.Path(os.path.realpath(path))
        self.place = path.with_name(path.name + SUFFIX)
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock; return False if another run has it.

        Raises
        ------
        OSError
            The file of the lock cannot be made, for example in a folder that cannot be written. Within this process the
            lock is held then; :meth:`release` gives it up.
        """
        key = os.getpid(), str(self.place)
        if _own.setdefault(key, self._token) is not self._token:
            return False
        self._key = key
        while True:
            self._descriptor = os.open(self.place, FLAGS, MODE)
            if not try_lock(self._descriptor):
                self.release()
                return False
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(self.place), os.fstat(self._descriptor)):
                    return True
            os.close(self._descriptor)  # its holder has removed it meanwhile
            self._descriptor = None

    def release(self) -> None:
        """Give the lock up, and remove its file if this process made the lock; nothing if it is not held."""
        if self._key is None or self._key[0] != os.getpid():
            return
        descriptor, self._descriptor = self._descriptor, None
        key, self._key = self._key, None
        if descriptor is not None:
            with contextlib.suppress(OSError):  # Windows removes no open file
                if try_lock(descriptor) and os.path.samestat(os.stat(self.place), os.fstat(descriptor)):
                    os.unlink(self.place)
            os.close(descriptor)
        del _own[key]

    def __del__(self) -> None:
        self.release()
