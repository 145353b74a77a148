"""Moons in a folder, written once: for each number of samples X and Y in NumPy's format.

The file ``moons.json`` describes the folder. It is written before the first samples, which makes the folder one of
moons, and again after each size is complete, with the numbers of samples that are. What it does not list, a run that
was killed has left.
"""

import contextlib
import io
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from fastnn2.codegen.terminal import is_terminal
from fastnn2.commands.moons_data import BLOCK_SAMPLES, draw_blocks
from fastnn2.storage.atomic import read_file, replacing
from fastnn2.storage.lock import SUFFIX, FileLock
from fastnn2.threads.progress import bar_class

Array = np.ndarray[Any, Any]

DESCRIPTION = "moons.json"
FORMAT = 1
PART = ".part"  # the end of the name of a file until it is complete
REMEDY = "pass another folder, which must be empty"


class Moons(NamedTuple):
    """What the samples of a folder have in common."""

    noise: float
    dtype: str
    seed: int

    def __str__(self) -> str:
        return f"noise {self.noise:g}, {self.dtype} and seed {self.seed}"

    @property
    def row_bytes(self) -> int:
        """The size of a sample in the files."""
        return 3 * np.dtype(self.dtype).itemsize


class MoonsFolder:
    """A folder with the moons of several sizes.

    Parameters
    ----------
    path : str
    moons : Moons
        What the folder has, or is to have.

    Raises
    ------
    ValueError
        It is no folder, or has something else, or what it has is not as it was written.
    """

    def __init__(self, path: str, moons: Moons) -> None:
        self.path, self._moons = pathlib.Path(path), moons
        self._description = self.path / DESCRIPTION
        try:
            names = sorted(os.listdir(path))
        except FileNotFoundError:
            raise ValueError(f"there is no folder {path!r}; make it first, where the disk has room") from None
        except NotADirectoryError:
            raise ValueError(f"{path!r} is not a folder; expected an empty one, or one with moons") from None
        except OSError as error:
            raise ValueError(f"the folder {path!r} cannot be read: {error.strerror}") from error
        self._sizes = self._read_sizes(names)

    def files(self, n: int) -> tuple[str, str]:
        """Return the paths of X and Y with n samples."""
        return str(self.path / f"moons-{n}-X.npy"), str(self.path / f"moons-{n}-Y.npy")

    def file_bytes(self, n: int) -> int:
        """Return the size of both files with n samples."""
        return sum(len(header) for header in self._headers(n)) + n * self._moons.row_bytes

    def write_missing(self, sizes: list[int]) -> list[int]:
        """Write the sizes that the folder does not have; return which those are.

        Raises
        ------
        ValueError
            They do not fit on the disk, or another run writes to the folder.
        OSError
            A file cannot be written. What was complete stays, and nothing else.
        """
        if all(n in self._sizes for n in sizes):
            return []
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise ValueError(f"cannot write to the folder {str(self.path)!r}: permission denied")
        lock = FileLock(self._description)
        try:
            if not lock.acquire():
                raise ValueError(f"another run writes to the folder {str(self.path)!r}; wait for it, or {REMEDY}")
            self._sizes = self._read_sizes(sorted(os.listdir(self.path)))  # once more, as nobody else writes now
            missing = [n for n in sizes if n not in self._sizes]
            for part in self.path.glob("moons-*" + PART):  # of a run that was killed
                part.unlink()
            self._check_room(missing)
            for n in missing:
                self._describe()
                self._write(n)
                self._sizes = sorted({*self._sizes, n})
            self._describe()
        except OSError as error:
            message = f"cannot write to the folder {str(self.path)!r}: {error.strerror or error}"
            raise OSError(f"{message}; what was not complete is removed") from error
        finally:
            lock.release()
        return missing

    def _read_sizes(self, names: list[str]) -> list[int]:
        """Return the sizes that are there and complete, of a folder that has files of these names."""
        folder = str(self.path)
        try:
            content = read_file(self._description, lambda start: start.startswith(b"{"), "a description of moons")
            found = json.loads(content)
            moons, sizes = Moons(found["noise"], found["dtype"], found["seed"]), [int(n) for n in found["sizes"]]
            known = found["format"] == FORMAT
        except FileNotFoundError:
            others = [name for name in names if name not in (DESCRIPTION + SUFFIX, DESCRIPTION + PART)]
            if others:
                raise ValueError(f"the folder {folder!r} has other files, such as {others[0]!r}; {REMEDY}") from None
            return []
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise ValueError(f"{str(self._description)!r} is no description of moons that this version reads; {REMEDY}")
        if moons != self._moons and sizes:
            raise ValueError(
                f"the folder {folder!r} has moons with {moons}; expected {self._moons}. Pass the same options, or "
                "another folder, which must be empty"
            )
        return [n for n in sizes if self._is_there(n)]

    def _is_there(self, n: int) -> bool:
        """Return whether both files of a size are there; raise ValueError if one is not as it was written."""
        for path, header, row_bytes in zip(self.files(n), self._headers(n), self._bytes_of_rows(), strict=True):
            try:
                with open(path, "rb") as file:
                    is_same = file.read(len(header)) == header
                    is_same = is_same and os.fstat(file.fileno()).st_size == len(header) + n * row_bytes
            except FileNotFoundError:
                return False
            except OSError as error:
                raise ValueError(f"{path!r} cannot be read: {error.strerror}") from error
            if not is_same:
                raise ValueError(f"{path!r} is not as it was written; delete it, or {REMEDY}")
        return True

    def _bytes_of_rows(self) -> tuple[int, int]:
        itemsize = np.dtype(self._moons.dtype).itemsize
        return 2 * itemsize, itemsize

    def _headers(self, n: int) -> list[bytes]:
        """Return with what the files of X and Y begin."""
        return [_header((n, 2), self._moons.dtype), _header((n,), self._moons.dtype)]

    def _check_room(self, sizes: list[int]) -> None:
        needed, free = sum(map(self.file_bytes, sizes)), shutil.disk_usage(self.path).free
        if needed > free:
            fits = free * 9 // 10 // self._moons.row_bytes  # all smaller sizes take a ninth of the largest, or less
            remedy = f"at most --max-samples {fits} would fit" if fits >= 1000 else "make room"
            raise ValueError(
                f"the samples need {needed / 1e9:,.3f} GB in the folder {str(self.path)!r}, but {free / 1e9:,.3f} GB "
                f"are free; {remedy}, or pass a folder on another disk"
            )

    def _describe(self) -> None:
        """Write the description, with the sizes that are complete."""
        content = {"fastnn2": "moons", "format": FORMAT, **self._moons._asdict(), "sizes": self._sizes}
        with replacing(self._description, DESCRIPTION + PART) as file:
            file.write((json.dumps(content, indent=1) + "\n").encode())

    def _write(self, n: int) -> None:
        """Write both files of a size."""
        paths = [pathlib.Path(path) for path in self.files(n)]
        with (
            replacing(paths[0], paths[0].name + PART) as X_file,
            replacing(paths[1], paths[1].name + PART) as Y_file,
            _progress(n) as add,
        ):
            for file, header in zip((X_file, Y_file), self._headers(n), strict=True):
                file.write(header)
            for rows, labels in draw_blocks(n, self._moons.noise, self._moons.seed):
                for file, array in ((X_file, rows), (Y_file, labels)):
                    _write_array(file, array.astype(self._moons.dtype))
                add(len(rows))


def _write_array(file: BinaryIO, array: Array) -> None:
    """Write numbers to the disk. Ctrl-C does not interrupt a sync, so there is one for each block, which is short."""
    file.write(np.ascontiguousarray(array).data)
    file.flush()
    getattr(os, "fdatasync", os.fsync)(file.fileno())


def _header(shape: tuple[int, ...], dtype: str) -> bytes:
    """Return what a file in NumPy's format has before the numbers of an array in C order."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


@contextlib.contextmanager
def _progress(n: int) -> Iterator[Any]:
    """Show on a terminal how many rows are written, if they are many; yield a function that adds to them."""
    if n <= BLOCK_SAMPLES or not is_terminal(sys.stderr):
        yield lambda rows: None
        return
    with bar_class()(total=n, desc="writing", unit=" rows", unit_scale=True, leave=False) as bar:
        yield bar.update
