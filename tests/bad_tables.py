"""Files that are no good tables: what is in each, and what the message says of it."""

import functools
import gzip
import io
import os
import pathlib
import pickle
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class BadTable(NamedTuple):
    """A file, whose target would be the column y, and parts of the message about it."""

    file: str
    content: bytes | Callable[[pathlib.Path], object] | None  # None: there is no such file
    parts: tuple[str, ...]


def rows(count, row="{0},{1}"):
    """Return rows of values that no rule calls categories."""
    return "".join(row.format(k + 0.5, k % 2) + "\n" for k in range(count)).encode()


GOOD = b"a,y\n" + rows(20)


def parquet(path, **columns):
    import polars

    polars.DataFrame(columns).write_parquet(path)


def columns(**others):
    return {"a": [float(k) for k in range(20)], "y": [0, 1] * 10, **others}


def bytes_of(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def cut(path, write, share=0.6):
    data = bytes_of(write)
    path.write_bytes(data[: int(len(data) * share)])


def write_arrays(file):
    np.savez(file, a=np.ones(99))


def write_frame(file, kind):
    import polars

    getattr(polars.DataFrame(columns()), f"write_{kind}")(file)


def damaged_arrow(path):
    data = bytearray(bytes_of(lambda file: write_frame(file, "ipc")))
    data[8:-10] = bytes(len(data) - 18)
    path.write_bytes(data)


def huge_header():
    """Return the beginning of an array that would have 8 TB."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    return file.getvalue() + bytes(999)


def zip_of(**members):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name.replace("__", "/").replace("_", "."), data)

    return write


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


CSV_TABLES = {
    "nothing in it": BadTable("a.csv", b"", ("empty",)),
    "only blank lines": BadTable("a.csv", b"\n\r\n\n", ("empty", "names of the columns")),
    "header alone": BadTable("a.csv", b"a,y\n", ("no rows",)),
    "header alone, line not ended": BadTable("a.csv", b"a,y", ("no rows",)),
    "header and blank lines": BadTable("a.csv", b"a,y\n\n\r\n", ("no rows",)),
    "duplicate names": BadTable("a.csv", b"a,y,a\n1,0,1\n", ("row 1", "columns 1 and 3", "'a'", "rename")),
    "empty name": BadTable("a.csv", b"a,,y\n1,0,1\n", ("row 1", "column 2", "after 'a'", "no name")),
    "first name empty, and no index": BadTable("a.csv", b",a,y\nx,1,0\nz,2,1\n", ("row 1", "column 1", "no name")),
    "last name empty, and values": BadTable("a.csv", b"a,y,\n1,0,1\n", ("row 1", "column 3", "no name")),
    "no header": BadTable("a.csv", rows(20), ("row 1", "has numbers", "'0.5'", "first row with names")),
    "a row too short": BadTable("a.csv", GOOD + b"7\n" + rows(3), ("row 22", "1 value,", "expected 2")),
    "a row too long": BadTable("a.csv", GOOD + b"7,0,5\n" + rows(3), ("row 22", "3 values", "expected 2")),
    "a row too long after blank lines": BadTable("a.csv", b"\n" + GOOD + b"\n\n7,0,5\n", ("row 25", "3 values")),
    "a row too short and one too long": BadTable("a.csv", GOOD + b"7\n8,0,5\n", ("row 22", "1 value,")),
    "a title above the names": BadTable(
        "a.csv", b"Houses of 2024\n\n" + GOOD, ("row 3", "2 values", "remove a title above the names of the columns")
    ),
    "a row too long with quotes": BadTable("a.csv", b'a,y\n"1,5\n",0\n"2",1,"x"\n', ("row 3", "3 values")),
    "a row with a blank only": BadTable("a.csv", GOOD + b" \n" + rows(3), ("row 22", "1 value,")),
    "a quote not closed": BadTable("a.csv", GOOD + b'"7,0\n' + rows(3), ("row 22", "quote", "not closed")),
    "a quote not closed in the header": BadTable("a.csv", b'"a,y\n1,0\n', ("row 1", "quote", "not closed")),
    "quotes alone": BadTable("a.csv", b'"' * 100_001, ("row 1", "quote")),
    "quotes and lines alone": BadTable("a.csv", b'a,y\n"' + b'""\n' * 50_000, ("row 2", "quote", "not closed")),
    "a quote in a value": BadTable("a.csv", GOOD + b'5" pipe,6" pipe\n', ("row 22", "quote", "inside a value")),
    "text after a quote": BadTable("a.csv", GOOD + b'"7"x,1\n', ("row 22", "quote", "inside a value")),
    "Latin-1": BadTable("a.csv", b"a,y\n1,0\ncaf\xe9,1\n", ("row 3", "0xe9", "UTF-8")),
    "Latin-1 in the header": BadTable("a.csv", b"pre\xe7o,y\n1,0\n", ("row 1", "0xe7", "UTF-8")),
    "UTF-16": BadTable("a.csv", GOOD.decode().encode("utf-16"), ("UTF-16", "CSV UTF-8")),
    "UTF-32": BadTable("a.csv", GOOD.decode().encode("utf-32"), ("UTF-32", "CSV UTF-8")),
    "a carriage return in a row": BadTable("a.csv", GOOD + b"7\r8,1\n", ("row 22", "carriage return")),
    "a zero byte": BadTable("a.csv", GOOD + b"7\0,1\n", ("row 22", "zero byte")),
    "text among numbers": BadTable("a.csv", GOOD + b"unknown,1\n", ("row 22", "'a'", "'unknown'", "95", "--drop 'a'")),
    "text among dates": BadTable(
        "a.csv",
        b"a,y\n" + b"".join(b"2024-01-%02d,1\n" % (k + 1) for k in range(19)) + b"2024-02-30,0\n",
        ("row 21", "'a'", "'2024-02-30'", "dates"),
    ),
    "an infinite value": BadTable("a.csv", GOOD + b"-inf,1\n", ("row 22", "'a'", "'-inf'", "infinite")),
    "a value too large": BadTable("a.csv", GOOD + b"1e999,1\n", ("row 22", "'a'", "'1e999'", "infinite")),
    "commas between thousands": BadTable("a.csv", GOOD + b'"1,234.5",1\n' * 9, ("row 22", "'1,234.5'", "thousands")),
    "values separated by blanks": BadTable("a.txt", b"a y\n1 0\n2 1\n", ("separated by blanks",)),
    "no column but one of blanks": BadTable("a.tsv", b" \n1\n2\n", ("column 1", "no name")),
}
OTHER_FILES = {
    "a workbook named .csv": BadTable("a.csv", zip_of(xl__workbook_xml=""), ("workbook", "CSV UTF-8")),
    "a workbook": BadTable("a.xlsx", zip_of(xl__workbook_xml=""), (".xlsx", "workbook", ".parquet")),
    "an old workbook named .csv": BadTable("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, ("workbook of Excel",)),
    "an archive named .csv": BadTable("a.csv", zip_of(a_csv="a,y"), ("ZIP archive", "unpack")),
    "arrays named .csv": BadTable("a.csv", bytes_of(write_arrays), ("ending .npz",)),
    "Parquet named .csv": BadTable("a.csv", functools.partial(parquet, **columns()), ("Parquet", "ending .parquet")),
    "Arrow named .csv": BadTable("a.csv", lambda path: write_frame(path, "ipc"), ("Arrow", "ending .arrow")),
    "gzip named .csv": BadTable("a.csv", gzip.compress(GOOD), ("gzip", ".csv.gz")),
    "a pickle named .csv": BadTable("a.csv", pickle.dumps([1, 2]), ("pickle",)),
    "an array named .csv": BadTable("a.csv", bytes_of(lambda file: np.save(file, np.eye(2))), ("NumPy",)),
    "HTML named .csv": BadTable("a.csv", b"<!DOCTYPE html><html></html>", ("HTML", "download")),
    "JSON named .csv": BadTable("a.csv", b'{"a": [1, 2]}', ("JSON",)),
    "a database named .csv": BadTable("a.csv", b"SQLite format 3\0" + bytes(99), ("SQLite",)),
    "PDF named .txt": BadTable("a.txt", b"%PDF-1.7\n", ("PDF",)),
    "gzip cut off": BadTable("a.csv.gz", gzip.compress(GOOD * 99)[:-20], ("decompressed", "cut off")),
    "gzip damaged": BadTable("a.csv.gz", gzip.compress(GOOD)[:20] + b"\xff" * 99, ("decompressed", "damaged")),
    "no gzip": BadTable("a.csv.gz", GOOD, ("not compressed by gzip",)),
    "gzip of nothing": BadTable("a.csv.gz", gzip.compress(b""), ("empty",)),
    "gzip of Parquet": BadTable("a.parquet.gz", gzip.compress(b"PAR1"), ("'.parquet.gz'", "gzip", "expected CSV")),
    "an unknown ending": BadTable("a.dat", GOOD, ("'.dat'", "expected CSV", ".parquet")),
    "no ending": BadTable("table", GOOD, ("no ending", "expected CSV")),
    "CSV named .parquet": BadTable("a.parquet", GOOD, ("a Parquet file", "does not begin")),
    "CSV named .arrow": BadTable("a.arrow", GOOD, ("an Arrow file", "does not begin")),
    "CSV named .npz": BadTable("a.npz", GOOD, ("an .npz file", "does not begin")),
    "an empty .parquet": BadTable("a.parquet", b"", ("empty", "Parquet")),
    "there is no file": BadTable("a.csv", None, ("there is no file", "check the name")),
    "there is no folder": BadTable("no/a.csv", None, ("there is no file", "not a folder")),
    "a folder": BadTable("folder.csv", lambda path: path.mkdir(), ("is a folder", "expected a file")),
    "a file in a file": BadTable("a.csv/b.csv", lambda path: path.parent.write_bytes(GOOD), ("no file",)),
    "a name that is too long": BadTable("a" * 300 + ".csv", None, ("cannot be read",)),
    "a name with a zero byte": BadTable("a\0.csv", None, ("cannot be read",)),
}
if hasattr(os, "mkfifo"):
    OTHER_FILES["a pipe"] = BadTable("a.csv", os.mkfifo, ("not a regular file",))
TYPED_TABLES = {
    "Parquet cut off": BadTable("a.parquet", lambda path: cut(path, lambda f: write_frame(f, "parquet")), ("cut off",)),
    "Parquet of zeros": BadTable("a.parquet", b"PAR1" + bytes(999) + b"PAR1", ("damaged",)),
    "Parquet without rows": BadTable("a.parquet", lambda path: parquet(path, a=[], y=[]), ("no rows",)),
    "Parquet without columns": BadTable("a.parquet", lambda path: parquet(path), ("no columns",)),
    "a column of lists": BadTable(
        "a.parquet", lambda path: parquet(path, **columns(l=[[1, 2]] * 20)), ("'l'", "lists", "List(Int64)", "--drop")
    ),
    "a column of records": BadTable(
        "a.parquet", lambda path: parquet(path, **columns(r=[{"x": 1}] * 20)), ("'r'", "records", "--drop")
    ),
    "a column of bytes": BadTable(
        "a.parquet", lambda path: parquet(path, **columns(b=[b"x"] * 20)), ("'b'", "bytes", "--drop")
    ),
    "an infinite value in Parquet": BadTable(
        "a.parquet",
        lambda path: parquet(path, **columns(x=[1.0] * 17 + [float("inf")] * 3)),
        ("row 18", "'x'", "infinite"),
    ),
    "NaN and an infinite value": BadTable(
        "a.parquet",
        lambda path: parquet(path, **columns(x=[float("nan")] * 17 + [float("-inf"), float("inf"), None])),
        ("row 18", "'x'", "infinite"),
    ),
    "names that differ by blanks": BadTable(
        "a.parquet", lambda path: parquet(path, **{"a": [1], " a": [1], "y": [0]}), ("'a'", "same name")
    ),
    "an empty name in Parquet": BadTable("a.parquet", lambda path: parquet(path, **{"a": [1], "": [2]}), ("no name",)),
    "Arrow cut off": BadTable("a.arrow", lambda path: cut(path, lambda file: write_frame(file, "ipc")), ("cut off",)),
    "Arrow stream cut off": BadTable(
        "a.arrow", lambda path: cut(path, lambda file: write_frame(file, "ipc_stream")), ("cut off",)
    ),
    "Arrow of zeros": BadTable("a.arrow", damaged_arrow, ("damaged",)),
    "arrays of objects": BadTable("a.npz", npz(a=np.array([1, "x", None], object)), ("'a'", "objects of Python")),
    "arrays of no characters": BadTable(
        "a.npz", npz(a=np.array([0x61, 0x110000], np.uint32).view("<U1")), ("'a'", "no characters")
    ),
    "arrays of complex numbers": BadTable("a.npz", npz(a=np.array([1j])), ("'a'", "complex")),
    "arrays of other lengths": BadTable("a.npz", npz(a=np.ones(5), y=np.ones(4)), ("'y'", "4", "'a'", "5")),
    "an array without an axis": BadTable("a.npz", npz(a=np.ones(5), y=np.array(3)), ("'y'", "shape ()")),
    "an array of three axes": BadTable("a.npz", npz(a=np.ones((5, 2, 2))), ("'a'", "(5, 2, 2)")),
    "no arrays": BadTable("a.npz", npz(), ("no arrays",)),
    "arrays without rows": BadTable("a.npz", npz(a=np.ones(0)), ("no rows",)),
    "arrays without columns": BadTable("a.npz", npz(a=np.ones((5, 0))), ("no columns",)),
    "arrays of the same columns": BadTable("a.npz", npz(a=np.ones((5, 2)), a_1=np.ones(5)), ("'a_1'", "two columns")),
    "arrays cut off": BadTable("a.npz", lambda path: cut(path, write_arrays), ("cut off",)),
    "an archive of other files": BadTable("a.npz", zip_of(a_txt="x"), ("'a.txt'", "no array")),
    "an archive of an array without a whole header": BadTable(
        "a.npz", zip_of(a_npy=b"\x93NUMPY\1\0\x10\0{'descr': (     \n"), ("cut off or damaged",)
    ),
    "an archive of no arrays": BadTable("a.npz", zip_of(a_npy="x" * 99), ("cut off or damaged",)),
    "too much for the memory": BadTable("a.npz", lambda path: zip_of(a_npy=huge_header())(path), ("GB of memory",)),
}


def write_bad_table(folder, name):
    """Write the file of this name, and return its path."""
    bad = BAD_TABLES[name]
    path = folder / bad.file
    if isinstance(bad.content, bytes):
        path.write_bytes(bad.content)
    elif bad.content:
        bad.content(path)
    return path


BAD_TABLES = {**CSV_TABLES, **OTHER_FILES, **TYPED_TABLES}
