"""The sizes of the row groups of a Parquet file, which polars does not tell.

polars takes the bytes of whole row groups into memory, whatever part of their rows is asked for. The footer of the file
is a record in Thrift's compact protocol: fields with numbers, of which a few matter here and the others are skipped.
"""

import os
import pathlib
from typing import Any, NamedTuple

MAGIC = b"PAR1"
TAIL = 8  # the length of the footer, and the magic bytes
# A longer footer takes seconds to read here; then the file counts as one row group.
LONGEST_FOOTER = 1 << 23
DEEPEST = 16

# Types of Thrift's compact protocol.
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
# Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
ROW_GROUPS, COLUMNS, ROWS, META_DATA, PATH, COMPRESSED_SIZE = 4, 1, 3, 3, 3, 7


class RowGroup(NamedTuple):
    """Rows that are stored together.

    Attributes
    ----------
    rows : int
    sizes : dict
        The bytes of each column in the file, by its name; parts of a nested column count together.
    """

    rows: int
    sizes: dict[str, int]


def read_row_groups(path: pathlib.Path) -> list[RowGroup] | None:
    """Return the row groups of a Parquet file; None if its footer is too long or cannot be read."""
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - TAIL))
            tail = file.read(TAIL)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != MAGIC or not 0 < length <= min(LONGEST_FOOTER, end - TAIL):
                return None
            file.seek(end - TAIL - length)
            record = _Reader(file.read(length)).record()
        return [_row_group(group) for group in record[ROW_GROUPS]]
    except (OSError, IndexError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return None


def _row_group(group: dict[int, Any]) -> RowGroup:
    sizes: dict[str, int] = {}
    for column in group[COLUMNS]:
        found = column[META_DATA]
        name = found[PATH][0].decode()
        sizes[name] = sizes.get(name, 0) + int(found[COMPRESSED_SIZE])
    return RowGroup(int(group[ROWS]), sizes)


class _Reader:
    """Reads values of the compact protocol one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def record(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of a record by their numbers."""
        if depth > DEEPEST:
            raise ValueError("the footer is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while True:
            head = self._byte()
            if head == 0:
                return fields
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            kind = head & 15
            # The type of a field that is true or false is its value.
            fields[number] = kind == TRUE if kind in (TRUE, FALSE) else self._value(kind, depth + 1)

    def _byte(self) -> int:
        self._place += 1
        return self._data[self._place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (TRUE, FALSE, BYTE):
            return self._byte()
        if kind in (I16, I32, I64):
            return self._zigzag()
        if kind in (DOUBLE, BINARY):
            size = 8 if kind == DOUBLE else self._varint()
            self._place += size
            return self._data[self._place - size : self._place]
        if kind in (LIST, SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._varint()
            if count > len(self._data):
                raise ValueError("the footer has a list that is longer than itself")
            return [self._value(head & 15, depth + 1) for _ in range(count)]
        if kind == MAP:
            raise ValueError("the footer has a map, which no version of Parquet has")
        if kind == STRUCT:
            return self.record(depth)
        raise ValueError(f"the footer has the unknown type {kind}")
