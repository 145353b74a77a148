"""The hash of the sources, which is the same on every system, whatever the order in which it lists files."""

import hashlib
import os
import pathlib
import shutil
import types

import pytest

import fastnn2
from fastnn2.kernels import LOADED_SOURCES
from fastnn2.kernels.shared import sources

PACKAGE = pathlib.Path(fastnn2.__file__).parent


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the sources, of which the hash is taken."""
    for room in ("kernels", "codegen"):
        shutil.copytree(PACKAGE / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE / "_version.py", tmp_path)
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "kernels" / "shared" / "sources.py"))
    return tmp_path


def test_a_copy_has_the_same_hash(package):
    assert sources.source_hash() == LOADED_SOURCES


def test_it_is_of_the_paths_as_on_posix_in_their_order(package):
    files = {"_version.py": package / "_version.py"}
    for room in ("kernels", "codegen"):
        files |= {path.relative_to(package).as_posix(): path for path in (package / room).rglob("*.py")}
    content = b"".join(name.encode() + b"\0" + files[name].read_bytes() for name in sorted(files))
    assert sources.source_hash() == hashlib.sha256(content).hexdigest()
    assert len(files) > 60


def test_any_order_of_the_files_of_a_folder(package, monkeypatch):
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda top: [(a, b, c[::-1]) for a, b, c in [*walk(top)][::-1]])
    assert sources.source_hash() == LOADED_SOURCES


def test_another_separator(package, monkeypatch):
    """As on Windows."""
    relpath = os.path.relpath
    path = types.SimpleNamespace(
        **{name: getattr(os.path, name) for name in ("join", "dirname", "abspath")},
        relpath=lambda *paths: relpath(*paths).replace("/", "\\"),
    )
    monkeypatch.setattr(sources, "os", types.SimpleNamespace(path=path, walk=os.walk, sep="\\"))
    assert sources.source_hash() == LOADED_SOURCES


@pytest.mark.parametrize("file", ["_version.py", "kernels/shared/tuning.py", "codegen/build/link.py"])
def test_a_change_is_another_hash(package, file):
    with open(package / file, "a") as source:
        source.write("\n")
    assert sources.source_hash() != LOADED_SOURCES


def test_a_new_name_is_another_hash(package):
    (package / "kernels/nn/update.py").rename(package / "kernels/nn/other.py")
    assert sources.source_hash() != LOADED_SOURCES


def test_what_python_and_editors_write_beside_them_is_left_out(package):
    (package / "kernels" / "__pycache__").mkdir()
    (package / "kernels" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"code")
    (package / "codegen" / "notes.txt").write_text("notes")
    assert sources.source_hash() == LOADED_SOURCES
