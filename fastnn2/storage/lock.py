"""A lock for a file that one run at a time may write, in this process and in others.

The lock is one that the operating system keeps for a process, on a file beside the one that it protects. It ends with
its process, however that ends. It is a POSIX record lock, which a forked child does not inherit. Such a lock does not
keep apart two runs of one process, so this module also remembers the locks of its own process.
"""

import contextlib
import errno
import io
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
        self._file: io.FileIO | None = None

    def is_held(self) -> bool:
        """Return whether this object has the lock, and not only within its process."""
        return self._file is not None

    def acquire(self) -> bool:
        """Take the lock; return False if another run has it.

        Raises
        ------
        OSError
            The file of the lock cannot be made, for example in a folder that cannot be written. Within this process the
            lock is held then; :meth:`release` gives it up.
        """
        self._key = os.getpid(), str(self.place)
        if _own.setdefault(self._key, self._token) is not self._token:
            self._key = None
            return False
        while True:
            self._file = io.FileIO(os.open(self.place, FLAGS, MODE), "r+")
            if not try_lock(self._file.fileno()):
                self.release()
                return False
            with contextlib.suppress(OSError):
                if self._is_in_place(self._file):
                    return True
            self._file.close()  # its holder has removed it meanwhile
            self._file = None

    def _is_in_place(self, file: io.FileIO) -> bool:
        return os.path.samestat(os.stat(self.place), os.fstat(file.fileno()))

    def release(self) -> None:
        """Give the lock up, and remove its file if this process made the lock; nothing if it is not held.

        What a signal has raised meanwhile is raised at the end.
        """
        if self._key is not None and self._key[0] != os.getpid() and self._file is not None:
            self._file.close()  # in a child, which has a descriptor and no lock
        raised = None
        while self._key is not None and self._key[0] == os.getpid():
            try:
                self._give_up(self._key)
            except BaseException as error:
                raised = error
        if raised is not None:
            raise raised

    def _give_up(self, key: tuple[int, str]) -> None:
        """Do the steps of :meth:`release`, of which none harms if it is done again."""
        if self._file is not None and not self._file.closed:
            with contextlib.suppress(OSError):  # Windows removes no open file
                if try_lock(self._file.fileno()) and self._is_in_place(self._file):
                    os.unlink(self.place)
            self._file.close()
        self._file = None
        if _own.get(key) is self._token:
            del _own[key]
        self._key = None

    def __del__(self) -> None:
        self.release()
