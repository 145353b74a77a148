"""``fastnn2 info`` and ``warmup``, in this process: each line agrees with the part of the package that it describes."""

import contextlib
import importlib.metadata
import os
import platform
import re
import time

import numpy as np
import pytest
from bundled_data import DAMAGES, damage_best, flip_a_bit

from fastnn2.codegen import bundled, store, store_files, warn
from fastnn2.codegen.processor import LEVELS, Processor
from fastnn2.commands import info
from fastnn2.kernels.shared import features
from fastnn2.kernels.shared.records import DTYPES, RECORDS
from fastnn2.threads.cores import usable_cores

STORE = pytest.mark.skipif(not store.HAS_ELF, reason="needs the kernel store")


def shown(capsys):
    assert info.show() == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    # Names have 15 columns, those of kernels two more in front; "usable cores" has a space.
    lines = [line.removeprefix("  ") for line in captured.out.splitlines()]
    return {line[:15].strip(): line[15:].strip() for line in lines}


@pytest.fixture
def empty_store(tmp_path, monkeypatch, store_kernels):
    monkeypatch.setenv("FASTNN2_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("FASTNN2_STORE", raising=False)
    return tmp_path


def test_versions_of_packages(capsys):
    lines = shown(capsys)
    assert lines["Python"].startswith(platform.python_version())
    assert lines["numpy"] == np.__version__
    for package in ("fastnn2", "numba", "llvmlite", "scikit-learn", "tqdm", "platformdirs"):
        assert lines[package] == importlib.metadata.version(package)


def test_package_that_is_not_installed(capsys, monkeypatch):
    def version(package):
        if package == "matplotlib":
            raise importlib.metadata.PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(importlib.metadata, "version", version)
    lines = shown(capsys)
    assert (lines["matplotlib"], lines["numba"]) == ("not installed", "1")


def test_processor_and_cores(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    lines = shown(capsys)
    assert lines["usable cores"] == str(usable_cores()) == "1"
    here = Processor.here()
    assert lines["processor"] == here.cpu
    assert lines["vectors"] == ", ".join(name for name in info.VECTOR_FEATURES if name in here.features)
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx,+avx2,-avx512f")
    lines = shown(capsys)
    assert (lines["processor"], lines["vectors"]) == ("haswell", "sse2, sse4.2, avx, avx2")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "")
    lines = shown(capsys)
    assert (lines["processor"], lines["vectors"]) == ("haswell", "sse2")


@STORE
def test_states_of_kernels(empty_store, capsys):
    lines = shown(capsys)
    assert lines["kernel store"] == str(empty_store)
    assert {lines[name] for name in RECORDS} == {"float64 not compiled yet, float32 not compiled yet"}
    store.compile_and_keep("update", "float32", Processor.here())
    assert shown(capsys)["update"] == "float64 not compiled yet, float32 ready"


@STORE
def test_state_of_a_kernel_for_a_lesser_processor(empty_store, capsys):
    here = Processor.here()
    lesser = Processor(here.triple, "some", here.features - {"avx512f"} - {max(here.features)})
    content = store.compile_entry("update", "float64", here, announce=False)
    store.write("update", "float64", lesser, content)  # it is never run
    state = shown(capsys)["update"]
    assert state.startswith("float64 ready (")
    assert state.endswith("float32 not compiled yet")


@STORE
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX file modes")
def test_file_that_others_may_write_is_reported_as_unusable(empty_store, capsys):
    here = Processor.here()
    for dtype in DTYPES:
        store.write("update", dtype, here, store.compile_entry("update", dtype, here, announce=False))
        store.path_of("update", dtype, here).chmod(0o666)
    lines = shown(capsys)
    assert lines["update"] == "float64 unusable, float32 unusable"
    path = store.path_of("update", "float64", here)
    reason = "belongs to another user, or others may write to it"
    assert lines["unusable"].startswith(f"{path} {reason}; the kernel is compiled again")


@STORE
def test_a_link_in_place_of_a_file_is_named(empty_store, capsys):
    path = store.path_of("update", "float64", Processor.here())
    path.symlink_to(empty_store / "elsewhere")
    lines = shown(capsys)
    assert lines["update"] == "float64 unusable, float32 not compiled yet"
    assert lines["unusable"].startswith(f"{path} is a symbolic link, which is not followed; the kernel is compiled")


@STORE
def test_a_folder_that_is_not_trusted(empty_store, capsys):
    """Nothing is said of the kernels in it, as none of them is used; and `warmup` compiles none."""
    empty_store.chmod(0o775)
    lines = shown(capsys)
    assert lines["kernel store"] == str(empty_store)
    assert lines["not used"] == (
        "others may write to it: its mode is 0775; every process compiles its kernels; "
        f"to mend it: chmod go-w {empty_store}"
    )
    assert not set(lines) & set(RECORDS)
    with pytest.raises(OSError, match=r"cannot keep kernels in '/.+' \(others may write to it: .* chmod go-w /"):
        info.warm_up(None)
    empty_store.chmod(0o755)
    assert list(empty_store.iterdir()) == []
    assert set(RECORDS) < set(shown(capsys))


@STORE
def test_a_look_is_no_use(empty_store, capsys):
    store.compile_and_keep("update", "float64", Processor.here())
    path = store.path_of("update", "float64", Processor.here())
    then = time.time() - 5 * store_files.DAY
    os.utime(path, (then, then))
    assert shown(capsys)["update"] == "float64 ready, float32 not compiled yet"
    assert path.stat().st_mtime == pytest.approx(then, abs=1)
    assert store.find("update", "float64", Processor.here())
    assert path.stat().st_mtime == pytest.approx(time.time(), abs=60)


@STORE
def test_warmup_marks_what_a_program_has_compiled(empty_store, capsys, monkeypatch):
    """All that it says is there stays there, not only what it compiled itself."""
    monkeypatch.setattr(info, "RECORDS", ("update",))
    here = Processor.here()
    store.compile_and_keep("update", "float64", here)
    before = store.stored("update", "float64", here)
    assert not before.keep
    for compiled in (1, 0):
        assert info.warm_up(None) == 0
        assert f"2 kernels for {here.cpu} in {empty_store}, {compiled} of them compiled now" in capsys.readouterr().out
        entries = [store.stored("update", dtype, here) for dtype in DTYPES]
        assert [entry.keep for entry in entries] == [True, True]
        assert entries[0].content == before.content


@STORE
def test_warmup_where_nothing_is_missing_and_nothing_can_be_written(empty_store, capsys, monkeypatch):
    def write(*arguments, **options):
        raise PermissionError("read-only")

    monkeypatch.setattr(info, "RECORDS", ("update",))
    for dtype in DTYPES:
        store.compile_and_keep("update", dtype, Processor.here())
    monkeypatch.setattr(store, "write", write)
    assert info.warm_up(None) == 0
    assert "0 of them compiled now" in capsys.readouterr().out


@STORE
def test_warmup_compiles_only_what_is_missing(empty_store, capsys, monkeypatch):
    """The compiler is replaced by a function that records its calls."""
    here = Processor.here()
    real = store.compile_entry("update", "float64", here, announce=False)
    store.write("update", "float64", here, real)
    compiled = []

    def compile_entry(name, dtype, processor, announce=True):
        compiled.append((name, dtype))
        assert processor == here
        return real

    monkeypatch.setattr(store, "compile_entry", compile_entry)
    assert info.warm_up(None) == 0
    kernels = [(name, dtype) for name in RECORDS for dtype in DTYPES]
    assert sorted(compiled) == sorted(set(kernels) - {("update", "float64")})
    captured = capsys.readouterr()
    assert captured.err == ""  # no progress bar without a terminal
    count = len(kernels)
    assert captured.out == f"{count} kernels for {here.cpu} in {empty_store}, {count - 1} of them compiled now\n"


@STORE
def test_warmup_beside_another_one(empty_store, capsys, monkeypatch):
    """What the other one compiles while this one waits for it is not compiled again, and stays."""

    @contextlib.contextmanager
    def turn(path):
        store.write("update", "float64", here, real)
        yield

    here = Processor.here()
    real = store.compile_entry("update", "float64", here, announce=False)
    monkeypatch.setattr(info, "turn_to_compile", turn)
    monkeypatch.setattr(info, "RECORDS", ("update",))
    monkeypatch.setattr(info, "DTYPES", ("float64",))
    assert info.warm_up(None) == 0
    assert "0 of them compiled now" in capsys.readouterr().out
    assert store.stored("update", "float64", here).keep


@pytest.fixture
def no_fast_compile(monkeypatch):
    """A Numba with which the fast compile does not work."""
    from fastnn2.codegen import compile as compiler
    from fastnn2.codegen.compiler_calls import FastCompileError

    def compile_object(*arguments):
        raise FastCompileError("a name is gone")

    monkeypatch.setattr(compiler, "compile_object", compile_object)
    monkeypatch.setattr(store, "_fast_compile_errors", [])
    monkeypatch.setattr(info, "RECORDS", ("update",))
    warn._given.clear()


@STORE
def test_warmup_with_plain_numba(empty_store, capsys, no_fast_compile):
    here = Processor.here()
    with pytest.warns(UserWarning, match=r"fast compile does not work .*\(a name is gone\)") as caught:
        assert info.warm_up(None) == 0
    assert len(caught) == 1
    assert "2 of them compiled now" in capsys.readouterr().out
    assert shown(capsys)["update"] == "float64 ready (by plain Numba), float32 ready (by plain Numba)"
    assert [store.find_plain("update", dtype, here).keep for dtype in DTYPES] == [True, True]
    assert info.warm_up(None) == 0
    assert "0 of them compiled now" in capsys.readouterr().out


@STORE
def test_warmup_marks_what_plain_numba_has_compiled(empty_store, capsys, no_fast_compile, monkeypatch):
    here = Processor.here()
    for dtype in DTYPES:
        store.make_plain("update", dtype, here, None)
    assert [store.find_plain("update", dtype, here).keep for dtype in DTYPES] == [False, False]
    assert info.warm_up(None) == 0
    assert "0 of them compiled now" in capsys.readouterr().out
    assert [store.find_plain("update", dtype, here).keep for dtype in DTYPES] == [True, True]


@STORE
def test_warmup_with_plain_numba_for_another_processor_raises(empty_store, no_fast_compile):
    with pytest.raises(ValueError, match=r"--cpu needs the fast compile, which does not work .*a name is gone"):
        info.warm_up("x86-64-v2")
    assert list(empty_store.iterdir()) == []


@STORE
def test_warmup_for_another_processor_where_plain_numba_is_wanted_raises(empty_store, monkeypatch):
    """What it would keep for the level is code for this processor."""
    monkeypatch.setattr(info, "RECORDS", ("update",))
    monkeypatch.setenv("FASTNN2_KERNELS", "numba")
    with pytest.raises(ValueError, match=r"FASTNN2_KERNELS is numba, .*; unset it to use --cpu"):
        info.warm_up("x86-64-v2")
    assert list(empty_store.iterdir()) == []


@STORE
def test_warmup_with_plain_numba_where_nothing_can_be_written(empty_store, no_fast_compile, monkeypatch):
    def write_plain(*arguments, **options):
        raise PermissionError("read-only")

    monkeypatch.setattr(store, "write_plain", write_plain)
    with pytest.raises(OSError, match=r"cannot keep kernels in '/.+' \(read-only\)"):
        info.warm_up(None)


def test_info_and_warmup_on_a_system_without_elf(empty_store, capsys, monkeypatch):
    monkeypatch.setattr(store, "HAS_ELF", False)
    monkeypatch.setattr(info, "RECORDS", ("update",))
    assert shown(capsys)["update"] == "float64 not compiled yet, float32 not compiled yet"
    with pytest.raises(ValueError, match="--cpu x86-64 needs ELF objects"):
        info.warm_up("x86-64")
    assert info.warm_up(None) == 0
    assert "2 of them compiled now" in capsys.readouterr().out
    assert shown(capsys)["update"] == "float64 ready (by plain Numba), float32 ready (by plain Numba)"
    assert {path.suffix for path in empty_store.iterdir()} == {".numba"}
    path = store.plain_path_of("update", "float64", Processor.here())
    path.write_bytes(path.read_bytes()[:-1])
    lines = shown(capsys)
    assert lines["update"] == "float64 unusable, float32 ready (by plain Numba)"
    assert "is damaged" in lines["unusable"]


def test_warmup_of_an_unknown_level_raises():
    with pytest.raises(ValueError, match=r"--cpu is 'haswell'; expected one of x86-64, x86-64-v2"):
        info.warm_up("haswell")


@STORE
def test_warmup_of_a_level_for_another_architecture_raises(empty_store, monkeypatch):
    arm = Processor("aarch64-unknown-linux-gnu", "apple-m1", frozenset({"neon"}))
    monkeypatch.setattr(Processor, "here", classmethod(lambda cls: arm))
    for level in LEVELS:
        with pytest.raises(ValueError, match=rf"--cpu {level} is for x86-64 processors; this machine is aarch64"):
            info.warm_up(level)
    assert list(empty_store.iterdir()) == []


# Where kernels come from


@pytest.fixture
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNN2_CACHE_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def two_kernels(libraries, own_store, monkeypatch):
    """Libraries that have one kernel in both dtypes, the only one of this package; the store is empty."""
    monkeypatch.setattr(info, "RECORDS", ("update",))
    return libraries


@pytest.mark.parametrize("setting", [{}, {"FASTNN2_KERNELS": "bundled"}, {"FASTNN2_STORE": "off"}], ids=str)
def test_bundled_kernels(setting, two_kernels, own_store, capsys, monkeypatch):
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    lines = shown(capsys)
    library = bundled.open_best()
    assert lines["kernels"] == f"bundled, {library.level}: {library.path}"
    assert library.path.parent == two_kernels
    assert not {"kernel store", "update", "not used"} & set(lines)
    assert info.warm_up(None) == 0
    assert capsys.readouterr().out == (
        f"nothing to compile: the kernels for {library.level} come with fastnn2, in {library.path}\n"
    )
    assert not own_store.exists()


@STORE
def test_bundled_kernels_and_a_store_for_other_processors(two_kernels, own_store, capsys):
    """A level is named for machines elsewhere, with an installation that may have no libraries."""
    if (here := Processor.here()).triple.startswith("x86_64"):
        level = "x86-64-v4" if "avx512f" in here.features else "x86-64-v3"  # as other tests compile in this process
        assert info.warm_up(level) == 0
        assert f"2 kernels for {level}" in capsys.readouterr().out
        assert len(list(own_store.iterdir())) == 2
    assert shown(capsys)["kernels"].startswith("bundled, ")


@STORE
@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_libraries_that_cannot_be_used(damage, expected, two_kernels, capsys, monkeypatch):
    damage(two_kernels)
    lines = shown(capsys)
    assert re.fullmatch(rf"compiled \(.*{expected}.*\)", lines["kernels"])
    assert " again" in lines["kernels"]
    assert lines["update"] == "float64 not compiled yet, float32 not compiled yet"
    monkeypatch.setenv("FASTNN2_KERNELS", "bundled")
    lines = shown(capsys)
    assert re.match(rf"none: FASTNN2_KERNELS=bundled, but .*{expected}", lines["kernels"])
    assert "kernel store" not in lines
    with pytest.raises(RuntimeError, match=f"FASTNN2_KERNELS is bundled, but .*{expected}"):
        info.warm_up(None)


@STORE
@pytest.mark.parametrize("error", [ImportError, OSError])
def test_info_without_llvmlite(error, two_kernels, capsys, monkeypatch):
    """Bundled kernels run without it; OSError is what it raises where its own library cannot be loaded."""

    def here(cls):
        raise error("no llvmlite")

    monkeypatch.setattr(Processor, "here", classmethod(here))
    lines = shown(capsys)
    assert lines["processor"] == features.machine()
    assert set(lines["vectors"].split(", ")) & features.VISIBLE == features.features_here() & set(info.VECTOR_FEATURES)
    assert lines["kernels"] == f"bundled, {bundled.open_best().level}: {bundled.open_best().path}"
    monkeypatch.setenv("FASTNN2_KERNELS", "store")
    with pytest.raises(error, match="no llvmlite"):
        info.show()
    assert "kernels         compiled (FASTNN2_KERNELS=store)" in capsys.readouterr().out


def test_warmup_where_libraries_cannot_be_used(two_kernels, own_store, capsys):
    damage_best(flip_a_bit)(two_kernels)
    with pytest.warns(UserWarning, match="fastnn2 compiles its kernels, as .* is damaged") as caught:
        assert info.warm_up(None) == 0
    assert len(caught) == 1
    assert "2 of them compiled now" in capsys.readouterr().out
    assert shown(capsys)["update"] == "float64 ready, float32 ready"


@STORE
def test_without_libraries(two_kernels, own_store, capsys, monkeypatch):
    monkeypatch.setattr(bundled, "FOLDER", two_kernels / "none")
    lines = shown(capsys)
    assert lines["kernels"] == "compiled (this installation has none for this processor)"
    assert lines["kernel store"] == str(own_store)
    monkeypatch.setenv("FASTNN2_KERNELS", "bundled")
    assert shown(capsys)["kernels"] == (
        "none: FASTNN2_KERNELS=bundled, but this installation has none for this processor"
    )
    with pytest.raises(RuntimeError, match="FASTNN2_KERNELS is bundled, but fastnn2 has no kernels for this processor"):
        info.warm_up(None)
    monkeypatch.delenv("FASTNN2_KERNELS")
    monkeypatch.setenv("FASTNN2_STORE", "off")
    lines = shown(capsys)
    assert lines["kernel store"] == "off: kernels are compiled in every process"
    with pytest.raises(ValueError, match=r"the kernel store is off \(FASTNN2_STORE=off\)"):
        info.warm_up(None)


@STORE
@pytest.mark.parametrize(("kind", "how"), [("store", "compiled"), ("numba", "compiled by plain Numba")])
def test_kernels_that_the_user_wants(kind, how, two_kernels, own_store, capsys, monkeypatch):
    monkeypatch.setenv("FASTNN2_KERNELS", kind)
    monkeypatch.setattr(bundled, "open_best", None)
    lines = shown(capsys)
    assert lines["kernels"] == f"{how} (FASTNN2_KERNELS={kind})"
    assert lines["update"] == "float64 not compiled yet, float32 not compiled yet"
    assert info.warm_up(None) == 0
    state = "ready" if kind == "store" else "ready (by plain Numba)"
    assert shown(capsys)["update"] == f"float64 {state}, float32 {state}"


def test_a_wrong_wish(libraries, capsys, monkeypatch):
    monkeypatch.setenv("FASTNN2_KERNELS", "fast")
    for command in (info.show, lambda: info.warm_up(None)):
        with pytest.raises(ValueError, match="FASTNN2_KERNELS is 'fast'; expected one of bundled, store, numba"):
            command()
