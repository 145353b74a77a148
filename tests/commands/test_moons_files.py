"""Moons in a folder: what is written once and used again, what is refused, and what a failure leaves."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from data import PATIENCE
from numpy.testing import assert_array_equal

from fastnn2.commands import moons_data, moons_files
from fastnn2.commands.moons_data import make_data
from fastnn2.commands.moons_files import Moons, MoonsFolder
from fastnn2.storage.lock import FileLock

MOONS = Moons(0.2, "float64", 7)
NOT_ROOT = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def folder_of(path, moons=MOONS):
    return MoonsFolder(str(path), moons)


def names(path):
    return sorted(os.listdir(path))


def contents(path):
    """Return for each file its bytes and when it was written."""
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.iterdir()}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [2, 100, 257])
def test_files_have_the_samples_of_make_data(n, dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(moons_data, "BLOCK_SAMPLES", 100)
    folder = folder_of(tmp_path, Moons(0.3, dtype, 7))
    assert folder.write_missing([n]) == [n]
    files = folder.files(n)
    assert folder.file_bytes(n) == sum(os.path.getsize(file) for file in files)
    X, Y = make_data(n, 0.3, dtype, 7)
    assert_array_equal(np.load(files[0]), X.T, strict=True)
    assert_array_equal(np.load(files[1]), Y[0], strict=True)
    assert names(tmp_path) == [f"moons-{n}-X.npy", f"moons-{n}-Y.npy", "moons.json"]


def test_sizes_are_written_once(tmp_path):
    assert folder_of(tmp_path).write_missing([100, 200]) == [100, 200]
    before = contents(tmp_path)
    assert folder_of(tmp_path).write_missing([100]) == []
    assert folder_of(tmp_path).write_missing([200, 100]) == []
    assert contents(tmp_path) == before
    assert folder_of(tmp_path).write_missing([100, 300]) == [300]
    after = contents(tmp_path)
    assert {name: after[name] for name in before if name != "moons.json"} == {
        name: before[name] for name in before if name != "moons.json"
    }
    assert json.loads(after["moons.json"][0])["sizes"] == [100, 200, 300]


def test_a_file_that_is_missing_is_written_again(tmp_path):
    folder_of(tmp_path).write_missing([100, 200])
    before = contents(tmp_path)
    (tmp_path / "moons-100-Y.npy").unlink()
    assert folder_of(tmp_path).write_missing([100, 200]) == [100]
    assert {name: found[0] for name, found in contents(tmp_path).items()} == {
        name: found[0] for name, found in before.items()
    }


# Refused


def refused(path, moons, *parts, sizes=(100,), kind=ValueError):
    """Assert that a folder is refused, and left as it was."""
    before = contents(path) if path.is_dir() else None
    with pytest.raises(kind) as raised:
        folder_of(path, moons).write_missing(list(sizes))
    for part in parts:
        assert part in str(raised.value)
    assert (contents(path) if path.is_dir() else None) == before


def test_no_folder(tmp_path):
    refused(tmp_path / "none", MOONS, "there is no folder", "make it first")
    (tmp_path / "file").write_text("mine")
    refused(tmp_path / "file", MOONS, "is not a folder")
    assert names(tmp_path) == ["file"]


def test_a_folder_with_other_files(tmp_path):
    (tmp_path / "mine").write_text("mine")
    refused(tmp_path, MOONS, "has other files, such as 'mine'", "pass another folder")


def test_files_with_our_names_without_a_description(tmp_path):
    (tmp_path / "moons-100-X.npy").write_text("mine")
    refused(tmp_path, MOONS, "has other files, such as 'moons-100-X.npy'")


@pytest.mark.parametrize("change", [{"seed": 8}, {"noise": 0.25}, {"dtype": "float32"}], ids=str)
def test_other_moons(change, tmp_path):
    folder_of(tmp_path).write_missing([100])
    other = MOONS._replace(**change)
    refused(tmp_path, other, "has moons with noise 0.2, float64 and seed 7", f"expected {other}", "another folder")


@pytest.mark.parametrize(
    "text",
    ["", "hello", "{", "[]", "{}", '{"noise": 0.2, "dtype": "float64", "seed": 7, "sizes": [], "format": 2}'],
)
def test_a_description_that_is_none(text, tmp_path):
    (tmp_path / "moons.json").write_text(text)
    refused(tmp_path, MOONS, "moons.json' is no description of moons", "pass another folder")


@pytest.mark.parametrize("damage", ["shorter", "longer", "shape"])
def test_a_file_that_is_not_as_it_was_written(damage, tmp_path):
    folder = folder_of(tmp_path)
    folder.write_missing([100])
    path = pathlib.Path(folder.files(100)[0])
    content = path.read_bytes()
    changed = {"shorter": content[:-1], "longer": content + b"a", "shape": content.replace(b"(100, 2)", b"(200, 1)")}
    path.write_bytes(changed[damage])
    refused(tmp_path, MOONS, "moons-100-X.npy' is not as it was written; delete it")


def test_a_disk_without_room(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    message = "need 2.400 GB in the folder"
    refused(tmp_path, MOONS, message, "but 0.001 GB are free; at most --max-samples 37500 would fit", sizes=[10**8])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**4))
    refused(tmp_path, MOONS, "but 0.000 GB are free; make room", sizes=[10**8])


@NOT_ROOT
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    refused(tmp_path, MOONS, "permission denied")


def test_a_folder_that_another_run_writes_to(tmp_path):
    lock = FileLock(tmp_path / "moons.json")
    assert lock.acquire()
    refused(tmp_path, MOONS, "another run writes to the folder")
    lock.release()
    assert folder_of(tmp_path).write_missing([100]) == [100]


# Failures while files are written, in processes

SCRIPT = """
import os, signal, sys
from fastnn2.commands import moons_data, moons_files
from fastnn2.commands.main import main

moons_data.BLOCK_SAMPLES = 500
draw = moons_files.draw_blocks

def draw_blocks(n, noise, seed):
    for k, block in enumerate(draw(n, noise, seed)):
        yield block
        if (n, k) == (2000, 1):
            {action}

moons_files.draw_blocks = draw_blocks
sys.exit(main(["scale", "--no-plot", "--max-samples", "2000", "--iterations", "2", "--out-of-core", sys.argv[1]]))
"""


def run(action, folder):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(action=action), str(folder)], capture_output=True, encoding="utf-8",
        timeout=PATIENCE, check=False)  # fmt: skip


def assert_only_the_first_size_is_there(folder):
    assert names(folder) == ["moons-1000-X.npy", "moons-1000-Y.npy", "moons.json"]
    assert json.loads((folder / "moons.json").read_text())["sizes"] == [1000]


def assert_can_go_on(folder):
    done = run("pass", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(folder) == [*(f"moons-{n}-{name}.npy" for n in (1000, 2000) for name in "XY"), "moons.json"]


@POSIX
def test_ctrl_c(tmp_path):
    done = run("os.kill(os.getpid(), signal.SIGINT)", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "fastnn2 scale: interrupted\n")
    assert_only_the_first_size_is_there(tmp_path)
    assert_can_go_on(tmp_path)


@POSIX
def test_a_process_that_is_killed(tmp_path):
    assert run("os.kill(os.getpid(), signal.SIGKILL)", tmp_path).returncode == -9
    assert "moons-2000-X.npy.part" in names(tmp_path)
    assert json.loads((tmp_path / "moons.json").read_text())["sizes"] == [1000]
    assert_can_go_on(tmp_path)


@POSIX
def test_a_full_disk(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (18_000, resource.RLIM_INFINITY))"
    done = run(limit, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"fastnn2 scale: error: cannot write to the folder {str(tmp_path)!r}: File too large; what was not complete is "
        "removed\n"
    )
    assert_only_the_first_size_is_there(tmp_path)
    assert_can_go_on(tmp_path)


def test_nothing_complete_may_become_other_moons(tmp_path):
    (tmp_path / "moons.json").write_text(json.dumps({"format": 1, **MOONS._asdict(), "sizes": []}))
    other = MOONS._replace(seed=8)
    assert folder_of(tmp_path, other).write_missing([100]) == [100]
    assert_array_equal(np.load(tmp_path / "moons-100-X.npy"), make_data(100, 0.2, "float64", 8)[0].T)


def test_progress_is_shown_on_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(moons_files, "BLOCK_SAMPLES", 100)
    folder_of(tmp_path).write_missing([200])
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(moons_files, "is_terminal", lambda stream: stream is sys.stderr)
    folder_of(tmp_path).write_missing([100, 300])
    assert capsys.readouterr().err.count("writing:   0%|") == 1
