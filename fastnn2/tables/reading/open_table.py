"""Open a file as a table, whatever its format is."""

import glob
import pathlib
from collections.abc import Sequence
from typing import Any

from fastnn2.tables.reading.columns import Column
from fastnn2.tables.reading.csv_table import CsvTable
from fastnn2.tables.reading.file_format import ARROW, CSV, NPZ, PARQUET, STREAM_START, find_format
from fastnn2.tables.reading.npz_arrays import scan_npz
from fastnn2.tables.reading.table import Table
from fastnn2.tables.reading.typed_table import TypedTable

TAB_ENDINGS = (".tsv", ".tab", ".tsv.gz", ".tab.gz")


def open_table(path: str | pathlib.Path, expected: Sequence[Column] | None = None, kept: Sequence[str] = ()) -> Table:
    """Return a file as a table.

    Parameters
    ----------
    path : str or Path
        CSV (.csv, .txt: the separator is found), TSV (.tsv, .tab), either with .gz; Parquet (.parquet, .pq), Arrow
        (.arrow, .feather, .ipc: file or stream), .npz of arrays that have a row for each sample.
    expected : sequence of Column, optional
        The columns that must be there, with their kinds, as a model wants them: others are left out, and values that
        are not of these kinds are errors. Without them kinds are found, which reads a text file once.
    kept : sequence of str, optional
        Columns that the caller copies: each batch has them as the file has them, whatever they are, in `Batch.kept`.

    Raises
    ------
    ImportError
        polars is missing.
    TableError
        There is no such file, it cannot be read, has another format, has no rows or columns, duplicate or empty names,
        ragged rows, another encoding than UTF-8, or lacks an expected column. The message says where, what was found,
        and what to do. A column of text among numbers, or of lists, is an error where it is used: `Table.check`.
    """
    try:
        import polars  # noqa: F401
    except ImportError as error:
        raise ImportError("a table in a file needs polars: pip install 'fastnn2[tables]'") from error
    path = pathlib.Path(path)
    form, is_compressed = find_format(path)
    if form == CSV:
        separator = "\t" if path.name.lower().endswith(TAB_ENDINGS) else None
        return CsvTable(path, is_compressed, separator, expected, kept)
    return TypedTable(path, _SCANS[form], expected, kept)


def _scan_parquet(path: pathlib.Path) -> Any:
    """Return a query on a Parquet file."""
    import polars

    return polars.scan_parquet(path, glob=False, hive_partitioning=False)


def _scan_arrow(path: pathlib.Path) -> Any:
    """Return a query on an Arrow file, or on a stream of Arrow, which is read as a whole."""
    import polars

    with open(path, "rb") as file:
        is_stream = file.read(len(STREAM_START)) == STREAM_START
    if is_stream:
        return polars.read_ipc_stream(path).lazy()
    return polars.scan_ipc(glob.escape(str(path)))


_SCANS = {PARQUET: _scan_parquet, ARROW: _scan_arrow, NPZ: scan_npz}  # queries of polars, for TypedTable
