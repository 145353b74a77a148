import dataclasses
import struct

import pytest
from build_data import SYMBOLS, built, compile_c, needs_build

from fastnn2.codegen.build import inspection, link
from fastnn2.codegen.build.inspection import InspectionError, inspect_library
from fastnn2.codegen.build.platforms import PLATFORMS

needs_build()

GOOD = "void entry(long long *words) { words[0] = 7; }"
CALLS = "int %s(void); void entry(long long *words) { words[0] = %s(); }"
LINUX, ARM, MACOS, WINDOWS = PLATFORMS


def inspect(tmp_path, name, source=GOOD, symbols=("entry",), flags=(), level=-1, change=None, **replaced):
    """Link a C program as if it were kernels, change the bytes of the library, and inspect it."""
    platform = PLATFORMS[name]
    level = platform.levels[level]
    path = tmp_path / (level.name + platform.suffix)
    with pytest.MonkeyPatch.context() as patch:
        arguments = link._arguments
        patch.setattr(link, "_arguments", lambda *given: [*arguments(*given), *flags])
        link.link(dataclasses.replace(platform, **replaced), {"entry": compile_c(platform, source)}, path)
    if change is not None:
        path.write_bytes(change(path.read_bytes()))
    inspect_library(platform, level, symbols, path)


@pytest.fixture
def refused(tmp_path):
    def check(text, *arguments, **options):
        with pytest.raises(InspectionError, match=text):
            inspect(tmp_path, *arguments, **options)

    return check


@pytest.mark.parametrize("name", PLATFORMS)
def test_built_libraries_are_as_they_must_be(name):
    for level in PLATFORMS[name].levels:
        inspect_library(PLATFORMS[name], level, SYMBOLS, built(name) / (level.name + PLATFORMS[name].suffix))


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_small_library_is_as_it_must_be(name, tmp_path):
    inspect(tmp_path, name)


@pytest.mark.parametrize("name", PLATFORMS)
def test_exports_are_exactly_those_asked_for(name, refused):
    refused("exports _?entry; does not export _?other", name, symbols=["other"])
    refused("does not export _?other", name, symbols=["entry", "other"])


@pytest.mark.parametrize("name", [MACOS, WINDOWS])
def test_no_other_function_is_exported(name, refused):
    refused("exports _?other", name, GOOD + " void other(void) {}")


def test_the_version_script_keeps_other_functions_inside(tmp_path):
    inspect(tmp_path, LINUX, GOOD + " void other(void) {}")


@pytest.mark.parametrize("name", [LINUX, ARM, MACOS])
def test_calls_of_the_c_library_are_few(name, refused, tmp_path):
    refused("calls _?getpid", name, CALLS % ("getpid", "getpid"))
    inspect(tmp_path, name, CALLS % ("sched_yield", "sched_yield"))


def test_calls_of_windows_are_few(refused, tmp_path):
    refused("calls KERNEL32.dll GetCurrentProcessId", WINDOWS, CALLS % (("GetCurrentProcessId",) * 2))
    inspect(tmp_path, WINDOWS, CALLS % (("SwitchToThread",) * 2))


def test_fma_is_called_where_processors_have_no_instruction(refused, tmp_path):
    source = "double fma(double, double, double); void entry(double *x) { x[0] = fma(x[1], x[2], x[3]); }"
    inspect(tmp_path, LINUX, source, level=0)
    refused("calls fma; needs libm.so.6", LINUX, source, level=1)


def test_a_newer_c_library_is_noticed(refused):
    source = "int getrandom(void *, long, int); void entry(long long *words) { words[0] = getrandom(words, 1, 1); }"
    refused("calls getrandom; needs GLIBC_2.25", LINUX, source, target="x86_64-linux-gnu.2.31")


@pytest.mark.parametrize(
    ("name", "old"),
    {
        "GLIBC_2.2.5": True,
        "GLIBC_2.17": True,
        "GLIBC_2.18": False,
        "GLIBC_3.0": False,
        "GLIBC_PRIVATE": False,
        "X": False,
    }.items(),
)
def test_versions_of_the_c_library(name, old):
    assert inspection._is_old_glibc(name) is old


@pytest.mark.parametrize("name", [LINUX, ARM, MACOS])
def test_no_code_runs_when_a_library_is_loaded(name, refused):
    source = "static volatile int x; __attribute__((constructor)) static void begin(void) { x = x + 1; } " + GOOD
    refused("INIT_ARRAY|runs code when it is loaded", name, source)


def test_no_code_runs_when_a_dll_is_loaded(refused):
    source = "int DllMain(void *library, int reason, void *reserved) { return 1; } " + GOOD
    refused("runs code when it is loaded", WINDOWS, source, symbols=["entry", "DllMain"], flags=["-fentry=DllMain"])


@pytest.mark.parametrize(
    ("text", "flags"),
    {
        "binds its symbols late": ["-z", "lazy"],
        "leaves its table of symbols writable": ["-z", "norelro"],
        "has the dynamic entry RUNPATH": ["-rpath", "/usr/local/lib"],
    }.items(),
)
def test_flags_of_elf(text, flags, refused):
    refused(text, LINUX, flags=flags)


def test_an_executable_stack_is_noticed(refused):
    stack = struct.pack("<I", 0x6474E551)

    def change(content):
        at = content.index(stack)
        return content[: at + 4] + struct.pack("<I", 7) + content[at + 8 :]

    refused("executable stack", LINUX, change=change)


def test_pages_of_64_kib_are_served(refused, tmp_path):
    refused("is for pages below 64 KiB", ARM, flags=["-z", "max-page-size=4096"])


def test_threads_have_no_variables_of_their_own(refused):
    refused("has a segment TLS", LINUX, "static __thread int x; void entry(int *words) { words[0] = x++; }")


@pytest.mark.parametrize(
    ("text", "options"),
    {
        "is called /home/x.dylib": {"flags": ["-install_name", "/home/x.dylib"]},
        "has paths to search in": {"flags": ["-rpath", "/home"]},
        "another version than macOS 11.0": {"target": "aarch64-macos.12.0"},
        "signature with wrong hashes": {"change": lambda content: content[:2000] + b"x" + content[2001:]},
    }.items(),
)
def test_what_macos_asks_for(text, options, refused):
    refused(text, MACOS, **options)


@pytest.mark.parametrize(("flag", "bit"), {"HIGH_ENTROPY_VA": 0x20, "DYNAMIC_BASE": 0x40, "NX_COMPAT": 0x100}.items())
def test_flags_of_windows(flag, bit, refused):
    def change(content):
        (header,) = struct.unpack_from("<I", content, 0x3C)
        at = header + 24 + 70  # DllCharacteristics of the optional header
        flags = struct.unpack_from("<H", content, at)[0]
        return content[:at] + struct.pack("<H", flags ^ bit) + content[at + 2 :]

    refused(f"lacks the flag {flag}", WINDOWS, change=change)


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("content", [b"", b"text", bytes(4000)])
def test_what_is_no_library_is_refused(name, content, refused):
    refused("is not a library of this platform", name, change=lambda _: content)


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_library_of_another_platform_is_refused(name, tmp_path):
    for other, platform in PLATFORMS.items():
        level = platform.levels[-1]
        path = built(other) / (level.name + platform.suffix)
        if other != name:
            with pytest.raises(InspectionError, match=r"is for|is not a library of this platform"):
                inspect_library(PLATFORMS[name], PLATFORMS[name].levels[-1], SYMBOLS, path)
