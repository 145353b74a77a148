import io
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from build_data import needs_build
from data import PATIENCE

import fastnn2
from fastnn2.codegen.build import __main__ as command
from fastnn2.codegen.build.libraries import ENTRIES, CompileError

COMMAND = [sys.executable, "-m", "fastnn2.codegen.build"]
MACOS = ["--platform", "macos-arm64", "--out"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def all_installed(monkeypatch):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: name)


@pytest.fixture
def builds(monkeypatch, all_installed):
    """Replace the builds; return the list of their arguments."""
    calls = []

    def build_platform(platform, out, processes, progress):
        calls.append((platform.name, out, processes))
        for _ in range(len(ENTRIES) * len(platform.levels)):
            progress()

    def build_wheels(out, processes, progress):
        calls.append(("wheels", out, processes))
        out.mkdir()
        (out / "a.whl").write_bytes(bytes(1_250_000))
        return [out / "a.whl"]

    monkeypatch.setattr(command, "build_platform", build_platform)
    monkeypatch.setattr(command, "build_wheels", build_wheels)
    return calls


def fails(monkeypatch, error):
    def build_platform(*_, **__):
        raise error

    monkeypatch.setattr(command, "build_platform", build_platform)
    return command.main([*MACOS, "x"])


def test_libraries(builds, capsys):
    assert command.main([*MACOS, "some/folder"]) == 0
    assert command.main([*MACOS, "some/folder", "--processes", "3"]) == 0
    assert builds == [("macos-arm64", pathlib.Path("some/folder"), n) for n in (None, 3)]
    out, err = capsys.readouterr()
    assert (out, err) == (f"1 library of {len(ENTRIES)} kernels for macos-arm64 in some/folder\n" * 2, "")


def test_wheels(builds, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.main(["--wheels"]) == 0
    assert command.main(["--wheels", "--out", "other", "--processes", "1"]) == 0
    assert builds == [("wheels", pathlib.Path("dist"), None), ("wheels", pathlib.Path("other"), 1)]
    out, err = capsys.readouterr()
    names = [os.path.join(folder, "a.whl") for folder in ("dist", "other")]
    assert (out, err) == ("".join(f"{name} (1.2 MB)\n" for name in names), "")


def test_a_bar_on_a_terminal_has_a_step_for_each_kernel(builds, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(command.tqdm, "monitor_interval", 0)  # no thread
    assert command.main(["--platform", "linux-x86-64", "--out", "x"]) == 0
    assert "compiling" in sys.stderr.getvalue()
    assert f"/{3 * len(ENTRIES)}" in sys.stderr.getvalue()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "one of the arguments --platform --wheels is required"),
        (["--platform", "linux"], "invalid choice: 'linux'"),
        (["--platform", "macos-arm64"], "--platform needs --out FOLDER"),
        (["--platform", "macos-arm64", "--wheels"], "not allowed with"),
        ([*MACOS, "x", "--processes", "0"], "--processes is 0; expected 1 or more"),
        ([*MACOS, "x", "--processes", "many"], "invalid int value: 'many'"),
        (["--wheel"], "one of the arguments"),
    ],
)
def test_wrong_options(arguments, text, builds, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m fastnn2.codegen.build: error: ")
    assert text in err
    assert err.count("\n") == 1
    assert builds == []


@pytest.mark.parametrize(
    ("arguments", "missing", "text"),
    [
        ([*MACOS, "x"], ["ziglang"], "ziglang missing: pip install 'fastnn2[build]'"),
        ([*MACOS, "x"], ["ziglang", "lief"], "ziglang and lief missing"),
        (["--wheels"], ["build"], "build missing"),
        (["--wheels"], ["hatchling", "lief"], "lief and hatchling missing"),
    ],
)
def test_a_missing_package(arguments, missing, text, monkeypatch, capsys, builds):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None if name in missing else name)
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    assert text in capsys.readouterr().err
    assert builds == []


def test_libraries_need_no_backend_of_wheels(monkeypatch, builds):
    monkeypatch.setattr(
        command.importlib.util, "find_spec", lambda name: None if name in ("build", "hatchling") else name
    )
    assert command.main([*MACOS, "x"]) == 0


@pytest.mark.parametrize("error", [CompileError("its words"), RuntimeError("its words"), OSError(13, "its words", "x")])
def test_a_failure(error, monkeypatch, capsys, all_installed):
    assert fails(monkeypatch, error) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m fastnn2.codegen.build: error: ")
    assert "its words" in err
    assert err.count("\n") == 1


def test_interrupted(monkeypatch, capsys, all_installed):
    assert fails(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "python -m fastnn2.codegen.build: interrupted\n"


def test_help():
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert "macos-arm64" in done.stdout
    assert "--wheels" in done.stdout
    assert done.stderr == ""


def test_a_folder_that_cannot_be_made(tmp_path):
    needs_build()
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        done = subprocess.run(
            [*COMMAND, *MACOS, str(out)], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert str(out) in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (signal.SIGINT, 130, "python -m fastnn2.codegen.build: interrupted\n"),
        (signal.SIGTERM, 143, ""),
        (signal.SIGHUP, 129, ""),
    ],
)
def test_ctrl_c_and_other_signals_leave_nothing(number, code, text, tmp_path):
    """At most one line, soon, no folder, and no process that compiles on."""
    needs_build()
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*COMMAND, "--platform", "linux-x86-64", "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while not list(out.glob(".building-*/*/*.o")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stdout) == (code, "")
    assert stderr == text
    assert list(tmp_path.iterdir()) == []
    commands = [path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
    assert not any(os.fsencode(out) in line for line in commands)


def readable(path):
    try:
        path.read_bytes()
    except OSError:  # the process has ended meanwhile
        return False
    return True


def test_the_package_that_runs_is_this_one():
    code = "import fastnn2; print(fastnn2.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.strip() == fastnn2.__file__
