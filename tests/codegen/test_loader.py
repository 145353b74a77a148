"""Objects are loaded so that they work wherever the process has room in its memory."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from data import PATIENCE, STORE_KERNELS

import fastnn2
from fastnn2.codegen import store
from fastnn2.kernels.shared.records import CostRecord

# Leaves the process only gaps of one page in its libraries' part of the address space, and room for more 8 GB below:
# LLVM's own memory manager puts the constants of a kernel into the gaps, and its code below.
CROWDED = """
import ctypes, json, resource, sys
import numpy as np
import llvmlite.binding as llvm

PAGE, RESERVED = resource.getpagesize(), 8 << 30
PRIVATE_ANONYMOUS_NORESERVE_FIXED = 0x02 | 0x20 | 0x4000 | 0x100000
library = ctypes.CDLL(None)
library.mmap.restype = ctypes.c_void_p
library.mmap.argtypes = ctypes.c_void_p, ctypes.c_size_t, *3 * [ctypes.c_int], ctypes.c_long
library.munmap.argtypes = ctypes.c_void_p, ctypes.c_size_t

def areas():
    with open("/proc/self/maps") as maps:
        for line in maps:
            words = line.split()
            first, last = words[0].split("-")
            yield int(first, 16), int(last, 16), words[-1]

def reserve(first, last):
    assert library.mmap(first, last - first, 0, PRIVATE_ANONYMOUS_NORESERVE_FIXED, -1, 0) == first

def crowd():
    known = list(areas())
    known = known[: [name for _, _, name in known].index("[stack]")]
    gaps = [(below[1], above[0]) for below, above in zip(known, known[1:]) if below[1] < above[0]]
    largest = max(gaps, key=lambda gap: gap[1] - gap[0])
    for first, last in gaps:
        if first > largest[0]:
            reserve(first, last)
    top = largest[1]
    reserve(top - RESERVED, top)
    for i in range(1, 16, 2):
        assert library.munmap(top - i * PAGE, PAGE) == 0

create = llvm.create_mcjit_compiler
engines = []

def create_in_a_crowd(*arguments, **options):
    engine = create(*arguments, **{**options, **json.loads(sys.argv[1])})
    if not engines:
        crowd()
    engines.append(engine)
    return engine

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
llvm.create_mcjit_compiler = create_in_a_crowd
import fastnn2
from fastnn2.codegen import store
from fastnn2.kernels.shared.records import CostRecord
X = np.linspace(-1, 1, 1400).reshape(2, 700)
costs = fastnn2.fit(X, X[0] > X[1], 0.5, 5, 20, n_threads=1)[1]
assert engines
print(json.dumps(costs.tolist()))
"""


def crowded(**options):
    """Train in a crowded process, with these options to the loader in place of our own; return how it ended."""
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(fastnn2.__file__).parents[1]), "FASTNN2_STORE": ""}
    environment |= STORE_KERNELS
    command = [sys.executable, "-P", "-c", CROWDED, json.dumps(options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment)


@pytest.mark.skipif(not sys.platform.startswith("linux") or not store.HAS_ELF, reason="needs /proc/self/maps")
def test_code_and_constants_stay_together():
    """The distance between them fits 32 bits; else the process crashes, or computes with wrong constants."""
    X = np.linspace(-1, 1, 1400).reshape(2, 700)
    right = fastnn2.fit(X, X[0] > X[1], 0.5, 5, 20, n_threads=1)[1].tolist()
    done = crowded()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == right
    control = crowded(use_lmm=False)  # LLVM's own memory manager, or this test would prove nothing
    assert control.returncode != 0 or json.loads(control.stdout) != right


def test_a_kernel_refuses_the_record_of_another_one():
    none = np.zeros(1)
    job = CostRecord(o=1, n=0, y=none, Y=none, weights=none, has_weights=0, total=none)
    with pytest.raises(TypeError, match="takes a UpdateRecord, not a CostRecord"):
        store.kernel("update", "float64")(job)
