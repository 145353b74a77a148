import struct

import pytest
from build_data import built, needs_build

from fastnn2.codegen.build.code_signature import CODE_DIRECTORY, check_signature

needs_build()


@pytest.fixture(scope="module")
def library():
    return (built("macos-arm64") / "arm64.dylib").read_bytes()


def begin_of(library):
    return library.index(struct.pack(">I", 0xFADE0CC0))


def changed(library, at, content):
    return library[:at] + content + library[at + len(content) :]


def test_a_built_library_is_signed(library):
    assert check_signature(library) == []


def test_every_page_is_signed(library):
    begin = begin_of(library)
    # The first bytes have the place of the signature itself.
    for at in (*range(2000, begin, 4096), begin - 1):
        flipped = changed(library, at, bytes([library[at] ^ 1]))
        assert check_signature(flipped) == ["has a signature with wrong hashes"]


def test_the_signature_covers_all_bytes_before_it(library):
    directory = library.index(struct.pack(">I", CODE_DIRECTORY), begin_of(library))
    (limit,) = struct.unpack_from(">I", library, directory + 32)
    assert limit == begin_of(library)
    assert check_signature(changed(library, directory + 32, struct.pack(">I", limit - 4096)))[0].startswith(
        f"has {limit} bytes"
    )
    (pages,) = struct.unpack_from(">I", library, directory + 28)
    assert check_signature(changed(library, directory + 28, struct.pack(">I", pages - 1))) != []


@pytest.mark.parametrize(
    ("offset", "content", "text"),
    [(12, bytes(4), "is not signed ad hoc"), (37, b"\1", "is signed with hashes of kind 1")],
)
def test_other_signatures_are_refused(library, offset, content, text):
    directory = library.index(struct.pack(">I", CODE_DIRECTORY), begin_of(library))
    assert check_signature(changed(library, directory + offset, content)) == [text]


def test_no_signature(library):
    begin = begin_of(library)
    assert check_signature(library[:begin]) == ["has a signature that ends too early"]
    assert check_signature(changed(library, begin, bytes(4))) == ["has a signature of an unknown kind"]
    assert check_signature(bytes(1000)) == ["is not signed"]
    assert check_signature(b"") == ["has a signature that ends too early"]
    command = library.index(struct.pack("<III", 0x1D, 16, begin))
    assert check_signature(changed(library, command, struct.pack("<I", 0x1B))) == ["is not signed"]
