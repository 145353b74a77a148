"""The kernels for Windows give the bytes of those of this machine, in Wine; driver.c stands in for Python there."""

import pathlib
import subprocess
import tempfile

import pytest
from data import DTYPES, PATIENCE, extra
from platforms import pe, wine
from platforms.drivers import TEAMS, Results, best_level, build, change_input, compile_driver, record

from fastnn2.codegen.build.libraries import ENTRIES
from fastnn2.codegen.build.platforms import PLATFORMS
from fastnn2.kernels.shared.records import RECORDS

extra("ziglang", "build")
MISSING = wine.missing()
needs_wine = pytest.mark.skipif(MISSING is not None, reason=f"no Windows: {MISSING}")

WINDOWS, LINUX = "windows-x86-64", "linux-x86-64"
CASES = [(name, dtype, threads) for name in RECORDS for dtype in DTYPES for threads in (1, 2)[: 1 + (name in TEAMS)]]
# Of x86-64-v2, without FMA instructions, and of this system's own library, which shows that the driver does its part.
FEW = [(name, dtype) for name in ("train_narrow", "descend", "unit_epochs", "infer") for dtype in DTYPES]
FEW_CASES = [case for case in CASES if case[:2] in FEW]


@pytest.fixture(scope="module")
def folder():
    """A folder for large files, which pytest would keep."""
    with tempfile.TemporaryDirectory(prefix="fastnn2-windows-") as temporary:
        yield pathlib.Path(temporary)


@pytest.fixture(scope="module")
def jobs(folder):
    (folder / "jobs").mkdir()
    return record(folder / "jobs", PATIENCE)


@pytest.fixture(scope="module")
def driver(folder):
    """Return a function that runs the driver in Wine."""
    path = folder / "driver.exe"
    compile_driver(path, PATIENCE, "-target", PLATFORMS[WINDOWS].target)
    windows = wine.Wine(folder)

    def run(*arguments):
        return windows.run(path, *arguments, folder=folder / "jobs", seconds=PATIENCE)

    yield run
    windows.end(PATIENCE)


@pytest.fixture(scope="module")
def native_driver(folder):
    """Return a function that runs the driver on this system."""
    path = folder / "driver"
    compile_driver(path, PATIENCE, "-ldl", "-lpthread")

    def run(*arguments):
        return subprocess.run(
            [str(path), *arguments], cwd=folder / "jobs", capture_output=True, text=True, timeout=PATIENCE
        )

    return run


@pytest.fixture(scope="module")
def best_library(folder):
    return build(WINDOWS, best_level(WINDOWS), folder / "best")


@pytest.fixture(scope="module")
def v2_library(folder):
    (level,) = (level for level in PLATFORMS[WINDOWS].levels if level.name == "x86-64-v2")
    return build(WINDOWS, level, folder / "v2", FEW)


@pytest.fixture(scope="module")
def results(folder, jobs, driver, best_library):
    """All jobs in one process: Wine takes half a second to start."""
    return Results(driver, best_library, folder / "jobs", jobs)


@pytest.fixture(scope="module")
def v2_results(folder, jobs, driver, v2_library):
    return Results(driver, v2_library, folder / "jobs", of_few(jobs), "v2")


@pytest.fixture(scope="module")
def native_results(folder, jobs, native_driver):
    library = build(LINUX, best_level(LINUX), folder / "native", FEW)
    return Results(native_driver, library, folder / "jobs", of_few(jobs), "native")


def of_few(jobs):
    return [job for job in jobs if (job["entry"], job["dtype"]) in FEW]


def test_there_are_jobs_of_every_entry(jobs):
    recorded = {(job["entry"], job["dtype"], job["threads"]) for job in jobs}
    assert recorded == set(CASES)
    assert {case[:2] for case in CASES} == set(ENTRIES)


@pytest.mark.parametrize("entry", sorted({*TEAMS} - {"infer"}))
def test_some_teams_make_several_calls(jobs, entry):
    """Their workers stay in the kernel meanwhile."""
    assert max(job["calls"] for job in jobs if job["entry"] == entry and job["threads"] == 2) > 1


@needs_wine
@pytest.mark.parametrize(("entry", "dtype", "threads"), CASES)
def test_windows_gives_the_same_bytes(results, entry, dtype, threads):
    assert results.differences(entry, dtype, threads) == []


@needs_wine
@pytest.mark.parametrize(("entry", "dtype", "threads"), FEW_CASES)
def test_windows_gives_the_same_bytes_without_fma_instructions(v2_results, entry, dtype, threads):
    assert v2_results.differences(entry, dtype, threads) == []


@pytest.mark.parametrize(("entry", "dtype", "threads"), FEW_CASES)
def test_the_driver_gives_the_same_bytes_on_this_system(native_results, entry, dtype, threads):
    assert native_results.differences(entry, dtype, threads) == []


@needs_wine
@pytest.mark.parametrize(("field", "what"), [("X", "costs"), ("params", "costs"), ("Y", "params")])
def test_another_input_gives_other_bytes(folder, jobs, driver, best_library, field, what):
    """One bit is other than in the recorded job: the comparison would find a wrong kernel."""
    job = next(job for job in jobs if job["entry"] == "train" and job["threads"] == 2)
    changed = change_input(folder / "jobs", job, f"changed-{field}", field)
    found = Results(driver, best_library, folder / "jobs", [changed], f"changed-{field}").of_job(changed)
    assert any(line.startswith(f"{what} at ") for line in found)


def test_a_library_exports_the_entries_alone(best_library):
    library = pe.Library(best_library.read_bytes())
    assert sorted(library.exports) == sorted(f"{name}_{dtype}" for name, dtype in ENTRIES)


def test_a_library_needs_two_functions_of_the_system(best_library, v2_library):
    needed = {"KERNEL32.DLL": ["Sleep", "SwitchToThread"]}
    for library in (best_library, v2_library):
        found = pe.Library(library.read_bytes()).imports
        assert {name: sorted(functions) for name, functions in found.items()} == needed
