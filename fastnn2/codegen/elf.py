"""The undefined symbols of an object file, read from its ELF tables.

Layout: System V ABI, "ELF-64 Object File Format". Only what LLVM writes is needed: 64 bits, little endian.
"""

import struct

SYMBOL_TABLE = 2  # section type SHT_SYMTAB
UNDEFINED = 0  # section index SHN_UNDEF
SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")


def is_elf(content: bytes) -> bool:
    """Whether an object is a 64-bit little-endian ELF file."""
    return content[:6] == b"\x7fELF\x02\x01"


def undefined_symbols(content: bytes) -> list[str]:
    """Return the names of the symbols that an object uses and does not define; raise ValueError if it is none."""
    if not is_elf(content):
        raise ValueError("not a 64-bit little-endian ELF file")
    try:
        return _undefined_symbols(content)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError("an ELF file whose tables are damaged") from error


def _undefined_symbols(content: bytes) -> list[str]:
    (start,) = struct.unpack_from("<Q", content, 0x28)
    size, count = struct.unpack_from("<HH", content, 0x3A)
    sections = [SECTION_HEADER.unpack_from(content, start + i * size) for i in range(count)]
    names = []
    for _, kind, _, _, offset, length, link, *_ in sections:
        if kind == SYMBOL_TABLE:
            strings = sections[link][4]
            for at in range(offset + SYMBOL.size, offset + length, SYMBOL.size):  # the first symbol is empty
                name, _, _, section, _, _ = SYMBOL.unpack_from(content, at)
                if section == UNDEFINED and name:
                    names.append(content[strings + name : content.index(b"\0", strings + name)].decode())
    return names
