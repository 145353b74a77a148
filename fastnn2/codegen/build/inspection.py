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


class Findings:
    """What is wrong with a library.

    Attributes
    ----------
    texts : list of str
    """

    def __init__(self) -> None:
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

    findings = Findings()
    look, kind = {
        ".so": (_look_into_elf, lief.ELF.Binary),
        ".dylib": (_look_into_macho, lief.MachO.Binary),
        ".dll": (_look_into_pe, lief.PE.Binary),
    }[platform.suffix]
    lief.logging.disable()
    library = lief.parse(path)
    lief.logging.enable()
    if isinstance(library, kind):
        look(lief, library, platform, level, symbols, findings)
    else:
        findings.check(False, "is not a library of this platform")
    if platform.suffix == ".dylib":
        findings.texts += check_signature(path.read_bytes())
    if findings.texts:
        raise InspectionError(f"{path.name} for {platform.name} {'; '.join(findings.texts)}")


def _look_into_elf(
    lief: Any, library: Any, platform: Platform, level: Level, symbols: Sequence[str], findings: Findings
) -> None:
    elf = lief.ELF
    is_arm = platform.triple.startswith("aarch64")
    machine = elf.ARCH.AARCH64 if is_arm else elf.ARCH.X86_64
    findings.check(library.header.machine_type == machine, f"is for {library.header.machine_type}")
    findings.check(library.header.file_type == elf.Header.FILE_TYPE.DYN, "is no shared library")
    has_fma = is_arm or "fma" in level.needed
    named = [symbol for symbol in library.dynamic_symbols if symbol.name]
    findings.exports([str(symbol.name) for symbol in named if symbol.shndx], symbols)
    calls = CALLS if has_fma else CALLS | FMA_CALLS
    findings.allow("calls", [str(symbol.name) for symbol in named if not symbol.shndx], calls)
    findings.allow("needs", library.libraries, ["libc.so.6"] if has_fma else ["libc.so.6", "libm.so.6"])
    versions = [
        auxiliary.name for needed in library.symbols_version_requirement for auxiliary in needed.get_auxiliary_symbols()
    ]
    findings.allow("needs", versions, [name for name in versions if _is_old_glibc(name)])
    tags = elf.DynamicEntry.TAG
    # Such entries search in folders, write into code, or run code when the library is loaded.
    for tag in (tags.RPATH, tags.RUNPATH, tags.TEXTREL, tags.INIT, tags.FINI, tags.INIT_ARRAY, tags.FINI_ARRAY):
        findings.check(library.get(tag) is None, f"has the dynamic entry {tag.name}")
    flags = library.get(tags.FLAGS)
    findings.check(flags is not None and flags.has(elf.DynamicEntryFlags.FLAG.BIND_NOW), "binds its symbols late")
    segments = {segment.type: segment for segment in library.segments}
    types, execute = elf.Segment.TYPE, elf.Segment.FLAGS.X
    stack = segments.get(types.GNU_STACK)
    findings.check(stack is not None and not stack.has(execute), "asks for an executable stack")
    findings.check(types.GNU_RELRO in segments, "leaves its table of symbols writable")
    findings.allow(
        "has a segment", [str(each.name) for each in segments], ["PHDR", "LOAD", "DYNAMIC", "GNU_RELRO", "GNU_STACK"]
    )
    loaded = [segment for segment in library.segments if segment.type == types.LOAD]
    findings.check(
        not any(segment.has(execute) and segment.has(elf.Segment.FLAGS.W) for segment in loaded),
        "has memory that is writable and executable",
    )
    findings.check(not is_arm or all(segment.alignment >= ARM_PAGE for segment in loaded), "is for pages below 64 KiB")


def _is_old_glibc(name: str) -> bool:
    numbers = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", name)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) <= NEWEST_GLIBC


def _look_into_macho(
    lief: Any, library: Any, platform: Platform, level: Level, symbols: Sequence[str], findings: Findings
) -> None:
    macho = lief.MachO
    findings.check(library.header.cpu_type == macho.Header.CPU_TYPE.ARM64, f"is for {library.header.cpu_type}")
    findings.check(library.header.file_type == macho.Header.FILE_TYPE.DYLIB, "is no shared library")
    exported = [str(export.symbol.name) for export in library.dyld_info.exports]
    findings.exports(set(exported) - MACOS_HEADER, [f"_{symbol}" for symbol in symbols])
    undefined = [symbol for symbol in library.symbols if symbol.type == macho.Symbol.TYPE.UNDEFINED]
    findings.allow("calls", [str(symbol.name) for symbol in undefined], MACOS_CALLS)
    commands = macho.LoadCommand.TYPE
    # The first of these is the library's own name.
    own = [str(command.name) for command in library.commands if command.command == commands.ID_DYLIB]
    findings.check(own == [level.name + platform.suffix], f"is called {', '.join(own)}")
    findings.allow("needs", [str(each.name) for each in library.libraries], [*own, MACOS_LIBRARY])
    findings.check(not library.has_rpath, "has paths to search in")
    version = library.build_version
    findings.check(version is not None and version.platform == macho.BuildVersion.PLATFORMS.MACOS, "is not for macOS")
    findings.check(
        version is not None and list(version.minos) == MACOS_OLDEST, "is for another version than macOS 11.0"
    )
    sections = [str(section.name) for section in library.sections]
    findings.allow("runs code when it is loaded by", sections, [name for name in sections if "_func" not in name])
    begins = [begin for each in library.segments for begin in (each.virtual_address, each.file_offset)]
    findings.check(not any(begin % APPLE_PAGE for begin in begins), "has segments that do not begin with a page")
    both = 0x2 | 0x4  # writable and executable, of max_protection and init_protection
    findings.check(
        not any(
            segment.max_protection & both == both or segment.init_protection & both == both
            for segment in library.segments
        ),
        "has memory that is writable and executable",
    )


def _look_into_pe(
    lief: Any, library: Any, platform: Platform, level: Level, symbols: Sequence[str], findings: Findings
) -> None:
    pe = lief.PE
    findings.check(library.header.machine == pe.Header.MACHINE_TYPES.AMD64, f"is for {library.header.machine}")
    findings.check(library.header.has_characteristic(pe.Header.CHARACTERISTICS.DLL), "is no shared library")
    exports = library.get_export()
    findings.exports([] if exports is None else [str(entry.name) for entry in exports.entries], symbols)
    imports = [f"{each.name} {entry.name}" for each in library.imports for entry in each.entries]
    findings.allow("calls", imports, WINDOWS_CALLS)
    flags = pe.OptionalHeader.DLL_CHARACTERISTICS
    for flag in (flags.HIGH_ENTROPY_VA, flags.DYNAMIC_BASE, flags.NX_COMPAT):
        findings.check(library.optional_header.has(flag), f"lacks the flag {flag.name}")
    findings.check(
        not library.optional_header.addressof_entrypoint and not library.has_tls, "runs code when it is loaded"
    )
    findings.check(all(type(entry) is pe.Repro for entry in library.debug), "has a debug entry, with a path")
    execute, write = pe.Section.CHARACTERISTICS.MEM_EXECUTE, pe.Section.CHARACTERISTICS.MEM_WRITE
    findings.check(
        not any(
            section.has_characteristic(execute) and section.has_characteristic(write) for section in library.sections
        ),
        "has memory that is writable and executable",
    )
