"""The ad-hoc signature of a library for macOS, without which an arm64 Mac does not load it: check its hashes.

The format is that of Apple's ``cs_blobs.h``: a *super blob* of big-endian numbers lists blobs, the code directory among
them, which has the SHA-256 of each page of the file before the signature.
"""

import hashlib
import struct

# Of the file: the magic of a 64-bit file, and the load command that has the place of the signature.
MACHO_64, CODE_SIGNATURE, HEADER_BYTES = 0xFEEDFACF, 0x1D, 32
# Of the signature: magic numbers of its blobs, SHA-256 among the kinds of hashes, the flag of ad-hoc signatures.
SUPER_BLOB, CODE_DIRECTORY, SHA256, ADHOC = 0xFADE0CC0, 0xFADE0C02, 2, 0x2


def check_signature(content: bytes) -> list[str]:
    """Return what is wrong with the signature of a library: nothing, if the list is empty."""
    try:
        return _check(content)
    except (struct.error, IndexError):
        return ["has a signature that ends too early"]


def _check(content: bytes) -> list[str]:
    begin, size = _find(content)
    if not size:
        return ["is not signed"]
    signature = content[begin : begin + size]
    magic, _, count = struct.unpack_from(">III", signature)
    directories = [
        offset
        for _, offset in struct.iter_unpack(">II", signature[12 : 12 + 8 * count])
        if struct.unpack_from(">I", signature, offset)[0] == CODE_DIRECTORY
    ]
    if magic != SUPER_BLOB or len(directories) != 1:
        return ["has a signature of an unknown kind"]
    directory = signature[directories[0] :]
    # Magic, length and version; flags; where hashes and name begin; counts of special and of page hashes; the end.
    _, _, _, flags, hashes, _, _, n_pages, limit = struct.unpack_from(">9I", directory)
    hash_size, hash_type, _, page_power = struct.unpack_from(">4B", directory, 36)
    wrong = []
    if not flags & ADHOC:
        wrong.append("is not signed ad hoc")
    if (hash_size, hash_type) != (32, SHA256):
        return [*wrong, f"is signed with hashes of kind {hash_type}"]
    if limit != begin:
        wrong.append(f"has {begin} bytes before its signature, which covers {limit}")
    pages = [content[at : min(at + (1 << page_power), limit)] for at in range(0, limit, 1 << page_power)]
    signed = [directory[hashes + 32 * page : hashes + 32 * (page + 1)] for page in range(n_pages)]
    if signed != [hashlib.sha256(page).digest() for page in pages]:
        wrong.append("has a signature with wrong hashes")
    return wrong


def _find(content: bytes) -> tuple[int, int]:
    """Return where the signature begins in a file, and its length; 0 if there is none."""
    magic, *_, n_commands = struct.unpack_from("<5I", content)
    if magic != MACHO_64:
        return 0, 0
    at = HEADER_BYTES
    for _ in range(n_commands):
        command, length = struct.unpack_from("<II", content, at)
        if command == CODE_SIGNATURE:
            begin, size = struct.unpack_from("<II", content, at + 8)
            return begin, size
        at += length
    return 0, 0
