"""The undefined symbols of an object file, read from its ELF tables.

The format is "ELF-64 Object File Format" of the System V ABI. Only files as LLVM writes them are read: 64-bit and
little-endian.
"""

import struct

SYMBOL_TABLE = 2  # section type SHT_SYMTAB
UNDEFINED = 0  # section index SHN_UNDEF
SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")


def is_elf(content: bytes) -> bool:
    """Return whether an object is a 64-bit little-endian ELF file."""
    return content[:6] == b"\x7fELF\x02\x01"


def undefined_symbols(content: bytes) -> list[str]:
    """Return the names of the symbols that an object uses but does not define.

    Raise ValueError if the object is not such a file or its tables are damaged.
    """
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
            for symbol in range(offset + SYMBOL.size, offset + length, SYMBOL.size):  # the first symbol is empty
                name, _, _, section, _, _ = SYMBOL.unpack_from(content, symbol)
                if section == UNDEFINED and name:
                    names.append(content[strings + name : content.index(b"\0", strings + name)].decode())
    return names
