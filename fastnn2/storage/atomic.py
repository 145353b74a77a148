"""Files that are read whole, and written whole or not at all: under a temporary name, which then becomes the file's."""

import contextlib
import os
import pathlib
import stat
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

# What some systems lack: a link in the place of the temporary file is not followed, bytes are left as they are.
FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
MODE = 0o666  # less the umask
READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
START = 16  # bytes that tell what a file is


def as_path(value: Any, name: str) -> pathlib.Path:
    """Return the path of a file as an absolute one; `name` is that of the argument.

    Raises
    ------
    TypeError
        It is neither a string nor a path.
    ValueError
        It is empty, or the path of a folder.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise TypeError(f"{name} is {type(value).__name__}; expected the path of a file, a str or pathlib.Path")
    text = os.fspath(value)
    if not text or "\0" in text:
        raise ValueError(f"{name} is {text!r}; expected the path of a file")
    path = pathlib.Path(text).absolute()
    if text.endswith(("/", os.sep)) or _is_folder(path):
        raise ValueError(f"{name} is {text!r}, a folder; expected the path of a file")
    return path


def _is_folder(path: pathlib.Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long; is_dir() of newer Pythons is False then
        return False


def check_writable(path: pathlib.Path) -> None:
    """Raise ValueError if a file cannot be written; the file is not touched."""
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.stat()  # raises an error if a name is too long, unlike is_dir() of newer Pythons
        if not path.parent.is_dir():
            problem = f"{str(path.parent)!r} is not a folder"
        elif path.is_dir():
            problem = "it is a folder"
        elif path.exists() and not path.is_file():
            problem = "it is no regular file"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            problem = "permission denied"
        else:
            return
    except OSError as error:
        problem = str(error.strerror)
    raise ValueError(f"cannot save {str(path)!r}: {problem}")


@contextlib.contextmanager
def replacing(path: pathlib.Path, temporary: str | None = None) -> Iterator[BinaryIO]:
    """Open a new file, which replaces the one at `path` at the end of the ``with`` statement.

    If an error is raised, in the ``with`` statement or by a full disk, the file at `path` is as it was. The bytes are
    on the disk before the name is: a computer that fails leaves the old file or the new one.

    Parameters
    ----------
    path : Path
        A link is followed. Where there is a file, the new one gets its mode.
    temporary : str, optional
        The name of the file until then, in the same folder. A caller who has a lock on `path` gives the same name each
        time, so that what a killed process leaves is overwritten. Otherwise the name is a new one.
    """
    path = pathlib.Path(os.path.realpath(path))
    place = path.with_name(temporary or f".fastnn2-{os.urandom(8).hex()}.tmp")
    descriptor = os.open(place, FLAGS | (os.O_TRUNC if temporary else os.O_EXCL), MODE)
    try:
        with open(descriptor, "wb") as file:
            with contextlib.suppress(OSError):  # there is no file yet
                os.chmod(place, path.stat().st_mode & 0o777)
            yield file
            file.flush()
            os.fsync(descriptor)
        os.replace(place, path)
    except BaseException:
        with contextlib.suppress(OSError):
            place.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: pathlib.Path) -> None:
    """Bring a new name in a folder to the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_file(path: pathlib.Path, content: bytes) -> None:
    """Write a whole file or nothing; raise ValueError if the file cannot be written, and say why."""
    check_writable(path)
    try:
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise ValueError(f"cannot save {str(path)!r}: {error.strerror or error}; the file is as it was") from error


def read_file(path: pathlib.Path, is_ours: Callable[[bytes], bool], name: str) -> bytes:
    """Return the content of a file.

    A pipe or a device, which may have no end, is not read, and neither is a large file of something else. Of a file
    that grows meanwhile, the end is not read.

    Parameters
    ----------
    path : Path
    is_ours : callable
        Returns whether a file begins with these bytes, at most START.
    name : str
        What a file of ours is called in a message.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It cannot be read, or is not ours. The message goes on from the file's name.
    """
    try:
        descriptor = os.open(path, READ_FLAGS)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("is not a regular file")
            if not is_ours(file.read(min(status.st_size, START))):
                raise ValueError(f"is not {name}")
            file.seek(0)
            return file.read(status.st_size)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
