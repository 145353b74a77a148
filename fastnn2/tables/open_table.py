"""Open a file as a table, whatever its format is."""

import pathlib
from collections.abc import Sequence

from fastnn2.tables.columns import Column
from fastnn2.tables.table import Table


def open_table(path: str | pathlib.Path, expected: Sequence[Column] | None = None) -> Table:
    """Return a file as a table.

    Parameters
    ----------
    path : str or Path
        CSV (.csv, .txt: the separator is found), TSV (.tsv, .tab), either with .gz; Parquet (.parquet, .pq), Arrow
        (.arrow, .feather, .ipc: file or stream), .npz of arrays that have a row for each sample.
    expected : sequence of Column, optional
        The columns that must be there, with their kinds, as a model wants them: others are left out, and values that
        are not of these kinds are errors. Without them kinds are found, which reads a text file once.

    Raises
    ------
    TableError
        There is no such file, it cannot be read, has another format, has no rows or columns, duplicate or empty names,
        ragged rows, another encoding than UTF-8, text among numbers, a column of lists, or lacks an expected column.
        The message says where, what was found, and what to do.
    """
    raise NotImplementedError
