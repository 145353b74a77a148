"""One run at a time has the lock of a file, whichever process it is in."""

import os
import signal
import subprocess
import sys

import pytest
from data import PATIENCE

from fastnn2.storage.lock import FileLock

HOLDER = """
import pathlib, sys, time
from fastnn2.storage.lock import FileLock
lock = FileLock(pathlib.Path(sys.argv[1]))
print(lock.acquire(), flush=True)
time.sleep(600)
"""


def test_one_run_of_a_process_has_it(tmp_path):
    first, second = FileLock(tmp_path / "a"), FileLock(tmp_path / "a")
    assert first.acquire()
    assert not second.acquire()
    second.release()  # which changes nothing
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
    second.release()
    assert os.listdir(tmp_path) == []


def test_other_files_are_free(tmp_path):
    locks = [FileLock(tmp_path / name) for name in "ab"]
    assert all(lock.acquire() for lock in locks)
    for lock in locks:
        lock.release()


def test_links_to_a_file_have_one_lock(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    lock = FileLock(tmp_path / "link")
    assert lock.acquire()
    assert not FileLock(tmp_path / "a").acquire()
    lock.release()


def test_it_ends_with_its_process(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "a")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "True\n"
            lock = FileLock(tmp_path / "a")
            assert not lock.acquire()
        finally:
            holder.kill()
        assert holder.wait(PATIENCE) == -signal.SIGKILL
    assert lock.acquire()  # on the file that the other process left
    lock.release()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_has_no_lock_and_releases_none(tmp_path):
    lock = FileLock(tmp_path / "a")
    assert lock.acquire()
    child = os.fork()
    if child == 0:
        lock.release()
        os._exit(FileLock(tmp_path / "a").acquire())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not FileLock(tmp_path / "a").acquire()
    lock.release()


def test_where_the_file_of_the_lock_cannot_be_made(tmp_path):
    lock = FileLock(tmp_path / "missing" / "a")
    with pytest.raises(FileNotFoundError):
        lock.acquire()
    assert not FileLock(tmp_path / "missing" / "a").acquire()
    lock.release()
    with pytest.raises(FileNotFoundError):
        lock.acquire()
    lock.release()


@pytest.mark.parametrize("times", [20])
def test_processes_in_turn(tmp_path, times):
    """Each adds 1 to a number in a file, under the lock; none is lost."""
    code = (
        "import pathlib, sys, time\n"
        "from fastnn2.storage.lock import FileLock\n"
        "path = pathlib.Path(sys.argv[1])\n"
        f"for _ in range({times}):\n"
        "    lock = FileLock(path)\n"
        "    while not lock.acquire():\n"
        "        time.sleep(0.0001)\n"
        "    path.write_text(str(int(path.read_text()) + 1))\n"
        "    lock.release()\n"
    )
    path = tmp_path / "a"
    path.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
    assert [process.wait(PATIENCE) for process in processes] == [0, 0, 0]
    assert path.read_text() == str(3 * times)


@pytest.mark.parametrize("name", ["unlink", "stat"])
def test_ctrl_c_while_it_is_given_up(name, tmp_path, monkeypatch):
    lock, call = FileLock(tmp_path / "a"), getattr(os, name)
    assert lock.acquire()

    def interrupted(*arguments):
        monkeypatch.undo()
        call(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        lock.release()
    assert os.listdir(tmp_path) == []
    other = FileLock(tmp_path / "a")
    assert other.acquire()
    other.release()
