"""The zip around an estimator: members that are not compressed, one after the other, and not a byte more.

Zip files can say the same thing in many ways, and their readers differ. Here one form is written, and no other is read:
all headers are computed again from the members' names and contents, and compared. So no byte of them can change
unnoticed, no member holds more than the file does, and every reader of zip files sees the same members.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable

LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
LOCAL_SIZE, CENTRAL_SIZE = 30, 46  # without the name
VERSION, DATE = 20, 0x21  # 1980-01-01, the first day that a zip can have

INFO, SCHEMA = "fastnn2.json", "schema.json"
# The names of all members. None has a folder, and none can be taken for the start of another part of a zip.
NAME = re.compile(r"fastnn2\.json|schema\.json|[1-9][0-9]{0,5}\.npy")
MOST_MEMBERS = (1 << 16) - 2
MOST_BYTES = (1 << 32) - 2  # more would need another form of zip, ZIP64


def _headers(members: Iterable[tuple[str, bytes | memoryview]]) -> tuple[list[bytes], bytes]:
    """Return the header before each member, and all that follows the last one."""
    headers, entries, offset = [], [], 0
    for name, content in members:
        ascii_name, size = name.encode("ascii"), len(content)
        # Flags, method (0: stored), time, date, checksum, size, the size again, length of the name, no extra fields.
        fields = struct.pack("<HHHHHLLLHH", VERSION, 0, 0, 0, DATE, zlib.crc32(content), size, size, len(name), 0)
        headers.append(LOCAL + fields + ascii_name)
        # No comment, first disk, no attributes, and where the member is.
        place = struct.pack("<HHHLL", 0, 0, 0, 0, offset)
        entries.append(CENTRAL + struct.pack("<H", VERSION) + fields + place + ascii_name)
        offset += len(headers[-1]) + size
    directory = b"".join(entries)
    return headers, directory + END + struct.pack(
        "<HHHHLLH", 0, 0, len(entries), len(entries), len(directory), offset, 0
    )


def pack(members: dict[str, bytes]) -> bytes:
    """Return a zip of these members, in their order.

    Raises
    ------
    ValueError
        There are more members or bytes than a plain zip can have.
    """
    total = sum(len(content) + LOCAL_SIZE + CENTRAL_SIZE + 2 * len(name) for name, content in members.items())
    if len(members) > MOST_MEMBERS or total > MOST_BYTES:
        raise ValueError(
            f"it has {len(members)} arrays and texts, {total} bytes; the most are {MOST_MEMBERS} and {MOST_BYTES}"
        )
    headers, end = _headers(members.items())
    parts = [part for header, content in zip(headers, members.values(), strict=True) for part in (header, content)]
    return b"".join([*parts, end])


def unpack(data: bytes) -> dict[str, memoryview]:
    """Return the members of a zip that :func:`pack` wrote, in their order.

    Raises
    ------
    ValueError
        The bytes are not those that :func:`pack` writes for these members.
    """
    members: dict[str, memoryview] = {}
    starts, place = [], 0
    while data[place : place + 4] == LOCAL:
        name, start, size = _member(data, place)
        if name in members:
            raise ValueError(f"it has two members with the name {name}")
        if len(members) == MOST_MEMBERS:
            raise ValueError(f"it has more than {MOST_MEMBERS} members")
        starts.append(place)
        place = start + size
        members[name] = memoryview(data)[start:place]
        if place > len(data):
            raise ValueError(f"it is cut: it ends within its member {name}")
    headers, end = _headers(members.items())
    for name, at, header in zip(members, starts, headers, strict=True):
        if data[at : at + len(header)] != header:
            raise ValueError(f"the checksum or the header of its member {name} is not that of its content")
    if data[place:] != end:
        raise ValueError("its end is not that of its members: it is cut or damaged, or something was added to it")
    return members


def _member(data: bytes, place: int) -> tuple[str, int, int]:
    """Return name, start and size of the member whose header is at `place`."""
    if len(data) < place + LOCAL_SIZE:
        raise ValueError("it is cut: it ends within the header of a member")
    _, _, method, _, _, _, size, whole, length, extra = struct.unpack_from("<HHHHHLLLHH", data, place + 4)
    start = place + LOCAL_SIZE + length + extra
    name = data[place + LOCAL_SIZE : place + LOCAL_SIZE + min(length, 40)].decode("ascii", "backslashreplace")
    if length > 40 or not NAME.fullmatch(name):
        raise ValueError(f"it has a member with the name {name!r}; expected {INFO}, {SCHEMA} and arrays such as 1.npy")
    if method or size != whole:
        raise ValueError(f"its member {name} is compressed; expected members as fastnn2.save writes them")
    return name, start, size


def members_of(data: bytes) -> dict[str, bytes]:
    """Return the members of a zip that skops has just written."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}
