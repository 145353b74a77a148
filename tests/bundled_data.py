"""What the tests of bundled kernels share: libraries with one real kernel, and what can be wrong with a folder of them.

The kernel is `update`, which compiles fastest.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from data import DTYPES, PATIENCE, extra

import fastnn2
from fastnn2.codegen.bundled import LIST, platform_here

PACKAGE = pathlib.Path(fastnn2.__file__).parent
ENTRIES = tuple(("update", dtype) for dtype in DTYPES)


def build_few(folder, entries=ENTRIES):
    """Build the libraries of this platform with few kernels; return the folder."""
    extra("ziglang", "build")
    from fastnn2.codegen.build.libraries import build_platform
    from fastnn2.codegen.build.platforms import PLATFORMS

    if platform_here() not in PLATFORMS:
        pytest.skip(f"no libraries are built for {platform_here()}")
    build_platform(PLATFORMS[platform_here()], folder, entries)
    return folder


def update(dtype="float64"):
    """Call the kernel by the package."""
    params = {name: array.astype(dtype) for name, array in fastnn2.init_params([[0.5, 1.0]], [0, 1], 30).items()}
    return fastnn2.update({f"d{name}": 3 * array for name, array in params.items()}, params, 0.1)


def read_list(folder):
    return json.loads((folder / LIST).read_text())


def best_file(folder):
    """Return the library that this processor runs best, if it runs all of them."""
    listed = read_list(folder)["libraries"]
    return folder / max(listed, key=lambda each: len(each["features"]))["file"]


def change_list(folder, change):
    """Let `change` change what the list says, in place."""
    content = read_list(folder)
    change(content)
    (folder / LIST).write_text(json.dumps(content))


def change_libraries(folder, change):
    """Let `change` change what the list says of each library."""

    def change_each(content):
        for each in content["libraries"]:
            change(each)

    change_list(folder, change_each)


def write_libraries(folder, make):
    """Replace the content of each library, and its hash in the list."""

    def replace(each):
        path = folder / each["file"]
        path.write_bytes(make(path.read_bytes()))
        each["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()

    change_libraries(folder, replace)


def damage_best(damage):
    """Return a function that damages the best library in a folder; the list stays as it is."""

    def apply(folder):
        path = best_file(folder)
        path.write_bytes(damage(path.read_bytes()))

    return apply


def flip_a_bit(content):
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def replace_best_by_folder(folder):
    best_file(folder).unlink()
    best_file(folder).mkdir()


def listed_in(name, value):
    return lambda folder: change_list(folder, lambda content: content.__setitem__(name, value))


def listed_of_each(name, value):
    return lambda folder: change_libraries(folder, lambda each: each.__setitem__(name, value))


DAMAGED, LIST_DAMAGED, STALE = "is damaged: its hash is not that of libraries", "libraries.json is damaged", "0" * 64
# Name -> what is done to a folder of libraries, and what the warning says of it.
DAMAGES = {
    "a bit": (damage_best(flip_a_bit), DAMAGED),
    "the last bit": (damage_best(lambda content: content[:-1] + bytes([content[-1] ^ 1])), DAMAGED),
    "cut off": (damage_best(lambda content: content[: len(content) // 2]), DAMAGED),
    "cut off by a byte": (damage_best(lambda content: content[:-1]), DAMAGED),
    "longer": (damage_best(lambda content: content + b"\0"), DAMAGED),
    "empty": (damage_best(lambda content: b""), DAMAGED),
    "missing": (lambda folder: best_file(folder).unlink(), r"cannot be read \(No such file"),
    "a folder": (replace_best_by_folder, r"cannot be read \(Is a directory"),
    "no library": (lambda folder: write_libraries(folder, lambda _: b"not a library\n" * 99), "cannot be loaded"),
    "no list": (lambda folder: (folder / LIST).unlink(), rf"{LIST} cannot be read \(No such file"),
    "an empty list": (lambda folder: (folder / LIST).write_bytes(b""), LIST_DAMAGED),
    "half a list": (lambda folder: (folder / LIST).write_bytes((folder / LIST).read_bytes()[:300]), LIST_DAMAGED),
    "a list of bytes": (lambda folder: (folder / LIST).write_bytes(bytes(range(256))), LIST_DAMAGED),
    "a list too deep": (lambda folder: (folder / LIST).write_bytes(b"[" * 100_000), LIST_DAMAGED),
    "no dict": (lambda folder: (folder / LIST).write_text("[1, 2]"), LIST_DAMAGED),
    "no platform": (lambda folder: change_list(folder, lambda content: content.pop("platform")), LIST_DAMAGED),
    "no hash of sources": (lambda folder: change_list(folder, lambda content: content.pop("sources")), LIST_DAMAGED),
    "libraries of the wrong type": (listed_in("libraries", 3), LIST_DAMAGED),
    "libraries of numbers": (listed_in("libraries", [1, 2]), LIST_DAMAGED),
    "sources of the wrong type": (listed_in("sources", None), LIST_DAMAGED),
    "features of the wrong type": (listed_of_each("features", "avx2"), LIST_DAMAGED),
    "features of numbers": (listed_of_each("features", [[1]]), LIST_DAMAGED),
    "a file of the wrong type": (listed_of_each("file", 7), LIST_DAMAGED),
    "a file elsewhere": (listed_of_each("file", "../library.so"), LIST_DAMAGED),
    "a file with a null byte": (listed_of_each("file", "x86\0.so"), LIST_DAMAGED),
    "a file with half a character": (listed_of_each("file", "\ud800.so"), LIST_DAMAGED),
    "no features": (lambda folder: change_libraries(folder, lambda each: each.pop("features")), LIST_DAMAGED),
    "a hash of the wrong type": (listed_of_each("sha256", 7), LIST_DAMAGED),
    "foreign": (listed_in("platform", "plan9-mips"), "has libraries for plan9-mips, and this Python is for"),
    "stale": (listed_in("sources", STALE), "were not built from the sources of fastnn2 beside them; build them again"),
}

# Code that begins a script: neither Numba nor llvmlite can be imported.
BLOCKED = "import sys\nsys.modules['numba'] = sys.modules['llvmlite'] = None\n"


def copy_package(folder, libraries=None):
    """Copy the package to a folder, with these libraries or none; return the copy."""
    ignored = shutil.ignore_patterns("__pycache__", "libraries")
    copy = pathlib.Path(shutil.copytree(PACKAGE, folder / "fastnn2", ignore=ignored))
    if libraries is not None:
        shutil.copytree(libraries, copy / "libraries")
    return copy


def start(code, package, **environment):
    """Start a script with a copy of the package, which must be the one that it imports."""
    check = f"\nimport fastnn2\nassert fastnn2.__file__.startswith({str(package)!r}), fastnn2.__file__\n"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FASTNN2_", "NUMBA_"))}
    paths = os.pathsep.join([str(package.parent), str(pathlib.Path(__file__).parent)])
    return subprocess.Popen(
        [sys.executable, "-P", "-B", "-c", code + check],
        env={**kept, "PYTHONPATH": paths, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(code, package, **environment):
    """Run a script with a copy of the package; return its output, of which the last line is JSON, and its errors."""
    process = start(code, package, **environment)
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1]), errors


def digest(arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())).hexdigest()
