"""Look into a linked library: it has to export the entries alone, and to need no more than every system has.

Nobody can run the libraries of all platforms on one machine, so the build refuses what it did not ask for: an export or
an import that is not expected, a C library newer than promised, code that runs when the library is loaded, memory that
is writable and executable, or a signature of macOS that does not fit the file.
"""

import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from fastnn2.codegen.build.code_signature import check_signature
from fastnn2.codegen.build.platforms import Level, Platform

# What kernels may call of the C library. LLVM makes memset and memcpy of loops that clear or copy.
CALLS = frozenset({"sched_yield", "usleep", "memset", "memcpy", "memmove"})
# The C library's functions for processors without the instruction.
FMA_CALLS = frozenset({"fma", "fmaf"})
# On macOS LLVM makes more calls of such loops, and zig's linker binds dyld_stub_binder in every library.
MACOS_CALLS = frozenset(f"_{name}" for name in (*CALLS, "bzero", "memset_pattern16")) | {"dyld_stub_binder"}
# Names of the file's header, which zig's linker exports from every library.
MACOS_HEADER = frozenset({"__mh_dylib_header", "___dso_handle"})
MACOS_LIBRARY, MACOS_OLDEST = "/usr/lib/libSystem.B.dylib", [11, 0, 0]
WINDOWS_CALLS = frozenset({"KERNEL32.dll SwitchToThread", "KERNEL32.dll Sleep"})
NEWEST_GLIBC = (2, 17)
# Systems with pages of 64 KiB load no library whose segments have a smaller alignment.
ARM_PAGE = 0x10000
APPLE_PAGE = 0x4000


class InspectionError(Exception):
    """A library is not as it must be; the text says all that is wrong."""


class Inspection:
    """A library, what it has to be, and what is wrong with it.

    Attributes
    ----------
    library : object
        What lief has read.
    platform : Platform
    level : Level
    symbols : sequence of str
        What it has to export.
    texts : list of str
        What is wrong.
    """

    def __init__(self, library: Any, platform: Platform, level: Level, symbols: Sequence[str]) -> None:
        self.library, self.platform, self.level, self.symbols = library, platform, level, symbols
        self.texts: list[str] = []

    def check(self, is_right: bool, text: str) -> None:
        """Note `text` unless `is_right`."""
        if not is_right:
            self.texts.append(text)

    def allow(self, what: str, found: Iterable[str], allowed: Iterable[str]) -> None:
        """Note, after the words `what`, all that was found and is not allowed."""
        if extra := sorted(set(found) - set(allowed)):
            self.texts.append(f"{what} {', '.join(extra)}")

    def exports(self, found: Iterable[str], expected: Iterable[str]) -> None:
        """Note exports that are not expected, missing or there twice."""
        found, expected = sorted(found), sorted(expected)
        self.allow("exports", found, expected)
        self.allow("does not export", expected, found)
        self.check(len(found) == len(set(found)), "exports a name twice")


def inspect_library(platform: Platform, level: Level, symbols: Sequence[str], path: pathlib.Path) -> None:
    """Raise InspectionError unless the library of a level exports `symbols` and is what its platform needs."""
    import lief

    look, kind = {
        ".so": (_look_into_elf, lief.ELF.Binary),
        ".dylib": (_look_into_macho, lief.MachO.Binary),
        ".dll": (_look_into_pe, lief.PE.Binary),
    }[platform.suffix]
    lief.logging.disable()
    inspection = Inspection(lief.parse(path), platform, level, symbols)
    lief.logging.enable()
    if isinstance(inspection.library, kind):
        look(inspection)
    else:
        inspection.check(False, "is not a library of this platform")
    if platform.suffix == ".dylib":
        inspection.texts += check_signature(path.read_bytes())
    if inspection.texts:
        raise InspectionError(f"{path.name} for {platform.name} {'; '.join(inspection.texts)}")


def _look_into_elf(inspection: Inspection) -> None:
    import lief

    library, elf = inspection.library, lief.ELF
    is_arm = inspection.platform.triple.startswith("aarch64")
    machine = elf.ARCH.AARCH64 if is_arm else elf.ARCH.X86_64
    inspection.check(library.header.machine_type == machine, f"is for {library.header.machine_type}")
    inspection.check(library.header.file_type == elf.Header.FILE_TYPE.DYN, "is no shared library")
    has_fma = is_arm or "fma" in inspection.level.needed
    named = [symbol for symbol in library.dynamic_symbols if symbol.name]
    inspection.exports([str(symbol.name) for symbol in named if symbol.shndx], inspection.symbols)
    calls = CALLS if has_fma else CALLS | FMA_CALLS
    inspection.allow("calls", [str(symbol.name) for symbol in named if not symbol.shndx], calls)
    inspection.allow("needs", library.libraries, ["libc.so.6"] if has_fma else ["libc.so.6", "libm.so.6"])
    versions = [
        auxiliary.name for needed in library.symbols_version_requirement for auxiliary in needed.get_auxiliary_symbols()
    ]
    inspection.allow("needs", versions, [name for name in versions if _is_old_glibc(name)])
    tags = elf.DynamicEntry.TAG
    # Such entries search in folders, write into code, or run code when the library is loaded.
    for tag in (tags.RPATH, tags.RUNPATH, tags.TEXTREL, tags.INIT, tags.FINI, tags.INIT_ARRAY, tags.FINI_ARRAY):
        inspection.check(library.get(tag) is None, f"has the dynamic entry {tag.name}")
    flags = library.get(tags.FLAGS)
    inspection.check(flags is not None and flags.has(elf.DynamicEntryFlags.FLAG.BIND_NOW), "binds its symbols late")
    segments = {segment.type: segment for segment in library.segments}
    types, execute = elf.Segment.TYPE, elf.Segment.FLAGS.X
    stack = segments.get(types.GNU_STACK)
    inspection.check(stack is not None and not stack.has(execute), "asks for an executable stack")
    inspection.check(types.GNU_RELRO in segments, "leaves its table of symbols writable")
    inspection.allow(
        "has a segment", [str(each.name) for each in segments], ["PHDR", "LOAD", "DYNAMIC", "GNU_RELRO", "GNU_STACK"]
    )
    loaded = [segment for segment in library.segments if segment.type == types.LOAD]
    inspection.check(
        not any(segment.has(execute) and segment.has(elf.Segment.FLAGS.W) for segment in loaded),
        "has memory that is writable and executable",
    )
    inspection.check(
        not is_arm or all(segment.alignment >= ARM_PAGE for segment in loaded), "is for pages below 64 KiB"
    )


def _is_old_glibc(name: str) -> bool:
    numbers = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", name)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) <= NEWEST_GLIBC


def _look_into_macho(inspection: Inspection) -> None:
    import lief

    library, macho = inspection.library, lief.MachO
    inspection.check(library.header.cpu_type == macho.Header.CPU_TYPE.ARM64, f"is for {library.header.cpu_type}")
    inspection.check(library.header.file_type == macho.Header.FILE_TYPE.DYLIB, "is no shared library")
    exported = [str(export.symbol.name) for export in library.dyld_info.exports]
    inspection.exports(set(exported) - MACOS_HEADER, [f"_{symbol}" for symbol in inspection.symbols])
    undefined = [symbol for symbol in library.symbols if symbol.type == macho.Symbol.TYPE.UNDEFINED]
    inspection.allow("calls", [str(symbol.name) for symbol in undefined], MACOS_CALLS)
    commands = macho.LoadCommand.TYPE
    # The first of these is the library's own name.
    own = [str(command.name) for command in library.commands if command.command == commands.ID_DYLIB]
    inspection.check(own == [inspection.level.name + inspection.platform.suffix], f"is called {', '.join(own)}")
    inspection.allow("needs", [str(each.name) for each in library.libraries], [*own, MACOS_LIBRARY])
    inspection.check(not library.has_rpath, "has paths to search in")
    version = library.build_version
    inspection.check(version is not None and version.platform == macho.BuildVersion.PLATFORMS.MACOS, "is not for macOS")
    inspection.check(
        version is not None and list(version.minos) == MACOS_OLDEST, "is for another version than macOS 11.0"
    )
    sections = [str(section.name) for section in library.sections]
    inspection.allow("runs code when it is loaded by", sections, [name for name in sections if "_func" not in name])
    begins = [begin for each in library.segments for begin in (each.virtual_address, each.file_offset)]
    inspection.check(not any(begin % APPLE_PAGE for begin in begins), "has segments that do not begin with a page")
    both = 0x2 | 0x4  # writable and executable, of max_protection and init_protection
    inspection.check(
        not any(
            segment.max_protection & both == both or segment.init_protection & both == both
            for segment in library.segments
        ),
        "has memory that is writable and executable",
    )


def _look_into_pe(inspection: Inspection) -> None:
    import lief

    library, pe = inspection.library, lief.PE
    inspection.check(library.header.machine == pe.Header.MACHINE_TYPES.AMD64, f"is for {library.header.machine}")
    inspection.check(library.header.has_characteristic(pe.Header.CHARACTERISTICS.DLL), "is no shared library")
    exports = library.get_export()
    inspection.exports([] if exports is None else [str(entry.name) for entry in exports.entries], inspection.symbols)
    imports = [f"{each.name} {entry.name}" for each in library.imports for entry in each.entries]
    inspection.allow("calls", imports, WINDOWS_CALLS)
    flags = pe.OptionalHeader.DLL_CHARACTERISTICS
    for flag in (flags.HIGH_ENTROPY_VA, flags.DYNAMIC_BASE, flags.NX_COMPAT):
        inspection.check(library.optional_header.has(flag), f"lacks the flag {flag.name}")
    inspection.check(
        not library.optional_header.addressof_entrypoint and not library.has_tls, "runs code when it is loaded"
    )
    inspection.check(all(type(entry) is pe.Repro for entry in library.debug), "has a debug entry, with a path")
    execute, write = pe.Section.CHARACTERISTICS.MEM_EXECUTE, pe.Section.CHARACTERISTICS.MEM_WRITE
    inspection.check(
        not any(
            section.has_characteristic(execute) and section.has_characteristic(write) for section in library.sections
        ),
        "has memory that is writable and executable",
    )
