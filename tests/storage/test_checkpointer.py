"""A run's checkpoints: written beside it, one after the other, and never at its cost."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from data import PATIENCE

from fastnn2.storage import checkpoint_file
from fastnn2.storage.checkpointer import Checkpointer
from fastnn2.storage.lock import FileLock

ARRAYS = {"a": np.arange(3.0)}


def test_the_last_checkpoint_is_there_at_the_end(tmp_path):
    path = tmp_path / "a"
    with Checkpointer(path, "fit", 0.0) as checkpointer:
        assert checkpointer.read() is None
        for step in range(20):
            checkpointer.write({"step": step}, ARRAYS)
    assert checkpoint_file.read(path, "fit")[0] == {"step": 19}
    with Checkpointer(path, "fit", 0.0) as checkpointer:
        assert checkpointer.read()[0] == {"step": 19}
    assert os.listdir(tmp_path) == ["a"]


def test_when_it_is_due(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with Checkpointer(tmp_path / "a", "fit", 5.0) as checkpointer:
        assert not checkpointer.is_due()
        now = 104.0
        assert checkpointer.seconds_left() == 1.0
        now = 105.0
        assert checkpointer.is_due()
        checkpointer.write({}, ARRAYS)
        assert checkpointer.seconds_left() == 5.0
        assert not checkpointer.is_due()


def test_it_is_not_due_while_one_is_written(tmp_path, monkeypatch):
    may_end, write = threading.Event(), checkpoint_file.write

    def slow_write(*arguments):
        assert may_end.wait(PATIENCE)
        write(*arguments)

    monkeypatch.setattr(checkpoint_file, "write", slow_write)
    with Checkpointer(tmp_path / "a", "fit", 0.0) as checkpointer:
        assert checkpointer.is_due()
        checkpointer.write({}, ARRAYS)
        assert not checkpointer.is_due()
        may_end.set()
    assert checkpoint_file.read(tmp_path / "a", "fit")


def test_one_run_writes_a_file(tmp_path):
    with (
        Checkpointer(tmp_path / "a", "fit", 0.0),
        pytest.raises(ValueError, match=r"another run, of this process or another one, writes the checkpoint .*a'"),
        Checkpointer(tmp_path / "a", "fit", 0.0),
    ):
        pass
    with Checkpointer(tmp_path / "a", "fit", 0.0):
        pass


def test_a_folder_that_is_missing(tmp_path):
    with (
        pytest.raises(ValueError, match=r"there is no folder .*missing"),
        Checkpointer(tmp_path / "missing" / "a", "fit", 0),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_one_warning(tmp_path, monkeypatch):
    path = tmp_path / "a"
    checkpoint_file.write(path, "fit", {"step": -1}, ARRAYS)

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with (
        pytest.warns(RuntimeWarning, match="No space left on device. Training goes on; the last good") as warned,
        Checkpointer(path, "fit", 0.0) as checkpointer,
    ):
        monkeypatch.setattr(checkpoint_file, "write", fail)
        for step in range(3):
            checkpointer.write({"step": step}, ARRAYS)
    assert len(warned) == 1
    monkeypatch.undo()
    assert checkpoint_file.read(path, "fit")[0] == {"step": -1}


def test_writing_works_again_after_a_full_disk(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with pytest.warns(RuntimeWarning, match="No space"), Checkpointer(tmp_path / "a", "fit", 0.0) as checkpointer:
        monkeypatch.setattr(checkpoint_file, "write", fail)
        checkpointer.write({"step": 0}, ARRAYS)
        checkpointer._wait()
        monkeypatch.undo()
        checkpointer.write({"step": 1}, ARRAYS)
    assert checkpoint_file.read(tmp_path / "a", "fit")[0] == {"step": 1}


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    monkeypatch.setattr(checkpoint_file, "write", lambda *arguments: refuse(None))
    with pytest.warns(RuntimeWarning, match="Permission denied") as warned:  # noqa: SIM117
        with Checkpointer(tmp_path / "a", "fit", 0.0) as checkpointer:
            checkpointer.write({}, ARRAYS)
            checkpointer.write({}, ARRAYS)
    assert len(warned) == 1


def test_a_bug_is_no_warning(tmp_path):
    with pytest.raises(TypeError, match="cannot hold"), Checkpointer(tmp_path / "a", "fit", 0.0) as checkpointer:
        checkpointer.write({}, {"a": np.array([None])})
    assert os.listdir(tmp_path) == []


def test_signals_wait_for_the_file(tmp_path, monkeypatch):
    """KeyboardInterrupt while a checkpoint is written is raised when it is complete and the lock is free."""
    joined, join = [], threading.Thread.join

    def interrupted_once(self, *arguments):
        if not joined:
            joined.append(True)
            raise KeyboardInterrupt
        join(self, *arguments)

    with pytest.raises(KeyboardInterrupt), Checkpointer(tmp_path / "a", "fit", 0.0) as checkpointer:  # noqa: PT012
        checkpointer.write({}, ARRAYS)
        monkeypatch.setattr(threading.Thread, "join", interrupted_once)
    assert checkpoint_file.read(tmp_path / "a", "fit")
    assert FileLock(tmp_path / "a").acquire()


def test_the_lock_ends_with_its_object(tmp_path):
    lock = FileLock(tmp_path / "a")
    assert lock.acquire()
    del lock
    assert os.listdir(tmp_path) == []
    assert FileLock(tmp_path / "a").acquire()


def test_a_link_as_the_place_of_the_file(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "a")
    with Checkpointer(tmp_path / "link", "fit", 0.0) as checkpointer:
        checkpointer.write({}, ARRAYS)
    assert (tmp_path / "link").is_symlink()
    assert os.listdir(tmp_path / "folder") == ["a"]


def test_ctrl_c_while_the_last_one_is_written(tmp_path, monkeypatch):
    may_end, write, events = threading.Event(), checkpoint_file.write, []

    def slow_write(*arguments):
        assert may_end.wait(PATIENCE)
        write(*arguments)
        events.append("written")

    def press_ctrl_c():
        for _ in range(3):
            time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        may_end.set()

    monkeypatch.setattr(checkpoint_file, "write", slow_write)
    presser = threading.Thread(target=press_ctrl_c)
    with pytest.raises(KeyboardInterrupt), Checkpointer(tmp_path / "a", "fit", 0.0) as checkpointer:  # noqa: PT012
        checkpointer.write({}, ARRAYS)
        presser.start()
    assert events == ["written"]
    presser.join(PATIENCE)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("has_begun", [True, False])
def test_ctrl_c_while_a_thread_starts(has_begun, tmp_path, monkeypatch):
    start, write, events = threading.Thread.start, checkpoint_file.write, []

    def interrupted_start(thread):
        monkeypatch.undo()
        monkeypatch.setattr(checkpoint_file, "write", noted_write)
        if has_begun:
            start(thread)
        raise KeyboardInterrupt

    def noted_write(path, kind, description, arrays):
        events.append(("begin", description["step"]))
        time.sleep(0.05)
        write(path, kind, description, arrays)
        events.append(("end", description["step"]))

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with Checkpointer(tmp_path / "a", "fit", 0.0) as checkpointer:
        with pytest.raises(KeyboardInterrupt):
            checkpointer.write({"step": 1}, ARRAYS)
        if has_begun:
            while not events:
                time.sleep(0.001)
        checkpointer.write({"step": 2}, ARRAYS)
    assert events == [("begin", 1), ("end", 1)] * has_begun + [("begin", 2), ("end", 2)]
    assert checkpoint_file.read(tmp_path / "a", "fit")[0] == {"step": 2}
    assert os.listdir(tmp_path) == ["a"]


def test_nothing_is_written_without_the_lock(tmp_path, monkeypatch):
    acquire = FileLock.acquire

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.warns(RuntimeWarning, match="Permission denied") as warned:  # noqa: SIM117
        with Checkpointer(tmp_path / "a", "fit", 0.0) as checkpointer:
            checkpointer.write({}, ARRAYS)
            checkpointer._wait()
            assert os.listdir(tmp_path) == []
            monkeypatch.setattr(FileLock, "acquire", acquire)
            checkpointer.write({}, ARRAYS)
            checkpointer._wait()
            assert sorted(os.listdir(tmp_path)) == ["a", "a.lock"]
    assert len(warned) == 1
    assert os.listdir(tmp_path) == ["a"]
