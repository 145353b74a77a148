"""Which format a file has, as its ending and its first bytes say."""

import os
import pathlib
import stat
import zipfile

from fastnn2.storage.atomic import READ_FLAGS
from fastnn2.tables.reading.messages import near_names
from fastnn2.tables.reading.table_error import TableError

CSV, PARQUET, ARROW, NPZ = "CSV", "Parquet", "Arrow", "npz"
# Of each ending, without that of gzip.
FORMATS = {".csv": CSV, ".txt": CSV, ".tsv": CSV, ".tab": CSV}
FORMATS |= {".parquet": PARQUET, ".pq": PARQUET, ".arrow": ARROW, ".feather": ARROW, ".ipc": ARROW, ".npz": NPZ}
GZ = ".gz"
KNOWN = "CSV (.csv, .tsv, .txt, also with .gz), Parquet (.parquet), Arrow (.arrow, .feather) and .npz"

START = 16  # bytes that tell what a file is
ZIP, GZIP = b"PK", b"\x1f\x8b"
# What the first bytes of a file say that it is, and what to do with it.
SAVE_AS_CSV = "save it as CSV UTF-8"
STARTS = (
    (b"PAR1", "is a Parquet file", "give it the ending .parquet"),
    (b"PARE", "is an encrypted Parquet file", "save it without encryption"),
    (b"ARROW1", "is an Arrow file", "give it the ending .arrow"),
    (b"FEA1", "is a Feather file of version 1", "save it as Parquet"),
    (GZIP, "is compressed by gzip", "give it the ending .csv.gz, or decompress it"),
    (b"BZh", "is compressed by bzip2", "decompress it"),
    (b"\xfd7zXZ", "is compressed by xz", "decompress it"),
    (b"\x28\xb5\x2f\xfd", "is compressed by Zstandard", "decompress it"),
    (b"7z\xbc\xaf", "is a 7-Zip archive", "unpack it"),
    (b"\xd0\xcf\x11\xe0", "is a workbook of Excel", f"open it there and {SAVE_AS_CSV}"),
    (b"\x93NUMPY", "is an array in NumPy's format", "save it by np.savez, or as CSV with a header"),
    (b"\x89HDF", "is an HDF5 file", "save the table as Parquet or CSV"),
    (b"SQLite format 3", "is a database of SQLite", "save the table as CSV"),
    (b"%PDF", "is a PDF file", "save the table as CSV"),
    (b"\x89PNG", "is a picture", "expected a table"),
    (b"\x80\x02", "is a pickle", "save the table as Parquet or CSV"),
    (b"\x80\x03", "is a pickle", "save the table as Parquet or CSV"),
    (b"\x80\x04", "is a pickle", "save the table as Parquet or CSV"),
    (b"\x80\x05", "is a pickle", "save the table as Parquet or CSV"),
    (b"<!DOCTYPE", "is a page of HTML", "download the file itself"),
    (b"<!doctype", "is a page of HTML", "download the file itself"),
    (b"<html", "is a page of HTML", "download the file itself"),
    (b"<?xml", "is a file of XML", "save the table as CSV"),
    (b'{"', "is a file of JSON", "save the table as CSV"),
    (b"[{", "is a file of JSON", "save the table as CSV"),
)
# How the first bytes of the formats that are not text begin; a stream of Arrow has no sign.
OWN_STARTS = {PARQUET: b"PAR1", ARROW: b"ARROW1", NPZ: ZIP}
STREAM_START = b"\xff\xff\xff\xff"


def find_format(path: pathlib.Path) -> tuple[str, bool]:
    """Return the format of a file, and whether it is compressed by gzip.

    Raises
    ------
    TableError
        There is no such file, it cannot be read, is empty, or is not what its ending says.
    """
    start = _read_start(path)
    ending, is_compressed = path.suffix.lower(), False
    if ending == GZ:
        ending, is_compressed = path.with_suffix("").suffix.lower(), True
    shown = repr(str(path))
    if ending not in FORMATS or (is_compressed and FORMATS[ending] != CSV):
        said = _what_it_is(path, start)
        found = f"; it {said[0]}" if said else ""
        found_ending = f"the ending {''.join(path.suffixes[-2:])!r}, which no table has" if path.suffix else "no ending"
        raise TableError(f"{shown} has {found_ending}{found}; expected {KNOWN}")
    if not start:
        raise TableError(f"{shown} is empty; expected {_called(FORMATS[ending])}")
    if is_compressed:
        if not start.startswith(GZIP):
            raise TableError(f"{shown} is not compressed by gzip; leave {GZ!r} out of its name, or compress it")
        return CSV, True
    form = FORMATS[ending]
    own = OWN_STARTS.get(form)
    if own and not start.startswith(own) and not (form == ARROW and start.startswith(STREAM_START)):
        said = _what_it_is(path, start) or ("does not begin as such a file does", "save it anew")
        raise TableError(f"{shown} is named as {_called(form)}, but it {said[0]}; {said[1]}")
    if form == CSV:
        said = _what_it_is(path, start)
        if said:
            raise TableError(f"{shown} is named as a text file, but it {said[0]}; {said[1]}")
    return form, False


def _called(form: str) -> str:
    return {CSV: "a text file with a header", PARQUET: "a Parquet file", ARROW: "an Arrow file", NPZ: "an .npz file"}[
        form
    ]


def _what_it_is(path: pathlib.Path, start: bytes) -> tuple[str, str] | None:
    """Return what the first bytes of a file say that it is, and what to do with it."""
    if start.startswith(ZIP):
        return _which_zip(path)
    return next(((what, to_do) for sign, what, to_do in STARTS if start.startswith(sign)), None)


def _which_zip(path: pathlib.Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        names = []
    if "xl/workbook.xml" in names or "content.xml" in names:
        return "is a workbook of a spreadsheet", f"open it there and {SAVE_AS_CSV}"
    if names and all(name.endswith(".npy") for name in names):
        return "is an archive of NumPy's arrays", "give it the ending .npz"
    return "is a ZIP archive", "unpack it"


def _read_start(path: pathlib.Path) -> bytes:
    """Return the first bytes of a regular file."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TableError(_missing(path)) from error
    except (OSError, ValueError) as error:
        raise TableError(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISDIR(found.st_mode):
        raise TableError(f"{str(path)!r} is a folder; expected a file: {KNOWN}")
    if not stat.S_ISREG(found.st_mode):
        raise TableError(f"{str(path)!r} is not a regular file; write the rows to a file first, as they are read twice")
    try:
        descriptor = os.open(path, READ_FLAGS)
        try:
            return os.read(descriptor, START)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise TableError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error


def _missing(path: pathlib.Path) -> str:
    """Return the message for a file that is not there."""
    folder = path.parent
    try:
        if not folder.is_dir():
            return f"there is no file {str(path)!r}: {str(folder)!r} is not a folder"
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        names = []
    return f"there is no file {str(path)!r}{near_names(path.name, names) or '; check the name and the folder'}"
