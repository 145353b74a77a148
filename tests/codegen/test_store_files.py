"""Files of the store: whom they may come from, what modes they have, and when they go."""

import contextlib
import os
import pathlib
import stat
import subprocess
import time

import llvmlite.binding as llvm
import pytest

from fastnn2.codegen import store, store_files
from fastnn2.codegen.processor import Processor
from fastnn2.codegen.store_files import DAY, DamagedFileError, UntrustedFolderError, open_folder

pytestmark = pytest.mark.skipif(not store.HAS_ELF, reason="no store on this system")

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
HERE = Processor("x86_64-unknown-linux-gnu", "some", frozenset({"sse2"}))
NAME = "update-float64-0123456789abcdef-0123456789ab.kernel"
OTHER = "update-float32-0123456789abcdef-0123456789ab.kernel"
LOCK = "update-float64-0123456789abcdef-0123456789ab.lock"
HALF = "update-float32-0123456789abcdef-0123456789ab-00ff.tmp"


@pytest.fixture(scope="module")
def content():
    """An object file."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(reloc="pic")
    return machine.emit_object(llvm.parse_assembly("define i32 @entry() {\n ret i32 0\n}"))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "store"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture
def write(folder, content):
    """A function that writes an entry, so many days ago."""

    def write(name, keep=False, days=0):
        with open_folder(folder) as opened:
            opened.write(name, HERE, content, keep)
        set_age(folder / name, days)

    return write


def set_age(path, days):
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def age(path):
    """Return how many days ago a file was written or used."""
    return (time.time() - path.stat().st_mtime) / DAY


def give_away(path, monkeypatch):
    """Let a file or folder belong to another user."""
    if IS_ROOT:
        os.chown(path, 12345, -1, follow_symlinks=False)
    else:  # nothing can be given away, but this process can seem to be another user's
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def refused(path):
    """Return why a folder is refused, and what can be done about it."""
    with pytest.raises(UntrustedFolderError) as caught:
        open_folder(path)
    return str(caught.value), caught.value.remedy


# Which folders are trusted
@pytest.mark.parametrize("permissions", [0o775, 0o757, 0o777, 0o2770])
def test_others_may_write_and_the_command_mends_it(tmp_path, permissions):
    path = tmp_path / "a store; of mine"
    path.mkdir()
    path.chmod(permissions)
    found, remedy = refused(path)
    assert found == f"others may write to it: its mode is {permissions:04o}"
    words, _, command = remedy.partition(": ")
    assert words == "to mend it"
    subprocess.run(command, shell=True, check=True)
    open_folder(path).close()
    assert mode(path) == permissions & ~0o022


def test_a_folder_for_all_is_not_to_be_mended(tmp_path):
    """To take the rights of others away from /tmp would break the machine."""
    tmp_path.chmod(0o1777)
    _, remedy = refused(tmp_path)
    words, _, own = remedy.partition(", such as ")
    assert words == "set FASTNN2_CACHE_DIR to a folder of your own"
    open_folder(pathlib.Path(own), make=True).close()
    assert "chmod" not in remedy


@pytest.mark.parametrize("permissions", [0o755, 0o777])
def test_a_folder_of_another_user(folder, permissions, monkeypatch):
    folder.chmod(permissions)
    give_away(folder, monkeypatch)
    found, remedy = refused(folder)
    assert found == f"it belongs to user {folder.stat().st_uid}"
    assert remedy == "set FASTNN2_CACHE_DIR to a folder of your own"


@pytest.mark.skipif(not IS_ROOT, reason="needs folders of root")
def test_a_folder_of_root(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    open_folder(folder).close()
    folder.chmod(0o775)
    assert refused(folder)[1] == f"set FASTNN2_CACHE_DIR to a folder of your own, or as root: chmod go-w {folder}"


def test_a_link_to_the_folder(folder, tmp_path, monkeypatch):
    """One's own is followed, to a larger disk say; another user's leads wherever that user wants."""
    link = tmp_path / "link"
    link.symlink_to(folder)
    open_folder(link).close()
    give_away(link, monkeypatch)
    assert refused(link)[0] == f"it is a symbolic link that belongs to user {link.lstat().st_uid}"


def test_no_folder(folder):
    with pytest.raises(FileNotFoundError):
        open_folder(folder / "missing")
    (folder / "file").touch()
    with pytest.raises(NotADirectoryError):
        open_folder(folder / "file")
    (folder / "link").symlink_to(folder / "missing")
    for make in (False, True):
        with pytest.raises(FileNotFoundError):
            open_folder(folder / "link", make=make)


@pytest.mark.parametrize("mask", [0, 0o002, 0o022, 0o027, 0o077])
def test_modes_of_what_is_made(tmp_path, content, mask):
    """Whatever the umask: a store that root fills is for every user, and for no other user to write to."""
    path = tmp_path / "made" / "on" / "the way"
    with umask(mask), open_folder(path, make=True) as opened:
        opened.write(NAME, HERE, content, False)
    assert [mode(made) for made in (path, path.parent, path.parent.parent)] == 3 * [0o755]
    assert mode(path / NAME) == 0o644
    assert os.listdir(path) == [NAME]


def test_a_folder_that_is_there_keeps_its_mode(folder):
    folder.chmod(0o700)
    open_folder(folder, make=True).close()
    assert mode(folder) == 0o700


# Files
def test_what_is_written_is_read(folder, write, content):
    write(NAME)
    write(OTHER, keep=True)
    with open_folder(folder) as opened:
        for name, keep in ((NAME, False), (OTHER, True)):
            entry = opened.read(name)
            assert (entry.processor, entry.content, entry.keep) == (HERE, content, keep)


def test_a_link_in_place_of_a_file(folder, write, tmp_path):
    write(NAME)
    target = tmp_path / "target"
    (folder / NAME).rename(target)
    (folder / NAME).symlink_to(target)
    before = target.read_bytes()
    with open_folder(folder) as opened, pytest.raises(DamagedFileError, match="is a symbolic link"):
        opened.read(NAME)
    write(NAME, keep=True)
    assert not (folder / NAME).is_symlink()
    assert target.read_bytes() == before


def test_a_file_of_another_user(folder, write, monkeypatch):
    write(NAME)
    with open_folder(folder) as opened:
        give_away(folder / NAME, monkeypatch)
        with pytest.raises(DamagedFileError, match="belongs to another user"):
            opened.read(NAME)


def test_the_open_folder_counts_and_not_its_path(folder, write, content):
    """Another user may move it away and put something else in its place, between the check and the use."""
    write(NAME)
    with open_folder(folder) as opened:
        moved = folder.rename(folder.with_name("moved"))
        folder.mkdir()
        (folder / NAME).write_bytes(b"foreign")
        assert opened.names("update-float64-") == [NAME]
        assert opened.read(NAME).content == content
        opened.write(OTHER, HERE, content, False)
    assert os.listdir(folder) == [NAME]
    assert sorted(os.listdir(moved)) == [OTHER, NAME]


def test_no_descriptor_stays_open(folder, write):
    before = sorted(os.listdir("/dev/fd"))
    write(NAME)
    with open_folder(folder) as opened:
        opened.read(NAME)
    folder.chmod(0o777)
    refused(folder)
    assert sorted(os.listdir("/dev/fd")) == before


# Use and age
@pytest.mark.parametrize(("days", "after"), [(0.9, 0.9), (1.1, 0), (200, 0)])
def test_use_sets_the_time_once_a_day(folder, write, days, after):
    write(NAME, days=days)
    with open_folder(folder) as opened:
        opened.set_used(opened.read(NAME))
    assert age(folder / NAME) == pytest.approx(after, abs=0.01)


def test_use_of_what_stays_anyway_sets_no_time(folder, write, monkeypatch):
    """What `warmup` made stays, and another user's file is that user's: no write to the disk is needed."""
    write(NAME, keep=True, days=5)
    write(OTHER, days=5)
    with open_folder(folder) as opened:
        opened.set_used(opened.read(NAME))
        entry = opened.read(OTHER)
        monkeypatch.setattr(os, "geteuid", lambda: entry.status.st_uid + 1)
        opened.set_used(entry)
    assert [age(folder / name) for name in (NAME, OTHER)] == pytest.approx([5, 5], abs=0.01)


def test_use_of_a_file_whose_time_cannot_be_set(folder, write, monkeypatch):
    def utime(*arguments, **options):
        raise PermissionError("read-only file system")

    write(NAME, days=5)
    monkeypatch.setattr(os, "utime", utime)
    with open_folder(folder) as opened:
        opened.set_used(opened.read(NAME))
    assert age(folder / NAME) == pytest.approx(5, abs=0.01)


def left_after_a_write(folder, write):
    write("cost-float64-0123456789abcdef-0123456789ab.kernel")
    return sorted(set(os.listdir(folder)) - {"cost-float64-0123456789abcdef-0123456789ab.kernel"})


@pytest.mark.parametrize(("days", "left"), [(89, [NAME]), (91, [])])
def test_unused_files_go_after_90_days(folder, write, days, left):
    write(NAME, days=days)
    assert left_after_a_write(folder, write) == left


def test_what_warmup_made_stays(folder, write):
    write(NAME, keep=True, days=1000)
    write(OTHER, days=1000)
    assert left_after_a_write(folder, write) == [NAME]


def test_what_warmup_made_stays_marked(folder, write):
    """Where a process compiles it once more, as another one did at the same time, say."""
    write(NAME, keep=True)
    write(NAME, keep=False, days=1000)
    assert left_after_a_write(folder, write) == [NAME]


@pytest.mark.parametrize("header", [b"", b"{}\n", b"[1]\n", b"\xff\n", b"[" * 100_000 + b"\n", b'{"entry": "x"}\nabc'])
def test_damaged_files_and_those_of_earlier_versions_go(folder, write, header):
    (folder / NAME).write_bytes(header)
    set_age(folder / NAME, 89)
    assert left_after_a_write(folder, write) == [NAME]
    set_age(folder / NAME, 91)
    assert left_after_a_write(folder, write) == []


@pytest.mark.parametrize("name", [HALF, "train-float64-0123456789abcdef-0123456789abx_3k9q0z.tmp", LOCK])
def test_what_killed_processes_left_goes_after_a_day(folder, write, name):
    (folder / name).write_bytes(b"half")
    set_age(folder / name, 0.9)
    assert left_after_a_write(folder, write) == [name]
    set_age(folder / name, 1.1)
    assert left_after_a_write(folder, write) == []


def test_files_of_other_users_stay(folder, write, content, monkeypatch):
    write(NAME, days=1000)
    (folder / HALF).touch()
    set_age(folder / HALF, 1000)
    with open_folder(folder) as opened:
        for name in (NAME, HALF):
            give_away(folder / name, monkeypatch)
        opened.write(OTHER, HERE, content, False)
    assert sorted(os.listdir(folder)) == sorted([NAME, HALF, OTHER])


def test_what_is_not_of_the_store_stays(folder, write):
    """A user may name a folder that has other things in it."""
    names = ["results.kernel", "notes.tmp", f"{NAME}.bak", "update-float64-notes.tmp", f"my {NAME}", "a-b-c-d.kernel"]
    for name in names:
        (folder / name).touch()
        set_age(folder / name, 1000)
    (folder / NAME).mkdir()
    (folder / OTHER).symlink_to(folder / "results.kernel")
    for name in (NAME, OTHER):
        os.utime(folder / name, (0, 0), follow_symlinks=False)
    assert left_after_a_write(folder, write) == sorted([*names, NAME, OTHER])


def test_a_file_that_another_process_removes_meanwhile(folder, write, monkeypatch):
    write(NAME, days=1000)
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: [HALF, *listdir(path)])  # seen, and gone
    write(OTHER)
    monkeypatch.undo()
    assert os.listdir(folder) == [OTHER]


# Lock files
def test_a_lock_file_comes_and_goes(folder):
    with open_folder(folder) as opened, umask(0):
        descriptor = opened.open_lock(LOCK)
        assert mode(folder / LOCK) == 0o600  # who could open it could keep its user waiting
        again = opened.open_lock(LOCK)
        opened.remove_lock(LOCK, descriptor)
        assert os.listdir(folder) == []
        opened.remove_lock(LOCK, descriptor)
        newer = opened.open_lock(LOCK)
        opened.remove_lock(LOCK, again)
        assert os.listdir(folder) == [LOCK]  # of another process, which may have the lock
        for each in (descriptor, again, newer):
            os.close(each)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and modes are of POSIX")
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder", "of all", "of another user"])
def test_what_is_no_lock_file_of_this_user(folder, tmp_path, kind, monkeypatch):
    path, elsewhere = folder / LOCK, tmp_path / "elsewhere"
    if kind.endswith("link"):
        if kind == "link":
            elsewhere.write_text("as it was")
        path.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "folder":
        path.mkdir()
    else:
        path.touch(mode=0o600)
    if kind == "of all":
        path.chmod(0o666)
    before = len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0
    with open_folder(folder) as opened:
        if kind == "of another user":
            give_away(path, monkeypatch)
        with pytest.raises((OSError, DamagedFileError)):
            opened.open_lock(LOCK)
    assert (len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0) == before
    assert elsewhere.exists() == (kind == "link")


def test_half_a_file_is_removed_where_it_cannot_be_completed(folder, content, monkeypatch):
    def replace(*arguments, **options):
        raise OSError("no")

    monkeypatch.setattr(os, "replace", replace)
    with open_folder(folder) as opened, pytest.raises(OSError, match="no"):
        opened.write(NAME, HERE, content, False)
    assert os.listdir(folder) == []


def test_a_folder_on_the_way_that_is_there_already_keeps_its_mode(tmp_path):
    """``new/..`` exists once ``new`` is made; so does a folder that another process made first."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    store_files.make_folder(private / "new" / ".." / "store")
    assert private.stat().st_mode & 0o777 == 0o700
    assert (private / "store").stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes of POSIX")
def test_a_pipe_in_the_place_of_a_file_does_not_block(folder, write):
    os.mkfifo(folder / NAME)
    with open_folder(folder) as opened, pytest.raises(DamagedFileError, match="is no regular file"):
        opened.read(NAME)
    write(NAME)  # which asks whether the file before it was to be kept
    with open_folder(folder) as opened:
        assert opened.read(NAME).name == NAME
