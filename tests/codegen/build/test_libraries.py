import dataclasses
import hashlib
import json
import os
import signal
import tempfile
import threading
import time

import pytest
from build_data import ENTRIES, built, needs_build
from data import PATIENCE

from fastnn2.codegen.build import libraries
from fastnn2.codegen.build.inspection import InspectionError
from fastnn2.codegen.build.libraries import CompileError, available_processors, build_platform
from fastnn2.codegen.build.platforms import PLATFORMS
from fastnn2.codegen.bundled import LIST
from fastnn2.kernels import LOADED_SOURCES
from fastnn2.kernels.shared.records import RECORDS

needs_build()


@pytest.fixture(params=PLATFORMS)
def platform(request):
    return PLATFORMS[request.param]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_entries_are_built_in_both_dtypes():
    assert set(libraries.ENTRIES) == {(name, dtype) for name in RECORDS for dtype in ("float32", "float64")}
    assert len(libraries.ENTRIES) == 2 * len(RECORDS)


def test_a_folder_has_the_libraries_and_their_list(platform):
    files = contents(built(platform.name))
    names = [level.name + platform.suffix for level in platform.levels]
    assert sorted(files) == sorted([*names, LIST])
    listed = json.loads(files[LIST])
    assert (listed["platform"], listed["sources"]) == (platform.name, LOADED_SOURCES)
    assert [(each["level"], each["file"]) for each in listed["libraries"]] == [
        (level.name, name) for level, name in zip(platform.levels, names, strict=True)
    ]
    for each, level in zip(listed["libraries"], platform.levels, strict=True):
        assert set(each["features"]) == level.needed
        assert each["sha256"] == hashlib.sha256(files[each["file"]]).hexdigest()


def test_two_builds_give_the_same_bytes(platform, tmp_path, monkeypatch):
    """In another folder, with another number of processes, with other settings of Python and Numba."""
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    monkeypatch.setenv("NUMBA_OPT", "0")
    steps = []
    out = tmp_path / "a folder with a long name" / "of its own"
    build_platform(platform, out, ENTRIES, processes=1, progress=lambda: steps.append(1))
    assert contents(out) == contents(built(platform.name))
    assert len(steps) == len(ENTRIES) * len(platform.levels)


def test_no_folder_of_the_build_is_in_a_library(platform):
    out = built(platform.name)
    for content in contents(out).values():
        assert os.fsencode(out.parent) not in content
        assert os.fsencode(tempfile.gettempdir()) not in content
        assert os.fsencode(os.path.expanduser("~")) not in content
        assert b".building" not in content


def test_a_build_replaces_what_is_there(tmp_path):
    platform = PLATFORMS["macos-arm64"]
    (tmp_path / "arm64.dylib").write_text("old")
    (tmp_path / "notes.txt").write_text("not of the build")
    build_platform(platform, tmp_path, ENTRIES)
    files = contents(tmp_path)
    assert files.pop("notes.txt") == b"not of the build"
    assert files == contents(built(platform.name))


def refuse(platform, folder, text, error=CompileError, entries=ENTRIES):
    """Assert that a build fails and changes nothing, in a new folder and in one that has libraries."""
    with pytest.raises(error, match=text):
        build_platform(platform, folder / "new", entries)
    assert not (folder / "new").exists()
    (folder / "old").mkdir()
    (folder / "old" / LIST).write_text("old")
    with pytest.raises(error, match=text):
        build_platform(platform, folder / "old", entries)
    assert contents(folder / "old") == {LIST: b"old"}


def test_a_failed_compile_is_told(tmp_path):
    refuse(PLATFORMS["macos-arm64"], tmp_path, "macos-arm64 arm64.*nothing", entries=[("nothing", "float64")])


def test_a_compiler_that_imports_no_numba_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(libraries, "COMPILER", "fastnn2.codegen.build.no_such_module")
    refuse(PLATFORMS["linux-x86-64"], tmp_path, "x86-64-v.* has ended with status 1: .*no_such_module")


def test_sources_that_change_meanwhile_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(libraries, "source_hash", lambda: "another")
    monkeypatch.setattr(libraries, "_build_levels", lambda *_: [])
    refuse(PLATFORMS["linux-x86-64"], tmp_path, "have changed", RuntimeError)


def test_a_library_that_fails_the_inspection_is_not_written(tmp_path):
    platform = dataclasses.replace(PLATFORMS["macos-arm64"], target="aarch64-macos.13.0")
    refuse(platform, tmp_path, "another version than macOS 11.0", InspectionError)


def test_a_killed_compiler_ends_all(tmp_path, monkeypatch):
    """As the system kills it where memory is short; the others do not run on."""
    started, real = [], libraries.subprocess.Popen

    def popen(*arguments, **options):
        process = real(*arguments, **options)
        if libraries.COMPILER in arguments[0]:
            started.append(process)
        return process

    monkeypatch.setattr(libraries.subprocess, "Popen", popen)
    killer = threading.Thread(target=kill_first, args=(started,))
    killer.start()
    try:
        with pytest.raises(CompileError, match=r"x86-64-v[23].*signal 9"):
            build_platform(PLATFORMS["linux-x86-64"], tmp_path / "out", libraries.ENTRIES, processes=2)
    finally:
        killer.join()
    assert not (tmp_path / "out").exists()
    assert [process.returncode for process in started] == [-signal.SIGKILL] * len(started)
    assert len(started) >= 2


def kill_first(started):
    deadline = time.monotonic() + PATIENCE
    while len(started) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    started[1].kill()  # not the one whose level comes first


def test_processors_are_those_that_may_be_used(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 3}, raising=False)
    assert available_processors() == [3, 5]
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert len(available_processors()) == 1
