"""Whether a file is still as it was when its samples were first looked at."""

import os
import pathlib
from typing import NamedTuple


class Status(NamedTuple):
    """What tells whether a file has changed."""

    size: int
    inode: int
    time: int | None  # of the last change, in ns; None where it does not count

    @classmethod
    def of(cls, found: os.stat_result, with_time: bool = True) -> "Status":
        """Return the status that the system has given."""
        return cls(found.st_size, found.st_ino, found.st_mtime_ns if with_time else None)


def check_unchanged(path: pathlib.Path, status: Status) -> None:
    """Raise ValueError if a file is not there any more, or not as it was."""
    try:
        found = Status.of(os.stat(path), status.time is not None)
    except FileNotFoundError as error:
        raise ValueError(f"{str(path)!r} has vanished while its samples were in use") from error
    except OSError as error:
        raise named(error, path) from error
    if found != status:
        raise ValueError(f"{str(path)!r} has changed while its samples were in use; begin anew with files that stay")


def named(error: OSError, path: pathlib.Path) -> OSError:
    """Return an error of the system with the file's name in it."""
    return OSError(error.errno, error.strerror or str(error), str(path))
