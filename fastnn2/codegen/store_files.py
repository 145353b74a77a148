"""The files of the kernel store: what is in one, who may have made it, how it is written, and when it goes.

A file is one line of JSON, the header, and the object. Before LLVM sees a byte, owner, length, hash and the list of
undefined symbols are checked: LLVM's loader crashes on a damaged object, and where one symbol is unknown it gives
address 0 to all of them without a word. A file of the other kind has, instead of an object, the files of Numba's own
cache, which Numba itself would read without such checks.

Machine code from another user would run with this user's rights. So a folder or file is trusted only if it belongs to
this user or to root and nobody else may write to it. The folder is opened once, and the open folder is checked, not its
path. Files are opened through it, and symbolic links among them are not followed. The folders above are not checked: a
user who can replace the store's folder must still put one in its place that passes the same checks.

Using a file sets its time, if it belongs to this user, at most once a day. Writing a file removes this user's files
that nobody used for 90 days, most of them of earlier versions, and what killed processes left a day ago. ``fastnn2
warmup`` marks its files in the header, and they stay.

Windows has neither POSIX's owners and modes nor files that are opened through a folder. There the access lists of the
system decide who may write, as they do for a user's other programs.
"""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import re
import stat
import time
from typing import Any, BinaryIO

from fastnn2.codegen.elf import undefined_symbols
from fastnn2.codegen.processor import Processor

SUFFIX, NUMBA_SUFFIX, HALF_SUFFIX, LOCK_SUFFIX = ".kernel", ".numba", ".tmp", ".lock"
# Other files in the folder are left alone.
OWN_NAME = r"\w+-float(32|64)-[0-9a-f]{16}-[0-9a-f]{12}(\.kernel|\.numba|\.lock|.*\.tmp)"
FOLDER_MODE, FILE_MODE = 0o755, 0o644  # whatever the umask is: a store that root fills is for every user
LOCK_MODE = 0o600  # who can open a file can keep its user waiting
OWN_FOLDER = "set FASTNN2_CACHE_DIR to a folder of your own"
HAS_OWNERS = hasattr(os, "geteuid")
BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH if HAS_OWNERS else 0
# What some systems lack: links are not followed, a pipe in a file's place does not block, bytes are left as they are.
OPEN_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
DAY = 86_400.0  # seconds
UNUSED, LEFT = 90 * DAY, DAY  # how old a file gets that nobody uses, and what a process that was killed has left
# What machine code may call: functions of the C library that are the same everywhere (fma is exact).
ALLOWED_SYMBOLS = frozenset({"sched_yield", "usleep", "memset", "memcpy", "memmove", "fma", "fmaf"})


def user() -> int:
    """Return the number of this user; 0, as for the owner of all files, where the system has none."""
    return os.geteuid() if HAS_OWNERS else 0


class DamagedFileError(Exception):
    """A file of the store cannot be used, with the reason."""


class UntrustedFolderError(OSError):
    """Others could have put machine code into the folder of the store.

    Attributes
    ----------
    remedy : str
        What the user can do about it.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.remedy = remedy


class Entry:
    """What a file of the store holds: an object, its function's name, and the processor that it is made for.

    Attributes
    ----------
    keep : bool
        Whether `fastnn2 warmup` made it.
    """

    def __init__(self, name: str, status: os.stat_result, header: dict[str, Any], content: bytes) -> None:
        self.name, self.status, self.content = name, status, content
        self.keep = header["keep"]
        self.processor = Processor(header["triple"], header["cpu"], frozenset(header["features"]))

    @property
    def expires(self) -> bool:
        """Whether this user's next write removes it once it was not used for long."""
        return not self.keep and self.status.st_uid == user()


class Folder:
    """The folder of the store, open and trusted; a context manager that closes it.

    Attributes
    ----------
    descriptor : int or None
        The open folder; None where the system opens no folders, and files are opened by their paths.
    """

    def __init__(self, path: pathlib.Path, descriptor: int | None) -> None:
        self.path, self.descriptor = path, descriptor

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        if self.descriptor is not None:
            os.close(self.descriptor)

    def _place(self, name: str) -> str:
        """Return a file's name for the functions of os: within the open folder, else its path."""
        return name if self.descriptor is not None else str(self.path / name)

    def _listed(self) -> list[str]:
        return os.listdir(self.path if self.descriptor is None else self.descriptor)

    def names(self, prefix: str) -> list[str]:
        """Return the names of all files with this prefix, sorted."""
        return sorted(name for name in self._listed() if name.startswith(prefix) and name.endswith(SUFFIX))

    def _open(self, name: str) -> BinaryIO:
        """Open a file; raise DamagedFileError where it is none."""

        def opener(place: str, flags: int) -> int:
            return os.open(place, flags | OPEN_FLAGS, dir_fd=self.descriptor)

        try:
            file = open(self._place(name), "rb", opener=opener)  # noqa: SIM115 - the caller closes it
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):  # Linux, FreeBSD
                raise DamagedFileError(f"{self.path / name} is a symbolic link, which is not followed") from error
            raise
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise DamagedFileError(f"{self.path / name} is no regular file")
        return file

    def read(self, name: str) -> Entry:
        """Return what a file holds; raise DamagedFileError where it is not to be trusted."""
        path = self.path / name
        with self._open(name) as file:
            status = os.fstat(file.fileno())
            if status.st_uid not in (0, user()) or status.st_mode & BY_OTHERS:
                raise DamagedFileError(f"{path} belongs to another user, or others may write to it")
            line, _, content = file.read().partition(b"\n")
        try:
            header = json.loads(line)
            checked, length, _ = header.pop("sha256"), header["length"], header["entry"]
            entry = Entry(name, status, header, content)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedFileError(f"{path} does not begin with the header of a kernel") from error
        if header["entry"] != _entry_of(name):
            raise DamagedFileError(f"{path} has the machine code of {header['entry']}")
        if len(content) != length or checked != _hash(header, content):
            raise DamagedFileError(f"{path} is damaged: its length or hash is not what its header says")
        if name.endswith(SUFFIX):
            check_symbols(content)
        return entry

    def set_used(self, entry: Entry) -> None:
        """Note that an entry is used now, where its time matters and is older than a day."""
        if entry.expires and time.time() - entry.status.st_mtime > DAY:
            with contextlib.suppress(OSError):  # such as a disk that can only be read
                if self.descriptor is None:
                    os.utime(self.path / entry.name)
                else:
                    os.utime(entry.name, dir_fd=self.descriptor, follow_symlinks=False)

    def write(self, name: str, processor: Processor, content: bytes, keep: bool) -> None:
        """Write an object: to a temporary name first, so that nobody sees half a file. Then remove what is too old."""
        header: dict[str, Any] = {
            "entry": _entry_of(name),
            "triple": processor.triple,
            "cpu": processor.cpu,
            "features": sorted(processor.features),
            "keep": keep or self._is_kept(name),
            "length": len(content),
        }
        header["sha256"] = _hash(header, content)
        place = self._place(name)
        temporary = self._place(f"{pathlib.PurePath(name).stem}-{os.urandom(8).hex()}{HALF_SUFFIX}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS
        descriptor = os.open(temporary, flags, FILE_MODE, dir_fd=self.descriptor)
        try:
            with open(descriptor, "wb") as file:
                file.write(json.dumps(header).encode() + b"\n" + content)
                if HAS_OWNERS:
                    os.fchmod(descriptor, FILE_MODE)
            os.replace(temporary, place, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except BaseException:  # a full disk, or Ctrl-C
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self.descriptor)
            raise
        self._expire()

    def _expire(self) -> None:
        """Remove this user's files that nobody used for long, but for those that are to be kept."""
        now = time.time()
        for name in self._listed():
            if not re.fullmatch(OWN_NAME, name):
                continue
            with contextlib.suppress(OSError):  # another process may have removed it
                status = self._status(name)
                if status.st_uid != user() or not stat.S_ISREG(status.st_mode):
                    continue
                left = name.endswith((HALF_SUFFIX, LOCK_SUFFIX))
                if now - status.st_mtime > (LEFT if left else UNUSED) and (left or not self._is_kept(name)):
                    os.unlink(self._place(name), dir_fd=self.descriptor)

    def open_lock(self, name: str) -> int:
        """Open the file of a lock, or make it; return its descriptor.

        Raise DamagedFileError where it is none of this user's alone, as others could hold its lock for ever.
        """
        flags = os.O_RDWR | os.O_CREAT | OPEN_FLAGS
        descriptor = os.open(self._place(name), flags, LOCK_MODE, dir_fd=self.descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != user() or status.st_mode & BY_OTHERS:
            os.close(descriptor)
            raise DamagedFileError(f"{self.path / name} is no regular file of this user alone")
        return descriptor

    def remove_lock(self, name: str, descriptor: int) -> None:
        """Remove the file of a lock, unless it is a newer one, which is another process's."""
        with contextlib.suppress(OSError):  # another process has removed it; Windows removes no open file
            if os.path.samestat(self._status(name), os.fstat(descriptor)):
                os.unlink(self._place(name), dir_fd=self.descriptor)

    def _status(self, name: str) -> os.stat_result:
        return os.stat(self._place(name), dir_fd=self.descriptor, follow_symlinks=False)

    def _is_kept(self, name: str) -> bool:
        """Return whether there is such a file with a header that says that it is to be kept."""
        try:
            with self._open(name) as file:
                return json.loads(file.readline())["keep"] is True
        except (OSError, DamagedFileError, ValueError, KeyError, TypeError, RecursionError):
            return False


def open_folder(path: pathlib.Path, make: bool = False) -> Folder:
    """Open the folder of the store; raise UntrustedFolderError where others could have put something into it.

    A link in its place is followed if this user or root made it: some have their caches on another disk.
    """
    if make:
        make_folder(path)
    if os.open not in os.supports_dir_fd:
        os.listdir(path)  # an error where there is no such folder
        return Folder(path, None)
    flags = os.O_RDONLY | os.O_DIRECTORY
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW)
    except OSError:
        if not path.is_symlink():
            raise
        _check_owner(os.lstat(path), "it is a symbolic link that belongs")
        descriptor = os.open(path, flags)
    folder = Folder(path, descriptor)
    try:
        _check_trust(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return folder


def make_folder(path: pathlib.Path) -> None:
    """Make a folder, and those above that are missing, each with mode 0755 whatever the umask is."""
    try:
        try:
            os.mkdir(path, FOLDER_MODE)
        except FileNotFoundError:
            make_folder(path.parent)
            os.mkdir(path, FOLDER_MODE)
    except FileExistsError:  # its mode is its owner's; also where another process, or "new/..", was first
        return
    if not HAS_OWNERS:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        if status.st_uid == user() and status.st_mode & FOLDER_MODE != FOLDER_MODE:
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | FOLDER_MODE)
    finally:
        os.close(descriptor)


def _check_owner(status: os.stat_result, what: str) -> None:
    if status.st_uid not in (0, user()):
        raise UntrustedFolderError(f"{what} to user {status.st_uid}", OWN_FOLDER)


def _check_trust(path: pathlib.Path, status: os.stat_result) -> None:
    _check_owner(status, "it belongs")
    if status.st_mode & BY_OTHERS:
        import shlex

        own_folder, chmod = OWN_FOLDER, f"chmod go-w {shlex.quote(str(path))}"
        if status.st_mode & stat.S_IWOTH:
            own_folder += f", such as {path / f'fastnn2-{user()}'}"
        remedy = f"to mend it: {chmod}"
        if status.st_mode & stat.S_ISVTX:  # meant for all, as /tmp is: not to be mended
            remedy = own_folder
        elif status.st_uid != user():
            remedy = f"{own_folder}, or as root: {chmod}"
        raise UntrustedFolderError(f"others may write to it: its mode is {stat.S_IMODE(status.st_mode):04o}", remedy)


def _entry_of(name: str) -> str:
    """Return the entry and the dtype in the name of a file."""
    return "-".join(name.split("-")[:2])


def _hash(header: dict[str, Any], content: bytes) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"\n" + content).hexdigest()


def check_symbols(content: bytes) -> None:
    """Raise DamagedFileError where an object calls what it may not, or is none."""
    try:
        unknown = set(undefined_symbols(content)) - ALLOWED_SYMBOLS
    except ValueError as error:
        raise DamagedFileError(f"the machine code is {error}") from error
    if unknown:
        raise DamagedFileError(f"the machine code calls {', '.join(sorted(unknown))}, which it may not")
