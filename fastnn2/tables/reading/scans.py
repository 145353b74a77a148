"""Queries of polars on the files that it reads."""

import glob
import pathlib
from typing import Any

from fastnn2.tables.reading.file_format import STREAM_START


def scan_parquet(path: pathlib.Path) -> Any:
    """Return a query on a Parquet file."""
    import polars

    return polars.scan_parquet(path, glob=False, hive_partitioning=False)


def scan_arrow(path: pathlib.Path) -> Any:
    """Return a query on an Arrow file, or on a stream of Arrow, which is read as a whole."""
    import polars

    with open(path, "rb") as file:
        is_stream = file.read(len(STREAM_START)) == STREAM_START
    if is_stream:
        return polars.read_ipc_stream(path).lazy()
    return polars.scan_ipc(glob.escape(str(path)))
