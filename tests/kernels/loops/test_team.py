"""How kernels wait: which functions of the system they call, by the system that they are compiled for."""

import re
import subprocess
import sys

import pytest
from data import PATIENCE

# The function is of this file's making, as an entry takes seconds to compile.
SCRIPT = """
import sys
import llvmlite.binding as llvm
from numba import types
from fastnn2.codegen.compile import optimize
from fastnn2.codegen.numba_internals import build_module
from fastnn2.kernels.loops.team import sleep, sleep_or_yield, yield_core

triple = sys.argv[1]
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
try:
    target = llvm.Target.from_triple(triple)
except RuntimeError:
    sys.exit()  # this LLVM has no such target

def wait(array):
    yield_core()
    sleep(200)
    sleep(2001)
    sleep_or_yield(1)
    sleep_or_yield(999)
    sleep_or_yield(1000)
    sleep_or_yield(array[0])

module = build_module(wait, (types.CPointer(types.int64),), triple, "wait")
optimize(module, target.create_target_machine())
print(module)
"""


def calls_for(triple):
    """Return the calls in LLVM's language, in their order: (result, function, argument)."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, triple], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    if not done.stdout:
        pytest.skip(f"this LLVM does not compile for {triple}")
    return re.findall(r"call (\w+) @(\w+)\((?:i32 (\S+))?\)", done.stdout)


@pytest.mark.parametrize(
    "triple", ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "arm64-apple-macosx11.0.0"]
)
def test_kernels_for_posix_yield_and_sleep_for_microseconds(triple):
    *calls, last = calls_for(triple)
    assert calls == [
        ("i32", "sched_yield", ""), ("i32", "usleep", "200"), ("i32", "usleep", "2001"), ("i32", "usleep", "1"),
        ("i32", "usleep", "999"), ("i32", "usleep", "1000"),
    ]  # fmt: skip
    assert last[:2] == ("i32", "usleep")
    assert last[2].startswith("%")


@pytest.mark.parametrize("triple", ["x86_64-pc-windows-gnu", "x86_64-pc-windows-msvc"])
def test_kernels_for_windows_yield_or_sleep_for_whole_milliseconds(triple):
    *calls, short, long = calls_for(triple)
    yields = ("i32", "SwitchToThread", "")
    assert calls == [yields, ("void", "Sleep", "1"), ("void", "Sleep", "3"), yields, yields, ("void", "Sleep", "1")]
    assert short == yields
    assert long[:2] == ("void", "Sleep")
    assert long[2].startswith("%")
