"""Of several processes that need a kernel, one compiles it; and what becomes of the others if it never ends."""

import contextlib
import errno
import io
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from data import PATIENCE, STORE_KERNELS

import fastnn2
from fastnn2.codegen import store, store_lock
from fastnn2.codegen.processor import Processor
from fastnn2.codegen.store_lock import WAIT_SECONDS, turn_to_compile

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the processes are sent signals of POSIX")
needs_objects = pytest.mark.skipif(not store.HAS_ELF, reason="the fast compile is replaced")

NAME = "update-float64-0123456789abcdef-0123456789ab"
# Seconds after which a process that need not wait any longer must have gone on; others wait for WAIT_SECONDS.
PROMPT = 20.0

assert PROMPT < WAIT_SECONDS / 2

# Calls two kernels; says which ones are compiled, when each compile begins, and whether Numba is imported at the end.
WORKER = """
import sys, time
import numpy as np
import fastnn2
from fastnn2.codegen import store

compile_entry = store.compile_entry

def recorded(name, *arguments, **options):
    print("compiles", name, time.time(), flush=True)
    return compile_entry(name, *arguments, **options)

def call():
    params = {name: np.full(shape, 2.0) for name, shape in
              {"W1": (3, 2), "b1": (3, 1), "W2": (1, 3), "b2": (1, 1)}.items()}
    updated = fastnn2.update({"d" + name: array for name, array in params.items()}, params, 0.5)
    assert (updated["W1"] == 1.0).all()
    assert fastnn2.cost(*2 * [np.full((1, 3), 1.0)]) < 1e-9

store.compile_entry = recorded
"""
CALL = "call()\nprint('numba', 'numba' in sys.modules)\n"
# Never ends the compile that it begins.
NEVER_ENDS = """
from fastnn2.codegen import compile as compiler
compiler.compile_object = lambda *arguments: time.sleep(600)
call()
"""
WAITS = """
from fastnn2.codegen import store_lock
sleep = time.sleep
def say(seconds):
    print("waits", flush=True)
    store_lock.time.sleep = sleep
    sleep(seconds)
store_lock.time.sleep = say
"""


@pytest.fixture
def run(tmp_path):
    """A function that starts a script with a store in `tmp_path`; what still runs is killed at the end."""
    processes = []

    def start(code, *arguments):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FASTNN2_")}
        environment |= {
            "FASTNN2_CACHE_DIR": str(tmp_path),
            "PYTHONPATH": str(pathlib.Path(fastnn2.__file__).parents[1]),
            **STORE_KERNELS,
        }
        process = subprocess.Popen(
            [sys.executable, "-P", "-W", "error", "-c", code, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def finish(process):
    """Return the words of each line that a process printed; it must end well."""
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return [line.split() for line in out.splitlines()]


def first_word(process):
    """Return the first word of the next line that a process prints, when it prints it."""
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return line.split()[0]


def lock_files(folder):
    return list(folder.glob("*.lock"))


@needs_objects
def test_of_processes_at_once_one_compiles_each_kernel(run, tmp_path):
    lines = [finish(process) for process in [run(WORKER + CALL) for _ in range(5)]]
    compiled = [line[1] for each in lines for line in each if line[0] == "compiles"]
    assert sorted(compiled) == ["cost", "update"]
    with_numba = [each[-1] for each in lines].count(["numba", "True"])
    assert with_numba == len({index for index, each in enumerate(lines) if len(each) > 1})  # others never import it
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["cost", "update"]


def test_of_processes_at_once_one_compiles_with_plain_numba(run, tmp_path):
    code = """
store.HAS_ELF = False
compile_plain = __import__("fastnn2.codegen.compile").codegen.compile.compile_plain
def recorded_plain(name, dtype, *arguments, **options):
    print("compiles" if not arguments else "loads", name, flush=True)
    return compile_plain(name, dtype, *arguments, **options)
fastnn2.codegen.compile.compile_plain = recorded_plain
"""
    lines = [finish(process) for process in [run(WORKER + code + CALL) for _ in range(3)]]
    done = sorted(" ".join(line[:2]) for each in lines for line in each)
    assert [each for each in done if each.startswith("compiles")] == ["compiles cost", "compiles update"]
    assert done.count("loads update") == done.count("loads cost") == 2
    assert {path.suffix for path in tmp_path.iterdir()} == {".numba"}


@needs_objects
def test_a_process_that_is_killed_amid_a_compile_blocks_nobody(run, tmp_path):
    holder = run(WORKER + NEVER_ENDS)
    assert first_word(holder) == "compiles"
    others = [run(WORKER + WAITS + CALL) for _ in range(2)]
    assert [first_word(other) for other in others] == ["waits", "waits"]
    killed = time.time()
    holder.kill()
    lines = [line for other in others for line in finish(other) if line[0] == "compiles"]
    assert holder.wait() == -signal.SIGKILL
    assert sorted(name for _, name, _ in lines) == ["cost", "update"]
    assert min(float(begin) for _, _, begin in lines) - killed < PROMPT
    assert lock_files(tmp_path) == []


@needs_objects
def test_a_process_that_is_stopped_blocks_others_for_a_time(run, tmp_path):
    holder = run(WORKER + NEVER_ENDS)
    assert first_word(holder) == "compiles"
    holder.send_signal(signal.SIGSTOP)
    other = run(WORKER + WAITS + "store_lock.WAIT_SECONDS = 0.3\n" + CALL)
    assert [line[1] for line in finish(other)[1:3]] == ["update", "cost"]
    assert len(lock_files(tmp_path)) == 1  # still the holder's


@needs_objects
def test_ctrl_c_while_waiting(run, tmp_path):
    """It comes at once, and the process may wait again."""
    holder = run(WORKER + NEVER_ENDS)
    assert first_word(holder) == "compiles"
    code = """
try:
    call()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    other = run(WORKER + WAITS + code + "store_lock.time.sleep = say\n" + CALL)
    assert first_word(other) == "waits"
    begin = time.monotonic()
    other.send_signal(signal.SIGINT)
    assert first_word(other) == "interrupted"
    assert time.monotonic() - begin < PROMPT
    assert first_word(other) == "waits"
    assert len(lock_files(tmp_path)) == 1
    holder.kill()
    assert [line[:2] for line in finish(other)] == [["compiles", "update"], ["compiles", "cost"], ["numba", "True"]]


HOLD = """
import os, pathlib, sys, time
from fastnn2.codegen.store_lock import turn_to_compile
with turn_to_compile(pathlib.Path(sys.argv[1])):
    print("holds", flush=True)
    time.sleep(600)
"""
# Ends without leaving the `with` statement, and leaves a child.
FORK = """
child = os.fork()
if child:
    print(child, flush=True)
    os._exit(0)
"""


def seconds_to_enter(path):
    begin = time.monotonic()
    with turn_to_compile(path):
        return time.monotonic() - begin


def test_a_forked_child_does_not_have_the_lock(run, tmp_path):
    path = tmp_path / f"{NAME}.kernel"
    fork = "".join(f"    {line}\n" for line in FORK.splitlines())
    parent = run(HOLD.replace('    print("holds", flush=True)\n', fork), str(path))
    child = int(first_word(parent))
    try:
        assert parent.wait(PATIENCE) == 0
        assert len(lock_files(tmp_path)) == 1
        assert seconds_to_enter(path) < PROMPT
        assert lock_files(tmp_path) == []
    finally:
        os.kill(child, signal.SIGKILL)


def test_it_is_said_on_a_terminal(run, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    path = tmp_path / f"{NAME}.kernel"
    holder = run(HOLD, str(path))
    assert first_word(holder) == "holds"
    monkeypatch.setattr(store_lock, "WAIT_SECONDS", 0.1)
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert seconds_to_enter(path) >= 0.1
        assert ("waiting for another process" in stream.getvalue()) == shown
        assert stream.getvalue().endswith("\r\033[K" if shown else "")
    holder.kill()
    holder.wait()
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    seconds_to_enter(path)  # at once
    assert stream.getvalue() == ""


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks(tmp_path, monkeypatch, error):
    def lockf(*arguments):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("fcntl.lockf", lockf)
    assert seconds_to_enter(tmp_path / f"{NAME}.kernel") < PROMPT
    assert list(tmp_path.iterdir()) == []


def test_folders_where_nothing_can_be_written(tmp_path, monkeypatch):
    def read_only(path, flags, *arguments, **options):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return os_open(path, flags, *arguments, **options)

    (tmp_path / "file").touch()
    (tmp_path / "of all").mkdir()
    (tmp_path / "of all").chmod(0o777)
    for folder in ("file", "of all"):
        assert seconds_to_enter(tmp_path / folder / f"{NAME}.kernel") < PROMPT
    os_open = os.open
    monkeypatch.setattr(os, "open", read_only)
    assert seconds_to_enter(tmp_path / f"{NAME}.kernel") < PROMPT
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "of all"]


@needs_objects
def test_a_call_inside_a_compile_waits_for_nobody(tmp_path, monkeypatch):
    """A signal's handler may call fastnn2 while its own process compiles the same kernel."""
    monkeypatch.setenv("FASTNN2_CACHE_DIR", str(tmp_path))
    path = store.path_of("update", "float64", Processor.here())
    with turn_to_compile(path):
        assert seconds_to_enter(path) < PROMPT
    assert list(tmp_path.iterdir()) == []


def test_what_is_raised_inside_goes_through(tmp_path):
    path = tmp_path / "new" / f"{NAME}.kernel"
    for kind in (OSError, KeyboardInterrupt):
        with pytest.raises(kind) as caught, turn_to_compile(path):  # noqa: PT012 - the block is what is tested
            assert len(lock_files(path.parent)) == 1
            raise kind
        assert caught.value.__context__ is None
        assert list(path.parent.iterdir()) == []


def test_a_file_that_a_killed_process_left(run, tmp_path):
    path = tmp_path / f"{NAME}.kernel"
    holder = run(HOLD, str(path))
    assert first_word(holder) == "holds"
    holder.kill()
    holder.wait()
    assert len(lock_files(tmp_path)) == 1
    with contextlib.ExitStack() as stack:
        stack.enter_context(turn_to_compile(path))
        assert len(lock_files(tmp_path)) == 1
    assert lock_files(tmp_path) == []
