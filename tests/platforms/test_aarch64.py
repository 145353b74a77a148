"""64-bit Arm in emulation: the kernels of the package give the bits of x86-64, without Numba and llvmlite."""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from data import PATIENCE, extra
from platforms import set_up
from platforms.emulation import RICHEST, Emulation, compute_all, differences, expected_rows

from fastnn2.codegen.build.libraries import ENTRIES, build_platform
from fastnn2.codegen.build.platforms import PLATFORMS
from fastnn2.threads.cores import usable_cores

MISSING = set_up.missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no emulation of 64-bit Arm: {MISSING}")

THREADS = (1, 2, 3)
# Rows that take little time and run all kernels. `python tests/platforms/emulation.py` computes all rows.
SAMPLE = "|".join(
    [
        r"fit train_narrow 2-20-1 n=3000 .* 1 thread$",
        r"fit train 20-30-1 n=3000 .* 1 thread$",
        r"fit train_wide 400-640-2 ",
        r"(forward|predict|cost|backward|update) 9-7-3 n=(65|1|500|600) float..$",
        r"estimator sgd binary 10-100 .* 1 thread$",
        r"estimator adam-5/8 labels 20-64 n=2500 .* 1 thread$",
        r"estimator adam-5/8 (binary|softmax) 10-24 .*activation=tanh",
        r"predictions labels .* 1 thread$",
        r"fit_blocks ",
        r"loss and gradient tanh ",
        r"orders ",
        r"fit_many ",
        r"tabular ",
    ]
)
# Of these kernels each thread of a team runs the same call; the others work for one thread.
OF_TEAMS = (
    "train", "train_narrow", "train_wide", "block_sums", "narrow_sums", "epochs", "unit_epochs", "networks", "jobs",
)  # fmt: skip


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """Return an emulated Python of the plainest processor, with the package and its kernels."""
    extra("ziglang", "build")
    made = Emulation(tmp_path_factory.mktemp("aarch64"))
    made.copy_package()
    made.build()
    return made


@pytest.fixture(scope="module")
def expected():
    """Return the digests of the sample on this machine."""
    return {name: digest for name, digest in expected_rows().items() if re.match(SAMPLE, name)}


@pytest.fixture(scope="module")
def results(emulated, expected):
    """Return the results of the sample on each number of threads."""
    return compute_all(emulated, [(name, threads) for threads in THREADS for name in expected], processes=2)


@pytest.mark.parametrize("threads", THREADS)
def test_every_kernel_has_the_bits_of_this_machine(results, expected, threads):
    mine = [each for each in results if each.threads == threads]
    assert differences(mine, expected) == []
    assert {each.name for each in mine if each.digest} == expected.keys()
    assert {kernel for each in mine for kernel in each.kernels} == {f"{name} {dtype}" for name, dtype in ENTRIES}


@pytest.mark.parametrize("threads", THREADS)
def test_kernels_of_teams_run_on_all_threads(results, threads):
    on_all = {kernel for each in results if each.used == each.threads == threads for kernel in each.kernels}
    assert on_all >= {f"{name} {dtype}" for name, dtype in ENTRIES if name in OF_TEAMS}
    assert max(each.used for each in results if each.threads == threads) == threads


def test_a_processor_with_all_extensions_gives_the_same(emulated, expected):
    rich = Emulation(emulated.folder, RICHEST)
    names = [name for name in expected if name.startswith(("fit train", "forward", "cost", "backward"))]
    assert {"SVE", "ASIMDDP"} <= features(rich)
    assert not {"SVE", "ASIMDDP"} & features(emulated)
    assert differences(list(rich.compute([(name, 2) for name in names])), expected) == []


def features(emulation):
    done = emulation.run(
        "from numpy._core._multiarray_umath import __cpu_features__ as found\n"
        "print(*[name for name, is_there in found.items() if is_there])"
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


FIT = "fastnn2.fit([[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1], 0.3, 5, 10)"
ALONE = f"""
import importlib.util, json, os, platform, sys
import fastnn2
from fastnn2.codegen import provider
from fastnn2.threads.cores import usable_cores
{FIT}
X = [[0.0], [1.0], [2.0], [3.0]] * 3
fastnn2.MLPClassifier(max_iter=2, early_stopping=True, tol=10).fit(X, [0, 0, 1, 1] * 3)
print(json.dumps({{
    "machine": platform.machine(), "cores": usable_cores(), "loaded": sorted(sys.modules),
    "library": str(provider.origin().path), "level": provider.origin().level,
    "found": [name for name in ("numba", "llvmlite") if importlib.util.find_spec(name)],
}}))
"""


def test_there_is_no_compiler_and_no_cache(emulated, tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):  # Dask sets one, in other tests; the emulation has neither
        monkeypatch.delenv(name, raising=False)
    settings = {"HOME": str(tmp_path / "none"), "FASTNN2_CACHE_DIR": str(tmp_path / "kernels")}
    done = emulated.run(ALONE, **settings, PYTHONWARNINGS="ignore:Stochastic")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    content = json.loads(done.stdout)
    assert content["machine"] == "aarch64"
    assert content["cores"] == usable_cores()
    assert content["library"] == str(emulated.libraries / "aarch64.so")
    assert content["level"] == "aarch64"
    assert content["found"] == []
    assert not [name for name in content["loaded"] if name.split(".")[0] in ("numba", "llvmlite")]
    assert "fastnn2.codegen.store" not in content["loaded"]
    assert list(tmp_path.iterdir()) == []


# Foreign libraries

TRY = f"""
import fastnn2
try:
    {FIT}
except Exception as error:
    print(type(error).__name__, error)
print([line.strip() for line in open("/proc/self/maps") if "/fastnn2/libraries/" in line])
"""


@pytest.fixture(scope="module")
def foreign(emulated, tmp_path_factory):
    """Return an emulated Python whose package has libraries for x86-64, with one kernel."""
    made = Emulation(tmp_path_factory.mktemp("foreign"))
    made.copy_package()
    build_platform(PLATFORMS["linux-x86-64"], made.libraries, [("train_narrow", "float64")])
    return made


def assert_compiles(done, reason):
    """Assert that a process has loaded no library, has said why, and has looked for a compiler in vain."""
    assert done.returncode == 0, done.stderr
    error, mapped = done.stdout.splitlines()
    assert error == "ModuleNotFoundError No module named 'llvmlite'"
    assert mapped == "[]"
    assert re.search(f"UserWarning: fastnn2 compiles its kernels, as .*{reason}", done.stderr)
    assert done.stderr.count("Warning") == 1


def test_libraries_of_another_platform_are_not_loaded(foreign):
    reason = "has libraries for linux-x86-64, and this Python is for linux-aarch64"
    assert_compiles(foreign.run(TRY), reason)
    done = foreign.run(TRY, FASTNN2_KERNELS="bundled")
    error, mapped = done.stdout.splitlines()
    assert re.match(f"RuntimeError FASTNN2_KERNELS is bundled, but .*{reason}", error)
    assert mapped == "[]"


def test_a_library_of_another_processor_in_the_list_of_this_one_is_not_loaded(foreign):
    path = foreign.libraries / "libraries.json"
    before = json.loads(path.read_text())
    content = copy.deepcopy(before)
    content["platform"] = "linux-aarch64"
    content["libraries"] = [each | {"features": []} for each in content["libraries"][:1]]
    path.write_text(json.dumps(content))
    try:
        assert_compiles(foreign.run(TRY), "cannot be loaded")
    finally:
        path.write_text(json.dumps(before))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_this_machine_does_not_load_libraries_of_arm(emulated):
    environment = os.environ | {"PYTHONPATH": str(emulated.folder), "FASTNN2_KERNELS": "bundled"}
    done = subprocess.run(
        [sys.executable, "-c", TRY], env=environment, cwd=emulated.folder, capture_output=True, text=True,
        timeout=PATIENCE, check=True,
    )  # fmt: skip
    error, mapped = done.stdout.splitlines()
    assert re.match(r"RuntimeError .* has libraries for linux-aarch64, and this Python is for linux-", error)
    assert mapped == "[]"
    assert pathlib.Path(emulated.libraries / "aarch64.so").exists()
