"""What a Windows library exports and imports, read from its file (Microsoft's "PE Format")."""

import struct
from collections.abc import Iterator

AMD64, PE32_PLUS = 0x8664, 0x20B
OPTIONAL_HEADER = 24  # from the signature on
DIRECTORIES = OPTIONAL_HEADER + 112  # in PE32+
EXPORTS, IMPORTS = 0, 1


class Library:
    """A DLL for 64-bit x86.

    Attributes
    ----------
    exports : list of str
    imports : dict
        The name of another library, in capitals -> the names of the functions it is to have.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        (self._header,) = struct.unpack_from("<I", content, 0x3C)
        signature, machine, sections = struct.unpack_from("<4sHH", content, self._header)
        (optional_size,) = struct.unpack_from("<H", content, self._header + 20)
        (magic,) = struct.unpack_from("<H", content, self._header + OPTIONAL_HEADER)
        if (signature, machine, magic) != (b"PE\0\0", AMD64, PE32_PLUS):
            raise ValueError("not a library for 64-bit x86 Windows")
        first = self._header + OPTIONAL_HEADER + optional_size
        self._sections = [struct.unpack_from("<8sIIII", content, first + 40 * k) for k in range(sections)]
        self.exports = self._read_exports()
        self.imports = dict(self._read_imports())

    def _place(self, address: int) -> int:
        """Return where in the file is what has an address, counted from the library's beginning, in memory."""
        for _, size, start, size_in_file, place in self._sections:
            if start <= address < start + max(size, size_in_file):
                return address - start + place
        raise ValueError(f"{address:#x} is in no section")

    def _directory(self, number: int) -> tuple[int, int]:
        """Return the address and the size of a table; 0 and 0 if there is none."""
        address, size = struct.unpack_from("<II", self._content, self._header + DIRECTORIES + 8 * number)
        return address, size

    def _text(self, address: int) -> str:
        place = self._place(address)
        return self._content[place : self._content.index(b"\0", place)].decode("ascii")

    def _read_exports(self) -> list[str]:
        address, _ = self._directory(EXPORTS)
        if not address:
            return []
        functions, names, _, name_table = struct.unpack_from("<IIII", self._content, self._place(address) + 20)
        if functions != names:
            raise ValueError("some functions are exported without a name")
        table = struct.unpack_from(f"<{names}I", self._content, self._place(name_table))
        return [self._text(each) for each in table]

    def _read_imports(self) -> Iterator[tuple[str, list[str]]]:
        address, _ = self._directory(IMPORTS)
        place = self._place(address) if address else None
        while place is not None:
            lookups, _, _, name, _ = struct.unpack_from("<5I", self._content, place)
            if not name:
                return
            yield self._text(name).upper(), [self._text(each + 2) for each in self._words(self._place(lookups))]
            place += 20

    def _words(self, place: int) -> Iterator[int]:
        """Yield the 64-bit words from a place on, before one that is 0."""
        while word := struct.unpack_from("<Q", self._content, place)[0]:
            if word >> 63:
                raise ValueError("a function is imported without a name")
            yield word
            place += 8
