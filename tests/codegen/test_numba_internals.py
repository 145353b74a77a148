"""The one door to Numba: whatever private part of Numba is gone, results are the same, and what was made is kept."""

import json
import os
import pathlib
import re
import stat
import zipfile

import numba_names
import pytest
from numba.core.registry import CPUDispatcher

import fastnn2
from fastnn2.codegen import numba_internals, store
from fastnn2.codegen.compile import find_entry
from fastnn2.kernels.shared.records import RECORDS

PACKAGE = pathlib.Path(fastnn2.__file__).parent
NAMES = numba_names.names()
# One after the other takes minutes; `python tests/numba_names.py` does so.
SAMPLE = sorted({"AOTCodeLibrary", "_reset_overloads", "_failed_cache", "global_compiler_lock", *NAMES[::6]})
# Gone from Numba itself, which does not use it.
GONE = "import numba.core.codegen; del numba.core.codegen.AOTCodeLibrary"
NO_ELF = "from fastnn2.codegen import store; store.HAS_ELF = False"
COUNT = """
import numba
from numba.core import compiler
compiled, real = [], compiler.CompilerBase.compile_extra
def compile_extra(self, function):
    compiled.append(function.__name__)
    return real(self, function)
compiler.CompilerBase.compile_extra = compile_extra
"""
COUNTED = "more = {'compiled': compiled}"


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """The results of the fast compile."""
    folder = tmp_path_factory.mktemp("right")
    found = {work: numba_names.run(folder, work=work) for work in numba_names.WORKS}
    assert not any(one["warnings"] for one in found.values())
    return {work: one["result"] for work, one in found.items()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory, right):
    """A store that plain Numba has filled, not to be changed."""
    folder = tmp_path_factory.mktemp("plain")
    for work in numba_names.WORKS:
        found = numba_names.run(folder, work=work, before=GONE)
        assert found["result"] == found["again"] == right[work]
        assert len(found["warnings"]) == 1
    return folder


def content(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def copied(plain, tmp_path):
    """Return a copy of the store, and its file for `update`."""
    folder = tmp_path / "store"
    folder.mkdir()
    for path in plain.glob("*.numba"):
        (folder / path.name).write_bytes(path.read_bytes())
    (file,) = folder.glob("update-*")
    return folder, file


# Private names
def test_the_kernels_name_nothing_private():
    """A user's own @njit functions can call them, whatever becomes of Numba's private parts."""
    public = {"numba", "numba.extending"}
    files = [*(PACKAGE / "kernels").rglob("*.py"), *(PACKAGE / "codegen").glob("*.py")]
    for file in files:
        if file.name != "numba_internals.py":
            found = set(re.findall(r"^\s*(?:from|import) (numba[\w.]*)", file.read_text(), re.MULTILINE))
            assert found <= public, file
    from fastnn2.kernels.simd.vector import INLINE

    # The documented ones: https://numba.readthedocs.io/en/stable/reference/jit-compilation.html
    assert set(INLINE) == {"forceinline", "error_model", "boundscheck"}


def test_the_names_are_found():
    assert len(NAMES) > 60
    assert {"AOTCodeLibrary", "cpu_target", "_compiler", "post_lowering", "lower_binop", "no_cfunc_wrapper"} <= set(
        NAMES
    )


@pytest.mark.parametrize("name", SAMPLE)
def test_a_numba_without_a_private_name(name, right, tmp_path):
    assert numba_names.wrong_without(name, tmp_path, right["update"]) == ""


def test_what_plain_numba_made_is_loaded_and_not_compiled(plain, right):
    before = content(plain)
    assert [name.rpartition(".")[2] for name in sorted(before)] == ["numba", "numba"]
    for work in numba_names.WORKS:
        found = numba_names.run(plain, work=work, before=GONE + COUNT, after=COUNTED)
        assert (found["result"], found["compiled"], found["warnings"]) == (right[work], [], [])
    assert content(plain) == before


def test_the_count_counts(tmp_path):
    """Else the test above would prove nothing."""
    found = numba_names.run(tmp_path, before=GONE + COUNT, after=COUNTED)
    assert "update" in found["compiled"]


def test_a_file_of_the_fast_compile_needs_none_of_them(right, tmp_path):
    numba_names.run(tmp_path)
    found = numba_names.run(tmp_path, before=GONE)
    assert (found["result"], found["warnings"]) == (right["update"], [])


def test_one_warning_for_all_kernels(right, tmp_path):
    after = "with warnings.catch_warnings():\n    warnings.simplefilter('error')\n    more = {'fit': numba_names.fit()}"
    found = numba_names.run(tmp_path, before=GONE, after=after)
    assert len(found["warnings"]) == 1
    assert found["fit"] == right["fit"]
    assert "AOTCodeLibrary" in found["warnings"][0]
    assert "kernels once" in found["warnings"][0]


def test_no_file_with_the_store_off(right, tmp_path):
    before = f"import tempfile; tempfile.tempdir = {str(tmp_path / 'missing')!r}; " + GONE
    caches = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    found = numba_names.run(tmp_path, before=before, FASTNN2_STORE="off", **caches)
    assert found["result"] == right["update"]
    assert len(found["warnings"]) == 1
    assert "in every process" in found["warnings"][0]
    assert list(tmp_path.iterdir()) == []


# Where nothing can be kept
def test_no_folder_for_temporary_files(right, tmp_path):
    before = f"import tempfile; tempfile.tempdir = {str(tmp_path / 'missing')!r}; " + GONE
    found = numba_names.run(tmp_path, before=before)
    assert found["result"] == right["update"]
    assert len(found["warnings"]) == 1
    assert "cannot be kept" in found["warnings"][0]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_others_may_write_to(right, tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    found = numba_names.run(folder, before=GONE)
    assert found["result"] == right["update"]
    assert len(found["warnings"]) == 1
    assert "others may write to it" in found["warnings"][0]
    assert list(folder.iterdir()) == []


def test_a_file_in_the_place_of_the_folder(right, tmp_path):
    (tmp_path / "file").touch()
    found = numba_names.run(tmp_path / "file", before=GONE)
    assert found["result"] == right["update"]
    assert len(found["warnings"]) == 1
    assert "cannot be kept" in found["warnings"][0]


@pytest.mark.parametrize("filled", [True, False])
def test_a_folder_that_can_only_be_read(filled, plain, right, tmp_path):
    folder, file = copied(plain, tmp_path)
    if not filled:
        file.unlink()
    before = content(folder)
    read_only = """
import errno
real_open = os.open
def open_read_only(path, flags, *arguments, **options):
    if flags & os.O_CREAT and options.get("dir_fd") is not None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    return real_open(path, flags, *arguments, **options)
os.open = open_read_only
os.supports_dir_fd.add(os.open)
"""
    found = numba_names.run(folder, before=read_only + GONE + COUNT, after=COUNTED)
    assert found["result"] == right["update"]
    assert ("update" not in found["compiled"]) == filled
    assert len(found["warnings"]) == (not filled)
    assert filled or "Read-only file system; set FASTNN2_CACHE_DIR" in found["warnings"][0]
    assert content(folder) == before


# The file
def test_modes_of_the_file(plain):
    assert {stat.S_IMODE(path.stat().st_mode) for path in plain.iterdir()} == {0o644}


@pytest.mark.parametrize("damage", ["a byte", "cut off", "others may write", "no archive", "another archive"])
def test_a_file_that_is_not_to_be_used(damage, plain, right, tmp_path):
    folder, file = copied(plain, tmp_path)
    good = file.read_bytes()
    if damage == "a byte":
        file.write_bytes(good[: len(good) // 2] + bytes([good[len(good) // 2] ^ 1]) + good[len(good) // 2 + 1 :])
    elif damage == "cut off":
        file.write_bytes(good[:-20])
    elif damage == "others may write":
        file.chmod(0o666)
    else:  # with a hash that is right: an error of Numba's cache
        header = json.loads(good.partition(b"\n")[0])
        body = b"no archive"
        if damage == "another archive":
            with zipfile.ZipFile(tmp_path / "archive", "w") as packed:
                packed.writestr("some", "thing")
            body = (tmp_path / "archive").read_bytes()
        header["length"] = len(body)
        del header["sha256"]
        header["sha256"] = store.store_files._hash(header, body)
        file.write_bytes(json.dumps(header).encode() + b"\n" + body)
    found = numba_names.run(folder, before=GONE + COUNT, after=COUNTED)
    assert (found["result"], "update" in found["compiled"]) == (right["update"], True)
    found = numba_names.run(folder, before=GONE + COUNT, after=COUNTED)
    assert (found["result"], found["compiled"], found["warnings"]) == (right["update"], [], [])


def test_the_file_goes_when_nobody_used_it_for_long(plain, tmp_path):
    folder, file = copied(plain, tmp_path)
    old = folder / file.name.replace("update-", "cost-")
    file.rename(old)
    os.utime(old, (0, 0))
    numba_names.run(folder, before=GONE)
    assert [path.name for path in folder.glob("*.numba") if path.name.startswith(("update", "cost"))] == [file.name]


# What is a user's own
def test_the_settings_of_a_user_stay(right, tmp_path):
    """Also where the user's functions are compiled meanwhile, by another thread."""
    own = tmp_path / "own"
    module = tmp_path / "users_module.py"
    module.write_text("from numba import njit\n\n\n@njit(cache=True)\ndef twice(a):\n    return 2 * a\n")
    before = f"""
import threading, numba
sys.path.insert(0, {str(tmp_path)!r})
seen = []
real = numba.cfunc
def cfunc(*arguments, **options):
    make = real(*arguments, **options)
    def made(function):
        def import_theirs():
            seen.append(numba.config.CACHE_DIR)
            import users_module
            seen.append(users_module)
        thread = threading.Thread(target=import_theirs)
        thread.start()
        thread.join()
        return make(function)
    return made
numba.cfunc = cfunc
{GONE}
"""
    after = """
value = seen[1].twice(21)
more = {"seen": seen[0], "value": value, "after": numba.config.CACHE_DIR, "type": type(numba.config).__name__,
        "where": str(seen[1].twice.stats.cache_path)}
"""
    found = numba_names.run(tmp_path / "store", before=before, after=after, NUMBA_CACHE_DIR=str(own))
    assert (found["result"], found["value"], len(found["warnings"])) == (right["update"], 42, 1)
    assert found["seen"] == found["after"] == str(own)
    assert found["type"] == "module"
    assert found["where"].startswith(str(own))
    (folder,) = own.iterdir()
    assert str(folder) == found["where"]
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"users_module"}
    assert len(list((tmp_path / "store").iterdir())) == 1


@pytest.mark.parametrize("name", [None, "_internal_codegen", "lower_binop", "no_cpython_wrapper"])
def test_kernels_in_a_user_s_own_numba_code(name, right, tmp_path):
    """After the fast compile, and after one that failed amid its work."""
    after = """
import numpy as np
from numba import njit
from fastnn2.kernels.nn.update import sum_l2_squares
from fastnn2.kernels.simd.elementary import log1p
from fastnn2.kernels.simd.vector import load, store

@njit
def log1p_of(x, out):
    store(out, 0, log1p(load(x, 0)))

out = np.zeros(8)
log1p_of(np.arange(8.0), out)
more = {"ours": out.tolist(), "numpy": np.log1p(np.arange(8.0)).tolist()}
"""
    found = numba_names.run(tmp_path, name, after=after)
    assert found["result"] == right["update"]
    assert found["ours"] == pytest.approx(found["numpy"], rel=1e-15)


@pytest.mark.parametrize("calls", [3, 30])
def test_an_error_amid_the_compile_of_a_function_is_forgotten(calls, right, tmp_path):
    """Numba keeps the error that the types of a function led to, and would raise it again."""
    before = f"""
from fastnn2.codegen import numba_internals
from numba import TypingError
asked, remembering = [], numba_internals._remembering
def failing(resolve):
    def resolve_function_type(*arguments):
        asked.append(arguments)
        if len(asked) > {calls}:
            raise TypingError("no such function in another version")
        return remembered(*arguments)
    remembered = remembering(resolve)
    return resolve_function_type
numba_internals._remembering = failing
"""
    found = numba_names.run(tmp_path, before=before, after="more = {'asked': len(asked)}")
    assert found["result"] == right["update"]
    assert found["asked"] > calls
    assert len(found["warnings"]) == 1


def test_a_fit_while_numba_compiles_that_does_not_say_so(right, tmp_path):
    """A thread of its own would wait for ever for the lock that this one has."""
    before = """
from numba import njit
from numba.extending import overload

def answer(a):
    pass

@overload(answer)
def overload_answer(a):
    results.append(numba_names.update())
    return lambda a: a + 41

results = []
value = njit(lambda: answer(1))()
"""
    after = "more = {'value': value, 'first': results[0]}"
    found = numba_names.run(tmp_path, "is_locked", before=before, after=after)
    assert (found["value"], found["first"], found["result"]) == (42, right["update"], right["update"])


# Systems without ELF
def test_a_system_without_elf_compiles_once(right, tmp_path):
    found = numba_names.run(tmp_path, before=NO_ELF)
    assert (found["result"], found["warnings"]) == (right["update"], [])
    before = content(tmp_path)
    found = numba_names.run(tmp_path, before=NO_ELF + COUNT, after=COUNTED)
    assert (found["result"], found["compiled"], found["warnings"]) == (right["update"], [], [])
    assert content(tmp_path) == before
    found = numba_names.run(tmp_path, before=NO_ELF + COUNT, after=COUNTED, FASTNN2_STORE="off")
    assert found["result"] == right["update"]
    assert "update" in found["compiled"]


def test_a_system_without_owners_and_open_folders(right, tmp_path):
    """As Windows is, as far as another system can play it."""
    before = """
import os
for name in ("geteuid", "getuid", "fchmod", "O_NOFOLLOW", "O_DIRECTORY"):
    delattr(os, name)
os.supports_dir_fd.discard(os.open)
"""
    folder = tmp_path / "folder" / "store"
    found = numba_names.run(folder, before=before + NO_ELF)
    assert (found["result"], found["warnings"]) == (right["update"], [])
    (file,) = folder.iterdir()
    os.utime(file, (0, 0))
    old = folder / file.name.replace("update-", "cost-")
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    found = numba_names.run(folder, before=before + NO_ELF + COUNT, after=COUNTED)
    assert (found["result"], found["compiled"], found["warnings"]) == (right["update"], [], [])
    assert file.stat().st_mtime > 0
    found = numba_names.run(folder, work="fit", before=before + NO_ELF)
    assert found["result"] == right["fit"]
    assert not old.exists()
    assert {path.suffix for path in folder.iterdir()} == {".numba"}


def test_a_processor_of_another_name_has_files_of_its_own(plain, right, tmp_path):
    folder, file = copied(plain, tmp_path)
    found = numba_names.run(folder, before=GONE, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    assert found["result"] == right["update"]
    assert len(list(folder.glob("update-*.numba"))) == 2
    assert file.exists()


def test_the_script_says_what_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(numba_names, "names", lambda: ["AOTCodeLibrary"])
    monkeypatch.setattr(numba_names, "FAILED", "something else")
    assert numba_names.main() == 1
    assert "not one warning" in capsys.readouterr().out


def test_every_compiled_function_is_found_in_a_module():
    """One that only a closure has would keep what it was compiled to for one kernel, and the next would lack it."""
    for name in RECORDS:
        find_entry(name)
    known = list(numba_internals._dispatchers())
    inner = [
        cell.cell_contents
        for dispatcher in known
        for cell in dispatcher.py_func.__closure__ or ()
        if isinstance(cell.cell_contents, CPUDispatcher)
    ]
    assert inner
    assert set(inner) <= set(known)
