"""Files are written whole or not at all."""

import os
import pathlib
import stat
import subprocess
import sys

import pytest
from data import PATIENCE

from fastnn2.storage import atomic

NOBODY = 65534  # a user who owns nothing


def test_a_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with atomic.replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("temporary", [None, ".a.tmp"])
def test_an_error_leaves_the_old_file(tmp_path, temporary):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic.replacing(path, temporary) as file:
        file.write(b"new" * (1 // 0))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    (tmp_path / ".a.tmp").write_bytes(b"half of a long file")
    with atomic.replacing(tmp_path / "a", ".a.tmp") as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_is_followed_and_the_mode_stays(tmp_path):
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    atomic.write_file(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ".a.tmp").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), atomic.replacing(tmp_path / "a", ".a.tmp") as file:
        file.write(b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_full_disk_leaves_the_old_file(tmp_path):
    pytest.importorskip("resource")
    code = (
        "import resource, pathlib, sys\n"
        "from fastnn2.storage.atomic import write_file\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "write_file(path, b'good')\n"
        "try:\n"
        "    write_file(path, bytes(100_000))\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"cannot save {str(tmp_path / 'a')!r}: File too large; the file is as it was\n"
    assert (tmp_path / "a").read_bytes() == b"good"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("place", "problem"), [("missing/a", "is not a folder"), ("", "it is a folder"), ("a" * 300, "File name too long")]
)
def test_a_file_that_cannot_be_written(tmp_path, place, problem):
    with pytest.raises(ValueError, match=problem):
        atomic.write_file(tmp_path / place, b"")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has no modes of files")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    is_root = os.geteuid() == 0  # who may write everywhere
    if is_root:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(ValueError, match=r"[Pp]ermission denied"):
            atomic.write_file(tmp_path / "a", b"")
    finally:
        if is_root:
            os.seteuid(0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", [pathlib.Path("a"), "a", "folder/../a"])
def test_paths(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    path = atomic.as_path(value, "file")
    monkeypatch.chdir("/")
    (tmp_path / "folder").mkdir()
    path.write_bytes(b"")
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [(3, TypeError, "is int"), (b"a", TypeError, "is bytes"), (None, TypeError, "NoneType"), ("", ValueError, "is ''"),
     ("a\0", ValueError, "expected the path"), ("missing/", ValueError, "a folder"), (".", ValueError, "a folder")],
)  # fmt: skip
def test_what_is_no_path_of_a_file(value, kind, found):
    with pytest.raises(kind, match=f"^file .*{found}"):
        atomic.as_path(value, "file")


def begins_with_a(start):
    return start.startswith(b"a")


def test_a_file_is_read_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"a" * 1000)
    assert atomic.read_file(tmp_path / "a", begins_with_a, "an a") == b"a" * 1000
    (tmp_path / "a").write_bytes(b"a")
    assert atomic.read_file(tmp_path / "a", begins_with_a, "an a") == b"a"


def test_what_is_not_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic.read_file(tmp_path / "missing", begins_with_a, "an a")
    (tmp_path / "b").write_bytes(b"ba")
    with pytest.raises(ValueError, match=r"^is not an a$"):
        atomic.read_file(tmp_path / "b", begins_with_a, "an a")
    with pytest.raises(ValueError, match=r"^(is not a regular file|cannot be read: .*)$"):
        atomic.read_file(tmp_path, begins_with_a, "an a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"^is not a regular file$"):
        atomic.read_file(tmp_path / "pipe", begins_with_a, "an a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_or_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "a")
    os.symlink(os.devnull, tmp_path / "b")
    for name in "ab":
        with pytest.raises(ValueError, match="it is no regular file"):
            atomic.write_file(tmp_path / name, b"new")
    assert stat.S_ISFIFO((tmp_path / "a").stat().st_mode)
