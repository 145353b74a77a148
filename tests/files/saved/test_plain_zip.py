"""The zip that is written in one way: who else reads it, and what is refused."""

import io
import zipfile

import pytest

from fastnn2.files.saved import plain_zip

MEMBERS = {"fastnn2.json": b"{}", "schema.json": b"[1, 2]", "1.npy": bytes(range(256)), "2.npy": b""}
PACKED = plain_zip.pack(MEMBERS)


def by_zipfile(members, method=zipfile.ZIP_STORED, comment=b""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.comment = comment
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_members_come_back():
    assert {name: bytes(content) for name, content in plain_zip.unpack(PACKED).items()} == MEMBERS
    assert list(plain_zip.unpack(PACKED)) == list(MEMBERS)


def test_zipfile_reads_the_same():
    with zipfile.ZipFile(io.BytesIO(PACKED)) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == MEMBERS
    assert plain_zip.members_of(PACKED) == MEMBERS


def test_every_byte_counts():
    for place in range(len(PACKED)):
        changed = bytearray(PACKED)
        changed[place] ^= 1 << place % 8
        with pytest.raises(ValueError):
            plain_zip.unpack(bytes(changed))


def test_every_end_counts():
    for end in range(len(PACKED)):
        with pytest.raises(ValueError, match=r"cut|its end|member"):
            plain_zip.unpack(PACKED[:end])


@pytest.mark.parametrize("name", ["../1.npy", "/etc/1.npy", "a/1.npy", "1.npy/", "1.pkl", "0.npy", "x" * 60, "1.npy\n"])
def test_names_that_are_refused(name):
    with pytest.raises(ValueError, match="it has a member with the name"):
        plain_zip.unpack(plain_zip.pack({**MEMBERS, name: b"x"}))


def test_two_members_of_one_name():
    headers, end = plain_zip._headers([("1.npy", b"x"), ("1.npy", b"y")])
    with pytest.raises(ValueError, match=r"two members with the name 1\.npy"):
        plain_zip.unpack(headers[0] + b"x" + headers[1] + b"y" + end)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members(method):
    """A compressed member could be a thousand times as large as the file."""
    with pytest.raises(ValueError, match=r"its member 1\.npy is compressed"):
        plain_zip.unpack(by_zipfile({"1.npy": bytes(10**6)}, method))


def test_zips_of_other_programs():
    with pytest.raises(ValueError, match="the header of its member"):
        plain_zip.unpack(by_zipfile(MEMBERS))
    with pytest.raises(ValueError, match="its end is not that of its members"):
        plain_zip.unpack(PACKED + b"\0")
    with pytest.raises(ValueError, match="its end is not that of its members"):
        plain_zip.unpack(b"#!/bin/sh\n" + PACKED)


def test_too_large_for_a_plain_zip(monkeypatch):
    monkeypatch.setattr(plain_zip, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"2 arrays and texts, 2\d\d\d bytes; the most are"):
        plain_zip.pack({"1.npy": bytes(1000), "2.npy": bytes(1000)})
    monkeypatch.setattr(plain_zip, "MOST_MEMBERS", 1)
    with pytest.raises(ValueError, match="2 arrays and texts"):
        plain_zip.pack({"1.npy": b"", "2.npy": b""})
