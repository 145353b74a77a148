"""A run writes checkpoints from time to time, while it goes on."""

import errno
import os
import pathlib
import threading
import time
import warnings
from typing import Any

import numpy as np

from fastnn2.storage import checkpoint_file
from fastnn2.storage.lock import FileLock

Array = np.ndarray[Any, Any]

REMEDY = "Choose another file, or remove this one"
POLL_SECONDS = 0.001


class InUse(ValueError):
    """Another run writes the file."""


class Checkpointer:
    """The checkpoints of one run, as a context manager, which has the lock of the file.

    A thread of its own writes, so that neither hash nor disk holds the run up. What a full disk or a folder that cannot
    be written raises becomes one warning: the run goes on, and the last good checkpoint is intact.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    kind : str
        Of the run; see :func:`fastnn2.storage.checkpoint_file.write`.
    seconds : float
        The least time from one checkpoint to the next, 0 or more.
    """

    def __init__(self, path: pathlib.Path, kind: str, seconds: float) -> None:
        self.path, self.kind, self.seconds = path, kind, seconds
        self._lock = FileLock(path)
        self._thread: threading.Thread | None = None
        self._has_started = False  # whether the start of the thread has returned
        self._claim: dict[str, str] = {}
        self._pid = os.getpid()
        self._last = time.monotonic()
        self._failure: Exception | None = None
        self._has_warned = False

    def __enter__(self) -> "Checkpointer":
        """Take the lock; raise InUse, a ValueError, if another run has it, or ValueError if there is no such folder."""
        if not self.path.parent.is_dir():
            raise ValueError(f"cannot write the checkpoint {str(self.path)!r}: there is no folder {self.path.parent}")
        try:
            is_free = self._lock.acquire()
        except OSError as error:  # a folder that cannot be written
            self._failure, is_free = error, True
        if not is_free:
            raise InUse(
                f"another run, of this process or another one, writes the checkpoint {str(self.path)!r}; wait for its "
                "end, or choose another file"
            )
        self._last = time.monotonic()
        return self

    def __exit__(self, *error: object) -> None:
        """Wait until the last checkpoint is written, and give the lock up."""
        try:
            self._wait()
        finally:
            self._lock.release()
        self._warn()

    def read(self) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """Return description and arrays of the file, or None if there is none; else raise ValueError."""
        try:
            return checkpoint_file.read(self.path, self.kind)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{error}. {REMEDY}") from error.__cause__

    def seconds_left(self) -> float:
        """Return the time until the next checkpoint is due, 0 or more."""
        return max(0.0, self._last + self.seconds - time.monotonic())

    def is_due(self) -> bool:
        """Return whether it is time for a checkpoint, and the one before is written."""
        return self.seconds_left() == 0 and not self._is_writing()

    def write(self, description: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Begin to write a checkpoint; the arrays must not change any more. One that is being written comes first."""
        self._wait()
        self._warn()
        self._last = time.monotonic()
        # Ctrl-C may come while the thread starts, which runs all the same, or never. Two that write would write over
        # each other. So what comes first claims the checkpoint: the thread, or who would wait for it.
        self._has_started, self._claim, self._pid = False, {}, os.getpid()  # a forked child has no such thread
        arguments = (self._claim, description, arrays)
        thread = threading.Thread(target=self._write, args=arguments, name="fastnn2 checkpoint")
        self._thread = thread
        thread.start()
        self._has_started = True

    def _write(self, claim: dict[str, str], description: dict[str, Any], arrays: dict[str, Array]) -> None:
        if claim.setdefault("by", "thread") != "thread":  # (which is atomic)
            return
        try:
            # The file of the lock could not be made at the beginning, or is another user's.
            if not self._lock.is_held() and not self._lock.acquire():
                raise BlockingIOError(errno.EAGAIN, "another run writes it")
            checkpoint_file.write(self.path, self.kind, description, arrays)
        except Exception as error:
            self._failure = error
        finally:
            claim["is"] = "written"

    def _is_writing(self) -> bool:
        return self._thread is not None and "is" not in self._claim and self._pid == os.getpid()

    def _wait(self) -> None:
        """Wait for the thread; only then raise what a signal has raised meanwhile."""
        raised = None
        while self._thread is not None:
            try:
                if self._has_started or self._claim.setdefault("by", "waiting") == "thread":
                    self._thread.join()
                    while self._is_writing():  # until Python 3.12, a join that Ctrl-C has ended is the last that waits
                        time.sleep(POLL_SECONDS)
                self._thread = None
            except BaseException as error:
                raised = error
        if raised is not None:
            raise raised

    def _warn(self) -> None:
        """Warn once of what went wrong; anything but an OSError is a bug, and raised."""
        failure, self._failure = self._failure, None
        if failure is None:
            return
        if not isinstance(failure, OSError):
            raise failure
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"cannot write the checkpoint {str(self.path)!r}: {failure.strerror or failure}. Training goes on; the "
                "last good checkpoint, if there is one, is intact",
                RuntimeWarning,
                stacklevel=2,
            )
